"""What a reader has changed, found by comparing nodes with what was put into them; nobody has to say it.

``Shown`` remembers what the module put on the screen. A node that the reader deleted is no correction and no
rejection: it is missing, and can be shown again.
"""

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from . import nodes
from .pictures import encodePlane
from .planes import PlaneMap, arrayOf

MOVED_PIXELS = 0.05  # a box that differs less than this was not moved


class Shown:
    """What was put on the screen for one read, and how it differs now.

    :param planeMap: of the read and its volume.
    :param layers: the label maps that were put there, of ``nodes.layersOf``.
    """

    def __init__(self, planeMap: PlaneMap, layers=()):
        self.planeMap = planeMap
        self.boxes = {}  # tracking UID -> (plane, box)
        self.masks = {}  # tracking UID -> {plane: packed pixels}
        self._layers = {uid: layer for layer in layers for uid in layer.values}

    def noteBox(self, uid: str, index: int, box) -> None:
        """A ROI was put there."""
        self.boxes[uid] = (index, list(box))

    def noteMask(self, uid: str, packed: dict) -> None:
        """A mask was put there.

        :param packed: as ``packedOf`` gives it.
        """
        self.masks[uid] = packed

    def movedBoxes(self, rois: dict) -> dict:
        """Tracking UID -> (plane, box) of each ROI that lies elsewhere than it was put.

        :param rois: tracking UID -> ROI node.
        """
        moved = {}
        for uid, (index, box) in self.boxes.items():
            node = rois.get(uid)
            if node is None:
                continue
            found = self.planeMap.boxAround(nodes.cornersOf(node))
            if found is None:
                continue
            differs = found[0] != index or np.abs(np.array(found[1]) - box).max() > MOVED_PIXELS
            if differs:
                moved[uid] = found
        return moved

    def editedMasks(self, segmentationNode, volumeNode) -> dict:
        """Tracking UID -> (plane index -> (rows, columns) of bool) of each segment that was painted or erased.

        What is found is known from then on. A segment of which nothing is left has no planes. Segments that were
        deleted are not in it.
        """
        segmentation, edited = segmentationNode.GetSegmentation(), {}
        changed = {layer: layer.changed() for layer in set(self._layers.values())}
        for uid, known in self.masks.items():
            segment, layer = segmentation.GetSegment(uid), self._layers.get(uid)
            if segment is None:
                continue
            isInLayer = layer is not None and segment.GetRepresentation(nodes.REPRESENTATION) is layer.image
            if isInLayer and uid not in changed[layer]:
                continue
            planes = planesOf(segmentationNode, uid, self.planeMap, volumeNode)
            packed = packedOf(planes)
            if packed != known:
                edited[uid], self.masks[uid] = planes, packed
        return edited


def planesOf(segmentationNode, uid: str, planeMap: PlaneMap, volumeNode) -> dict:
    """A segment as it is now: plane index -> (rows, columns) of bool, of planes where something is marked."""
    segment = segmentationNode.GetSegmentation().GetSegment(uid)
    image = segment.GetRepresentation(nodes.REPRESENTATION)
    if image is None or image.GetNumberOfPoints() == 0:
        return {}
    if np.allclose(_matrixOf(image), planeMap.ijkToRas, atol=1e-4):
        found = _onGrid(image, segment.GetLabelValue(), planeMap)
    else:
        # The reader's tools gave the segment another grid.
        voxels = slicer.util.arrayFromSegmentBinaryLabelmap(segmentationNode, uid, volumeNode)
        found = {k: voxels[k] != 0 for k in range(len(voxels)) if voxels[k].any()}
    planes = {planeMap.planeOfSlice(k): mask for k, mask in found.items()}
    return {index: mask for index, mask in planes.items() if index is not None}


def packedOf(planes: dict) -> dict:
    """A mask in an eighth of its size, to compare with: plane index -> bits, of planes where something is marked."""
    return {index: np.packbits(mask).tobytes() for index, mask in planes.items() if mask.any()}


def pngOf(planes: dict) -> dict:
    """A mask as a verdict or a prompt sends it."""
    return {str(index): encodePlane(mask) for index, mask in planes.items()}


def _matrixOf(image) -> np.ndarray:
    matrix = vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    return arrayOf(matrix)


def _onGrid(image, value: int, planeMap: PlaneMap) -> dict:
    columns, rows, slices = image.GetDimensions()
    i, _iMax, j, _jMax, first, _kMax = image.GetExtent()
    voxels = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(slices, rows, columns)
    found = {}
    for offset in range(slices):
        marked = voxels[offset] == value
        if not marked.any():
            continue
        plane = np.zeros((planeMap.rows, planeMap.columns), bool)
        top, left = max(j, 0), max(i, 0)
        bottom, right = min(j + rows, planeMap.rows), min(i + columns, planeMap.columns)
        plane[top:bottom, left:right] = marked[top - j:bottom - j, left - i:right - i]
        if plane.any():
            found[first + offset] = plane
    return found
