/**
 * Keys of the panel. All are pressed with Alt: OHIF's own hotkeys are plain letters and Ctrl, and a reader who types
 * a question must not decide anything. The physical key counts, so that every keyboard layout has them.
 */

import { acceptAll, decide, sign, takeBack } from "./decisions";
import { ask, cancel } from "./reading";
import { selectBy } from "./selection";
import { store } from "./store";

export interface Key { code: string; shift: boolean; name: "read" | "accept" | "acceptAll" | "reject" | "undo" | "next" | "previous" | "sign" | "cancel"; shown: string }

export const KEYS: readonly Key[] = [
  { code: "Enter", shift: false, name: "read", shown: "Alt+Enter" },
  { code: "KeyA", shift: false, name: "accept", shown: "Alt+A" },
  { code: "KeyA", shift: true, name: "acceptAll", shown: "Alt+Shift+A" },
  { code: "KeyX", shift: false, name: "reject", shown: "Alt+X" },
  { code: "KeyZ", shift: false, name: "undo", shown: "Alt+Z" },
  { code: "ArrowDown", shift: false, name: "next", shown: "Alt+↓" },
  { code: "ArrowUp", shift: false, name: "previous", shown: "Alt+↑" },
  { code: "KeyS", shift: false, name: "sign", shown: "Alt+S" },
  { code: "Escape", shift: false, name: "cancel", shown: "Alt+Esc" },
];

export function keyOf(event: Pick<KeyboardEvent, "altKey" | "ctrlKey" | "metaKey" | "shiftKey" | "code">): Key["name"] | null {
  if (!event.altKey || event.ctrlKey || event.metaKey) return null;
  return KEYS.find((key) => key.code === event.code && key.shift === event.shiftKey)?.name ?? null;
}

/** Told where the reason of a rejection is to be asked for; the panel sets it. */
export const rejecting: { ask: (tracking: string) => void } = { ask: () => undefined };

const DEEDS: Record<Key["name"], () => void> = {
  read: () => void ask(),
  accept: () => {
    const { selected, review } = store.get();
    const state = review?.findings.find((one) => one.tracking_uid === selected);
    if (state && state.state !== "added") {
      decide([{ tracking_uid: state.tracking_uid, decision: "accept", reason: "" }]);
      selectBy(1);
    }
  },
  acceptAll,
  reject: () => {
    const { selected } = store.get();
    if (selected) rejecting.ask(selected);
  },
  undo: takeBack,
  next: () => selectBy(1),
  previous: () => selectBy(-1),
  sign: () => void sign(),
  cancel: () => void cancel(),
};

export function listenToKeys(): () => void {
  const pressed = (event: KeyboardEvent): void => {
    const name = keyOf(event);
    if (!name || !store.get().study) return;
    event.preventDefault();
    event.stopPropagation();
    DEEDS[name]();
  };
  window.addEventListener("keydown", pressed, true);
  return () => window.removeEventListener("keydown", pressed, true);
}

