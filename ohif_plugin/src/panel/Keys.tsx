import { KEYS } from "../state/keys";
import { sayOf, say } from "../strings/strings";

/** The legend of the keys. */
export function Keys() {
  return (
    <details class="keys" data-cy="wetread-keys">
      <summary>{say("keys")}</summary>
      <dl>{KEYS.map((key) => <div key={key.name}><dt><kbd>{key.shown}</kbd></dt><dd>{sayOf("key", key.name)}</dd></div>)}</dl>
    </details>
  );
}
