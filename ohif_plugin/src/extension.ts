/** The OHIF extension: one panel. */

import { setHost } from "./host/host";
import { island } from "./host/island";
import type { Host } from "./host/services";
import { begin } from "./state/session";
import { Panel } from "./panel/Panel";

export const ID = "@wetread/extension";

export default {
  id: ID,
  preRegistration(host: Host): void {
    setHost(host);
  },
  onModeEnter(): void {
    begin();
  },
  getPanelModule() {
    return [{ name: "reads", iconName: "tab-segmentation", iconLabel: "Wetread", label: "Wetread", component: island(Panel) }];
  },
};
