/** Earlier reads of the study, and what was decided on them, from the ledger. */

import type { HistoryEntry } from "../api/types";
import { showJob } from "../state/reading";
import type { State } from "../state/store";
import { say, sayOf } from "../strings/strings";

export function History({ state }: { state: State }) {
  const { jobs, history, job } = state;
  const earlier = jobs.filter((one) => one.uid !== job && one.state !== "CANCELED");
  if (!earlier.length && !history.length) return null;
  return (
    <details class="history" data-cy="wetread-history">
      <summary>{say("history")}</summary>
      <ul>
        {earlier.map((one) => (
          <li key={one.uid}>
            <button type="button" onClick={() => void showJob(one)} data-cy="wetread-show">{say("show")}</button>{" "}
            {new Date(one.created).toLocaleString()} · {one.question || say("questionHint")} · {one.owner}
          </li>
        ))}
      </ul>
      <ol>{history.map((one) => <li key={one.number}>{words(one)} · {new Date(one.recorded).toLocaleString()}</li>)}</ol>
    </details>
  );
}

function words(entry: HistoryEntry): string {
  const { label, decision } = entry.what as { label?: string; decision?: string };
  if (entry.kind === "verdict") return say("event_verdict", { login: entry.actor, decision: decision ?? "", label: label ?? "" });
  return sayOf("event", entry.kind, { login: entry.actor, model: entry.actor });
}
