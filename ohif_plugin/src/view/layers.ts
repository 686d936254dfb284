/** Masks on label maps, and back: pure arithmetic, so that it can be tested without a viewer. */

export type Planes = ReadonlyMap<number, Uint8Array>;

export interface Layer {
  /** Tracking UIDs; the first one's value is 1. */
  tracking: string[];
}

/** Findings onto as few label maps as possible, so that those of one map do not overlap. */
export function layersOf(masks: ReadonlyMap<string, Planes>): Layer[] {
  const layers: { tracking: string[]; taken: Map<number, Uint8Array> }[] = [];
  for (const [tracking, planes] of masks) {
    let layer = layers.find((one) => one.tracking.length < 255 && !overlaps(one.taken, planes));
    if (!layer) {
      layer = { tracking: [], taken: new Map() };
      layers.push(layer);
    }
    layer.tracking.push(tracking);
    for (const [index, plane] of planes) {
      const taken = layer.taken.get(index) ?? new Uint8Array(plane.length);
      for (let at = 0; at < plane.length; at++) if (plane[at]) taken[at] = 1;
      layer.taken.set(index, taken);
    }
  }
  return layers.map(({ tracking }) => ({ tracking }));
}

function overlaps(taken: Planes, planes: Planes): boolean {
  for (const [index, plane] of planes) {
    const held = taken.get(index);
    if (held?.some((value, at) => value && plane[at])) return true;
  }
  return false;
}

/** Values of one plane of a label map. */
export function labelPlane(layer: Layer, masks: ReadonlyMap<string, Planes>, index: number, size: number): Uint8Array {
  const values = new Uint8Array(size);
  layer.tracking.forEach((tracking, number) => {
    const plane = masks.get(tracking)?.get(index);
    if (plane) for (let at = 0; at < size; at++) if (plane[at]) values[at] = number + 1;
  });
  return values;
}

/** Values whose pixels differ between two planes. */
export function changedValues(before: ArrayLike<number>, after: ArrayLike<number>): Set<number> {
  const changed = new Set<number>();
  for (let at = 0; at < before.length; at++) {
    if (before[at] !== after[at]) {
      changed.add(before[at]!);
      changed.add(after[at]!);
    }
  }
  changed.delete(0);
  return changed;
}

/** Pixels of one value; null where there are none. */
export function pixelsOf(values: ArrayLike<number>, value: number): Uint8Array | null {
  const marked = new Uint8Array(values.length);
  let any = false;
  for (let at = 0; at < values.length; at++) {
    if (values[at] === value) {
      marked[at] = 1;
      any = true;
    }
  }
  return any ? marked : null;
}
