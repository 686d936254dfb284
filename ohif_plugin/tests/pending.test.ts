import { beforeEach, describe, expect, it, vi } from "vitest";
import { ServiceError } from "../src/api/client";
import type { Review, VerdictBody } from "../src/api/types";
import { Pending, type Keeping } from "../src/state/pending";

class Memory implements Keeping {
  readonly kept = new Map<string, string>();
  isFull = false;
  getItem = (key: string): string | null => this.kept.get(key) ?? null;
  setItem = (key: string, value: string): void => {
    if (this.isFull) throw new DOMException("full", "QuotaExceededError");
    this.kept.set(key, value);
  };
}

const accept = (uid: string): VerdictBody => ({ tracking_uid: uid, decision: "accept", reason: "" });
const review = { findings: [] } as unknown as Review;

let memory: Memory;
let sent: [string, string[]][];
let fails: (ServiceError | null)[];
const decide = vi.fn(async (job: string, verdicts: VerdictBody[]) => {
  const failure = fails.shift();
  if (failure) throw failure;
  sent.push([job, verdicts.map((one) => one.tracking_uid)]);
  return review;
});

beforeEach(() => {
  memory = new Memory();
  sent = [];
  fails = [];
  decide.mockClear();
  vi.useFakeTimers();
});

const queue = (changes: unknown[] = []): Pending => new Pending(memory, decide, (job, _, error) => changes.push([job, error?.trouble ?? null]));

describe("verdicts on their way", () => {
  it("are sent in their order and then forgotten", async () => {
    const pending = queue();
    pending.add("job", [accept("1")]);
    pending.add("job", [accept("2")]);
    await pending.flush();
    expect(sent).toEqual([["job", ["1"]], ["job", ["2"]]]);
    expect(pending.entries()).toEqual([]);
  });

  it("survive the page while the service is away, and leave when it is back", async () => {
    fails = [new ServiceError("unreachable", "")];
    const changes: unknown[] = [];
    queue(changes).add("job", [accept("1")]);
    await vi.advanceTimersByTimeAsync(0);
    expect(changes).toContainEqual(["job", "unreachable"]);
    const reloaded = queue();
    expect(reloaded.waiting()).toHaveLength(1);
    await reloaded.flush();
    expect(sent).toEqual([["job", ["1"]]]);
  });

  it("are tried again by themselves, ever less often", async () => {
    fails = Array.from({ length: 4 }, () => new ServiceError("sign-in", ""));
    const pending = queue();
    pending.add("job", [accept("1")]);
    await vi.advanceTimersByTimeAsync(1000 + 2000 + 4000 - 1);
    expect(decide).toHaveBeenCalledTimes(3);
    await vi.advanceTimersByTimeAsync(1 + 8000);
    expect(sent).toEqual([["job", ["1"]]]);
  });

  it("that are refused stay with the reason until a person has seen it, and hold up nothing", async () => {
    fails = [new ServiceError("too-large", "request too large", 413)];
    const pending = queue();
    pending.add("job", [accept("1")]);
    pending.add("job", [accept("2")]);
    await pending.flush();
    expect(sent).toEqual([["job", ["2"]]]);
    expect(pending.refusals().map((one) => one.refused)).toEqual(["request too large"]);
    pending.dismiss();
    expect(pending.entries()).toEqual([]);
  });

  it("of two tabs are each sent once", async () => {
    const one = queue();
    const two = queue();
    one.add("job", [accept("1")]);
    two.add("job", [accept("2")]);
    await Promise.all([one.flush(), two.flush()]);
    expect(sent.map(([, uids]) => uids[0]).sort()).toEqual(["1", "2"]);
  });

  it("are kept in the page where the browser's store is full", async () => {
    memory.isFull = true;
    fails = [new ServiceError("broken", "")];
    const pending = queue();
    pending.add("job", [accept("1")]);
    await vi.advanceTimersByTimeAsync(0);
    expect(pending.waiting()).toHaveLength(1);
    await pending.flush();
    expect(sent).toEqual([["job", ["1"]]]);
    expect(pending.entries()).toEqual([]);
  });

  it("pass over what another program wrote under their name", () => {
    memory.kept.set("wetread.pending.1", "not JSON");
    expect(queue().entries()).toEqual([]);
  });
});
