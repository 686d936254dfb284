import { describe, expect, it } from "vitest";
import type { FindingState, VerdictBody } from "../src/api/types";
import { foreseen } from "../src/state/decisions";
import { Undo } from "../src/state/undo";

const finding = (state: string, uid = "1"): FindingState => ({ tracking_uid: uid, label: "nuclei", state, plane: 0, box: [0, 0, 9, 9], has_mask: true });
const verdict = (decision: VerdictBody["decision"], more: Partial<VerdictBody> = {}): VerdictBody => ({ tracking_uid: "1", decision, reason: "", ...more });

describe("undo", () => {
  it("leads from a first decision back to none", () => {
    const undo = new Undo();
    undo.note([verdict("accept")], [finding("undecided")]);
    expect(undo.back()).toEqual([verdict("withdraw")]);
    expect(undo.back()).toBeNull();
  });

  it("gives the correction again that stood before", () => {
    const undo = new Undo();
    const moved = verdict("correct", { box: [1, 1, 8, 8], plane: 0 });
    undo.note([moved], [finding("undecided")]);
    undo.note([verdict("reject", { reason: "an artefact" })], [finding("corrected")]);
    expect(undo.back()).toEqual([moved]);
    expect(undo.back()).toEqual([verdict("withdraw")]);
  });

  it("takes a whole accept-all back at once", () => {
    const undo = new Undo();
    undo.note([verdict("accept"), verdict("accept", { tracking_uid: "2" })], [finding("undecided"), finding("accepted", "2")]);
    expect(undo.back()).toEqual([verdict("withdraw"), verdict("accept", { tracking_uid: "2" })]);
  });
});

describe("what is foreseen on the screen", () => {
  it("is what the service will say", () => {
    expect(foreseen([finding("undecided")], [verdict("accept")])[0]!.state).toBe("accepted");
    expect(foreseen([finding("accepted")], [verdict("withdraw")])[0]!.state).toBe("undecided");
    expect(foreseen([finding("undecided")], [verdict("correct", { box: [1, 2, 3, 4], plane: 2 })])[0]).toMatchObject({ state: "corrected", box: [1, 2, 3, 4], plane: 2 });
    expect(foreseen([], [verdict("add", { target: "liver", box: [1, 2, 3, 4] })])).toMatchObject([{ state: "added", label: "liver" }]);
  });
});
