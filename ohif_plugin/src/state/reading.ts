/** Reads: ask, follow, show; and what was read before. */

import { api, ServiceError } from "../api/client";
import { follow, type ServerEvent } from "../api/events";
import type { Job, Prompts } from "../api/types";
import { promptsOf } from "../view/drawn";
import { jumpTo } from "../view/jump";
import { clearUndo, pending } from "./decisions";
import { forgetDrawn } from "./drawing";
import { fail } from "./failure";
import { draw, listStored, wipe } from "./showing";
import { NO_READ, store } from "./store";
import { newUid } from "./uid";

const STORED_LOOK = 1500;

let following: AbortController | null = null;

/** Ask about the chosen series. */
export async function ask(): Promise<void> {
  const { study, chosen, question, drawn, phase } = store.get();
  if (!study || !chosen || phase === "sending" || phase === "running") return;
  await submit({ uid: newUid(), study_uid: study, series_uid: chosen, question: question.trim() || null, prompts: promptsOf(drawn) });
}

interface Request { uid: string; study_uid: string; series_uid: string; question: string | null; prompts: Prompts | null }

/** The job's UID is ours, so that asking again after a lost answer is asking once. */
async function submit(request: Request): Promise<void> {
  leave();
  store.set({ ...NO_READ, phase: "sending" });
  try {
    await run(await api.submit(request));
    forgetDrawn();
  } catch (error) {
    store.set({ phase: "failed" });
    fail(error, () => void submit(request));
  }
}

/** Show a job that is there: its read, or what is coming of it. */
export async function showJob(job: Job): Promise<void> {
  leave();
  store.set({ ...NO_READ, job: job.uid });
  if (job.state === "COMPLETED") await finish(job.uid);
  else if (job.state === "CANCELED") canceled(job.reason);
  else await run(job);
}

export async function cancel(): Promise<void> {
  const { job } = store.get();
  if (!job) return;
  try {
    await api.cancel(job);
  } catch (error) {
    fail(error, () => void cancel());
  }
}

function leave(): void {
  following?.abort();
  following = null;
  clearUndo();
  wipe();
}

async function run(job: Job): Promise<void> {
  const mine = new AbortController();
  following = mine;
  store.set({ job: job.uid, phase: "running", stage: job.stage, position: job.position, progress: job.progress });
  let over: string | null = null;
  try {
    await follow(
      (last, signal) => api.events(job.uid, last, signal),
      (event) => {
        over = told(event);
        return over !== null;
      },
      (error) => {
        if (store.get().broken !== Boolean(error)) store.set({ broken: Boolean(error) });
      },
      mine.signal,
    );
  } catch (error) {
    store.set({ phase: "failed" });
    fail(error, () => void api.job(job.uid).then(showJob, (again) => fail(again)));
    return;
  }
  if (mine.signal.aborted) return;
  if (over === "COMPLETED") await finish(job.uid);
}

/** One event; the job's last state where it is over. */
function told({ kind, data }: ServerEvent): string | null {
  const state = store.get();
  if (kind === "progress") {
    const again = data.stage === "looking" && state.stage !== "looking"; // another plane: what was written before is void
    store.set({ stage: String(data.stage), progress: Number(data.progress), position: 0, ...(again ? { text: "" } : {}) });
  } else if (kind === "position") {
    store.set({ position: Number(data.position) });
  } else if (kind === "text") {
    store.set({ text: state.text + String(data.text) });
  } else if (kind === "finding") {
    store.set({ early: [...state.early, data as unknown as (typeof state.early)[number]] });
  } else if (kind === "state" && data.state === "CANCELED") {
    canceled(String(data.reason ?? ""));
    return "CANCELED";
  } else if (kind === "state" && data.state === "COMPLETED") {
    return "COMPLETED";
  }
  return null;
}

function canceled(reason: string): void {
  store.set({ phase: "failed", failure: { trouble: "canceled", said: reason, retry: reason === "cancelled" ? null : () => void ask() } });
}

async function finish(uid: string): Promise<void> {
  try {
    await pending().flush(); // what was decided before the page was left counts
    const [read, review] = await Promise.all([api.read(uid), api.review(uid)]);
    if (store.get().job !== uid) return;
    store.set({ read, review, text: read.reasoning, phase: "done", progress: 1, stage: "done", broken: false, failure: null });
    if (read.modality === "ECG") store.set({ picture: URL.createObjectURL(await api.picture(uid)) });
    void watchStored(uid);
    await draw(uid, review);
    const first = read.findings[0];
    if (first?.plane && store.get().job === uid) await jumpTo(read, first.plane.index);
  } catch (error) {
    store.set({ phase: "failed" });
    fail(error, () => void finish(uid));
  }
}

/** Where SEG and SR of the unreviewed read are on their way. */
async function watchStored(uid: string): Promise<void> {
  while (store.get().job === uid) {
    try {
      const { stored } = await api.job(uid);
      if (store.get().job !== uid) return;
      store.set({ stored });
      if (stored.every((one) => one.state !== "waiting")) {
        await listStored(stored);
        return;
      }
    } catch (error) {
      if (!(error instanceof ServiceError) || !error.again) return fail(error);
    }
    await new Promise((done) => setTimeout(done, STORED_LOOK));
  }
}
