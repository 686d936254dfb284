/**
 * Verdicts on their way: kept in the browser until the service has them, so that no lost connection loses one.
 *
 * An entry holds UIDs and drawings, nothing else of a patient. Entries leave in their order; one tab at a time sends
 * (a lock shared by all tabs of the origin), and what another tab sent is gone from the list when the lock is taken.
 * An answer that was lost on the way is asked for again: the last verdict on a finding counts, so sending one twice
 * changes nothing. What the service refuses stays, with its words, until a person has seen it.
 */

import { ServiceError } from "../api/client";
import type { Review, VerdictBody } from "../api/types";

export interface Entry {
  id: string;
  job: string;
  verdicts: VerdictBody[];
  refused: string | null;
}

export interface Keeping {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
}

const KEY = "wetread.pending.1";
const LOCK = "wetread.pending";
const FIRST_PAUSE = 1000;
const LONGEST_PAUSE = 30000;

export class Pending {
  private pause = FIRST_PAUSE;
  private timer: ReturnType<typeof setTimeout> | null = null;
  /** What was kept where the browser's store is full or closed: it lasts as long as the page. */
  private spare: Entry[] = [];

  /**
   * @param keeping the browser's local store
   * @param decide sends verdicts of one read
   * @param onChange told after every change, with what the service answered and what stands in the way
   */
  constructor(
    private readonly keeping: Keeping,
    private readonly decide: (job: string, verdicts: VerdictBody[]) => Promise<Review>,
    private readonly onChange: (job: string | null, review: Review | null, error: ServiceError | null) => void,
  ) {}

  entries(): Entry[] {
    try {
      const kept = JSON.parse(this.keeping.getItem(KEY) ?? "[]") as unknown;
      return [...(Array.isArray(kept) ? (kept as Entry[]) : []), ...this.spare];
    } catch {
      return this.spare; // another program's text under our name
    }
  }

  waiting(): Entry[] {
    return this.entries().filter((entry) => entry.refused === null);
  }

  refusals(): Entry[] {
    return this.entries().filter((entry) => entry.refused !== null);
  }

  add(job: string, verdicts: VerdictBody[]): void {
    this.write([...this.entries(), { id: crypto.randomUUID(), job, verdicts, refused: null }]);
    this.onChange(job, null, null);
    void this.flush();
  }

  /** Forget what was refused. */
  dismiss(): void {
    this.write(this.waiting());
    this.onChange(null, null, null);
  }

  /** Send what waits, in order, until all is sent or something stands in the way. */
  async flush(): Promise<void> {
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
    await locked(async () => {
      for (let entry = this.waiting()[0]; entry; entry = this.waiting()[0]) {
        try {
          const review = await this.decide(entry.job, entry.verdicts);
          this.take(entry.id);
          this.pause = FIRST_PAUSE;
          this.onChange(entry.job, review, null);
        } catch (error) {
          const failure = error instanceof ServiceError ? error : new ServiceError("broken", String(error));
          if (failure.again) {
            this.later();
            this.onChange(entry.job, null, failure);
            return;
          }
          this.refuse(entry.id, failure.said || failure.trouble);
          this.onChange(entry.job, null, failure);
        }
      }
    });
  }

  private later(): void {
    this.timer = setTimeout(() => void this.flush(), this.pause);
    this.pause = Math.min(2 * this.pause, LONGEST_PAUSE);
  }

  private take(id: string): void {
    this.write(this.entries().filter((entry) => entry.id !== id));
  }

  private refuse(id: string, said: string): void {
    this.write(this.entries().map((entry) => (entry.id === id ? { ...entry, refused: said } : entry)));
  }

  private write(entries: Entry[]): void {
    try {
      this.keeping.setItem(KEY, JSON.stringify(entries));
      this.spare = [];
    } catch {
      const kept = new Set(this.storedIds());
      this.spare = entries.filter((entry) => !kept.has(entry.id));
    }
  }

  private storedIds(): string[] {
    try {
      return (JSON.parse(this.keeping.getItem(KEY) ?? "[]") as Entry[]).map((entry) => entry.id);
    } catch {
      return [];
    }
  }
}

let alone: Promise<void> = Promise.resolve();

/** One at a time, over all tabs where the browser can, else within this page. */
async function locked(work: () => Promise<void>): Promise<void> {
  if (typeof navigator !== "undefined" && navigator.locks) {
    await navigator.locks.request(LOCK, work);
    return;
  }
  alone = alone.then(work, work);
  await alone;
}

export { KEY as PENDING_KEY };
