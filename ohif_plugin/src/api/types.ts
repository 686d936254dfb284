/** Names for the server's types, generated from its OpenAPI, and for the documents it describes in words (docs/read-json.md). */

import type { components } from "./schema";

type Schemas = components["schemas"];
export type Capabilities = Schemas["Capabilities"];
export type Job = Schemas["JobView"];
export type Series = Schemas["SeriesView"];
export type Question = Schemas["Question"];
export type Review = Schemas["ReviewView"];
export type FindingState = Schemas["FindingState"];
export type VerdictBody = Schemas["VerdictBody"];
export type Signature = Schemas["SignatureView"];
export type StoredObject = Schemas["StoredObject"];
export type DecidedMask = Schemas["DecidedMask"];
export type Prompts = Schemas["PromptsRequest"];
export type HistoryEntry = Schemas["HistoryEntry"];

export type Corners = [number, number, number, number];

export interface Box {
  image_pixels: Corners;
  patient_mm: { corners: [number, number, number][]; frame_of_reference_uid: string } | null;
}

export interface Finding {
  label: string;
  colour: [number, number, number];
  tracking_uid: string;
  presence: number;
  grounded: boolean;
  description: string;
  /** Null for an ECG, whose findings have a time instead. */
  plane: { index: number; sop_instance_uid: string; frame_number: number | null } | null;
  box: Box | null;
  instances: Box[];
  mask: { pixels: number; planes: number[]; key_plane: number } | null;
}

export interface Read {
  uid: string;
  modality: string;
  kind: string;
  question: string;
  reasoning: string;
  abstention: string | null;
  diagnoses: string[];
  remarks: string[];
  model: { name: string; version: string; device_uid: string; seconds: number };
  findings: Finding[];
  source: {
    study_instance_uid: string;
    series_instance_uids: string[];
    instances: { sop_instance_uid: string }[];
    frames?: [number, number][] | null;
    planes: number;
    rows: number;
    columns: number;
  };
}
