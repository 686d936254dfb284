"""The whole way in an unmodified viewer: read, look, correct, sign; what is in the PACS is what was drawn."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pytest
import requests
from pydicom import Dataset, dcmwrite

from bright_pixel_reader import BrightPixelReader
from dicom_phantoms import ct_series
from ohif import RELEASES, Viewer, folder_of
from validators import dciodvfy_errors
from waiting import until
from wetread.archive.dicomweb import DicomwebArchive
from wetread.reading import Reader
from wetread.service.app import create_app

pytestmark = pytest.mark.ohif
CHOSEN = os.environ.get("WETREAD_OHIF_RELEASES", ",".join(RELEASES)).split(",")


def objects_of(archive: Any, study: str, series_uids: set[str]) -> dict[str, Dataset]:
    """SEG and SR that are in the archive and were not there before."""
    found = {}
    for entry in archive.search_series(study):
        if entry.Modality in ("SEG", "SR") and str(entry.SeriesInstanceUID) not in series_uids:
            found[str(entry.Modality)] = next(iter(archive.iter_series(study, str(entry.SeriesInstanceUID))))
    return found


def held_series(archive: Any, study: str) -> set[str]:
    return {str(entry.SeriesInstanceUID) for entry in archive.search_series(study)}


def box_in(sr: Dataset, tracking: str) -> list[float]:
    """The box of a finding as the SR's SCOORD says it."""
    (group,) = hd.sr.Comprehensive3DSR.from_dataset(sr).content.get_planar_roi_measurement_groups(tracking_uid=tracking)
    points = np.asarray(group.roi.value).reshape(-1, group.roi.value.shape[-1])[:, :2]
    return [*points.min(axis=0), *points.max(axis=0)]


def box_of(corners: list[list[float]]) -> list[float]:
    """The box on a picture without a place in the patient: the viewer puts the first pixel's centre at 0, 0."""
    points = np.asarray(corners)[:, :2] + 0.5
    return [*points.min(axis=0), *points.max(axis=0)]


def no_errors(dataset: Dataset, folder: Path) -> None:
    path = folder / f"{dataset.Modality}.dcm"
    dcmwrite(path, dataset, enforce_file_format=True)
    assert dciodvfy_errors(path) == []


@pytest.mark.orthanc
@pytest.mark.parametrize("version", CHOSEN)
def test_over_orthanc_the_pacs_holds_what_was_drawn(version, tab: Viewer, orthanc, serving, tissue, tmp_path):
    archive = DicomwebArchive(orthanc.url, user=orthanc.user, password=orthanc.password)
    whole_way(tab, archive, folder_of(version), serving, tissue, tmp_path, f"orthanc-{version}")


def test_over_a_folder_too(tab: Viewer, archive, serving, release, tissue, tmp_path):
    whole_way(tab, archive, release, serving, tissue, tmp_path, "folder")


