/**
 * Boxes between a read (image pixels on pixel edges, as DICOM's SCOORD) and Cornerstone's rectangles (millimetres).
 *
 * Cornerstone keeps the corners of a rectangle as [first, along x, along y, opposite], in any orientation: a dragged
 * corner may have crossed another one. Its own conversion (imageToWorldCoords, 3.x and 4.x) steps along a row with the
 * distance of rows, which is wrong where pixels are not square, so the equation of PS3.3 C.7.6.2.1.1 stands here.
 */

import type { Corners } from "../api/types";
import type { Point2, Vector3 } from "../host/services";

/** Corners of a box in the order of Cornerstone's handles. */
export function handlesOf([left, top, right, bottom]: Corners): [Point2, Point2, Point2, Point2] {
  return [[left, top], [right, top], [left, bottom], [right, bottom]];
}

/** The box around points, within an image; null where nothing of it is left. */
export function boxAround(points: Point2[], columns: number, rows: number): Corners | null {
  const xs = points.map(([x]) => x);
  const ys = points.map(([, y]) => y);
  const box: Corners = [
    clamped(Math.min(...xs), columns), clamped(Math.min(...ys), rows),
    clamped(Math.max(...xs), columns), clamped(Math.max(...ys), rows),
  ];
  return box[2] - box[0] > 0 && box[3] - box[1] > 0 ? box : null;
}

const clamped = (value: number, most: number): number => Math.min(Math.max(round(value), 0), most);
/** A thousandth of a pixel: floating point may not move a box that nobody moved. */
const round = (value: number): number => Math.round(value * 1000) / 1000;

/** True where two boxes differ by more than rounding. */
export function isMoved(one: Corners, other: Corners, tolerance = 0.01): boolean {
  return one.some((value, index) => Math.abs(value - other[index]!) > tolerance);
}

/** Where an image lies (Cornerstone's imagePlaneModule, whose spacings are those of PixelSpacing: rows, columns). */
export interface ImagePlane {
  imagePositionPatient?: ArrayLike<number> | null;
  rowCosines?: ArrayLike<number> | null;
  columnCosines?: ArrayLike<number> | null;
  rowPixelSpacing?: number | null;
  columnPixelSpacing?: number | null;
  frameOfReferenceUID?: string;
}

/** Conversions of an image; null where DICOM gives it no place in the patient. */
export function conversions(plane: ImagePlane | undefined): { toWorld: ToWorld; toImage: ToImage } | null {
  const { imagePositionPatient: origin, rowCosines: row, columnCosines: column } = plane ?? {};
  if (!origin || !row || !column) return null;
  const alongX = plane!.columnPixelSpacing || 1;
  const alongY = plane!.rowPixelSpacing || 1;
  const axes = [0, 1, 2] as const;
  const along = (point: Vector3, axis: ArrayLike<number>): number => axes.reduce<number>((sum, i) => sum + (point[i] - origin[i]!) * axis[i]!, 0);
  return {
    toWorld: ([x, y]) => axes.map((i) => origin[i]! + (x - 0.5) * alongX * row[i]! + (y - 0.5) * alongY * column[i]!) as Vector3,
    toImage: (point) => [along(point, row) / alongX + 0.5, along(point, column) / alongY + 0.5],
  };
}

export type ToWorld = (point: Point2) => Vector3 | undefined;
export type ToImage = (point: Vector3) => Point2 | undefined;

/** World points of a box's handles; null where the image has no place. */
export function worldHandles(box: Corners, toWorld: ToWorld): Vector3[] | null {
  const points = handlesOf(box).map(toWorld);
  return points.every((point): point is Vector3 => Boolean(point)) ? points : null;
}

/** The box of world points; null where they are not on the image. */
export function imageBox(points: Vector3[], toImage: ToImage, columns: number, rows: number): Corners | null {
  const inside = points.map(toImage);
  return inside.every((point): point is Point2 => Boolean(point)) ? boxAround(inside, columns, rows) : null;
}
