"""Drawn DICOM studies for every room's tests: small, deterministic and clean under dciodvfy.

Every function returns a list of complete `pydicom.Dataset` with pixel data and file meta; `write` puts a list into a
folder. Volumes are drawn from a function of the *patient* position (`tissue_at`), so a test can recompute what any
voxel must hold from its geometry alone, whatever the orientation: an ellipsoid body, a bright ball off its centre
(`BALL_CENTRE`, `BALL_RADIUS`, millimetres LPS) and a ramp along x, y and z that makes every mix-up of axes visible.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from uuid import NAMESPACE_OID, uuid5

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

BALL_CENTRE = (9.0, -6.0, 4.0)
BALL_RADIUS = 7.0
BODY_RADII = (26.0, 20.0, 24.0)
PATIENT_NAME = "Phantom^Drawn"
PATIENT_ID = "WETREAD-PHANTOM"

_TILT = np.radians(15.0)
ORIENTATIONS: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "axial": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0)),
    "coronal": ((1.0, 0.0, 0.0), (0.0, 0.0, -1.0)),
    "sagittal": ((0.0, 1.0, 0.0), (0.0, 0.0, -1.0)),
    "oblique": ((0.8, 0.6, 0.0), (-0.36, 0.48, 0.8)),
    "tilted": ((1.0, 0.0, 0.0), (0.0, float(np.cos(_TILT)), float(np.sin(_TILT)))),
}


def uid(*words: object) -> str:
    """A UID that is the same for the same words."""
    return f"2.25.{uuid5(NAMESPACE_OID, '/'.join(['wetread-phantom', *map(str, words)])).int}"


def tissue_at(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """What a voxel at LPS millimetres (..., 3) holds: HU-like values, air -1000, ball about 200."""
    x, y, z = points[..., 0], points[..., 1], points[..., 2]
    body = (x / BODY_RADII[0]) ** 2 + (y / BODY_RADII[1]) ** 2 + (z / BODY_RADII[2]) ** 2 <= 1.0
    ball = ((points - np.asarray(BALL_CENTRE)) ** 2).sum(axis=-1) <= BALL_RADIUS**2
    ramp = np.round(0.5 * x + 0.25 * y + 1.0 * z)
    return np.where(ball, 200.0 + ramp, np.where(body, 40.0 + ramp, -1000.0))


def plane_points(dataset: Dataset) -> NDArray[np.float64]:
    """LPS millimetres of every pixel centre of a single-frame plane, (rows, columns, 3)."""
    position = np.asarray(dataset.ImagePositionPatient, dtype=float)
    cosines = np.asarray(dataset.ImageOrientationPatient, dtype=float)
    dy, dx = (float(v) for v in dataset.PixelSpacing)
    rows, columns = np.meshgrid(np.arange(dataset.Rows), np.arange(dataset.Columns), indexing="ij")
    return position + columns[..., None] * dx * cosines[:3] + rows[..., None] * dy * cosines[3:]


def write(datasets: Iterable[Dataset], folder: Path, suffix: str = ".dcm") -> list[Path]:
    """Write every dataset into `folder`, named by its SOP Instance UID; gives the paths in order."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for dataset in datasets:
        path = folder / f"{dataset.SOPInstanceUID}{suffix}"
        dataset.save_as(path, enforce_file_format=True)
        paths.append(path)
    return paths


def ct_series(
    slices: int = 8,
    rows: int = 40,
    columns: int = 48,
    orientation: str = "axial",
    row_spacing: float = 1.25,
    column_spacing: float = 1.0,
    slice_spacing: float = 5.0,
    name: str = "ct",
) -> list[Dataset]:
    """CT Image Storage slices in order of their normal; "tilted" keeps table steps along z (a gantry tilt).

    Args:
        slices: number of instances.
        rows: rows of each.
        columns: columns of each.
        orientation: a key of `ORIENTATIONS`.
        row_spacing: PixelSpacing[0], mm.
        column_spacing: PixelSpacing[1], mm.
        slice_spacing: mm between slices, along the normal (along z for "tilted").
        name: seeds the UIDs; another name gives another series of the same study.
    """
    series = []
    for index in range(slices):
        dataset = _series_slice(
            "1.2.840.10008.5.1.4.1.1.2", "CT", name, index, slices, rows, columns, orientation,
            row_spacing, column_spacing, slice_spacing,
        )  # fmt: skip
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        dataset.KVP = 120
        dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = -1024, 1, "HU"
        dataset.WindowCenter, dataset.WindowWidth = 40, 400
        stored = tissue_at(plane_points(dataset)) + 1024
        set_pixels(dataset, stored.astype(np.uint16), bits_stored=12)
        series.append(dataset)
    return series


