/** Series that were stored after the study was opened: the viewer is told to look again. */

import { dataSource, services } from "../host/host";

/**
 * Let OHIF list new series of the open study.
 *
 * Its metadata is cached under the study's UID, in some versions with the data source's name before it, and forgotten
 * by the bare UID alone; both are forgotten here, before and after, so that nothing half-known stays.
 */
export async function listSeries(study: string, series: readonly string[]): Promise<void> {
  const source = dataSource();
  const held = new Set(services().displaySetService.getActiveDisplaySets().map((one) => one.SeriesInstanceUID));
  for (const uid of series.filter((one) => !held.has(one))) {
    forget(study);
    await source?.retrieve.series.metadata({ StudyInstanceUID: study, filters: { seriesInstanceUID: uid } });
    forget(study);
  }
}

function forget(study: string): void {
  const source = dataSource();
  const name = (source as unknown as { getConfig?: () => { name?: string } } | undefined)?.getConfig?.().name;
  for (const key of [study, ...(name ? [`${name}:${study}`] : [])]) source?.deleteStudyMetadataPromise?.(key);
}
