/** Words in the reader's language: the one that OHIF was set to, else the browser's, else English. */

import { de } from "./de";
import { en, type Key } from "./en";
import { zh } from "./zh";

const LANGUAGES: Record<string, Record<Key, string>> = { de, en, zh };

export function language(): string {
  const wanted = [kept(), navigator.language].map((tag) => (tag ?? "").slice(0, 2).toLowerCase());
  return wanted.find((tag) => tag in LANGUAGES) ?? "en";
}

/** Where OHIF's i18next keeps the choice. */
function kept(): string | null {
  try {
    return window.localStorage.getItem("i18nextLng");
  } catch {
    return null; // a browser that lets no page keep anything
  }
}

export function say(key: Key, values: Record<string, string | number> = {}): string {
  return LANGUAGES[language()]![key].replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}

/** The words of a key that is put together; the last part itself where there are none. */
export function sayOf(prefix: string, name: string, values: Record<string, string | number> = {}): string {
  const key = `${prefix}_${name}`;
  return key in en ? say(key as Key, values) : name;
}
