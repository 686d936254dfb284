/** Findings as rectangles that the host's own tools can move; each is known by its tracking UID for life. */

import { cornerstone, tools } from "../host/host";
import type { Annotation, Vector3, Viewport } from "../host/services";
import type { Corners, Read, Review } from "../api/types";
import { displaySetOf, imagesOfPlanes, keyOfImage, planeKeys } from "./images";
import { conversions, imageBox, isMoved, worldHandles, type ImagePlane, type ToImage, type ToWorld } from "./geometry";

const PREFIX = "wetread-";
export const RECTANGLE = "RectangleROI";

/** Where each box was put; the reader moved it if it is elsewhere. */
const put = new Map<string, Vector3[]>();

export const annotationUid = (tracking: string): string => PREFIX + tracking;
export const trackingOf = (uid: string): string | null => (uid.startsWith(PREFIX) ? uid.slice(PREFIX.length) : null);

/** Draw the boxes of a read as they are decided; those that are there move, those that were rejected go. */
export function drawBoxes(read: Read, review: Review): void {
  const shown = displaySetOf(read.source.series_instance_uids[0] ?? "");
  if (!shown) return;
  const images = imagesOfPlanes(read, shown);
  const wanted = new Set<string>();
  for (const state of review.findings) {
    const imageId = images[state.plane];
    if (!state.box || !imageId || state.state === "rejected") continue;
    const points = worldHandles(state.box as Corners, conversionsOf(imageId).toWorld);
    if (!points) continue;
    const finding = read.findings.find((one) => one.tracking_uid === state.tracking_uid);
    wanted.add(annotationUid(state.tracking_uid));
    place(annotationUid(state.tracking_uid), state.label, finding?.colour ?? [255, 200, 0], imageId, points);
  }
  for (const held of tools().annotation.state.getAllAnnotations()) {
    if (held.annotationUID.startsWith(PREFIX) && !wanted.has(held.annotationUID)) takeOff(held.annotationUID);
  }
  renderAll();
}

/** Take all of our boxes off. */
export function clearBoxes(): void {
  for (const held of tools().annotation.state.getAllAnnotations()) {
    if (held.annotationUID.startsWith(PREFIX)) takeOff(held.annotationUID);
  }
  renderAll();
}

function takeOff(uid: string): void {
  put.delete(uid);
  tools().annotation.state.removeAnnotation(uid);
}

function place(uid: string, label: string, colour: number[], imageId: string, points: Vector3[]): void {
  const { annotation } = tools();
  put.set(uid, points.map((point) => [...point]));
  const held = annotation.state.getAnnotation(uid);
  if (held && held.metadata.referencedImageId === imageId) {
    held.data.handles.points = points;
    held.data.label = label;
    held.invalidated = true;
    return;
  }
  if (held) annotation.state.removeAnnotation(uid);
  const plane = planeOf(imageId);
  annotation.state.addAnnotation(made(uid, label, imageId, points, plane), plane?.frameOfReferenceUID as unknown as HTMLDivElement);
  const color = `rgb(${colour.join(",")})`;
  annotation.config.style.setAnnotationStyles(uid, { color, colorHighlighted: color, colorSelected: color, lineWidth: "2", textBoxVisibility: false });
}

const planeOf = (imageId: string): ImagePlane | undefined => cornerstone().metaData.get("imagePlaneModule", imageId) as ImagePlane | undefined;

/** Of an image without a place in the patient the host makes up one, and only it knows which; its pixels are square. */
export function conversionsOf(imageId: string): { toWorld: ToWorld; toImage: ToImage } {
  const { imageToWorldCoords, worldToImageCoords } = cornerstone().utilities;
  return conversions(planeOf(imageId)) ?? { toWorld: (point) => imageToWorldCoords(imageId, point), toImage: (point) => worldToImageCoords(imageId, point) };
}

function made(uid: string, label: string, imageId: string, points: Vector3[], plane: ImagePlane | undefined): Annotation {
  const row = Array.from(plane?.rowCosines ?? [1, 0, 0]) as Vector3;
  const column = Array.from(plane?.columnCosines ?? [0, 1, 0]) as Vector3;
  const normal: Vector3 = [
    row[1] * column[2] - row[2] * column[1], row[2] * column[0] - row[0] * column[2], row[0] * column[1] - row[1] * column[0],
  ];
  return {
    annotationUID: uid, highlighted: false, isLocked: false, isVisible: true, invalidated: true,
    metadata: {
      toolName: RECTANGLE, referencedImageId: imageId, viewPlaneNormal: normal, viewUp: column.map((value) => -value),
      ...(plane?.frameOfReferenceUID ? { FrameOfReferenceUID: plane.frameOfReferenceUID } : {}),
    },
    data: {
      label,
      handles: { points, activeHandleIndex: null, textBox: { hasMoved: false, worldPosition: [0, 0, 0], worldBoundingBox: cornersOfNothing() } },
      cachedStats: {},
    },
  };
}

const cornersOfNothing = (): Record<string, Vector3> => ({ topLeft: [0, 0, 0], topRight: [0, 0, 0], bottomLeft: [0, 0, 0], bottomRight: [0, 0, 0] });

export interface PlacedBox { plane: number; box: Corners }

/** The box that an annotation now is, on a plane of the read; null where it lies on none of its images. */
export function placedBox(read: Read, annotation: Annotation): PlacedBox | null {
  const imageId = annotation.metadata.referencedImageId;
  const key = imageId ? keyOfImage(imageId) : null;
  const plane = key ? planeKeys(read).indexOf(key) : -1;
  if (!imageId || plane < 0) return null;
  const { columns, rows } = read.source;
  const box = imageBox(annotation.data.handles.points, conversionsOf(imageId).toImage, columns, rows);
  return box ? { plane, box } : null;
}

/** Where the reader moved a finding's box to; null where it is where it was put, or was taken off meanwhile. */
export function movedBox(read: Read, review: Review, annotation: Annotation): (PlacedBox & { tracking: string }) | null {
  if (!put.has(annotation.annotationUID) || isSame(put.get(annotation.annotationUID)!, annotation.data.handles.points)) return null;
  const tracking = trackingOf(annotation.annotationUID);
  const state = review.findings.find((one) => one.tracking_uid === tracking);
  const placed = tracking && state ? placedBox(read, annotation) : null;
  if (!tracking || !state || !placed) return null;
  const stands = state.box && state.plane === placed.plane && !isMoved(state.box as Corners, placed.box);
  return stands ? null : { ...placed, tracking };
}

const isSame = (before: Vector3[], after: Vector3[]): boolean =>
  before.length === after.length && before.every((point, at) => point.every((value, axis) => value === after[at]![axis]));

export function viewports(): Viewport[] {
  return (cornerstone().getRenderingEngines() ?? []).flatMap((engine) => engine.getViewports());
}

export function renderAll(): void {
  for (const viewport of viewports()) viewport.render();
}

/** Mark a finding's box as the one that is meant. */
export function selectBox(tracking: string): void {
  if (tools().annotation.state.getAnnotation(annotationUid(tracking))) {
    tools().annotation.selection.setAnnotationSelected(annotationUid(tracking), true, false);
    renderAll();
  }
}

