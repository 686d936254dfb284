"""Which study and series a volume node is: what Slicer's subject hierarchy knows of a series loaded from DICOM."""

import slicer
from slicer.i18n import tr as _


class NotFromDicom(ValueError):
    """A volume without DICOM UIDs."""


def uidsOf(volumeNode, scene) -> tuple:
    """Study and Series Instance UID of a volume node.

    :raises NotFromDicom: it was not loaded from DICOM.
    """
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    constants = slicer.vtkMRMLSubjectHierarchyConstants
    item = hierarchy.GetItemByDataNode(volumeNode)
    name = constants.GetDICOMUIDName()
    series = hierarchy.GetItemUID(item, name) if item else ""
    study = hierarchy.GetItemUID(hierarchy.GetItemAncestorAtLevel(item, constants.GetDICOMLevelStudy()), name) \
        if item else ""
    if not series or not study:
        raise NotFromDicom(
            _("{name} did not come from DICOM. Import the study with Add DICOM Data and load it from there.").format(
                name=volumeNode.GetName()
            )
        )
    return study, series


def dicomVolumes(scene) -> list:
    """Volume nodes of a scene that came from DICOM, with study and series: (node, study, series)."""
    nodes = [*slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode", scene)]
    found = []
    for node in nodes:
        if node.IsA("vtkMRMLLabelMapVolumeNode") or node.GetImageData() is None:
            continue
        try:
            found.append((node, *uidsOf(node, scene)))
        except NotFromDicom:
            continue
    return found


def volumeOf(scene, series: str):
    """The volume node of a series; None where it is not loaded."""
    return next((node for node, _study, uid in dicomVolumes(scene) if uid == series), None)
