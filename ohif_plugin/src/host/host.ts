/** The host that loaded the plugin: set once when OHIF registers the extension, asked for by everything else. */

import type { Cornerstone, CornerstoneTools, DataSource, Host, Services } from "./services";

let held: Host | null = null;

export function setHost(host: Host): void {
  held = host;
}

export function host(): Host {
  if (!held) throw new Error("OHIF has not registered the Wetread extension");
  return held;
}

export const services = (): Services => host().servicesManager.services;

/** The active data source, which knows a display set's images. */
export function dataSource(): DataSource | undefined {
  return host().extensionManager.getActiveDataSource()[0];
}

export function cornerstone(): Cornerstone {
  if (!window.cornerstone) throw new Error("OHIF's Cornerstone extension is not there");
  return window.cornerstone;
}

export function tools(): CornerstoneTools {
  if (!window.cornerstoneTools) throw new Error("OHIF's Cornerstone extension is not there");
  return window.cornerstoneTools;
}

/** Base address of the service: `wetread.url` of app-config.js, else this origin's. */
export function serviceUrl(): string {
  const configured = host().appConfig?.wetread?.url ?? "/wetread/v1";
  return new URL(configured, window.location.origin).href.replace(/\/$/, "");
}

/** The study that is open. */
export function studyUid(): string | null {
  const shown = services().displaySetService.getActiveDisplaySets();
  const named = new URLSearchParams(window.location.search).get("StudyInstanceUIDs");
  return shown[0]?.StudyInstanceUID ?? named?.split(",")[0] ?? null;
}
