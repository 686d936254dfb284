/**
 * A panel of our own inside the host's React: one element made by hand, whose ref mounts a Preact tree.
 *
 * OHIF does not share its React with modules that are loaded at run time, and two Reacts in one tree break hooks. A
 * plain element is the same object for every React 18, which is what OHIF 3.11 to 3.14 carry.
 */

import { h, render, type ComponentType } from "preact";

const ELEMENT = Symbol.for("react.element");

export function island(component: ComponentType): () => unknown {
  let mounted: HTMLElement | null = null;
  const ref = (element: HTMLElement | null): void => {
    if (mounted && mounted !== element) render(null, mounted);
    mounted = element;
    if (element) render(h(component, {}), element);
  };
  return () => ({
    $$typeof: ELEMENT, type: "div", key: null, ref, props: { style: { height: "100%" } }, _owner: null, _store: {},
  });
}
