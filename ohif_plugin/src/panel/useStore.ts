import { useEffect, useState } from "preact/hooks";
import { store, type State } from "../state/store";

/** The store's state, and a new rendering whenever it changes. */
export function useStore(): State {
  const [state, setState] = useState(store.get());
  useEffect(() => {
    setState(store.get());
    return store.subscribe(() => setState(store.get()));
  }, []);
  return state;
}
