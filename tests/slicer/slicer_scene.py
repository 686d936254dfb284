"""Series in a scene as Slicer's DICOM module leaves them: read by Slicer's own reader, with their place in the
subject hierarchy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import slicer

from dicom_phantoms import write


def in_order(series):
    """As DICOMScalarVolumePlugin sorts: along the normal of the first slice; pictures without a place by number."""
    if "ImagePositionPatient" not in series[0]:
        return series
    cosines = np.array(series[0].ImageOrientationPatient, float)
    normal = np.cross(cosines[:3], cosines[3:])
    return sorted(series, key=lambda one: float(np.array(one.ImagePositionPatient, float) @ normal))


def load(scene, series, folder: Path, backwards: bool = False):
    """A series as a volume node, read from files by vtkMRMLVolumeArchetypeStorageNode."""
    ordered = in_order(series)[:: -1 if backwards else 1]
    paths = write(ordered, folder)
    is_color = series[0].get("SamplesPerPixel", 1) == 3
    node = scene.AddNewNodeByClass("vtkMRMLVectorVolumeNode" if is_color else "vtkMRMLScalarVolumeNode", "Series")
    storage = slicer.vtkMRMLVolumeArchetypeStorageNode()
    scene.AddNode(storage)
    storage.SetSingleFile(0)
    storage.SetUseOrientationFromFile(1)
    storage.ResetFileNameList()
    storage.SetFileName(str(paths[0]))
    for path in paths:
        storage.AddFileName(str(path))
    assert storage.ReadData(node)
    node.SetAttribute("DICOM.instanceUIDs", " ".join(str(one.SOPInstanceUID) for one in ordered))
    place(scene, node, str(series[0].StudyInstanceUID), str(series[0].SeriesInstanceUID))
    return node


def place(scene, node, study: str, series: str) -> None:
    """Give a node its place in the subject hierarchy: patient, study, series, each with its UID."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    constants = slicer.vtkMRMLSubjectHierarchyConstants
    patient = hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), "Patient")
    study_item = hierarchy.CreateStudyItem(patient, "Study")
    hierarchy.SetItemUID(study_item, constants.GetDICOMUIDName(), study)
    item = hierarchy.CreateItem(study_item, node)
    hierarchy.SetItemUID(item, constants.GetDICOMUIDName(), series)


def load_file(scene, path: Path):
    """A volume file as a volume node."""
    node = scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", path.stem)
    storage = slicer.vtkMRMLVolumeArchetypeStorageNode()
    scene.AddNode(storage)
    storage.SetFileName(str(path))
    assert storage.ReadData(node)
    return node
