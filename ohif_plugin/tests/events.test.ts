import { describe, expect, it } from "vitest";
import { EventParser, follow, type ServerEvent } from "../src/api/events";

const TEXT = 'id: 1\nevent: progress\ndata: {"stage": "looking", "progress": 0.1}\n\n: still here\n\nid: 2\nevent: text\ndata: {"text": "größe ≈"}\n\n';

describe("the parser of server-sent events", () => {
  it("gives the same events wherever the text is cut", () => {
    const whole = new EventParser().push(TEXT);
    expect(whole.map((event) => [event.id, event.kind])).toEqual([[1, "progress"], [2, "text"]]);
    for (let cut = 1; cut < TEXT.length; cut++) {
      const parser = new EventParser();
      expect([...parser.push(TEXT.slice(0, cut)), ...parser.push(TEXT.slice(cut))]).toEqual(whole);
    }
  });

  it("takes events without a number, and lines ended in the other way", () => {
    expect(new EventParser().push('event: position\r\ndata: {"position": 3}\r\n\r\n')).toEqual([{ id: null, kind: "position", data: { position: 3 } }]);
  });
});

const stream = (text: string): Response => new Response(text);
const last = (event: ServerEvent): boolean => event.kind === "state";

describe("following a stream", () => {
  it("goes on behind the last event after a break, and tells each event once", async () => {
    const asked: number[] = [];
    const heard: (number | null)[] = [];
    const broken: boolean[] = [];
    const answers = [
      () => stream('id: 1\nevent: text\ndata: {"text": "a"}\n\n'),
      () => { throw new TypeError("network"); },
      () => stream('id: 1\nevent: text\ndata: {"text": "a"}\n\nid: 2\nevent: state\ndata: {"state": "COMPLETED"}\n\n'),
    ];
    await follow(
      async (from) => { asked.push(from); return answers.shift()!(); },
      (event) => { heard.push(event.id); return last(event); },
      (error) => broken.push(Boolean(error)),
      new AbortController().signal,
    );
    expect(asked).toEqual([0, 1, 1]);
    expect(heard).toEqual([1, 2]);
    expect(broken).toContain(true);
    expect(broken.at(-1)).toBe(false);
  }, 15000);

  it("gives up at once on what will not change", async () => {
    const refusal = Object.assign(new Error("forbidden"), { final: true });
    await expect(follow(async () => { throw refusal; }, last, () => undefined, new AbortController().signal)).rejects.toBe(refusal);
  });

  it("ends without a word when it is stopped", async () => {
    const stop = new AbortController();
    await follow(async () => { stop.abort(); throw new TypeError("network"); }, last, () => undefined, stop.signal);
  });
});
