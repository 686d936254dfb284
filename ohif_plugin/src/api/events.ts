/** Server-sent events by fetch: EventSource can send no Authorization header. */

export interface ServerEvent { id: number | null; kind: string; data: Record<string, unknown> }

/** Takes the stream's text as it comes and gives the events that are complete; a block may be cut anywhere. */
export class EventParser {
  private rest = "";

  push(text: string): ServerEvent[] {
    const blocks = (this.rest + text).replaceAll("\r\n", "\n").split("\n\n");
    this.rest = blocks.pop() ?? "";
    return blocks.map(parsed).filter((event): event is ServerEvent => event !== null);
  }
}

function parsed(block: string): ServerEvent | null {
  let id: number | null = null;
  let kind = "";
  const lines: string[] = [];
  for (const line of block.split("\n")) {
    const colon = line.indexOf(":");
    if (colon <= 0) continue; // a comment, or a field without a value
    const name = line.slice(0, colon);
    const value = line.slice(colon + 1).replace(/^ /, "");
    if (name === "id" && /^\d+$/.test(value)) id = Number(value);
    else if (name === "event") kind = value;
    else if (name === "data") lines.push(value);
  }
  return kind && lines.length ? { id, kind, data: JSON.parse(lines.join("\n")) as Record<string, unknown> } : null;
}

const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 8000;

/**
 * Follow a stream until its job is over; after a break it goes on behind the last event it had.
 *
 * @param open answers a request that goes on after event `last`; rejects where that cannot be
 * @param onEvent told each event once; answers true where it was the last one
 * @param onBroken told that the stream broke and that it will be tried again, and null when it flows again
 */
export async function follow(
  open: (last: number, signal: AbortSignal) => Promise<Response>,
  onEvent: (event: ServerEvent) => boolean,
  onBroken: (error: unknown) => void,
  signal: AbortSignal,
): Promise<void> {
  let last = 0;
  let pause = FIRST_PAUSE;
  while (!signal.aborted) {
    try {
      const response = await open(last, signal);
      const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
      const parser = new EventParser();
      for (let step = await reader.read(); !step.done; step = await reader.read()) {
        onBroken(null);
        pause = FIRST_PAUSE;
        for (const event of parser.push(step.value)) {
          if (event.id !== null && event.id <= last) continue;
          last = event.id ?? last;
          if (onEvent(event)) return;
        }
      }
    } catch (error) {
      if (signal.aborted) return;
      if ((error as { final?: boolean }).final) throw error;
      onBroken(error);
    }
    await new Promise((done) => setTimeout(done, pause));
    pause = Math.min(2 * pause, LONGEST_PAUSE);
  }
}
