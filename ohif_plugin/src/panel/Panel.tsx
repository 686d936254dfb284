/** The panel, from top to bottom in the order of the work: notice, question, progress, findings, signature, history. */

import { useEffect, useRef } from "preact/hooks";
import { language, say } from "../strings/strings";
import { Ask } from "./Ask";
import { Findings } from "./Findings";
import { History } from "./History";
import { Keys } from "./Keys";
import { Progress } from "./Progress";
import { Trouble } from "./Trouble";
import styles from "./panel.css";
import { isLight } from "./theme";
import { useStore } from "./useStore";

export function Panel() {
  const state = useStore();
  const root = useRef<HTMLElement>(null);
  useEffect(() => {
    if (root.current) root.current.dataset.theme = isLight(root.current.parentElement) ? "light" : "dark";
  }, []);
  return (
    <section class="wetread" ref={root} lang={language()} aria-label={say("title")} data-cy="wetread-panel">
      <style>{styles}</style>
      <header>
        <h2>{say("title")}</h2>
        {state.service && <span class="quiet" data-cy="wetread-model">{state.service.model.name} {state.service.model.version}</span>}
        <p class="notice" data-cy="wetread-notice">{say("notice")}</p>
      </header>
      <Trouble state={state} />
      {state.study ? <Ask state={state} /> : <p class="quiet">{say("noStudy")}</p>}
      <Progress state={state} />
      <Findings state={state} />
      <History state={state} />
      <Keys />
    </section>
  );
}
