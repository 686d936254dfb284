/** What the panel shows, outside any component: OHIF unmounts panels when their tab is left. */

import type { Capabilities, Finding, HistoryEntry, Job, Question, Read, Review, Series, StoredObject } from "../api/types";
import type { Trouble } from "../api/client";
import type { Drawn } from "../view/drawn";

export type Phase = "idle" | "sending" | "running" | "done" | "failed";

export interface Failure {
  trouble: Trouble | "defect" | "canceled";
  said: string;
  /** What to do again; null where that would change nothing. */
  retry: (() => void) | null;
}

export interface State {
  service: Capabilities | null;
  study: string | null;
  series: Series[];
  chosen: string | null;
  questions: Question[];
  question: string;
  phase: Phase;
  job: string | null;
  stage: string;
  progress: number;
  position: number;
  text: string;
  broken: boolean;
  early: Pick<Finding, "label" | "tracking_uid" | "presence">[];
  read: Read | null;
  review: Review | null;
  stored: StoredObject[];
  picture: string | null;
  selected: string | null;
  drawn: Drawn[];
  pending: number;
  refused: { job: string; said: string }[];
  undoable: number;
  signing: boolean;
  jobs: Job[];
  history: HistoryEntry[];
  failure: Failure | null;
}

const EMPTY: State = {
  service: null, study: null, series: [], chosen: null, questions: [], question: "", phase: "idle", job: null, stage: "",
  progress: 0, position: 0, text: "", broken: false, early: [], read: null, review: null, stored: [], picture: null,
  selected: null, drawn: [], pending: 0, refused: [], undoable: 0, signing: false, jobs: [], history: [], failure: null,
};

/** Nothing of a read: what is shown before the next one. */
export const NO_READ: Partial<State> = {
  phase: "idle", job: null, stage: "", progress: 0, position: 0, text: "", broken: false, early: [], read: null,
  review: null, stored: [], picture: null, selected: null, undoable: 0, failure: null,
};

let state: State = { ...EMPTY };
const listeners = new Set<() => void>();

export const store = {
  get: (): State => state,
  set(changes: Partial<State>): void {
    state = { ...state, ...changes };
    for (const listener of [...listeners]) listener();
  },
  reset(): void {
    store.set(EMPTY);
  },
  subscribe(listener: () => void): () => void {
    listeners.add(listener);
    return () => listeners.delete(listener);
  },
};
