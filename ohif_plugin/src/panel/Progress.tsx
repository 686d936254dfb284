/** A read under way: its place in the queue, its stage, and its words as they are written. */

import { useEffect, useRef } from "preact/hooks";
import { cancel } from "../state/reading";
import type { State } from "../state/store";
import { say, sayOf } from "../strings/strings";

export function Progress({ state }: { state: State }) {
  const { phase, stage, progress, position, text, broken, early, read } = state;
  const written = useRef<HTMLPreElement>(null);
  useEffect(() => {
    if (written.current) written.current.scrollTop = written.current.scrollHeight;
  }, [text]);
  if (phase === "idle") return null;
  const isRunning = phase === "sending" || phase === "running";
  const where = phase === "sending" ? say("sending") : position > 0 ? say("position", { count: position }) : sayOf("stage", stage);
  return (
    <>
      {isRunning && (
        <div class="progress" data-cy="wetread-progress">
          <p role="status" aria-live="polite" data-cy="wetread-stage">{where}</p>
          <progress max={1} value={progress} aria-label={where} />
          <button type="button" onClick={() => void cancel()} data-cy="wetread-cancel">{say("cancel")}</button>
          {broken && <p class="waiting" role="status" data-cy="wetread-broken">{say("reconnecting")}</p>}
          {early.length > 0 && <p class="quiet">{early.map((one) => one.label).join(", ")}</p>}
        </div>
      )}
      {(text || read) && (
        <details class="reasoning" open={isRunning || Boolean(read && !read.findings.length)}>
          <summary>{say("reasoning")}</summary>
          <pre ref={written} tabIndex={0} data-cy="wetread-reasoning">{text}</pre>
        </details>
      )}
    </>
  );
}
