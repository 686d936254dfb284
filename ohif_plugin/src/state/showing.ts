/** The read on the images: boxes and masks as they stand, whenever that changes. */

import { api } from "../api/client";
import type { Review, StoredObject } from "../api/types";
import { clearBoxes, drawBoxes } from "../view/boxes";
import { displaySetOf } from "../view/images";
import { clearMasks, showMasks } from "../view/masks";
import { listSeries } from "../view/study";
import { store } from "./store";

const IMAGES_WITHIN = 30000;
const LOOK = 250;

/** Boxes and masks as they stand; waits for the images where the viewer is still loading them. */
export async function draw(uid: string, review: Review): Promise<void> {
  const { read } = store.get();
  if (!read?.findings.length && !review.findings.length) return;
  for (let waited = 0; waited < IMAGES_WITHIN && !isShown(read?.source.series_instance_uids[0]); waited += LOOK) {
    await new Promise((done) => setTimeout(done, LOOK));
  }
  if (!read || store.get().job !== uid || !isShown(read.source.series_instance_uids[0])) return;
  drawBoxes(read, review);
  const hidden = new Set(review.findings.filter((one) => one.state === "rejected" || !one.has_mask).map((one) => one.tracking_uid));
  if (review.findings.some((one) => one.has_mask) || read.findings.some((one) => one.mask)) {
    await showMasks(uid, read, await api.masks(uid), hidden);
  }
}

const isShown = (series: string | undefined): boolean =>
  Boolean(window.cornerstone?.getRenderingEngines()?.length && series && displaySetOf(series));

/** Let the viewer list what went into the archive. */
export async function listStored(objects: readonly StoredObject[]): Promise<void> {
  const { study } = store.get();
  const held = objects.filter((one) => one.state === "stored").map((one) => one.series_uid);
  if (study) await listSeries(study, held);
}

/** Take everything of ours off the images. */
export function wipe(): void {
  if (!window.cornerstoneTools) return;
  clearBoxes();
  clearMasks();
}
