"""Findings as Slicer's own nodes: segments of one segmentation, and ROIs for the boxes.

A segment's ID is the finding's tracking UID, and a ROI carries it as an attribute, so that a finding is found again
after a scene was saved and loaded. Masks of a finding are placed slice by slice on the grid of the volume node and
share one label map where they do not overlap, as segments that Slicer makes do.
"""

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

from .planes import PlaneMap

JOB = "Wetread.Job"
TRACKING = "Wetread.TrackingUID"
REPRESENTATION = "Binary labelmap"
STATUS = {"undecided": "inprogress", "accepted": "completed", "corrected": "completed", "added": "completed",
          "rejected": "flagged"}


class Layer:
    """Masks that do not overlap, as one label map.

    :param image: vtkOrientedImageData.
    :param known: its voxels as they were last seen, (slices, rows, columns).
    :param values: label value of each tracking UID.
    """

    def __init__(self, image, known: np.ndarray, values: dict):
        self.image, self.known, self.values = image, known, values
        self._time = image.GetMTime()

    def changed(self) -> set:
        """Tracking UIDs of the segments whose voxels are others than when this was asked the last time."""
        if self.image.GetMTime() == self._time:
            return set()
        self._time = self.image.GetMTime()
        if self.image.GetPointData().GetScalars() is None:  # Slicer gave its segments a map of their own
            return set(self.values)
        columns, rows, slices = self.image.GetDimensions()
        voxels = vtk_to_numpy(self.image.GetPointData().GetScalars()).reshape(slices, rows, columns)
        if voxels.shape != self.known.shape:  # it has grown under a stroke
            self.known = voxels.copy()
            return set(self.values)
        touched = set()
        for now, before in zip(voxels, self.known, strict=True):
            if not np.array_equal(now, before):
                where = now != before
                touched |= set(np.unique(now[where]).tolist()) | set(np.unique(before[where]).tolist())
                before[:] = now
        return {uid for uid, value in self.values.items() if value in touched}


def layersOf(masks: dict, planeMap: PlaneMap, ijkToRas: vtk.vtkMatrix4x4) -> list:
    """Masks as label maps on the grid of a volume; touches no scene, so that a thread may do it.

    :param masks: tracking UID -> (plane index -> (rows, columns) of bool).
    :return: list of ``Layer``.
    """
    placed = {uid: {planeMap.slices[index]: mask for index, mask in planes.items()} for uid, planes in masks.items()}
    groups = []  # (voxels of all slices between first and last, first slice, values)
    for uid, slices in placed.items():
        if not slices:
            continue
        group = next((one for one in groups if len(one[1]) < 255 and not _overlap(one[0], slices)), None)
        if group is None:
            group = ({}, {})
            groups.append(group)
        labels, values = group
        values[uid] = len(values) + 1
        for k, mask in slices.items():
            held = labels.setdefault(k, np.zeros(mask.shape, np.uint8))
            held[mask] = values[uid]
    return [Layer(*_image(labels, ijkToRas), values) for labels, values in groups]


def _overlap(labels: dict, slices: dict) -> bool:
    return any(k in labels and bool((labels[k][mask] != 0).any()) for k, mask in slices.items())


def _image(labels: dict, ijkToRas: vtk.vtkMatrix4x4) -> tuple:
    first, last = min(labels), max(labels)
    rows, columns = next(iter(labels.values())).shape
    voxels = np.zeros((last - first + 1, rows, columns), np.uint8)
    for k, plane in labels.items():
        voxels[k - first] = plane
    image = slicer.vtkOrientedImageData()
    image.SetExtent(0, columns - 1, 0, rows - 1, first, last)
    image.GetPointData().SetScalars(numpy_to_vtk(voxels.reshape(-1), deep=True))
    image.SetImageToWorldMatrix(ijkToRas)
    return image, voxels


def createSegmentation(scene, volumeNode, job: str, name: str):
    """An empty segmentation on the grid of a volume node, under the same transform."""
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    node.SetAttribute(JOB, job)
    node.GetSegmentation().SetSourceRepresentationName(REPRESENTATION)
    node.SetReferenceImageGeometryParameterFromVolumeNode(volumeNode)
    node.SetAndObserveTransformNodeID(volumeNode.GetTransformNodeID())
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    if display is not None:
        display.SetOpacity2DFill(0.35)
        display.SetOpacity2DOutline(1.0)
    return node


def showMasks(segmentationNode, layers: list, findings: dict, modelName: str) -> None:
    """Put the segments of findings into a segmentation; those that are there are replaced.

    :param layers: of ``layersOf``.
    :param findings: tracking UID -> finding of the read, or a dict with ``label``.
    """
    segmentation = segmentationNode.GetSegmentation()
    with slicer.util.NodeModify(segmentationNode):
        for layer in layers:
            for uid, value in layer.values.items():
                segment = segmentation.GetSegment(uid)
                isNew = segment is None
                if isNew:
                    segment = slicer.vtkSegment()
                    describe(segment, uid, findings[uid], modelName)
                segment.RemoveAllRepresentations()
                segment.AddRepresentation(REPRESENTATION, layer.image)
                segment.SetLabelValue(value)
                if isNew:
                    segmentation.AddSegment(segment, uid)
        wanted = {uid for layer in layers for uid in layer.values}
        for uid in list(segmentation.GetSegmentIDs()):
            if trackingOf(segmentation.GetSegment(uid)) and uid not in wanted:
                segmentation.RemoveSegment(uid)