def mr_series(
    slices: int = 6,
    rows: int = 32,
    columns: int = 48,
    orientation: str = "coronal",
    row_spacing: float = 1.0,
    column_spacing: float = 1.25,
    slice_spacing: float = 3.0,
    name: str = "mr",
) -> list[Dataset]:
    """MR Image Storage slices; values are `tissue_at` + 1000 without rescale. Arguments as for `ct_series`."""
    series = []
    for index in range(slices):
        dataset = _series_slice(
            "1.2.840.10008.5.1.4.1.1.4", "MR", name, index, slices, rows, columns, orientation,
            row_spacing, column_spacing, slice_spacing,
        )  # fmt: skip
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "M"]
        dataset.ScanningSequence, dataset.SequenceVariant = "SE", "NONE"
        dataset.ScanOptions, dataset.MRAcquisitionType = None, "2D"
        dataset.EchoTime, dataset.RepetitionTime, dataset.EchoTrainLength = 12, 500, 1
        stored = tissue_at(plane_points(dataset)) + 1000
        set_pixels(dataset, stored.astype(np.uint16), bits_stored=12)
        series.append(dataset)
    return series


def localizer(name: str = "ct") -> Dataset:
    """One sagittal slice that claims to belong to the series `ct_series(name=name)`."""
    dataset = ct_series(1, orientation="sagittal", name=name)[0]
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = uid(name, "localizer")
    dataset.InstanceNumber = 0
    return dataset


def dx_image(rows: int = 64, columns: int = 48, name: str = "dx") -> list[Dataset]:
    """One Digital X-Ray Image Storage - For Presentation, MONOCHROME1, 12 bit, with pixel spacing."""
    dataset = instance("1.2.840.10008.5.1.4.1.1.1.1", "DX", name, 0)
    dataset.ImageType = ["ORIGINAL", "PRIMARY", ""]
    dataset.PresentationIntentType = "FOR PRESENTATION"
    dataset.BodyPartExamined, dataset.ImageLaterality = "CHEST", "U"
    dataset.AnatomicRegionSequence = Sequence([code("51185008", "SCT", "Chest")])
    dataset.PatientOrientation = ["L", "F"]
    dataset.ViewPosition = "PA"
    dataset.ViewCodeSequence = Sequence([code("399348003", "SCT", "postero-anterior")])
    dataset.PositionerType = None
    del dataset.Laterality
    dataset.ImagerPixelSpacing, dataset.PixelSpacing = [0.2, 0.2], [0.2, 0.2]
    dataset.PixelSpacingCalibrationType = "GEOMETRY"
    dataset.PixelSpacingCalibrationDescription = "Drawn"
    dataset.DetectorType = "DIRECT"
    dataset.PixelIntensityRelationship, dataset.PixelIntensityRelationshipSign = "LOG", 1
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = 0, 1, "US"
    dataset.PresentationLUTShape = "INVERSE"
    dataset.LossyImageCompression, dataset.BurnedInAnnotation = "00", "NO"
    dataset.AcquisitionContextSequence = Sequence([])
    dataset.WindowCenter, dataset.WindowWidth = 2048, 4096
    set_pixels(dataset, radiograph(rows, columns), bits_stored=12, photometric="MONOCHROME1")
    return [dataset]


def radiograph(rows: int = 64, columns: int = 48) -> NDArray[np.uint16]:
    """12-bit stored values of `dx_image`: dark lungs on a bright chest, one small dense nodule at the lower left."""
    y, x = np.mgrid[0:rows, 0:columns] / np.array([rows, columns]).reshape(2, 1, 1)
    picture = np.full((rows, columns), 1200.0)
    for centre in (0.3, 0.7):
        picture[((x - centre) / 0.15) ** 2 + ((y - 0.5) / 0.35) ** 2 <= 1] = 3200.0
    picture[(x - 0.3) ** 2 + (y - 0.7) ** 2 <= 0.05**2] = 800.0
    return picture.astype(np.uint16)


