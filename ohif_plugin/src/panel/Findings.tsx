/** What was found, where each finding stands, and the signature under it. */

import type { StoredObject } from "../api/types";
import { acceptAll, sign, takeBack } from "../state/decisions";
import type { State } from "../state/store";
import { say, sayOf } from "../strings/strings";
import { FindingRow } from "./FindingRow";

export function Findings({ state }: { state: State }) {
  const { read, review, picture, undoable, signing } = state;
  if (!read || !review) return null;
  const open = review.findings.filter((one) => one.state === "undecided").length;
  const signable = open === 0 && review.findings.some((one) => one.state !== "rejected") && !review.is_signed;
  return (
    <div class="findings">
      <h3>{say("findings")}</h3>
      {picture && <img class="tracing" src={picture} alt={say("tracing")} data-cy="wetread-tracing" onClick={() => window.open(picture, "_blank", "noopener")} />}
      {read.abstention && <p class="abstained" data-cy="wetread-abstention"><strong>{say("abstained")}.</strong> {read.abstention}</p>}
      {!read.abstention && !review.findings.length && <p class="quiet" data-cy="wetread-nothing">{say("nothing")}</p>}
      <ul>
        {review.findings.map((one) => (
          <FindingRow key={one.tracking_uid} state={one} finding={read.findings.find((each) => each.tracking_uid === one.tracking_uid)}
            isSelected={state.selected === one.tracking_uid} />
        ))}
      </ul>
      {review.findings.length > 0 && (
        <>
          <p class="quiet">{say("correctHint")}</p>
          <div class="deeds">
            <button type="button" onClick={acceptAll} disabled={!open} data-cy="wetread-accept-all">{say("acceptAll")}</button>
            <button type="button" onClick={takeBack} disabled={!undoable} data-cy="wetread-undo">{say("undo")}</button>
            <button type="button" class="primary" onClick={() => void sign()} disabled={!signable || signing} data-cy="wetread-sign">
              {signing ? say("signing") : say("sign")}
            </button>
          </div>
          {open > 0 && <p class="quiet" data-cy="wetread-open">{say("undecidedLeft", { count: open })}</p>}
        </>
      )}
      <div role="status" data-cy="wetread-stored">
        {state.stored.map((one) => <Stored key={one.sop_instance_uid} one={one} />)}
        {review.signatures.map((signature) => (
          <div key={signature.uid} class="signature" data-cy="wetread-signature">
            <p>{say("signed", { login: signature.login })} · {new Date(signature.moment).toLocaleString()}</p>
            {signature.stored.map((one) => <Stored key={one.sop_instance_uid} one={one} />)}
          </div>
        ))}
      </div>
      {review.others.length > 0 && <p class="quiet">{say("others", { logins: review.others.join(", ") })}</p>}
      {read.remarks.length > 0 && (
        <details><summary>{say("remarks")}</summary><ul class="remarks">{read.remarks.map((one) => <li key={one}>{one}</li>)}</ul></details>
      )}
      <p class="quiet" data-cy="wetread-provenance">
        {say("model", { name: read.model.name, version: read.model.version, seconds: read.model.seconds.toFixed(1) })}
      </p>
    </div>
  );
}

function Stored({ one }: { one: StoredObject }) {
  return (
    <p class={`object ${one.state}`} data-cy="wetread-object" data-state={one.state} data-kind={one.kind}>
      {sayOf("stored", one.state, { kind: one.kind })} {one.state === "stored" ? "" : one.reason}
    </p>
  );
}
