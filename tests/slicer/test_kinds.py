"""Kinds of images, places that are pointed at, and the sample data."""

from __future__ import annotations

import subprocess

import numpy as np
import pydicom
import pytest
import slicer
import vtk
from outside import ENGINE, ROOT, Service, agreed, opened, read, until, work
from slicer_scene import load

from dicom_phantoms import ct_series, ultrasound_cine
from WetreadLib import corrections, nodes, phantoms, prompts, waveforms
from WetreadLib.application import Application
from WetreadLib.background import Background
from WetreadLib.drafts import Drafts
from WetreadLib.pictures import decodePlane
from WetreadLib.planes import NotThisVolume, PlaneMap, ijkToRasOf
from WetreadLib.session import Session
from WetreadLib.transfers import upload
from WetreadLib.volumes import NotFromDicom, uidsOf


def test_a_cine_in_colour_has_its_frames_as_planes(session, tmp_path):
    node = opened(session, ultrasound_cine(), tmp_path / "files")
    assert node.IsA("vtkMRMLVectorVolumeNode")
    read(session, "")
    finding = session.read["findings"][0]
    segment = session.screen.segmentation.GetSegmentation().GetSegment(finding["tracking_uid"])
    assert segment.GetName() == "liver"
    shown = slicer.util.arrayFromSegmentBinaryLabelmap(
        session.screen.segmentation, finding["tracking_uid"], node
    )
    expected = slicer.util.arrayFromVolume(node).astype(float).mean(axis=-1)
    assert ((expected > expected.mean()) == (shown > 0)).all()


def test_the_shipped_model_reads_tissue_and_every_segment_carries_its_codes(scene, tmp_path):
    service = Service(tmp_path / "archive", "--reader", "real")
    session = Session(scene, Background(), Drafts(tmp_path / "drafts"), lambda: None)
    session.connect(agreed(service.address))
    opened(session, [made_by_the_engine(TISSUE, tmp_path / "tissue.dcm")], tmp_path / "files")
    read(session, "Please segment nuclei in the given image.")
    (finding,) = session.read["findings"]
    segment = session.screen.segmentation.GetSegmentation().GetSegment(finding["tracking_uid"])
    entry = vtk.reference("")
    assert segment.GetTag(slicer.vtkSegment.GetTerminologyEntryTagName(), entry)
    parts = str(entry).split("~")
    assert len(parts) == 7
    assert parts[2] == "SCT^{code}^{meaning}".format(**finding["type"])
    assert nodes.trackingOf(segment) == finding["tracking_uid"]
    assert segment.GetColor() == pytest.approx([value / 255 for value in finding["colour"]])
    session.close()
    service.close()


def made_by_the_engine(code: str, path):
    """A DICOM file that `code`, run where the engine is installed, writes to sys.argv[1]."""
    support = str(ROOT / "tests" / "support")
    subprocess.run([ENGINE, "-c", f"import sys; sys.path.insert(0, {support!r})\n{code}", str(path)], check=True)
    return pydicom.dcmread(path)


TISSUE = """
import numpy as np
from wetread.imaging.wrap_picture import wrap_picture
from wetread.terminology import Modality
from wetread.training.phantoms import drawn_nuclei
drawn = wrap_picture(drawn_nuclei(np.random.default_rng(7))[0], Modality.PATHOLOGY)
drawn.save_as(sys.argv[1], enforce_file_format=True)
"""
ECG = "from ecg_phantoms import ecg, save\nsave(ecg(), sys.argv[1])"


