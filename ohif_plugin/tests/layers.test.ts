import { describe, expect, it } from "vitest";
import { changedValues, labelPlane, layersOf, pixelsOf, type Planes } from "../src/view/layers";

const plane = (text: string): Uint8Array => Uint8Array.from(text, (mark) => (mark === "x" ? 1 : 0));
const masks = (given: Record<string, Record<number, string>>): Map<string, Planes> =>
  new Map(Object.entries(given).map(([uid, planes]) => [uid, new Map(Object.entries(planes).map(([index, text]) => [Number(index), plane(text)]))]));

describe("masks on label maps", () => {
  it("share one where they do not overlap, and take another where they do", () => {
    const given = masks({ a: { 0: "xx.." }, b: { 0: "..x.", 1: "xxxx" }, c: { 0: ".x.x" } });
    expect(layersOf(given)).toEqual([{ tracking: ["a", "b"] }, { tracking: ["c"] }]);
  });

  it("come out of the label map as they went in", () => {
    const given = masks({ a: { 0: "xx.." }, b: { 0: "..x.", 3: "xxxx" } });
    const [layer] = layersOf(given);
    const values = labelPlane(layer!, given, 0, 4);
    expect([...values]).toEqual([1, 1, 2, 0]);
    expect(pixelsOf(values, 1)).toEqual(plane("xx.."));
    expect(pixelsOf(values, 2)).toEqual(plane("..x."));
    expect(pixelsOf(values, 3)).toBeNull();
  });

  it("that were edited are the values that came or went", () => {
    expect(changedValues([1, 1, 2, 0], [1, 1, 2, 0])).toEqual(new Set());
    expect(changedValues([1, 1, 2, 0], [1, 0, 2, 0])).toEqual(new Set([1]));
    expect(changedValues([1, 1, 2, 0], [1, 2, 2, 3])).toEqual(new Set([1, 2, 3]));
  });
});
