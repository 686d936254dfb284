/** Bring a plane of a read into view, wherever its series is shown, and into the active viewport where it is not. */

import { cornerstone, services } from "../host/host";
import type { Viewport } from "../host/services";
import type { Read } from "../api/types";
import { displaySetOf, imagesOfPlanes } from "./images";

interface Jumping {
  utilities?: { jumpToSlice?: (element: HTMLDivElement, options: { imageIndex: number }) => Promise<void> };
}

interface Placing {
  setDisplaySetsForViewport?: (given: { viewportId: string; displaySetInstanceUIDs: string[] }) => void;
}

const SHOWN_WITHIN = 4000;
const LOOK = 100;

export async function jumpTo(read: Read, plane: number): Promise<void> {
  const shown = displaySetOf(read.source.series_instance_uids[0] ?? "");
  const imageId = shown ? imagesOfPlanes(read, shown)[plane] : null;
  if (!shown || !imageId) return;
  const viewport = await showing(shown.displaySetInstanceUID);
  if (!viewport) return;
  const images = viewport.getImageIds?.() ?? [];
  const index = images.indexOf(imageId);
  if (index >= 0 && viewport.setImageIdIndex) {
    await viewport.setImageIdIndex(index);
  } else {
    const jump = (window.cornerstoneTools as unknown as Jumping).utilities?.jumpToSlice ?? (cornerstone() as unknown as Jumping).utilities?.jumpToSlice;
    if (index >= 0) await jump?.(viewport.element, { imageIndex: index });
  }
  viewport.render();
}

/** A viewport with a display set; put into the active one where none has it. */
async function showing(displaySetUid: string): Promise<Viewport | null> {
  const grid = services().viewportGridService;
  const holder = (): string | undefined =>
    [...grid.getState().viewports].find(([, held]) => held.displaySetInstanceUIDs?.includes(displaySetUid))?.[0];
  let id = holder();
  if (!id) {
    const active = grid.getActiveViewportId();
    if (!active) return null;
    (grid as unknown as Placing).setDisplaySetsForViewport?.({ viewportId: active, displaySetInstanceUIDs: [displaySetUid] });
    for (let waited = 0; waited < SHOWN_WITHIN && !id; waited += LOOK) {
      await new Promise((done) => setTimeout(done, LOOK));
      id = holder();
    }
  }
  return id ? services().cornerstoneViewportService.getCornerstoneViewport(id) : null;
}

/** Viewports that show a display set. */
export function viewportsOf(displaySetUid: string): string[] {
  return [...services().viewportGridService.getState().viewports]
    .filter(([, held]) => held.displaySetInstanceUIDs?.includes(displaySetUid))
    .map(([id]) => id);
}