def whole_way(tab, archive, folder, serving, tissue, tmp_path, name):
    study = str(tissue.StudyInstanceUID)
    archive.store([tissue]).require_complete()
    app = create_app(archive, Reader(), database=tmp_path / "records.sqlite", viewer=folder)
    with serving(app) as url:
        tab.open(url, study)
        assert "Preliminary, not for diagnosis" in tab.part("notice").inner_text()
        tab.part("question").fill("Please segment nuclei in the given image.")
        tab.read()
        ((tracking, state),) = tab.findings()
        assert state == "undecided"
        tab.wait_for_box(tracking)
        tab.wait_for_mask()
        tab.page.locator('[data-cy="wetread-object"][data-state="stored"]').nth(1).wait_for(timeout=60_000)
        tab.picture(f"{name}-read")

        # A first signature on what was accepted as it is: the model's own mask.
        before = held_series(archive, study)
        tab.part("accept").click()
        tab.wait_for_state(tracking, "accepted")
        tab.part("sign").click()
        tab.page.locator('[data-cy="wetread-signature"] [data-state="stored"]').first.wait_for(timeout=60_000)
        until(lambda: "SR" in objects_of(archive, study, before))
        accepted = objects_of(archive, study, before)["SR"]
        assert (accepted.VerificationFlag, accepted.PreliminaryFlag) == ("VERIFIED", "FINAL")
        no_errors(accepted, tmp_path)

        # A corner is dragged: corrected, and the next signature has the box that is on the screen.
        before = held_series(archive, study)
        tab.drag_corner(tracking, 60, 45)
        tab.wait_for_state(tracking, "corrected")
        drawn = box_of(tab.corners(tracking))
        tab.part("sign").click()
        until(lambda: "SR" in objects_of(archive, study, before))
        corrected = objects_of(archive, study, before)["SR"]
        assert box_in(corrected, tracking) == pytest.approx(drawn, abs=0.05)
        assert str(corrected.PatientName) == "Müller^Änne"
        no_errors(corrected, tmp_path)
        tab.picture(f"{name}-corrected")

        # Opened again, everything is back: state, box and signatures.
        tab.open(url, study)
        tab.wait_for_state(tracking, "corrected")
        tab.wait_for_box(tracking)
        assert box_of(tab.corners(tracking)) == pytest.approx(drawn, abs=0.05)
        assert tab.part("signature").count() == 2

        # Undo goes back to nothing decided; a rejection needs a reason and takes the box off.
        tab.part("reject").click()
        tab.part("reason").fill("an artefact")
        tab.part("reject-send").click()
        tab.wait_for_state(tracking, "rejected")
        gone = f"() => !window.cornerstoneTools.annotation.state.getAnnotation('wetread-{tracking}')"
        tab.page.wait_for_function(gone)
        tab.page.keyboard.press("Alt+z")
        tab.wait_for_state(tracking, "undecided")


def test_a_box_lies_in_the_patient_where_the_read_says(tab: Viewer, archive, serving, release):
    """Pixels that are not square, an oblique series: the viewer's millimetres are the read's own."""
    series = ct_series(4, orientation="oblique", row_spacing=0.9, column_spacing=1.6)
    archive.store(series).require_complete()
    with serving(create_app(archive, BrightPixelReader(), viewer=release)) as url:
        tab.open(url, str(series[0].StudyInstanceUID))
        tab.read()
        ((tracking, _),) = tab.findings()
        tab.wait_for_box(tracking)
        job = requests.get(f"{url}/wetread/v1/reads", timeout=30).json()[0]["uid"]
        (finding,) = requests.get(f"{url}/wetread/v1/reads/{job}/result", timeout=30).json()["findings"]
        top_left, top_right, bottom_right, bottom_left = finding["box"]["patient_mm"]["corners"]
        drawn = tab.corners(tracking)
        assert np.abs(np.asarray(drawn) - [top_left, top_right, bottom_left, bottom_right]).max() < 1e-3


def test_a_verified_report_opens_in_the_viewers_own_mode_without_the_panel(tab: Viewer, archive, serving, release):
    """Another hospital's OHIF knows nothing of Wetread: its own reader of SR makes the box a rectangle again."""
    series = ct_series(4)
    study = str(series[0].StudyInstanceUID)
    archive.store(series).require_complete()
    with serving(create_app(archive, BrightPixelReader(), viewer=release)) as url:
        tab.open(url, study)
        tab.read()
        ((tracking, _),) = tab.findings()
        tab.wait_for_box(tracking)
        drawn = np.asarray(tab.corners(tracking))
        tab.part("accept").click()
        tab.wait_for_state(tracking, "accepted")
        tab.part("sign").click()
        tab.page.locator('[data-cy="wetread-signature"] [data-state="stored"]').first.wait_for(timeout=60_000)
        tab.page.goto(f"{url}/viewer?StudyInstanceUIDs={study}")
        tab.page.wait_for_function(SR_IS_LISTED, timeout=90_000)
        points = tab.page.evaluate(HYDRATE)
        assert points, "no rectangle came of the report"
        assert np.abs(np.sort(np.asarray(points), axis=0) - np.sort(drawn, axis=0)).max() < 1e-3


