import { describe, expect, it } from "vitest";
import { KEYS, keyOf } from "../src/state/keys";
import { newUid } from "../src/state/uid";
import { frameOf, planeKeys } from "../src/view/images";
import type { Read } from "../src/api/types";

const pressed = (code: string, more: Partial<KeyboardEvent> = {}) => ({ code, altKey: true, ctrlKey: false, metaKey: false, shiftKey: false, ...more });

describe("keys", () => {
  it("are each one of a kind, and all with Alt: plain letters are OHIF's and the question's", () => {
    const told = KEYS.map((key) => `${key.code}${key.shift}`);
    expect(new Set(told).size).toBe(told.length);
    for (const key of KEYS) expect(keyOf(pressed(key.code, { altKey: false, shiftKey: key.shift }))).toBeNull();
  });

  it("tell accept from accept all, and are not the browser's own", () => {
    expect(keyOf(pressed("KeyA"))).toBe("accept");
    expect(keyOf(pressed("KeyA", { shiftKey: true }))).toBe("acceptAll");
    expect(keyOf(pressed("KeyA", { ctrlKey: true }))).toBeNull();
    expect(keyOf(pressed("KeyQ"))).toBeNull();
  });
});

describe("names", () => {
  it("of new things are DICOM UIDs", () => {
    expect(newUid("00000000-0000-4000-8000-000000000001")).toBe("2.25.302240678275694148452353");
    for (let number = 0; number < 50; number++) expect(newUid()).toMatch(/^2\.25\.[1-9]\d{0,38}$/);
  });

  it("of planes are instance and frame, in the read's order", () => {
    const source = (instances: string[], frames: [number, number][] | null) => ({ source: { instances: instances.map((uid) => ({ sop_instance_uid: uid })), frames } }) as unknown as Read;
    expect(planeKeys(source(["1.2", "1.1"], null))).toEqual(["1.2#1", "1.1#1"]);
    expect(planeKeys(source(["1.2"], [[0, 3], [0, 1]]))).toEqual(["1.2#3", "1.2#1"]);
  });

  it("of frames are found in both forms of address", () => {
    expect(frameOf("wadors:https://pacs/studies/1/series/2/instances/3/frames/12")).toBe(12);
    expect(frameOf("dicomweb:https://pacs/wado?objectUID=3&frame=4")).toBe(4);
    expect(frameOf("wadouri:https://pacs/file.dcm")).toBeNull();
  });
});