def test_boxes_points_and_scribbles_are_told_in_pixels_of_their_plane(session, tmp_path):
    node = opened(session, ct_series(6, orientation="oblique", row_spacing=0.9, column_spacing=1.6, name="prompts"),
                  tmp_path / "files")  # fmt: skip
    columns, rows = node.GetImageData().GetDimensions()[:2]
    planes = PlaneMap(session.planes, rows, columns, node)

    def at(plane, x, y):
        return (planes.frameOf(plane) @ [x, y, 0, 1])[:3]

    box = prompts.createPrompt(session.scene, "box", node, "Box")
    nodes.placeRoi(box, planes, 3, (10, 5, 30, 25))
    point = prompts.createPrompt(session.scene, "point", node, "Here")
    point.AddControlPoint(at(2, 12.5, 8.5))
    other = prompts.createPrompt(session.scene, "notPoint", node, "Not here")
    other.AddControlPoint(at(4, 20, 30))
    beside = prompts.createPrompt(session.scene, "point", node, "Here")
    beside.AddControlPoint(at(2, -30, 8))
    scribble = prompts.createPrompt(session.scene, "scribble", node, "Scribble")
    voxels = np.zeros((6, rows, columns), np.uint8)
    voxels[planes.slices[1], 3:6, 7:20] = 1
    slicer.util.updateSegmentBinaryLabelmapFromArray(voxels, scribble, prompts.SCRIBBLE, node)

    told = prompts.promptsOf(session.scene, planes, node)
    (one,) = told["boxes"]
    assert one["plane"] == 3
    assert one["box"] == pytest.approx([10, 5, 30, 25], abs=1e-3)
    assert [(p["plane"], p["wanted"]) for p in told["points"]] == [(2, True), (4, False)]
    assert [told["points"][0][axis] for axis in "xy"] == pytest.approx([12.5, 8.5], abs=1e-3)
    assert list(told["mask"]) == ["1"]
    assert (decodePlane(told["mask"]["1"]) == (voxels[planes.slices[1]] > 0)).all()

    read(session)
    assert prompts.promptNodes(session.scene) == [], "they were part of the question"
    assert session.read["reasoning"].endswith("Pointed at: 1 box, 2 points, 1 drawn.")


def test_a_volume_that_is_not_the_series_is_refused_in_words(session, tmp_path):
    node = opened(session, ct_series(6, name="moved"), tmp_path / "files")
    matrix = slicer.util.arrayFromVTKMatrix(ijkToRasOf(node))
    matrix[0, 3] += 7
    node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(matrix))
    columns, rows = node.GetImageData().GetDimensions()[:2]
    with pytest.raises(NotThisVolume, match="does not lie"):
        PlaneMap(session.planes, rows, columns, node)
    with pytest.raises(NotThisVolume, match="pixels"):
        PlaneMap(session.planes, rows + 1, columns, node)


def test_a_volume_that_did_not_come_from_dicom_is_told_apart(session):
    node = session.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Head")
    session.open(node)
    assert "did not come from DICOM" in session.failure
    with pytest.raises(NotFromDicom):
        uidsOf(node, session.scene)


def test_a_linear_transform_above_the_volume_moves_mask_and_box_with_it(session, tmp_path):
    node = load(session.scene, ct_series(5, name="moved along"), tmp_path / "files")
    transform = session.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Registration")
    matrix = np.eye(4)
    matrix[:3, 3] = [10, -4, 2]
    transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
    node.SetAndObserveTransformNodeID(transform.GetID())
    upload(session.client, sorted((tmp_path / "files").glob("*.dcm")))
    session.open(node)
    until(lambda: session.planes, often=work(session))
    read(session)
    assert session.screen.segmentation.GetTransformNodeID() == transform.GetID()
    assert {roi.GetTransformNodeID() for roi in session.screen.rois.values()} == {transform.GetID()}
    assert session.decisions.collect() is False, "nothing was corrected by that"


def test_an_ecg_is_a_chart_in_millivolts_and_findings_are_stretches_of_time(scene, tmp_path):
    path = tmp_path / "ecg.dcm"
    made_by_the_engine(ECG, path)
    chart = waveforms.show(scene, path, "1.2.3")
    leads, times, values = waveforms.leadsOf(pydicom.dcmread(path))
    assert leads[:3] == ["I", "II", "III"]
    assert len(leads) == 12
    assert np.abs(values[:, 1] - values[:, 0] - values[:, 2]).max() < 0.01, "Einthoven: II = I + III"
    assert values[:, 1].max() == pytest.approx(1.2, abs=0.1), "millivolts"
    assert times[1] == 1 / 500
    before = len(slicer.util.getNodesByClass("vtkMRMLPlotSeriesNode", scene))
    assert before == 12
    finding = {"label": "sinus rhythm", "colour": [255, 0, 0],
               "interval": {"start_s": 1.0, "end_s": 4.5, "leads": ["II"]}}  # fmt: skip
    for _again in range(2):
        waveforms.mark(scene, chart, [finding])
        assert len(slicer.util.getNodesByClass("vtkMRMLPlotSeriesNode", scene)) == before + 1
    marked = next(t for t in slicer.util.getNodesByClass("vtkMRMLTableNode", scene) if t.GetName() == "sinus rhythm")
    assert slicer.util.arrayFromTableColumn(marked, "Time").tolist() == [1.0, 4.5]


