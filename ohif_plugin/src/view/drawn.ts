/** Boxes and points that a reader draws for Wetread: a new finding, or the place that a question is about. */

import { host } from "../host/host";
import type { Annotation } from "../host/services";
import type { Corners, Prompts } from "../api/types";

export type Shape = "box" | "point";

export interface Drawn {
  uid: string;
  shape: Shape;
  plane: number;
  /** A box, or the point as a box without extent. */
  corners: Corners;
}

const TOOLS: Record<Shape, string> = { box: "RectangleROI", point: "Probe" };

let armed: Shape | null = null;

/** Let the reader draw one shape with the host's tool. */
export function arm(shape: Shape): void {
  armed = shape;
  activate(TOOLS[shape]);
}

/** The shape that was asked for, once it is drawn; any other annotation is the reader's own. */
export function takes(annotation: Annotation): Shape | null {
  if (!armed || annotation.metadata.toolName !== TOOLS[armed]) return null;
  const shape = armed;
  armed = null;
  activate("WindowLevel");
  return shape;
}

function activate(toolName: string): void {
  host().commandsManager.runCommand("setToolActive", { toolName });
}

/** Drawn shapes as the service takes them; null for none. */
export function promptsOf(drawn: readonly Drawn[]): Prompts | null {
  if (!drawn.length) return null;
  return {
    boxes: drawn.filter((one) => one.shape === "box").map((one) => ({ plane: one.plane, box: one.corners })),
    points: drawn.filter((one) => one.shape === "point").map((one) => ({ plane: one.plane, x: one.corners[0], y: one.corners[1], wanted: true })),
  };
}
