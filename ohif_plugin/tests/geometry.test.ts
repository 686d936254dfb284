import { describe, expect, it } from "vitest";
import type { Corners } from "../src/api/types";
import type { Vector3 } from "../src/host/services";
import { boxAround, conversions, handlesOf, imageBox, isMoved, worldHandles } from "../src/view/geometry";

/** An oblique image with pixels that are not square, measured on pixel edges as SCOORD is. */
const origin: Vector3 = [12.5, -80, 33];
const row: Vector3 = [0.8, 0.6, 0];
const column: Vector3 = [0, 0, -1];
const [alongX, alongY] = [0.7, 1.3];
const { toWorld, toImage } = conversions({
  imagePositionPatient: origin, rowCosines: row, columnCosines: column, columnPixelSpacing: alongX, rowPixelSpacing: alongY,
})!;

describe("boxes between image and patient", () => {
  it.each<Corners>([[0, 0, 512, 512], [10.25, 4, 30, 22.5], [511, 0, 512, 1]])("come back as they went: %s %s %s %s", (...box) => {
    const corners = box as unknown as Corners;
    const points = worldHandles(corners, toWorld)!;
    expect(isMoved(imageBox(points, toImage, 512, 512)!, corners, 1e-3)).toBe(false);
  });

  it("lie where PS3.3 C.7.6.2.1.1 puts them: x in steps of columns, y in steps of rows, pixel centres at halves", () => {
    expect(toWorld([0.5, 0.5])).toEqual(origin);
    const [x, y] = [10.5, 20.5];
    const there = toWorld([x, y])!;
    [12.5 + 10 * 0.7 * 0.8, -80 + 10 * 0.7 * 0.6, 33 - 20 * 1.3].forEach((value, axis) => expect(there[axis]).toBeCloseTo(value, 10));
    expect(conversions({ rowCosines: null, columnCosines: null, imagePositionPatient: null })).toBeNull();
  });

  it("stay boxes when a corner was dragged over another one, and inside the image", () => {
    expect(boxAround([[30, 40], [10, 40], [30, 20], [10, 20]], 512, 512)).toEqual([10, 20, 30, 40]);
    expect(boxAround([[-4, -4], [600, -4], [-4, 20], [600, 20]], 512, 256)).toEqual([0, 0, 512, 20]);
    expect(boxAround([[-9, 0], [-4, 0], [-9, 5], [-4, 5]], 512, 512)).toBeNull();
  });

  it("have the handles in Cornerstone's order: first, along x, along y, opposite", () => {
    expect(handlesOf([1, 2, 3, 4])).toEqual([[1, 2], [3, 2], [1, 4], [3, 4]]);
  });

  it("are not moved by rounding", () => {
    expect(isMoved([1, 2, 3, 4], [1.004, 2, 3, 3.996])).toBe(false);
    expect(isMoved([1, 2, 3, 4], [1.5, 2, 3, 4])).toBe(true);
  });

  it("are none where the image has no place", () => {
    expect(worldHandles([1, 2, 3, 4], () => undefined)).toBeNull();
    expect(imageBox([[0, 0, 0]], () => undefined, 9, 9)).toBeNull();
  });
});
