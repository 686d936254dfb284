/** What a reader drew for Wetread: as the place of a question, or as a finding that the model missed. */

import { cornerstone, tools } from "../host/host";
import type { Annotation } from "../host/services";
import type { Read } from "../api/types";
import { conversionsOf, placedBox, renderAll } from "../view/boxes";
import { takes, type Drawn } from "../view/drawn";
import { displaySetOf, imageIdsOf, keyOfImage, planeKeys } from "../view/images";
import { decide } from "./decisions";
import { store } from "./store";
import { newUid } from "./uid";

/** Take a shape that the host's tool has finished, where it was asked for. */
export function takeDrawn(annotation: Annotation): void {
  const shape = takes(annotation);
  if (!shape) return;
  const read = store.get().read ?? singleImage();
  const placed = read ? placedBox(read, annotation) ?? pointAsBox(read, annotation) : null;
  if (!placed) {
    tools().annotation.state.removeAnnotation(annotation.annotationUID);
    store.set({ failure: { trouble: "refused", said: "", retry: null } });
    return;
  }
  store.set({ drawn: [...store.get().drawn, { uid: annotation.annotationUID, shape, plane: placed.plane, corners: placed.box }] });
}

/** A point has no extent, which a box must have. */
function pointAsBox(read: Read, annotation: Annotation): { plane: number; box: Drawn["corners"] } | null {
  const imageId = annotation.metadata.referencedImageId;
  const [point] = annotation.data.handles.points;
  const inside = imageId && point ? conversionsOf(imageId).toImage(point) : undefined;
  const plane = imageId ? planeKeys(read).indexOf(keyOfImage(imageId) ?? "") : -1;
  return inside && plane >= 0 ? { plane, box: [inside[0], inside[1], inside[0], inside[1]] } : null;
}

/** Before the first read the order of a volume's planes is the service's secret; one image is plane 0. */
function singleImage(): Read | null {
  const { chosen } = store.get();
  const shown = chosen ? displaySetOf(chosen) : undefined;
  const images = shown ? imageIdsOf(shown) : [];
  const image = images.length === 1 ? cornerstone().metaData.get("instance", images[0]!) : undefined;
  if (!image) return null;
  const source = {
    study_instance_uid: "", series_instance_uids: [chosen!], instances: [{ sop_instance_uid: String(image.SOPInstanceUID) }],
    frames: null, planes: 1, rows: Number(image.Rows), columns: Number(image.Columns),
  };
  return { source } as unknown as Read;
}

/** Make a drawn box a finding of the reader's own. */
export function addFinding(drawn: Drawn, target: string): void {
  decide([{ tracking_uid: newUid(), decision: "add", reason: "", target, box: drawn.corners, plane: drawn.plane }]);
  forget(drawn.uid);
}

export function forget(uid: string): void {
  tools().annotation.state.removeAnnotation(uid);
  renderAll();
  store.set({ drawn: store.get().drawn.filter((one) => one.uid !== uid) });
}

export function forgetDrawn(): void {
  for (const one of store.get().drawn) forget(one.uid);
}
