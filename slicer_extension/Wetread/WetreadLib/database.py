"""Slicer's DICOM database: where the files of a series are, and how a series gets into the scene.

These few lines use DICOMLib, which only the full Slicer has.
"""

import slicer


def filesOf(series: str) -> list:
    """Paths of a series' files in the DICOM database; none where it is not in it."""
    return list(slicer.dicomDatabase.filesForSeries(series))


def importFolder(folder) -> None:
    """Take the files of a folder into the DICOM database, as copies."""
    from DICOMLib import DICOMUtils

    DICOMUtils.importDicom(str(folder), slicer.dicomDatabase, copyFiles=True)


def load(series: str) -> list:
    """Load a series of the DICOM database with whatever plugin Slicer has for it.

    :return: IDs of the nodes.
    """
    from DICOMLib import DICOMUtils

    return DICOMUtils.loadSeriesByUID([series])
