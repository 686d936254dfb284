/**
 * Masks of a read as label maps of the host, so that its own segmentation tools edit them.
 *
 * The pixels are those that the service keeps for the asking person, which are those of the SEG it writes. What was
 * edited is found by comparing with what was put in; nobody has to say that he edited something.
 */

import { cornerstone, services, tools } from "../host/host";
import type { DecidedMask, Read } from "../api/types";
import { displaySetOf, imageIdsOf, imagesOfPlanes } from "./images";
import { viewportsOf } from "./jump";
import { changedValues, labelPlane, layersOf, pixelsOf, type Layer, type Planes } from "./layers";
import { decodePlane, encodePlane } from "./png";

const PREFIX = "wetread-";

interface Shown {
  read: Read;
  layer: Layer;
  /** Image of the label map for each plane of the read. */
  images: (string | null)[];
  /** What was put in or last taken out. */
  known: Map<number, Uint8Array>;
}

const shown = new Map<string, Shown>();

export const isOurs = (segmentationId: string): boolean => shown.has(segmentationId);

/** Put the masks of a read on its series. */
export async function showMasks(job: string, read: Read, decided: DecidedMask[], hidden: ReadonlySet<string>): Promise<void> {
  const display = displaySetOf(read.source.series_instance_uids[0] ?? "");
  if (!display) return;
  const masks = new Map<string, Planes>();
  for (const one of decided) {
    if (hidden.has(one.tracking_uid)) continue;
    const planes = new Map<number, Uint8Array>();
    for (const [index, text] of Object.entries(one.mask)) planes.set(Number(index), await decodePlane(text));
    masks.set(one.tracking_uid, planes);
  }
  const layers = layersOf(masks);
  for (const id of [...shown.keys()]) if (!layers.some((_, number) => id === idOf(job, number))) remove(id);
  display.imageIds ??= imageIdsOf(display);
  for (const [number, layer] of layers.entries()) {
    const id = idOf(job, number);
    const held = shown.get(id);
    if (held && held.layer.tracking.join() !== layer.tracking.join()) remove(id);
    if (!shown.has(id)) await create(id, read, layer, display.displaySetInstanceUID);
    if (!isEdited(id)) fill(id, masks); // strokes that have not settled yet come as a verdict, and are shown after it
  }
}

const idOf = (job: string, number: number): string => `${PREFIX}${job}-${number}`;

async function create(id: string, read: Read, layer: Layer, displaySetUid: string): Promise<void> {
  const service = services().segmentationService;
  const display = services().displaySetService.getDisplaySetByUID(displaySetUid)!;
  const findings = layer.tracking.map((tracking) => read.findings.find((one) => one.tracking_uid === tracking));
  const segments = Object.fromEntries(
    layer.tracking.map((tracking, index) => [index + 1, { label: findings[index]?.label ?? tracking, active: index === 0, segmentIndex: index + 1 }]),
  );
  await service.createLabelmapForDisplaySet(display, { segmentationId: id, label: "Wetread", segments });
  const labelmap = tools().segmentation.state.getSegmentation(id)?.representationData.Labelmap;
  const planes = imagesOfPlanes(read, display);
  const images = planes.map((imageId) => {
    const at = imageId ? (labelmap?.referencedImageIds ?? display.imageIds ?? []).indexOf(imageId) : -1;
    return at >= 0 ? (labelmap?.imageIds?.[at] ?? null) : null;
  });
  shown.set(id, { read, layer, images, known: new Map() });
  const type = tools().Enums.SegmentationRepresentations.Labelmap;
  for (const viewportId of viewportsOf(displaySetUid)) {
    await service.addSegmentationRepresentation(viewportId, { segmentationId: id, type });
    findings.forEach((finding, index) => {
      if (finding) service.setSegmentColor(viewportId, id, index + 1, [...finding.colour, 255]);
    });
  }
}

function fill(id: string, masks: ReadonlyMap<string, Planes>): void {
  const held = shown.get(id)!;
  const { columns, rows } = held.read.source;
  held.images.forEach((imageId, index) => {
    if (!imageId) return;
    const values = labelPlane(held.layer, masks, index, columns * rows);
    if (!held.known.has(index) && !values.some(Boolean)) return;
    write(imageId, values);
    held.known.set(index, values);
  });
  tools().segmentation.triggerSegmentationEvents.triggerSegmentationDataModified(id);
}

function write(imageId: string, values: Uint8Array): void {
  const voxels = cornerstone().cache.getImage(imageId)?.voxelManager;
  const held = voxels?.getScalarData();
  if (!voxels || !held) return;
  (held as Uint8Array).set(values);
  voxels.setScalarData?.(held);
}

const valuesOf = (imageId: string): ArrayLike<number> | null => cornerstone().cache.getImage(imageId)?.voxelManager?.getScalarData() ?? null;

/** True where the reader has painted since the masks were put in or last taken. */
function isEdited(id: string): boolean {
  const { images, known, read } = shown.get(id)!;
  const empty = new Uint8Array(read.source.columns * read.source.rows);
  return images.some((imageId, index) => {
    const values = imageId ? valuesOf(imageId) : null;
    return values !== null && changedValues(known.get(index) ?? empty, values).size > 0;
  });
}

export interface EditedMask { tracking: string; mask: Record<string, string> | null }

/** Masks that were edited since they were put in or last taken; null for one of which nothing is left. */
export async function editedMasks(id: string): Promise<EditedMask[]> {
  const held = shown.get(id);
  if (!held) return [];
  const { columns, rows } = held.read.source;
  const empty = new Uint8Array(columns * rows);
  const changed = new Set<number>();
  held.images.forEach((imageId, index) => {
    const values = imageId ? valuesOf(imageId) : null;
    if (!values) return;
    for (const value of changedValues(held.known.get(index) ?? empty, values)) changed.add(value);
    if (changed.size) held.known.set(index, Uint8Array.from(values));
  });
  const edited: EditedMask[] = [];
  for (const value of changed) {
    const tracking = held.layer.tracking[value - 1];
    if (!tracking) continue; // a segment that the reader made for himself
    const mask: Record<string, string> = {};
    for (const [index, imageId] of held.images.entries()) {
      const pixels = imageId ? pixelsOf(valuesOf(imageId) ?? [], value) : null;
      if (pixels) mask[index] = await encodePlane(pixels, columns, rows);
    }
    edited.push({ tracking, mask: Object.keys(mask).length ? mask : null });
  }
  return edited;
}

/** Make a finding's mask the one that the host's tools edit. */
export function activate(tracking: string): void {
  for (const [id, held] of shown) {
    const index = held.layer.tracking.indexOf(tracking);
    if (index >= 0) services().segmentationService.setActiveSegment?.(id, index + 1);
  }
}

export function clearMasks(): void {
  for (const id of [...shown.keys()]) remove(id);
}

function remove(id: string): void {
  shown.delete(id);
  if (services().segmentationService.getSegmentation(id)) services().segmentationService.remove?.(id);
}
