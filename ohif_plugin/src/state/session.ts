/** The life of the panel in one opened study: listens to the host, and begins what a reader asks for. */

import { api } from "../api/client";
import { cornerstone, services, studyUid, tools } from "../host/host";
import type { Annotation, Subscription } from "../host/services";
import { movedBox } from "../view/boxes";
import { editedMasks, isOurs } from "../view/masks";
import { listenToKeys } from "./keys";
import { fail } from "./failure";
import { decide, pending } from "./decisions";
import { showJob } from "./reading";
import { takeDrawn } from "./drawing";
import { PENDING_KEY } from "./pending";
import { wipe } from "./showing";
import { NO_READ, store } from "./store";

const BOX_SETTLES = 600;
const MASK_SETTLES = 1200;

let ends: (() => void)[] = [];

/** Begin anew: a mode was entered. */
export function begin(): void {
  for (const end of ends) end();
  store.reset();
  const { displaySetService, viewportGridService } = services();
  const held: Subscription[] = [
    displaySetService.subscribe(displaySetService.EVENTS.DISPLAY_SETS_ADDED!, () => void openStudy()),
    ...(viewportGridService.EVENTS.ACTIVE_VIEWPORT_ID_CHANGED
      ? [viewportGridService.subscribe(viewportGridService.EVENTS.ACTIVE_VIEWPORT_ID_CHANGED, () => chooseActive())]
      : []),
  ];
  ends = [() => held.forEach((one) => one.unsubscribe()), listenToWindow(), listenToKeys(), whenCornerstone(listenToTools)];
  void pending().flush();
  void openStudy();
}

async function openStudy(): Promise<void> {
  const study = studyUid();
  if (!study || study === store.get().study) return;
  store.set({ ...NO_READ, study, series: [], jobs: [], history: [] });
  await loadStudy();
}

/** What the service knows of the study; the latest read is shown. */
export async function loadStudy(): Promise<void> {
  const { study } = store.get();
  if (!study) return;
  try {
    const [service, series, jobs, history] = await Promise.all([api.capabilities(), api.series(study), api.jobs(), api.history(study)]);
    const own = jobs.filter((job) => job.study_uid === study);
    store.set({ service, series: series.filter((one) => one.has_picture || one.modality === "ECG"), jobs: own, history, failure: null });
    chooseActive();
    const latest = own.find((job) => job.state !== "CANCELED");
    if (latest && !store.get().job) await showJob(latest);
  } catch (error) {
    fail(error, () => void loadStudy());
  }
}

/** The series in the active viewport is the one to be asked about. */
function chooseActive(): void {
  const { series, chosen } = store.get();
  const grid = services().viewportGridService;
  const active = grid.getActiveViewportId();
  const uids = active ? (grid.getState().viewports.get(active)?.displaySetInstanceUIDs ?? []) : [];
  const shown = uids.map((uid) => services().displaySetService.getDisplaySetByUID(uid)?.SeriesInstanceUID);
  const found = series.find((one) => shown.includes(one.uid)) ?? series.find((one) => one.uid === chosen) ?? series[0];
  if (found && found.uid !== chosen) void choose(found.uid);
}

/** Ask about a series from now on. */
export async function choose(uid: string): Promise<void> {
  const { study } = store.get();
  if (!study) return;
  store.set({ chosen: uid, questions: [] });
  try {
    const questions = await api.questions(study, uid);
    if (store.get().chosen === uid) store.set({ questions });
  } catch (error) {
    fail(error, () => void choose(uid));
  }
}

/** Cornerstone is there once the first viewport is; until then nothing can be drawn. */
function whenCornerstone(listen: () => () => void): () => void {
  let end = (): void => undefined;
  const timer = setInterval(() => {
    if (!window.cornerstone || !window.cornerstoneTools) return;
    clearInterval(timer);
    end = listen();
  }, 200);
  return () => {
    clearInterval(timer);
    end();
  };
}

function listenToTools(): () => void {
  const { Events } = tools().Enums;
  const boxTimers = new Map<string, ReturnType<typeof setTimeout>>();
  const maskTimers = new Map<string, ReturnType<typeof setTimeout>>();
  const onModified = (event: Event): void => {
    const { annotation } = (event as CustomEvent<{ annotation: Annotation }>).detail;
    settle(boxTimers, annotation.annotationUID, BOX_SETTLES, () => boxSettled(annotation));
  };
  const onCompleted = (event: Event): void => takeDrawn((event as CustomEvent<{ annotation: Annotation }>).detail.annotation);
  const onMask = (event: Event): void => {
    const { segmentationId } = (event as CustomEvent<{ segmentationId: string }>).detail;
    if (isOurs(segmentationId)) settle(maskTimers, segmentationId, MASK_SETTLES, () => void maskSettled(segmentationId));
  };
  const target = cornerstone().eventTarget;
  const heard: [string, (event: Event) => void][] = [
    [Events.ANNOTATION_MODIFIED!, onModified], [Events.ANNOTATION_COMPLETED!, onCompleted], [Events.SEGMENTATION_DATA_MODIFIED!, onMask],
  ];
  for (const [name, listener] of heard) target.addEventListener(name, listener);
  return () => {
    for (const [name, listener] of heard) target.removeEventListener(name, listener);
    wipe();
  };
}

function settle(timers: Map<string, ReturnType<typeof setTimeout>>, key: string, wait: number, then: () => void): void {
  clearTimeout(timers.get(key));
  timers.set(key, setTimeout(then, wait));
}

/** A box that was moved is corrected: the reader need not say so. */
function boxSettled(annotation: Annotation): void {
  const { read, review } = store.get();
  const moved = read && review ? movedBox(read, review, annotation) : null;
  if (!moved) return;
  store.set({ selected: moved.tracking });
  decide([{ tracking_uid: moved.tracking, decision: "correct", reason: "", box: moved.box, plane: moved.plane }]);
}

async function maskSettled(segmentationId: string): Promise<void> {
  for (const { tracking, mask } of await editedMasks(segmentationId)) {
    store.set({ selected: tracking });
    if (mask) decide([{ tracking_uid: tracking, decision: "correct", reason: "", mask }]);
    else decide([{ tracking_uid: tracking, decision: "reject", reason: "everything marked was erased" }]);
  }
}

function listenToWindow(): () => void {
  const online = (): void => void pending().flush();
  const elsewhere = (event: StorageEvent): void => {
    if (event.key !== PENDING_KEY) return;
    const waiting = pending().waiting().length;
    store.set({ pending: waiting });
    void (waiting ? pending().flush() : refreshReview()); // what that tab cannot send, this one may
  };
  window.addEventListener("online", online);
  window.addEventListener("storage", elsewhere);
  return () => {
    window.removeEventListener("online", online);
    window.removeEventListener("storage", elsewhere);
  };
}

/** Another tab decided something: what stands is what the service says. */
async function refreshReview(): Promise<void> {
  const { job } = store.get();
  if (!job || !store.get().review || pending().waiting().length) return;
  try {
    const review = await api.review(job);
    if (store.get().job === job) store.set({ review });
  } catch (error) {
    fail(error, () => void refreshReview());
  }
}