def ultrasound_cine(frames: int = 6, rows: int = 40, columns: int = 56, name: str = "us") -> list[Dataset]:
    """One Ultrasound Multi-frame Image Storage, RGB, with one moving bright disc; see `cine_frame`."""
    dataset = instance("1.2.840.10008.5.1.4.1.1.3.1", "US", name, 0)
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "ABDOMINAL", "0001"]
    dataset.FrameTime = 40
    dataset.FrameIncrementPointer = 0x00181063
    dataset.NumberOfFrames = frames
    dataset.PatientOrientation = None
    dataset.LossyImageCompression, dataset.BurnedInAnnotation = "00", "NO"
    set_pixels(dataset, np.stack([cine_frame(i, rows, columns) for i in range(frames)]))
    return [dataset]


def cine_frame(index: int, rows: int = 40, columns: int = 56) -> NDArray[np.uint8]:
    """Frame `index` (0-based) of `ultrasound_cine`, (rows, columns, 3) RGB."""
    y, x = np.mgrid[0:rows, 0:columns]
    picture = np.zeros((rows, columns, 3), dtype=np.uint8)
    picture[...] = (40 + 2 * y)[..., None]
    picture[(x - 10 - 4 * index) ** 2 + (y - 20) ** 2 <= 36] = (230, 220, 180)
    return picture


def ultrasound_image(rows: int = 40, columns: int = 56, name: str = "us-still") -> list[Dataset]:
    """One single-frame Ultrasound Image Storage, MONOCHROME2."""
    dataset = instance("1.2.840.10008.5.1.4.1.1.6.1", "US", name, 0)
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "ABDOMINAL", "0001"]
    dataset.PatientOrientation = None
    dataset.LossyImageCompression, dataset.BurnedInAnnotation = "00", "NO"
    set_pixels(dataset, cine_frame(0, rows, columns)[..., 0])
    return [dataset]


def stained_tissue(rows: int = 64, columns: int = 64) -> NDArray[np.uint8]:
    """(rows, columns, 3) RGB: pink ground with dark violet nuclei."""
    y, x = np.mgrid[0:rows, 0:columns]
    picture = np.empty((rows, columns, 3), dtype=np.uint8)
    picture[...] = (235, 190, 215)
    for cy, cx, radius in ((16, 14, 6), (40, 22, 5), (24, 46, 7), (50, 50, 4)):
        picture[(x - cx * columns / 64) ** 2 + (y - cy * rows / 64) ** 2 <= radius**2] = (85, 45, 130)
    return picture


def visible_light(kind: str = "microscopy", rows: int = 64, columns: int = 64, name: str = "vl") -> list[Dataset]:
    """One VL Microscopic / Photographic / Endoscopic / Dermoscopic Image Storage: kind "microscopy", ..."""
    sop_class, modality = {
        "microscopy": ("1.2.840.10008.5.1.4.1.1.77.1.2", "GM"),
        "photograph": ("1.2.840.10008.5.1.4.1.1.77.1.4", "XC"),
        "endoscopy": ("1.2.840.10008.5.1.4.1.1.77.1.1", "ES"),
    }[kind]
    dataset = instance(sop_class, modality, f"{name}-{kind}", 0)
    dataset.ImageType = ["ORIGINAL", "PRIMARY"]
    dataset.AcquisitionContextSequence = Sequence([])
    dataset.PatientOrientation = ["L", "F"]
    dataset.LossyImageCompression, dataset.BurnedInAnnotation = "00", "NO"
    dataset.AnatomicRegionSequence = Sequence([code("39937001", "SCT", "Skin")])
    set_pixels(dataset, stained_tissue(rows, columns))
    return [dataset]