SR_IS_LISTED = """() => {
  const viewports = window.cornerstone?.getRenderingEngines?.()?.[0]?.getViewports() ?? [];
  const sets = window.services?.displaySetService.getActiveDisplaySets() ?? [];
  return viewports.some((one) => one.viewportStatus === 'rendered')
    && sets.some((one) => one.Modality === 'SR' && one.SeriesDescription?.includes('verified'));
}"""
HYDRATE = """async () => {
  const sets = window.services.displaySetService.getActiveDisplaySets();
  const report = sets.find((one) => one.Modality === 'SR' && one.SeriesDescription.includes('verified'));
  await report.load();
  await window.commandsManager.run('hydrateSecondaryDisplaySet', {
    displaySet: report, viewportId: window.services.viewportGridService.getActiveViewportId(),
  });
  await new Promise((done) => setTimeout(done, 2000));
  const held = window.cornerstoneTools.annotation.state.getAllAnnotations();
  return held.find((one) => one.metadata.toolName === 'RectangleROI')?.data.handles.points;
}"""


def test_in_three_planes_the_mask_is_the_same_and_a_finding_is_found_again(tab: Viewer, archive, serving, release):
    series = ct_series(24, rows=64, columns=64, slice_spacing=2.0)
    archive.store(series).require_complete()
    with serving(create_app(archive, BrightPixelReader(), viewer=release)) as url:
        tab.open(url, str(series[0].StudyInstanceUID))
        tab.read()
        tab.wait_for_mask()
        tab.page.evaluate("() => window.commandsManager.run('setHangingProtocol', { protocolId: 'mpr' })")
        tab.page.wait_for_function(THREE_PLANES, timeout=60_000)
        tab.part("jump").click()
        tab.page.wait_for_function(ON_FIRST_OR_LAST_SLICE, timeout=30_000)
        tab.picture("three-planes")


THREE_PLANES = """() => {
  const all = window.cornerstone.getRenderingEngines()[0].getViewports();
  const viewports = all.filter((one) => one.type === "orthographic");
  const state = window.cornerstoneTools.segmentation.state;
  return viewports.length === 3 && viewports.every((one) => (
    one.viewportStatus === "rendered" && state.getSegmentationRepresentations(one.id, {}).length));
}"""
ON_FIRST_OR_LAST_SLICE = """() => {
  const axial = window.cornerstone.getRenderingEngines()[0].getViewport("mpr-axial");
  return [0, 23].includes(axial.getSliceIndex());
}"""


def test_a_mask_edited_with_the_hosts_brush_is_the_mask_in_the_seg(tab: Viewer, archive, serving, release, tmp_path):
    """The brush paints in the host's label map; the panel notices, and the signed SEG holds exactly those pixels."""
    series = ct_series(4)
    study = str(series[0].StudyInstanceUID)
    archive.store(series).require_complete()
    with serving(create_app(archive, BrightPixelReader(), viewer=release)) as url:
        tab.open(url, study)
        tab.read()
        ((tracking, _),) = tab.findings()
        tab.wait_for_mask()
        marked = sum(tab.marked())
        tab.page.evaluate(PAINT)
        tab.wait_for_state(tracking, "corrected")
        now = sum(tab.marked())
        assert now > marked
        before = held_series(archive, study)
        tab.part("sign").click()
        until(lambda: "SEG" in objects_of(archive, study, before))
        seg = objects_of(archive, study, before)["SEG"]
        assert int(seg.pixel_array.sum()) == now
        assert seg.SegmentSequence[0].SegmentAlgorithmType == "SEMIAUTOMATIC"
        assert str(seg.SegmentSequence[0].TrackingUID) == tracking
        no_errors(seg, tmp_path)
        tab.picture("mask-edited")


