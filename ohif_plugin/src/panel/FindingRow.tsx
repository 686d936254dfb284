/** One finding: what it is, how sure, whether the pixels carry it, and the buttons that decide on it. */

import { useEffect, useRef, useState } from "preact/hooks";
import type { Finding, FindingState } from "../api/types";
import { decide } from "../state/decisions";
import { rejecting } from "../state/keys";
import { select } from "../state/selection";
import { say, sayOf } from "../strings/strings";

interface Given { state: FindingState; finding: Finding | undefined; isSelected: boolean }

export function FindingRow({ state, finding, isSelected }: Given) {
  const [asking, setAsking] = useState(false);
  const reason = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (asking) reason.current?.focus();
  }, [asking]);
  useEffect(() => {
    if (isSelected) rejecting.ask = () => setAsking(true);
  }, [isSelected]);
  const { tracking_uid: tracking } = state;
  const reject = (event: Event): void => {
    event.preventDefault();
    const said = reason.current?.value.trim();
    if (!said) return;
    setAsking(false);
    decide([{ tracking_uid: tracking, decision: "reject", reason: said }]);
  };
  const several = finding && finding.instances.length > 1;
  return (
    <li class={isSelected ? "finding selected" : "finding"} data-cy="wetread-finding" data-state={state.state} data-tracking={tracking}>
      <button type="button" class="name" aria-current={isSelected} onClick={() => select(tracking)} data-cy="wetread-jump">
        <span class="chip" style={{ background: `rgb(${(finding?.colour ?? [255, 200, 0]).join(",")})` }} aria-hidden="true" />
        <strong>{several ? say("several", { label: state.label, count: finding.instances.length }) : state.label}</strong>
        <span class={`badge ${state.state}`}>{sayOf("state", state.state)}</span>
      </button>
      {finding && (
        <p class="quiet">
          {say("presence", { share: `${Math.round(100 * finding.presence)} %` })} · {finding.plane && `${say("image", { plane: state.plane + 1 })} · `}
          <span class={finding.grounded ? "" : "ungrounded"} data-cy="wetread-grounded">{say(finding.grounded ? "grounded" : "ungrounded")}</span>
        </p>
      )}
      {finding?.description && <p class="description">{finding.description}</p>}
      <div class="deeds">
        {state.state !== "added" && (
          <button type="button" aria-pressed={state.state === "accepted"} data-cy="wetread-accept"
            onClick={() => decide([{ tracking_uid: tracking, decision: "accept", reason: "" }])}>{say("accept")}</button>
        )}
        {state.state === "added" ? (
          <button type="button" data-cy="wetread-withdraw" onClick={() => decide([{ tracking_uid: tracking, decision: "withdraw", reason: "" }])}>{say("remove")}</button>
        ) : (
          <button type="button" aria-pressed={state.state === "rejected"} aria-expanded={asking} data-cy="wetread-reject"
            onClick={() => setAsking(!asking)}>{say("reject")}</button>
        )}
      </div>
      {asking && (
        <form class="add" onSubmit={reject}>
          <input ref={reason} aria-label={say("reason")} placeholder={say("reason")} maxLength={2000} required data-cy="wetread-reason" />
          <button type="submit" data-cy="wetread-reject-send">{say("reject")}</button>
        </form>
      )}
    </li>
  );
}
