"""Sample data that is drawn and not downloaded: a CT of a body with a bright ball, as DICOM."""

from pathlib import Path

import numpy as np

SLICES, PIXELS, SPACING = 24, 96, (2.5, 1.0)  # mm between slices, between pixels
_ROOT = "2.25.30712594563318442097"  # study, series and frame of reference stay the same, so that it is imported once
SERIES = f"{_ROOT}.2"
CT = "1.2.840.10008.5.1.4.1.1.2"


def write(folder) -> list:
    """Write the phantom's slices into a folder.

    :return: the paths, in order.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for index in range(SLICES):
        path = folder / f"{index:03d}.dcm"
        _slice(index).save_as(path, enforce_file_format=True)
        paths.append(path)
    return paths


def _slice(index: int):
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    z = (index - (SLICES - 1) / 2) * SPACING[0]
    first = -(PIXELS - 1) / 2 * SPACING[1]
    y, x = np.mgrid[0:PIXELS, 0:PIXELS] * SPACING[1] + first
    body = (x / 40) ** 2 + (y / 30) ** 2 + (z / 45) ** 2 <= 1
    ball = (x - 12) ** 2 + (y + 6) ** 2 + (z - 4) ** 2 <= 9**2
    values = np.where(ball, 1250, np.where(body, 1060, 24)).astype(np.uint16)  # HU + 1024

    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = CT
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = f"{_ROOT}.4.{index + 1}"
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = f"{_ROOT}.1", SERIES
    dataset.FrameOfReferenceUID = f"{_ROOT}.3"
    dataset.PatientName, dataset.PatientID = "Phantom^Wetread", "WETREAD-SAMPLE"
    dataset.PatientBirthDate = dataset.PatientSex = dataset.AccessionNumber = dataset.ReferringPhysicianName = ""
    dataset.StudyDate, dataset.StudyTime, dataset.StudyID = "20260101", "000000", "1"
    dataset.Modality, dataset.Manufacturer, dataset.SeriesDescription = "CT", "Wetread", "Drawn phantom"
    dataset.ImageType = ["DERIVED", "PRIMARY", "AXIAL"]
    dataset.SeriesNumber, dataset.InstanceNumber = 1, index + 1
    dataset.PositionReferenceIndicator, dataset.KVP, dataset.AcquisitionNumber = "", 120, 1
    dataset.ImagePositionPatient = [first, first, z]
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    dataset.PixelSpacing, dataset.SliceThickness = [SPACING[1], SPACING[1]], SPACING[0]
    dataset.Rows = dataset.Columns = PIXELS
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = -1024, 1, "HU"
    dataset.WindowCenter, dataset.WindowWidth = 40, 400
    dataset.PixelData = values.tobytes()
    return dataset
