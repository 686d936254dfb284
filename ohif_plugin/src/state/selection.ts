/** Which finding is meant: shown in the list, on the image, and to the host's own tools. */

import { selectBox } from "../view/boxes";
import { jumpTo } from "../view/jump";
import { activate } from "../view/masks";
import { fail } from "./failure";
import { store } from "./store";

export function select(tracking: string): void {
  const { read, review } = store.get();
  const state = review?.findings.find((one) => one.tracking_uid === tracking);
  store.set({ selected: tracking });
  const isAnEcgs = read?.findings.some((one) => one.tracking_uid === tracking && !one.plane);
  if (!read || !state || isAnEcgs) return;
  activate(tracking);
  void jumpTo(read, state.plane).then(() => selectBox(tracking), (error: unknown) => fail(error));
}

/** The finding so many places further down the list. */
export function selectBy(step: number): void {
  const { review, selected } = store.get();
  const findings = review?.findings ?? [];
  if (!findings.length) return;
  const at = findings.findIndex((one) => one.tracking_uid === selected);
  const next = at < 0 ? (step > 0 ? 0 : findings.length - 1) : Math.min(Math.max(at + step, 0), findings.length - 1);
  select(findings[next]!.tracking_uid);
}
