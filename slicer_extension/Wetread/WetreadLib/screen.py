"""The nodes of one read: put there, watched, compared, put back when the reader deleted them."""

import time

import slicer
import vtk
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from . import nodes
from .corrections import Shown, pngOf
from .planes import PlaneMap, ijkToRasOf


class Screen(VTKObservationMixin):
    """What is shown of one read.

    :param scene: where nodes are made.
    :param tellGone: called with a sentence when the reader deleted something of it.
    """

    def __init__(self, scene, tellGone):
        super().__init__()
        self.scene, self._tellGone = scene, tellGone
        self.job, self.shown, self._masks = "", None, {}
        self._touched, self._isOurs = None, False
        self.addObserver(scene, slicer.vtkMRMLScene.NodeAboutToBeRemovedEvent, self._onRemoved)

    def clear(self) -> None:
        """Take everything off: another read comes."""
        self._isOurs = True
        for node in self._nodes():
            self.scene.RemoveNode(node)
        self._isOurs = False
        self.job, self.shown, self._masks, self._touched = "", None, {}, None

    def close(self) -> None:
        """Watch nothing any more; the nodes stay for the reader."""
        self.removeObservers()

    def prepare(self, planeMap: PlaneMap, masks: dict, volumeNode):
        """What a thread is to do before ``show``; touches no scene.

        :param masks: tracking UID -> (plane index -> (rows, columns) of bool).
        """
        matrix = ijkToRasOf(volumeNode)
        return lambda: (planeMap, masks, nodes.layersOf(masks, planeMap, matrix))

    def show(self, job: str, volumeNode, prepared: tuple, review: dict, findings: dict, modelName: str) -> None:
        """Make or move the nodes so that they are as the review stands.

        :param prepared: what ``prepare``'s work gave.
        """
        self.job, self._isOurs = job, True
        planeMap, self._masks, layers = prepared
        try:
            segmentation = self.segmentation
            if segmentation is None and layers:
                segmentation = nodes.createSegmentation(self.scene, volumeNode, job, f"Wetread {modelName}")
                self.addObserver(segmentation.GetSegmentation(), slicer.vtkSegmentation.SourceRepresentationModified,
                                 self._onTouched)
            if segmentation is not None:
                nodes.showMasks(segmentation, layers, findings, modelName)
        finally:
            self._isOurs = False
        self.shown = Shown(planeMap)
        for uid, planes in self._masks.items():
            self.shown.noteMask(uid, planes)
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
        uid, mask = state["tracking_uid"], self._masks.get(state["tracking_uid"], {})
        if mask and self.segmentation is not None:
            nodes.markState(self.segmentation, uid, state["state"])
        roi = self.rois.get(uid)
        if state["box"] is None or state["state"] == "rejected":
            self.shown.boxes.pop(uid, None)
            if roi is not None:
                self.scene.RemoveNode(roi)
            return
        if roi is None:
            roi = nodes.createRoi(self.scene, self.job, uid, finding, volumeNode)
            self.addObserver(roi, slicer.vtkMRMLMarkupsNode.PointModifiedEvent, self._onTouched)
        planeMap = self.shown.planeMap
        if planeMap.hasPlace and len(mask) > 1:
            # It lies around the mask, in three dimensions, and the mask is what is corrected.
            nodes.placeRoi(roi, planeMap, min(mask), boxOf(mask), max(mask))
            roi.SetLocked(True)
        else:
            nodes.placeRoi(roi, planeMap, state["plane"], state["box"])
            roi.SetLocked(False)
            self.shown.noteBox(uid, state["plane"], state["box"])

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
                self.shown.noteMask(uid, planes)
                self._masks[uid] = planes
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


def boxOf(mask: dict) -> list:
    """x_min, y_min, x_max, y_max around a mask of several planes, on pixel edges."""
    columns = [plane.any(axis=0).nonzero()[0] for plane in mask.values()]
    rows = [plane.any(axis=1).nonzero()[0] for plane in mask.values()]
    return [min(c[0] for c in columns), min(r[0] for r in rows), max(c[-1] for c in columns) + 1,
            max(r[-1] for r in rows) + 1]