def test_a_stroke_is_not_wiped_by_a_decision_that_comes_right_after_it(tab: Viewer, archive, serving, release):
    series = ct_series(4)
    archive.store(series).require_complete()
    with serving(create_app(archive, BrightPixelReader(), viewer=release)) as url:
        tab.open(url, str(series[0].StudyInstanceUID))
        tab.read()
        ((tracking, _),) = tab.findings()
        tab.wait_for_mask()
        marked = sum(tab.marked())
        tab.page.evaluate(ERASE)
        tab.part("accept").click()  # its answer comes before the stroke has settled
        tab.wait_for_state(tracking, "corrected")
        assert sum(tab.marked()) == marked - 50


def test_what_the_host_says_late_of_a_box_is_no_correction(tab: Viewer, archive, serving, release):
    """The host calls a box modified whenever it has measured it anew: also right before the box is taken off."""
    series = ct_series(4)
    archive.store(series).require_complete()
    with serving(create_app(archive, BrightPixelReader(), viewer=release)) as url:
        tab.open(url, str(series[0].StudyInstanceUID))
        tab.read()
        ((tracking, _),) = tab.findings()
        tab.wait_for_box(tracking)
        tab.drag_corner(tracking, 60, 45)
        tab.wait_for_state(tracking, "corrected")
        tab.part("reject").click()
        tab.part("reason").fill("an artefact")
        tab.page.evaluate(SAY_MODIFIED, tracking)
        tab.part("reject-send").click()
        tab.wait_for_state(tracking, "rejected")
        tab.page.wait_for_timeout(1500)
        assert tab.findings() == [(tracking, "rejected")]
        tab.part("undo").click()
        tab.wait_for_state(tracking, "corrected")


SAY_MODIFIED = """(uid) => {
  const { annotation: { state }, Enums: { Events } } = window.cornerstoneTools;
  const { eventTarget, triggerEvent } = window.cornerstone;
  triggerEvent(eventTarget, Events.ANNOTATION_MODIFIED, { annotation: state.getAnnotation(`wetread-${uid}`) });
}"""
ERASE = """() => {
  const held = window.cornerstoneTools.segmentation.state.getSegmentations();
  const found = held.find((one) => one.segmentationId.startsWith("wetread-"));
  for (const id of found.representationData.Labelmap.imageIds) {
    const values = window.cornerstone.cache.getImage(id).voxelManager.getScalarData();
    let left = 50;
    for (let at = 0; at < values.length && left; at++) if (values[at] === 1) { values[at] = 0; left--; }
    if (left < 50) break;
  }
  window.cornerstoneTools.segmentation.triggerSegmentationEvents.triggerSegmentationDataModified(found.segmentationId);
}"""

# What a brush does at the end of a stroke: values in the label map of one slice, then the event.
PAINT = """() => {
  const held = window.cornerstoneTools.segmentation.state.getSegmentations();
  const found = held.find((one) => one.segmentationId.startsWith("wetread-"));
  const image = window.cornerstone.cache.getImage(found.representationData.Labelmap.imageIds[2]);
  const values = image.voxelManager.getScalarData();
  for (let row = 5; row < 15; row++) for (let column = 7; column < 27; column++) values[row * image.width + column] = 1;
  window.cornerstoneTools.segmentation.triggerSegmentationEvents.triggerSegmentationDataModified(found.segmentationId);
}"""


def test_a_drawn_box_becomes_a_finding_or_the_place_of_a_question(tab: Viewer, archive, serving, release, tissue):
    archive.store([tissue]).require_complete()
    with serving(create_app(archive, Reader(), viewer=release)) as url:
        tab.open(url, str(tissue.StudyInstanceUID))
        tab.read()
        tab.part("draw-box").click()
        tab.draw(0.4, 0.4, 0.5, 0.5)
        tab.part("place").wait_for()
        tab.part("target").fill("nuclei")
        tab.part("add").click()
        tab.page.locator('[data-cy="wetread-finding"][data-state="added"]').wait_for()

        tab.part("draw-box").click()
        tab.draw(0.3, 0.3, 0.7, 0.7)
        tab.part("place").wait_for()
        tab.read()
        tab.page.get_by_text("held to what was pointed at").first.wait_for(state="attached")
        assert tab.part("place").count() == 0