def describe(segment, uid: str, finding: dict, modelName: str) -> None:
    """Name, color, code and origin of a segment."""
    segment.SetName(finding["label"])
    red, green, blue = finding.get("colour") or (255, 200, 0)
    segment.SetColor(red / 255, green / 255, blue / 255)
    segment.SetTag(TRACKING, uid)
    segment.SetTag("DICOM.SegmentAlgorithmType", "AUTOMATIC")
    segment.SetTag("DICOM.SegmentAlgorithmName", modelName)
    segment.SetTag("Segmentation.Status", STATUS["undecided"])
    if finding.get("type"):
        segment.SetTag(slicer.vtkSegment.GetTerminologyEntryTagName(), terminologyOf(finding))


def terminologyOf(finding: dict) -> str:
    """A finding's codes as Slicer writes them (vtkSlicerTerminologiesModuleLogic, serialized terminology entry)."""

    def code(concept) -> str:
        return "{scheme}^{code}^{meaning}".format(**concept) if concept else "^^"

    return "~".join([
        "Segmentation category and type - DICOM master list",
        code(finding.get("category")), code(finding["type"]), "^^",
        "Anatomic codes - DICOM master list", code(finding.get("site")), "^^",
    ])


def trackingOf(segment) -> str:
    """The tracking UID of a segment; "" for one of the reader's own."""
    value = vtk.reference("")
    return str(value) if segment is not None and segment.GetTag(TRACKING, value) else ""


def roisOf(scene, job: str) -> dict:
    """ROIs of a read by tracking UID."""
    nodes = slicer.util.getNodesByClass("vtkMRMLMarkupsROINode", scene)
    return {node.GetAttribute(TRACKING): node for node in nodes if node.GetAttribute(JOB) == job}


def segmentationOf(scene, job: str):
    """The segmentation of a read; None where there is none."""
    nodes = slicer.util.getNodesByClass("vtkMRMLSegmentationNode", scene)
    return next((node for node in nodes if node.GetAttribute(JOB) == job), None)


def createRoi(scene, job: str, uid: str, finding: dict, volumeNode):
    """A ROI for the box of a finding; where it lies is set by ``placeRoi``."""
    node = scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", finding["label"])
    node.SetAttribute(JOB, job)
    node.SetAttribute(TRACKING, uid)
    node.SetAndObserveTransformNodeID(linearTransformOf(volumeNode))
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    if display is not None:
        color = [value / 255 for value in finding.get("colour") or (255, 200, 0)]
        display.SetColor(color)
        display.SetSelectedColor(color)
        display.SetActiveColor(color)
        display.SetFillVisibility(False)
        display.SetPropertiesLabelVisibility(False)
        display.SetRotationHandleVisibility(False)
        display.SetGlyphScale(1.5)
        display.SetTextScale(2.5)
    return node


def linearTransformOf(volumeNode):
    """ID of the transform above a volume where a box can follow it; None where there is none or it bends.

    Slicer bends the grid of a series that DICOM does not have on one; the boxes are in the patient already.
    """
    transform = volumeNode.GetParentTransformNode()
    return transform.GetID() if transform is not None and transform.IsTransformToWorldLinear() else None


def placeRoi(node, planeMap: PlaneMap, index: int, box, lastIndex=None) -> None:
    """Let a ROI be a box on a plane, one plane thick, or reach from one plane to another.

    :param box: x_min, y_min, x_max, y_max in pixels.
    :param lastIndex: for findings of several planes.
    """
    frame = planeMap.frameOf(index)
    far = planeMap.frameOf(index if lastIndex is None else lastIndex)
    xMin, yMin, xMax, yMax = box
    middle = [(xMin + xMax) / 2, (yMin + yMax) / 2, 0, 1]
    center = (frame @ middle + far @ middle)[:3] / 2
    axes = frame[:3, :3] / np.linalg.norm(frame[:3, :3], axis=0)
    depth = abs(float((far @ middle - frame @ middle)[:3] @ axes[:, 2])) + planeMap.thickness(index)
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = axes, center
    with slicer.util.NodeModify(node):
        node.SetAndObserveObjectToNodeMatrix(slicer.util.vtkMatrixFromArray(matrix))
        node.SetSize(
            (xMax - xMin) * np.linalg.norm(frame[:3, 0]), (yMax - yMin) * np.linalg.norm(frame[:3, 1]), depth
        )


def cornersOf(node) -> np.ndarray:
    """(4, 3): the corners of a ROI's middle plane, RAS without the transform above it."""
    matrix = slicer.util.arrayFromVTKMatrix(node.GetObjectToNodeMatrix())
    width, height, _ = node.GetSize()
    ring = [(-width / 2, -height / 2), (width / 2, -height / 2), (width / 2, height / 2), (-width / 2, height / 2)]
    return np.array([(matrix @ [x, y, 0, 1])[:3] for x, y in ring])


def markState(segmentationNode, uid: str, state: str) -> None:
    """Show where a finding stands in Slicer's own segment table."""
    segment = segmentationNode.GetSegmentation().GetSegment(uid)
    if segment is None:
        return
    segment.SetTag("Segmentation.Status", STATUS[state])
    origin = {"corrected": "SEMIAUTOMATIC", "added": "MANUAL"}.get(state, "AUTOMATIC")
    segment.SetTag("DICOM.SegmentAlgorithmType", origin)
    segmentationNode.GetDisplayNode().SetSegmentVisibility(uid, state != "rejected")
