/** What stands in the way, in words, with what to do about it. */

import { pending } from "../state/decisions";
import { store, type State } from "../state/store";
import { say, sayOf } from "../strings/strings";

export function Trouble({ state }: { state: State }) {
  const { failure, pending: waiting, refused } = state;
  return (
    <>
      {failure && (
        <div class="trouble" role="alert" data-cy="wetread-trouble" data-trouble={failure.trouble}>
          <p>{failure.trouble === "refused" && !failure.said ? say("notOnImage") : sayOf("trouble", failure.trouble)} {failure.said}</p>
          {failure.retry && (
            <button type="button" data-cy="wetread-retry" onClick={() => { store.set({ failure: null }); failure.retry?.(); }}>{say("retry")}</button>
          )}
          <button type="button" data-cy="wetread-dismiss-trouble" onClick={() => store.set({ failure: null })}>{say("dismiss")}</button>
        </div>
      )}
      {refused.length > 0 && (
        <div class="trouble" role="alert" data-cy="wetread-refused">
          {refused.map((one) => <p key={one.said}>{say("refusedVerdict", { said: one.said })}</p>)}
          <button type="button" data-cy="wetread-dismiss" onClick={() => pending().dismiss()}>{say("dismiss")}</button>
        </div>
      )}
      {waiting > 0 && failure && <p class="waiting" role="status" data-cy="wetread-waiting">{say("waiting", { count: waiting })}</p>}
    </>
  );
}