def test_the_sample_data_is_a_series_that_slicer_loads_whole(scene, tmp_path):
    series = [pydicom.dcmread(path) for path in phantoms.write(tmp_path / "sample")]
    node = load(scene, series, tmp_path / "files")
    voxels = slicer.util.arrayFromVolume(node)
    assert voxels.shape == (phantoms.SLICES, phantoms.PIXELS, phantoms.PIXELS)
    assert {int(value) for value in np.unique(voxels)} == {-1000, 36, 226}


def test_a_prompt_is_placed_with_slicers_own_place_mode(session, tmp_path):
    node = load(session.scene, ct_series(3, name="place"), tmp_path / "files")
    for kind, tag in (("vtkMRMLSelectionNode", "Singleton"), ("vtkMRMLInteractionNode", "Singleton")):
        made = session.scene.CreateNodeByClass(kind)
        made.SetSingletonTag(tag)
        session.scene.AddNode(made)
    interaction = session.scene.GetNodeByID("vtkMRMLInteractionNodeSingleton")
    application = Application()
    for kind, is_persistent in (("box", False), ("point", True)):
        prompt = prompts.createPrompt(session.scene, kind, node, kind)
        application.place(prompt, is_persistent)
        assert interaction.GetCurrentInteractionMode() == interaction.Place
        assert bool(interaction.GetPlaceModePersistence()) == is_persistent
        assert session.scene.GetNodeByID("vtkMRMLSelectionNodeSingleton").GetActivePlaceNodeID() == prompt.GetID()


def test_of_many_segments_only_those_that_a_stroke_touched_are_compared(scene, tmp_path, monkeypatch):
    node = load(scene, ct_series(8, name="many"), tmp_path / "files")
    planes = [{"sop_instance_uid": str(n), "frame_number": None, "place": None} for n in range(8)]
    plane_map = PlaneMap(planes, 40, 48, node)
    masks = {}
    for number in range(30):
        mask = np.zeros((40, 48), bool)
        mask[10 * (number // 10) : 10 * (number // 10) + 8, 4 * (number % 10) : 4 * (number % 10) + 3] = True
        masks[f"1.2.{number}"] = {3: mask, 4: mask}
    layers = nodes.layersOf(masks, plane_map, ijkToRasOf(node))
    assert len(layers) == 1, "they do not overlap"
    segmentation = nodes.createSegmentation(scene, node, "1.2", "Many")
    nodes.showMasks(segmentation, layers, {uid: {"label": uid} for uid in masks}, "model")
    shown = corrections.Shown(plane_map, layers)
    for uid, mask in masks.items():
        shown.noteMask(uid, corrections.packedOf(mask))
    compared = []
    planes_of = corrections.planesOf
    monkeypatch.setattr(corrections, "planesOf", lambda n, uid, *rest: compared.append(uid) or planes_of(n, uid, *rest))
    assert shown.editedMasks(segmentation, node) == {}
    assert compared == []

    voxels = slicer.util.arrayFromSegmentInternalBinaryLabelmap(segmentation, "1.2.7")
    voxels[0, 0:2, 28:30] = 0  # the eraser, within 1.2.7
    layers[0].image.Modified()
    edited = shown.editedMasks(segmentation, node)
    assert list(edited) == compared == ["1.2.7"]
    assert edited["1.2.7"][3].sum() == masks["1.2.7"][3].sum() - 4
    compared.clear()
    assert shown.editedMasks(segmentation, node).keys() == set(), "nothing new"

    grown = slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, "1.2.0", node)
    grown[6, 35:38, 40:45] = 1
    slicer.util.updateSegmentBinaryLabelmapFromArray(grown, segmentation, "1.2.0", node)
    assert shown.editedMasks(segmentation, node)["1.2.0"][6].sum() == 15
