"""Places that a question is about, drawn with Slicer's own tools: boxes, points, scribbles.

Prompt nodes carry an attribute, so that the reader's other markups are never taken for one.
"""

import numpy as np
import slicer

from . import nodes
from .corrections import planesOf, pngOf
from .planes import PlaneMap

PROMPT = "Wetread.Prompt"
SCRIBBLE = "scribble"


def createPrompt(scene, kind: str, volumeNode, name: str):
    """A node for one prompt.

    :param kind: "box", "point" (the object is here), "notPoint" (it is not here) or "scribble".
    """
    if kind == SCRIBBLE:
        node = nodes.createSegmentation(scene, volumeNode, "", name)
        node.GetSegmentation().AddEmptySegment(SCRIBBLE, name, [0.2, 0.8, 1.0])
    elif kind == "box":
        node = scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", name)
    else:
        node = scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", name)
    node.SetAttribute(PROMPT, kind)
    if kind != SCRIBBLE:
        node.SetAndObserveTransformNodeID(nodes.linearTransformOf(volumeNode))
        node.CreateDefaultDisplayNodes()
        node.GetDisplayNode().SetSelectedColor((1.0, 0.3, 0.2) if kind == "notPoint" else (0.2, 0.8, 1.0))
    return node


def promptNodes(scene) -> list:
    """All prompt nodes of a scene."""
    classes = ("vtkMRMLMarkupsROINode", "vtkMRMLMarkupsFiducialNode", "vtkMRMLSegmentationNode")
    found = [node for name in classes for node in slicer.util.getNodesByClass(name, scene)]
    return [node for node in found if node.GetAttribute(PROMPT)]


def removePrompts(scene) -> None:
    """Take all prompts off."""
    for node in promptNodes(scene):
        scene.RemoveNode(node)


def promptsOf(scene, planeMap: PlaneMap, volumeNode):
    """What is drawn, as ``POST reads`` takes it; None where nothing is. What lies beside the pictures is left out."""
    boxes, points, mask = [], [], {}
    for node in promptNodes(scene):
        kind = node.GetAttribute(PROMPT)
        if kind == "box":
            placed = planeMap.boxAround(_cornersOnPlane(node, planeMap))
            if placed is not None:
                boxes.append({"plane": placed[0], "box": placed[1]})
        elif kind == SCRIBBLE:
            mask.update(planesOf(node, SCRIBBLE, planeMap, volumeNode))
        else:
            points += [place for place in _points(node, planeMap, kind == "point") if place]
    if not (boxes or points or mask):
        return None
    return {"boxes": boxes, "points": points, "mask": pngOf(mask) or None}


def _cornersOnPlane(node, planeMap: PlaneMap) -> np.ndarray:
    """Corners of a ROI projected onto the plane nearest to its middle; the reader's ROI follows the patient's axes."""
    matrix = slicer.util.arrayFromVTKMatrix(node.GetObjectToNodeMatrix())
    half = np.array(node.GetSize()) / 2
    signs = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
    corners = np.array([(matrix @ [*(sign * half), 1])[:3] for sign in signs])
    index = planeMap.nearestPlane(corners.mean(axis=0))
    flat = planeMap.onPlane(index, corners)
    flat[:, 2] = 0
    return (np.column_stack([flat, np.ones(len(flat))]) @ planeMap.frameOf(index).T)[:, :3]


def _points(node, planeMap: PlaneMap, wanted: bool) -> list:
    found = []
    for number in range(node.GetNumberOfDefinedControlPoints()):
        place = [0.0, 0.0, 0.0]
        node.GetNthControlPointPosition(number, place)
        index = planeMap.nearestPlane(place)
        x, y, _depth = planeMap.onPlane(index, [place])[0]
        if 0 <= x <= planeMap.columns and 0 <= y <= planeMap.rows:
            found.append({"plane": index, "x": float(x), "y": float(y), "wanted": wanted})
    return found
