/** What is asked, about which series, and where on it. */

import { arm, type Drawn, type Shape } from "../view/drawn";
import { addFinding, forget } from "../state/drawing";
import { ask } from "../state/reading";
import { choose } from "../state/session";
import { store, type State } from "../state/store";
import { say } from "../strings/strings";

export function Ask({ state }: { state: State }) {
  const { series, chosen, questions, question, phase, service } = state;
  if (!series.length) return service ? <p class="quiet" data-cy="wetread-no-series">{say("noSeries")}</p> : null;
  const isBusy = phase === "sending" || phase === "running";
  return (
    <form class="ask" onSubmit={(event) => { event.preventDefault(); void ask(); }}>
      <label>
        {say("series")}
        <select data-cy="wetread-series" value={chosen ?? ""} onChange={(event) => void choose(event.currentTarget.value)}>
          {series.map((one) => <option key={one.uid} value={one.uid}>{[one.modality, one.description].filter(Boolean).join(" · ")}</option>)}
        </select>
      </label>
      <label>
        {say("question")}
        <input list="wetread-questions" data-cy="wetread-question" maxLength={2000} placeholder={say("questionHint")} value={question}
          onInput={(event) => store.set({ question: event.currentTarget.value })} />
      </label>
      <datalist id="wetread-questions">
        {questions.map((one) => <option key={one.text} value={one.text} />)}
      </datalist>
      {questions.length > 0 && !questions.some((one) => one.covered) && <p class="quiet" data-cy="wetread-not-covered">{say("notCovered")}</p>}
      {series.find((one) => one.uid === chosen)?.modality !== "ECG" && <Places drawn={state.drawn} />}
      <button type="submit" class="primary" disabled={isBusy || !chosen} data-cy="wetread-read">{say("read")}</button>
    </form>
  );
}

/** Boxes and points that the next question is about, or that become findings. */
function Places({ drawn }: { drawn: Drawn[] }) {
  const { read, questions } = store.get();
  const targets = questions.map((one) => /^Please segment (.+) in the given image\.$/.exec(one.text)?.[1] ?? "").filter(Boolean);
  const draw = (shape: Shape, words: "drawBox" | "drawPoint") => (
    <button type="button" data-cy={`wetread-draw-${shape}`} onClick={() => arm(shape)}>{say(words)}</button>
  );
  return (
    <fieldset class="places">
      <legend>{say("pointing")}</legend>
      {draw("box", "drawBox")}{draw("point", "drawPoint")}
      <datalist id="wetread-targets">{targets.map((one) => <option key={one} value={one} />)}</datalist>
      {drawn.map((one) => (
        <div key={one.uid} class="place" data-cy="wetread-place">
          <span>{say(one.shape === "box" ? "drawnBox" : "drawnPoint", { plane: one.plane + 1 })}</span>
          <button type="button" onClick={() => forget(one.uid)} data-cy="wetread-forget">{say("remove")}</button>
          {one.shape === "box" && read && <AddAs drawn={one} />}
        </div>
      ))}
      {drawn.length > 0 && <p class="quiet">{say("asked")}</p>}
    </fieldset>
  );
}

function AddAs({ drawn }: { drawn: Drawn }) {
  const add = (event: SubmitEvent | Event): void => {
    event.preventDefault();
    const input = (event.currentTarget as HTMLElement).parentElement!.querySelector("input")!;
    if (input.value.trim()) addFinding(drawn, input.value.trim());
  };
  return (
    <div class="add">
      <input list="wetread-targets" aria-label={say("target")} placeholder={say("target")} maxLength={100} data-cy="wetread-target" />
      <button type="button" onClick={add} data-cy="wetread-add">{say("addAs")}</button>
    </div>
  );
}
