"""Open, ask, look, correct, sign; and what the archive then holds is what was on the screen."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest
import slicer
import vtk
from outside import opened, read, sent, until, work
from slicer_scene import load_file

from dicom_phantoms import ORIENTATIONS, ct_series
from WetreadLib import nodes
from WetreadLib.transfers import download


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_boxes_and_voxels_lie_where_dicom_says_and_come_back_so(session, tmp_path, orientation, backwards):
    series = ct_series(6, orientation=orientation, row_spacing=0.9, column_spacing=1.6, slice_spacing=3.0,
                       name=f"{orientation}{backwards}")  # fmt: skip
    node = opened(session, series, tmp_path / "files", backwards=backwards)
    read(session)
    by_uid = {str(one.SOPInstanceUID): one for one in series}

    liver, box = session.read["findings"]
    voxels = slicer.util.arrayFromVolume(node)
    shown = slicer.util.arrayFromSegmentBinaryLabelmap(session.screen.segmentation, liver["tracking_uid"], node)
    assert shown.sum() == liver["mask"]["pixels"] > 0
    assert ((voxels > 150) == (shown > 0)).all(), "the mask lies on the voxels that Slicer loaded"

    place = Plane(by_uid[box["plane"]["sop_instance_uid"]])
    expected = place.at([(5.25, 7.5), (17.75, 7.5), (17.75, 20.5), (5.25, 20.5)])
    corners = nodes.cornersOf(session.screen.rois[box["tracking_uid"]])
    assert np.abs(corners * [-1, -1, 1] - expected).max() < 1e-3


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_what_is_signed_is_what_was_on_the_screen(session, tmp_path, orientation):
    """Painted and moved in Slicer, signed, stored: the SEG through dcmqi into Slicer again, and the box of the SR."""
    series = ct_series(6, orientation=orientation, row_spacing=0.9, column_spacing=1.6, slice_spacing=3.0,
                       name=f"signed {orientation}")  # fmt: skip
    node = opened(session, series, tmp_path / "files")
    read(session)
    liver, spleen = (one["tracking_uid"] for one in session.read["findings"])

    paint(session.screen.segmentation, liver, node, (slice(1, 3), slice(4, 9), slice(30, 41)))
    roi = session.screen.rois[spleen]
    frame = session.screen.shown.planeMap.frameOf(0)
    roi.SetCenter(*(np.array(roi.GetCenter()) + 3.0 * frame[:3, 0] + 2.5 * frame[:3, 1]))
    until(lambda: set(session.states.values()) == {"corrected"}, often=work(session))
    sent(session)
    on_screen = slicer.util.arrayFromSegmentBinaryLabelmap(session.screen.segmentation, liver, node)
    assert on_screen[1:3, 4:9, 30:41].all()

    session.decisions.sign()
    until(lambda: session.decisions.stored and not session.decisions.signing, often=work(session))
    assert {one["state"] for one in session.decisions.stored} == {"stored"}, session.failure
    objects = {one["kind"]: one for one in session.decisions.stored}
    files = {kind: download(session.client, session.study, one["series_uid"], tmp_path / kind)[0]
             for kind, one in objects.items()}  # fmt: skip

    expected = places_of(node, on_screen)
    assert same(voxels_of_seg(pydicom.dcmread(files["SEG"]), series) * [-1, -1, 1], expected)
    if orientation != "tilted":  # ITK's formats, which dcmqi writes, have no sheared grid
        returned = through_dcmqi(files["SEG"], tmp_path / "dcmqi", session.scene)
        assert same(places_of(returned, slicer.util.arrayFromVolume(returned)), expected)
    boxes = boxes_of(pydicom.dcmread(files["SR"]), series)
    corners = nodes.cornersOf(roi)
    assert min(np.abs(one - corners * [-1, -1, 1]).max() for one in boxes) < 1e-3


def paint(segmentation, uid, node, where) -> None:
    """What Slicer's Segment Editor does at the end of a stroke: the label map grows where it must."""
    voxels = slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, uid, node)
    voxels[where] = 1
    slicer.util.updateSegmentBinaryLabelmapFromArray(voxels, segmentation, uid, node)


def through_dcmqi(seg: Path, folder: Path, scene):
    """The only segment of a SEG as dcmqi gives it, in a scene."""
    folder.mkdir()
    tool = Path(sys.executable).parent / "segimage2itkimage"
    command = [tool, "--inputDICOM", seg, "--outputDirectory", folder, "--outputType", "nrrd"]
    subprocess.run(command, check=True, capture_output=True)
    (path,) = folder.glob("*.nrrd")
    return load_file(scene, path)


def places_of(volume, voxels):
    """Where the marked voxels of a volume lie, RAS mm."""
    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    k, j, i = np.nonzero(voxels)
    return (np.column_stack([i, j, k, np.ones(len(i))]) @ slicer.util.arrayFromVTKMatrix(matrix).T)[:, :3]


def same(one, other) -> bool:
    """True where both are the same places, in whatever order."""
    if one.shape != other.shape:
        return False
    one, other = (points[np.lexsort(np.round(points, 3).T)] for points in (one, other))
    return bool(np.abs(one - other).max() < 1e-3)


def boxes_of(report, series) -> list:
    """Corners (4, 3) of every rectangle of a report, LPS mm, by the plane equation of the image that it names."""
    by_uid = {str(one.SOPInstanceUID): one for one in series}
    found, waiting = [], [report]
    while waiting:
        item = waiting.pop()
        waiting += list(item.get("ContentSequence") or [])
        if item.get("ValueType") == "SCOORD":
            (image,) = item.ContentSequence
            place = Plane(by_uid[image.ReferencedSOPSequence[0].ReferencedSOPInstanceUID])
            found.append(place.at(np.array(item.GraphicData, float).reshape(-1, 2)[:4]))
    return found


class Plane:
    """The plane equation of PS3.3 C.7.6.2.1.1 for points on pixel edges."""

    def __init__(self, source) -> None:
        cosines = np.array(source.ImageOrientationPatient, float)
        rows, columns = (float(value) for value in source.PixelSpacing)
        self.step_x, self.step_y = columns * cosines[:3], rows * cosines[3:]
        self.first = np.array(source.ImagePositionPatient, float)

    def at(self, points):
        """(N, 3) LPS mm of (N, 2) image points."""
        x, y = np.asarray(points).T[..., None] - 0.5
        return self.first + x * self.step_x + y * self.step_y


def voxels_of_seg(seg, series):
    """Places of the marked pixels of a SEG, LPS mm, frame by frame."""
    by_uid = {str(one.SOPInstanceUID): one for one in series}
    places = []
    for pixels, frame in zip(seg.pixel_array, seg.PerFrameFunctionalGroupsSequence, strict=True):
        source = frame.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        rows, columns = np.nonzero(pixels)
        places.append(Plane(by_uid[source]).at(np.column_stack([columns + 0.5, rows + 0.5])))
    return np.concatenate(places)
