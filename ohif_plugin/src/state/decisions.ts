/** Verdicts: given at once on the screen, kept until the service has them, taken back, signed. */

import { api, type ServiceError } from "../api/client";
import type { FindingState, Review, VerdictBody } from "../api/types";
import { fail } from "./failure";
import { Pending } from "./pending";
import { draw, listStored } from "./showing";
import { store } from "./store";
import { Undo } from "./undo";

const STORED_LOOK = 1500;
const STATES: Record<string, string> = { accept: "accepted", correct: "corrected", reject: "rejected", add: "added", withdraw: "undecided" };

const undo = new Undo();
let queue: Pending | null = null;

export function pending(): Pending {
  queue ??= new Pending(window.localStorage, api.decide, changed);
  return queue;
}

/** Decide on findings of the read that is shown. */
export function decide(verdicts: VerdictBody[]): void {
  const { job, review } = store.get();
  if (!job || !review || !verdicts.length) return;
  undo.note(verdicts, review.findings);
  give(job, review, verdicts);
}

/** Accept everything that is undecided. */
export function acceptAll(): void {
  const open = store.get().review?.findings.filter((one) => one.state === "undecided") ?? [];
  decide(open.map((one) => ({ tracking_uid: one.tracking_uid, decision: "accept", reason: "" })));
}

/** Take the latest decision of this page back. */
export function takeBack(): void {
  const { job, review } = store.get();
  const verdicts = job && review ? undo.back() : null;
  if (job && review && verdicts) give(job, review, verdicts);
}

export function clearUndo(): void {
  undo.clear();
  store.set({ undoable: 0 });
}

function give(job: string, review: Review, verdicts: VerdictBody[]): void {
  store.set({ review: { ...review, findings: foreseen(review.findings, verdicts), is_signed: false }, undoable: undo.depth });
  pending().add(job, verdicts);
}

/** The states as they will be; the service's own answer replaces them. */
export function foreseen(findings: FindingState[], verdicts: VerdictBody[]): FindingState[] {
  const given = new Map(verdicts.map((verdict) => [verdict.tracking_uid, verdict]));
  const changed = findings.map((one) => {
    const verdict = given.get(one.tracking_uid);
    if (!verdict) return one;
    given.delete(one.tracking_uid);
    return { ...one, state: STATES[verdict.decision]!, ...(verdict.box ? { box: verdict.box, plane: verdict.plane ?? one.plane } : {}) };
  });
  const added = [...given.values()].filter((verdict) => verdict.decision === "add").map((verdict) => ({
    tracking_uid: verdict.tracking_uid, label: verdict.target ?? "", state: "added", plane: verdict.plane ?? 0,
    box: verdict.box ?? null, has_mask: Boolean(verdict.mask),
  }));
  return [...changed, ...added];
}

function changed(job: string | null, review: Review | null, error: ServiceError | null): void {
  const state = store.get();
  const waiting = pending().waiting();
  store.set({ pending: waiting.length, refused: pending().refusals().map((one) => ({ job: one.job, said: one.refused ?? "" })) });
  if (error) {
    fail(error, () => void pending().flush());
    if (!error.again && job && job === state.job) void asTheServiceSays(job);
  } else if (review && job && job === state.job && !waiting.some((entry) => entry.job === job)) {
    store.set({ review, ...(state.failure?.trouble === "canceled" ? {} : { failure: null }) });
    void draw(job, review).catch((problem: unknown) => fail(problem));
  }
}

/** What was refused was never decided. */
async function asTheServiceSays(job: string): Promise<void> {
  try {
    const review = await api.review(job);
    if (store.get().job === job) {
      store.set({ review });
      await draw(job, review);
    }
  } catch {
    return; // the refusal itself is already shown
  }
}

/** Sign what was decided: verified SR and SEG go to the archive. */
export async function sign(): Promise<void> {
  const { job } = store.get();
  if (!job) return;
  store.set({ signing: true, failure: null });
  try {
    await pending().flush();
    if (pending().waiting().some((entry) => entry.job === job)) return; // said already why they wait
    await api.sign(job);
    for (;;) {
      const review = await api.review(job);
      if (store.get().job !== job) return;
      store.set({ review });
      const objects = review.signatures.flatMap((one) => one.stored);
      if (objects.every((one) => one.state !== "waiting")) {
        await listStored(objects);
        break;
      }
      await new Promise((done) => setTimeout(done, STORED_LOOK));
    }
  } catch (error) {
    fail(error, () => void sign());
  } finally {
    store.set({ signing: false });
  }
}
