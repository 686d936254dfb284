"""The nodes of one read: put there, watched, compared, put back when the reader deleted them."""

import time

import slicer
import vtk
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from . import nodes
from .corrections import Shown, packedOf, pngOf
from .planes import PlaneMap, ijkToRasOf


class Screen(VTKObservationMixin):
    """What is shown of one read.

    :param scene: where nodes are made.
    :param tellGone: called with a sentence when the reader deleted something of it.
    """

    def __init__(self, scene, tellGone):
        super().__init__()
        self.scene, self._tellGone = scene, tellGone
        self.job, self.shown, self._extents = "", None, {}
        self._touched, self._isOurs = None, False
        self.addObserver(scene, slicer.vtkMRMLScene.NodeAboutToBeRemovedEvent, self._onRemoved)

    def clear(self) -> None:
        """Take everything off: another read comes."""
        self._isOurs = True
        for node in self._nodes():
            self.scene.RemoveNode(node)
        self._isOurs = False
        self.job, self.shown, self._extents, self._touched = "", None, {}, None

    def close(self) -> None:
        """Watch nothing any more; the nodes stay for the reader."""
        self.removeObservers()

    def prepare(self, planeMap: PlaneMap, masks: dict, volumeNode):
        """What a thread is to do before ``show``; touches no scene.

        :param masks: tracking UID -> (plane index -> (rows, columns) of bool).
        """
        matrix = ijkToRasOf(volumeNode)

        def work():
            extents = {uid: Extent(planes) for uid, planes in masks.items() if planes}
            packed = {uid: packedOf(planes) for uid, planes in masks.items()}
            return planeMap, extents, packed, nodes.layersOf(masks, planeMap, matrix)

        return work

    def show(self, job: str, volumeNode, prepared: tuple, review: dict, findings: dict, modelName: str) -> None:
        """Make or move the nodes so that they are as the review stands.

        :param prepared: what ``prepare``'s work gave.
        """
        self.job, self._isOurs = job, True
        planeMap, self._extents, packed, layers = prepared
        try:
            segmentation = self.segmentation
            if segmentation is None and layers:
                segmentation = nodes.createSegmentation(self.scene, volumeNode, job, f"Wetread {modelName}")
            if segmentation is not None:
                self._watch(segmentation.GetSegmentation(), slicer.vtkSegmentation.SourceRepresentationModified)
                nodes.showMasks(segmentation, layers, findings, modelName)
        finally:
            self._isOurs = False
        self.shown = Shown(planeMap, layers)
        for uid, bits in packed.items():
            self.shown.noteMask(uid, bits)
        self.showStates(volumeNode, review, findings)
        self._touched = None

    def showStates(self, volumeNode, review: dict, findings: dict) -> None:
        """Boxes and states as the review stands; the masks on the screen are right already."""
        self._isOurs = True
        try:
            for one in review["findings"]:
                self._showOne(one, findings[one["tracking_uid"]], volumeNode)
        finally:
            self._isOurs = False

    def _showOne(self, state: dict, finding: dict, volumeNode) -> None:
        uid, extent = state["tracking_uid"], self._extents.get(state["tracking_uid"])
        if extent is not None and self.segmentation is not None:
            nodes.markState(self.segmentation, uid, state["state"])
        roi = self.rois.get(uid)
        if state["box"] is None or state["state"] == "rejected":
            self.shown.boxes.pop(uid, None)
            if roi is not None:
                self.scene.RemoveNode(roi)
            return
        if roi is None:
            roi = nodes.createRoi(self.scene, self.job, uid, finding, volumeNode)
        self._watch(roi, slicer.vtkMRMLMarkupsNode.PointModifiedEvent)
        planeMap = self.shown.planeMap
        if planeMap.hasPlace and extent is not None and extent.first < extent.last:
            # It lies around the mask, in three dimensions, and the mask is what is corrected.
            nodes.placeRoi(roi, planeMap, extent.first, extent.box, extent.last)
            roi.SetLocked(True)
        else:
            nodes.placeRoi(roi, planeMap, state["plane"], state["box"])
            roi.SetLocked(False)
            self.shown.noteBox(uid, state["plane"], state["box"])

    def _watch(self, node, event) -> None:
        """Notice changes; the node may have come with a saved scene."""
        if not self.hasObserver(node, event, self._onTouched):
            self.addObserver(node, event, self._onTouched)

    def mark(self, uid: str, state: str) -> None:
        """Show at once where a finding stands now."""
        if self.segmentation is not None:
            nodes.markState(self.segmentation, uid, state)
        roi = self.rois.get(uid)
        if roi is not None:
            roi.SetDisplayVisibility(state != "rejected")

    def isSettled(self, now: float, seconds: float) -> bool:
        """True where something was touched, and not for some seconds any more."""
        return self._touched is not None and now - self._touched >= seconds

    def corrections(self, volumeNode) -> list:
        """Verdicts for everything that the reader has changed since it was shown or last asked for."""
        self._touched = None
        if self.shown is None or not self.job:
            return []
        verdicts = []
        if self.segmentation is not None:
            for uid, planes in self.shown.editedMasks(self.segmentation, volumeNode).items():
                self._extents.pop(uid, None)
                if planes:
                    self._extents[uid] = Extent(planes)
                verdicts.append(
                    {"tracking_uid": uid, "decision": "correct", "reason": "", "mask": pngOf(planes)} if planes else
                    {"tracking_uid": uid, "decision": "reject", "reason": "everything marked was erased"}
                )
        edited = {verdict["tracking_uid"] for verdict in verdicts}
        for uid, (index, box) in self.shown.movedBoxes(self.rois).items():
            self.shown.noteBox(uid, index, box)
            if uid not in edited:  # the pixels say more than the box around them
                verdicts.append(
                    {"tracking_uid": uid, "decision": "correct", "reason": "", "box": box, "plane": index}
                )
        return verdicts

    @property
    def segmentation(self):
        """The read's segmentation node; None where there is none."""
        return nodes.segmentationOf(self.scene, self.job) if self.job else None

    @property
    def rois(self) -> dict:
        """The read's ROI nodes by tracking UID."""
        return nodes.roisOf(self.scene, self.job) if self.job else {}

    def middleOf(self, uid: str):
        """RAS point to look at for a finding, as the world has it; None where nothing is shown of it."""
        roi = self.rois.get(uid)
        if roi is not None:
            center = [0.0, 0.0, 0.0]
            roi.GetCenterWorld(center)
            return center
        if self.segmentation is not None and self.segmentation.GetSegmentation().GetSegment(uid) is not None:
            return list(self.segmentation.GetSegmentCenterRAS(uid))
        return None

    def _nodes(self) -> list:
        return [node for node in [self.segmentation, *self.rois.values()] if node is not None]

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _onRemoved(self, _caller, _event, node) -> None:
        if self._isOurs or not self.job or node is None or node.GetAttribute(nodes.JOB) != self.job:
            return
        self._tellGone(
            _("{name} was deleted from the scene. Nothing is decided by that: Show again brings it back.").format(
                name=node.GetName()
            )
        )

    def _onTouched(self, _caller, _event) -> None:
        if not self._isOurs:
            self._touched = time.monotonic()


class Extent:
    """First and last plane of a mask, and the box around it in all of them, in pixels on pixel edges.

    :param mask: plane index -> (rows, columns) of bool, marked somewhere on each.
    """

    def __init__(self, mask: dict):
        self.first, self.last = min(mask), max(mask)
        columns = [plane.any(axis=0).nonzero()[0] for plane in mask.values()]
        rows = [plane.any(axis=1).nonzero()[0] for plane in mask.values()]
        self.box = [min(c[0] for c in columns), min(r[0] for r in rows), max(c[-1] for c in columns) + 1,
                    max(r[-1] for r in rows) + 1]
