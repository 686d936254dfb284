/** Every request to the service: OHIF's own Authorization header, a time limit, and errors in words. */

import { serviceUrl, services } from "../host/host";
import type {
  Capabilities, DecidedMask, HistoryEntry, Job, Prompts, Question, Read, Review, Series, Signature, VerdictBody,
} from "./types";

export type Trouble = "unreachable" | "slow" | "sign-in" | "forbidden" | "too-large" | "busy" | "refused" | "broken";

/** What went wrong; `again` where the same request may succeed later. */
export class ServiceError extends Error {
  constructor(readonly trouble: Trouble, readonly said: string, readonly status = 0) {
    super(said || trouble);
  }

  get again(): boolean {
    return ["unreachable", "slow", "sign-in", "busy", "broken"].includes(this.trouble);
  }

  /** Streams give up at once on what will not change. */
  get final(): boolean {
    return ["forbidden", "refused", "too-large"].includes(this.trouble);
  }
}

const SECONDS = 30;
const LONG_SECONDS = 120;

function troubleOf(status: number): Trouble {
  if (status === 401) return "sign-in";
  if (status === 403) return "forbidden";
  if (status === 413) return "too-large";
  if (status === 429 || status === 503) return "busy";
  return status >= 500 ? "broken" : "refused";
}

/** One request; the answer is checked. */
export async function send(path: string, options: RequestInit = {}, seconds: number | null = SECONDS): Promise<Response> {
  const headers = new Headers(options.headers);
  for (const [name, value] of Object.entries(services().userAuthenticationService.getAuthorizationHeader() ?? {})) {
    headers.set(name, value);
  }
  const limit = seconds === null ? null : AbortSignal.timeout(seconds * 1000);
  const signals = [options.signal, limit].filter((signal): signal is AbortSignal => Boolean(signal));
  let response: Response;
  try {
    response = await fetch(serviceUrl() + path, { ...options, headers, signal: signals.length ? AbortSignal.any(signals) : null });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new ServiceError(limit?.aborted ? "slow" : "unreachable", "");
  }
  if (!response.ok) throw new ServiceError(troubleOf(response.status), await words(response), response.status);
  return response;
}

async function words(response: Response): Promise<string> {
  try {
    const body = (await response.json()) as { what?: string; remedy?: string };
    return body.what ? [body.what, body.remedy].filter(Boolean).join(": ") : "";
  } catch {
    return ""; // a proxy's own page says nothing that a reader could use
  }
}

async function ask<T>(path: string, options?: RequestInit, seconds?: number): Promise<T> {
  return (await (await send(path, options, seconds)).json()) as T;
}

const post = <T>(path: string, body: unknown, seconds?: number): Promise<T> =>
  ask<T>(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) }, seconds);

export const api = {
  capabilities: () => ask<Capabilities>("/capabilities"),
  series: (study: string) => ask<Series[]>(`/studies/${study}/series`),
  questions: (study: string, series: string) => ask<Question[]>(`/studies/${study}/series/${series}/questions`),
  jobs: () => ask<Job[]>("/reads"),
  job: (uid: string) => ask<Job>(`/reads/${uid}`),
  submit: (body: { uid: string; study_uid: string; series_uid: string; question: string | null; prompts: Prompts | null }) =>
    post<Job>("/reads", body),
  cancel: (uid: string) => ask<Job>(`/reads/${uid}`, { method: "DELETE" }),
  read: (uid: string) => ask<Read>(`/reads/${uid}/result`),
  masks: (uid: string) => ask<DecidedMask[]>(`/reads/${uid}/masks`, {}, LONG_SECONDS),
  review: (uid: string) => ask<Review>(`/reads/${uid}/verdicts`),
  decide: (uid: string, verdicts: VerdictBody[]) => post<Review>(`/reads/${uid}/verdicts`, verdicts),
  sign: (uid: string) => post<Signature>(`/reads/${uid}/signature`, {}, LONG_SECONDS),
  history: (study: string) => ask<HistoryEntry[]>(`/history/${study}`),
  picture: async (uid: string) => (await send(`/reads/${uid}/overlay.png`)).blob(),
  events: (uid: string, last: number, signal: AbortSignal) =>
    send(`/reads/${uid}/events`, { headers: { "Last-Event-ID": String(last) }, signal }, null),
};