def secondary_capture(rows: int = 32, columns: int = 40, name: str = "sc") -> list[Dataset]:
    """One Secondary Capture Image Storage, MONOCHROME2, 8 bit."""
    dataset = instance("1.2.840.10008.5.1.4.1.1.7", "OT", name, 0)
    dataset.ImageType = ["DERIVED", "SECONDARY"]
    dataset.ConversionType = "WSD"
    dataset.PatientOrientation = None
    dataset.BurnedInAnnotation = "NO"
    set_pixels(dataset, cine_frame(0, rows, columns)[..., 0])
    return [dataset]


def instance(sop_class: str, modality: str, name: str, index: int) -> Dataset:
    """A dataset without pixels: file meta, patient, study, series, equipment and general image attributes."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = sop_class
    dataset.file_meta.MediaStorageSOPInstanceUID = uid(name, "instance", index)
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, uid(name, "instance", index)
    dataset.PatientName, dataset.PatientID = PATIENT_NAME, PATIENT_ID
    dataset.PatientBirthDate, dataset.PatientSex = "19700101", "O"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = uid("study"), uid(name, "series")
    dataset.StudyDate, dataset.StudyTime = "20260102", "030405"
    dataset.SeriesDate, dataset.SeriesTime = "20260102", "030405"
    dataset.ContentDate, dataset.ContentTime = "20260102", "030405"
    dataset.AcquisitionDateTime = "20260102030405"
    dataset.ReferringPhysicianName, dataset.StudyID, dataset.AccessionNumber = None, "1", None
    dataset.Modality, dataset.SeriesNumber = modality, 1
    dataset.Laterality = None
    dataset.Manufacturer, dataset.ManufacturerModelName = "Wetread tests", "Phantom"
    dataset.DeviceSerialNumber, dataset.SoftwareVersions = "1", "1"
    dataset.InstanceNumber, dataset.AcquisitionNumber = index + 1, 1
    return dataset


def _series_slice(
    sop_class: str, modality: str, name: str, index: int, slices: int, rows: int, columns: int, orientation: str,
    row_spacing: float, column_spacing: float, slice_spacing: float,
) -> Dataset:  # fmt: skip
    dataset = instance(sop_class, modality, name, index)
    row, column = (np.asarray(v) for v in ORIENTATIONS[orientation])
    step = np.array([0.0, 0.0, 1.0]) if orientation == "tilted" else np.cross(row, column)
    centre = step * slice_spacing * (index - (slices - 1) / 2)
    corner = centre - row * column_spacing * (columns - 1) / 2 - column * row_spacing * (rows - 1) / 2
    dataset.FrameOfReferenceUID, dataset.PositionReferenceIndicator = uid("frame of reference"), None
    dataset.PatientPosition = "HFS"
    dataset.ImagePositionPatient = [round(float(v), 6) for v in corner]
    dataset.ImageOrientationPatient = [round(float(v), 8) for v in (*row, *column)]
    dataset.PixelSpacing = [row_spacing, column_spacing]
    dataset.SliceThickness = slice_spacing
    dataset.Rows, dataset.Columns = rows, columns
    return dataset


def set_pixels(
    dataset: Dataset, pixels: NDArray[np.generic], bits_stored: int | None = None, photometric: str | None = None
) -> None:
    """(…, rows, columns) grey or (…, rows, columns, 3) uint8 RGB -> native pixel data and its description."""
    colour = pixels.dtype == np.uint8 and pixels.shape[-1] == 3
    rows, columns = pixels.shape[-3:-1] if colour else pixels.shape[-2:]
    bits = pixels.dtype.itemsize * 8
    dataset.Rows, dataset.Columns = rows, columns
    dataset.SamplesPerPixel = 3 if colour else 1
    dataset.PhotometricInterpretation = photometric or ("RGB" if colour else "MONOCHROME2")
    if colour:
        dataset.PlanarConfiguration = 0
    dataset.BitsAllocated, dataset.BitsStored = bits, bits_stored or bits
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(np.issubdtype(pixels.dtype, np.signedinteger))
    dataset.PixelData = np.ascontiguousarray(pixels).tobytes() + b"\0" * (pixels.nbytes % 2)
    dataset["PixelData"].VR = "OW" if bits > 8 else "OB"


def code(value: str, scheme: str, meaning: str) -> Dataset:
    """One coded entry."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item
