/** One place where an error becomes what the panel shows. */

import { ServiceError } from "../api/client";
import { store } from "./store";

export function fail(error: unknown, retry: (() => void) | null = null): void {
  if (error instanceof ServiceError) {
    store.set({ failure: { trouble: error.trouble, said: error.said, retry: error.again ? retry : null } });
    return;
  }
  store.set({ failure: { trouble: "defect", said: error instanceof Error ? error.message : String(error), retry } });
}
