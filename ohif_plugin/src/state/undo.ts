/** What a person can take back: for each verdict he gave here, the one that stood before it. */

import type { FindingState, VerdictBody } from "../api/types";

/** The verdict that leads from "undecided" to a state; a correction is given again with its place. */
export function standing(state: FindingState | undefined, given: ReadonlyMap<string, VerdictBody>): VerdictBody | null {
  if (!state || state.state === "undecided") return null;
  return given.get(state.tracking_uid) ?? (state.state === "accepted" ? { tracking_uid: state.tracking_uid, decision: "accept", reason: "" } : null);
}

export class Undo {
  private readonly stack: VerdictBody[][] = [];
  /** The latest verdict given here on each finding. */
  readonly given = new Map<string, VerdictBody>();

  get depth(): number {
    return this.stack.length;
  }

  /** Note verdicts that are being given, with the states before them. */
  note(verdicts: VerdictBody[], before: FindingState[]): void {
    this.stack.push(
      verdicts.map((verdict) => {
        const state = before.find((one) => one.tracking_uid === verdict.tracking_uid);
        return standing(state, this.given) ?? { tracking_uid: verdict.tracking_uid, decision: "withdraw", reason: "" };
      }),
    );
    for (const verdict of verdicts) this.given.set(verdict.tracking_uid, verdict);
  }

  /** What takes the latest back; null where there is nothing. */
  back(): VerdictBody[] | null {
    const verdicts = this.stack.pop() ?? null;
    for (const verdict of verdicts ?? []) {
      if (verdict.decision === "withdraw") this.given.delete(verdict.tracking_uid);
      else this.given.set(verdict.tracking_uid, verdict);
    }
    return verdicts;
  }

  clear(): void {
    this.stack.length = 0;
    this.given.clear();
  }
}
