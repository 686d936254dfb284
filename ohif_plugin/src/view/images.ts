/** Which image of the viewer is which plane of a read. */

import { cornerstone, dataSource, services } from "../host/host";
import type { DisplaySet } from "../host/services";
import type { Read } from "../api/types";

/** The display set that shows a series, where one is open. */
export function displaySetOf(series: string): DisplaySet | undefined {
  return services().displaySetService.getActiveDisplaySets().find((one) => one.SeriesInstanceUID === series && !one.unsupported && imageIdsOf(one).length > 0);
}

export function imageIdsOf(displaySet: DisplaySet): string[] {
  if (displaySet.imageIds?.length) return displaySet.imageIds;
  try {
    return dataSource()?.getImageIdsForDisplaySet(displaySet) ?? [];
  } catch {
    return []; // an object without images: a report, a waveform
  }
}

/** Key of a plane: instance and frame, as the service writes them. */
export const planeKey = (sop: string, frame: number | null): string => `${sop}#${frame ?? 1}`;

/** The key of a viewer's image, from its metadata and the frame in its address. */
export function keyOfImage(imageId: string): string | null {
  const instance = cornerstone().metaData.get("instance", imageId) as { SOPInstanceUID?: string } | undefined;
  return instance?.SOPInstanceUID ? planeKey(instance.SOPInstanceUID, frameOf(imageId)) : null;
}

/** Frame number in a WADO-RS address or a query; null where it names none. */
export function frameOf(imageId: string): number | null {
  const found = /\/frames\/(\d+)/.exec(imageId) ?? /[?&]frame=(\d+)/.exec(imageId);
  return found ? Number(found[1]) : null;
}

/** Keys of a read's planes in their order. */
export function planeKeys(read: Read): string[] {
  const { instances, frames } = read.source;
  if (frames) return frames.map(([index, frame]) => planeKey(instances[index]?.sop_instance_uid ?? "", frame));
  return instances.map((instance) => planeKey(instance.sop_instance_uid, null));
}

/** Image of each plane of a read, in the planes' order; null where the viewer shows none. */
export function imagesOfPlanes(read: Read, displaySet: DisplaySet): (string | null)[] {
  const byKey = new Map<string, string>();
  for (const imageId of imageIdsOf(displaySet)) {
    const key = keyOfImage(imageId);
    if (key && !byKey.has(key)) byKey.set(key, imageId);
  }
  return planeKeys(read).map((key) => byKey.get(key) ?? null);
}
