"""Drawn multi-frame and ophthalmic DICOM instances, clean under dciodvfy; see `dicom_phantoms` for the rest.

Every function returns a list with one `pydicom.Dataset`. The enhanced images hold the same `tissue_at` body as the
single-frame series, with the frames stored in a shuffled order; the slide holds `slide_picture`, cut into tiles.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from dicom_phantoms import (
    ORIENTATIONS,
    code,
    instance,
    mr_series,
    plane_points,
    set_pixels,
    stained_tissue,
    tissue_at,
    uid,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray


def enhanced_mr(frames: int = 6, orientation: str = "coronal", name: str = "enhanced-mr") -> list[Dataset]:
    """One Enhanced MR Image Storage: stored values are `tissue_at` + 1000; frame order is shuffled.

    Args:
        frames: number of slices, 3 mm apart.
        orientation: a key of `ORIENTATIONS`.
        name: seeds the UIDs.
    """
    dataset = _enhanced("1.2.840.10008.5.1.4.1.1.4.1", "MR", frames, orientation, name, offset=1000.0)
    dataset.ImageType = ["DERIVED", "PRIMARY", "T1", "NONE"]
    dataset.ComplexImageComponent, dataset.AcquisitionContrast = "MAGNITUDE", "T1"
    dataset.MagneticFieldStrength, dataset.ResonantNucleus, dataset.ContentQualification = 1.5, "1H", "RESEARCH"
    dataset.ApplicableSafetyStandardAgency = "IEC"
    shared = dataset.SharedFunctionalGroupsSequence[0]
    frame_type = Dataset()
    frame_type.FrameType = ["DERIVED", "PRIMARY", "T1", "NONE"]
    _volume_of(frame_type)
    frame_type.ComplexImageComponent, frame_type.AcquisitionContrast = "MAGNITUDE", "T1"
    shared.MRImageFrameTypeSequence = Sequence([frame_type])
    rescale = Dataset()
    rescale.RescaleIntercept, rescale.RescaleSlope, rescale.RescaleType = 0, 1, "US"
    shared.FrameVOILUTSequence[0].WindowCenter, shared.FrameVOILUTSequence[0].WindowWidth = 1100, 800
    shared.PixelValueTransformationSequence = Sequence([rescale])
    return [dataset]


def enhanced_ct(frames: int = 6, orientation: str = "axial", name: str = "enhanced-ct") -> list[Dataset]:
    """One Enhanced CT Image Storage in HU through the modality functional group. Arguments as `enhanced_mr`."""
    dataset = _enhanced("1.2.840.10008.5.1.4.1.1.2.1", "CT", frames, orientation, name, offset=1024.0)
    dataset.ImageType = ["DERIVED", "PRIMARY", "VOLUME", "RESAMPLED"]
    dataset.ContentQualification = "RESEARCH"
    dataset.MultienergyCTAcquisition = "NO"
    shared = dataset.SharedFunctionalGroupsSequence[0]
    frame_type = Dataset()
    frame_type.FrameType = ["DERIVED", "PRIMARY", "VOLUME", "RESAMPLED"]
    _volume_of(frame_type)
    shared.CTImageFrameTypeSequence = Sequence([frame_type])
    event = Dataset()
    event.IrradiationEventUID = uid(name, "irradiation")
    shared.IrradiationEventIdentificationSequence = Sequence([event])
    rescale = Dataset()
    rescale.RescaleIntercept, rescale.RescaleSlope, rescale.RescaleType = -1024, 1, "HU"
    shared.PixelValueTransformationSequence = Sequence([rescale])
    return [dataset]


def slide_picture(rows: int = 96, columns: int = 80) -> NDArray[np.uint8]:
    """The whole slide that `slide` cuts into tiles, (rows, columns, 3) RGB."""
    return stained_tissue(rows, columns)


def slide(
    rows: int = 96, columns: int = 80, tile: int = 32, tiled: str = "TILED_FULL", name: str = "slide"
) -> list[Dataset]:
    """One VL Whole Slide Microscopy Image (VOLUME); TILED_SPARSE stores the tiles in reverse.

    Args:
        rows: total pixel matrix rows.
        columns: total pixel matrix columns.
        tile: rows and columns of one tile; the last ones are filled up with white.
        tiled: "TILED_FULL" or "TILED_SPARSE".
        name: seeds the UIDs.
    """
    dataset = instance("1.2.840.10008.5.1.4.1.1.77.1.6", "SM", f"{name}-{tiled}", 0)
    _slide_description(dataset, rows, columns, tile, tiled)
    dataset.DimensionOrganizationSequence = Sequence([_organization(name)])
    down, across = -(-rows // tile), -(-columns // tile)
    padded = np.full((down * tile, across * tile, 3), 255, dtype=np.uint8)
    padded[:rows, :columns] = slide_picture(rows, columns)
    places = [(r, c) for r in range(down) for c in range(across)]
    if tiled == "TILED_SPARSE":
        places.reverse()
        dataset.PerFrameFunctionalGroupsSequence = Sequence([_tile_place(r, c, tile) for r, c in places])
        pointers = [0x0048021E, 0x0048021F]
        dataset.DimensionIndexSequence = Sequence([_dimension(name, p, 0x0048021A) for p in pointers])
    dataset.NumberOfFrames = len(places)
    set_pixels(dataset, np.stack([padded[r * tile : (r + 1) * tile, c * tile : (c + 1) * tile] for r, c in places]))
    return [dataset]


def pet_series(slices: int = 4, name: str = "pet") -> list[Dataset]:
    """Positron Emission Tomography Image Storage slices whose rescale slope differs from slice to slice."""
    series = mr_series(slices, orientation="axial", name=name)
    for index, dataset in enumerate(series):
        for keyword in ("ScanningSequence", "SequenceVariant", "ScanOptions", "MRAcquisitionType", "EchoTime",
                        "RepetitionTime", "EchoTrainLength", "PatientPosition"):  # fmt: skip
            delattr(dataset, keyword)
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.128"
        dataset.Modality, dataset.ImageType = "PT", ["ORIGINAL", "PRIMARY"]
        dataset.DecayFactor = 1
        dataset.Units, dataset.CountsSource, dataset.SeriesType = "BQML", "EMISSION", ["STATIC", "IMAGE"]
        dataset.NumberOfSlices, dataset.CorrectedImage, dataset.DecayCorrection = slices, ["DECY"], "START"
        dataset.CollimatorType = "NONE"
        dataset.ImageIndex, dataset.FrameReferenceTime, dataset.ActualFrameDuration = index + 1, 0, 1000
        dataset.AcquisitionDate, dataset.AcquisitionTime = "20260102", "030405"
        dataset.PatientWeight, dataset.PatientSize = 70, 1.7
        dataset.RescaleIntercept, dataset.RescaleSlope = 0, 0.5 * (index + 1)
        dataset.RadiopharmaceuticalInformationSequence = Sequence([Dataset()])
        dataset.RadiopharmaceuticalInformationSequence[0].RadionuclideCodeSequence = Sequence(
            [code("77004003", "SCT", "^18^Fluorine")]
        )
        dataset.PatientOrientationCodeSequence = Sequence([code("102538003", "SCT", "recumbent")])
        dataset.PatientOrientationCodeSequence[0].PatientOrientationModifierCodeSequence = Sequence(
            [code("40199007", "SCT", "supine")]
        )
        dataset.PatientGantryRelationshipCodeSequence = Sequence([code("102540008", "SCT", "headfirst")])
        set_pixels(dataset, (tissue_at(plane_points(dataset)) + 1000).astype(np.int16))
    return series


def _enhanced(sop_class: str, modality: str, frames: int, orientation: str, name: str, offset: float) -> Dataset:
    rows, columns, dy, dx, step = 32, 48, 1.0, 1.25, 3.0
    row, column = (np.asarray(v) for v in ORIENTATIONS[orientation])
    normal = np.cross(row, column)
    corner = -row * dx * (columns - 1) / 2 - column * dy * (rows - 1) / 2
    dataset = instance(sop_class, modality, name, 0)
    del dataset.Laterality
    dataset.FrameOfReferenceUID, dataset.PositionReferenceIndicator = uid("frame of reference"), None
    dataset.PatientPosition = "HFS"
    _volume_of(dataset)
    dataset.PresentationLUTShape, dataset.BurnedInAnnotation = "IDENTITY", "NO"
    dataset.LossyImageCompression = "00"
    dataset.AcquisitionContextSequence = Sequence([])
    dataset.AcquisitionDuration = 10
    dataset.DimensionOrganizationSequence = Sequence([_organization(name)])
    dataset.DimensionIndexSequence = Sequence([_dimension(name, 0x00200032, 0x00209113)])
    shared, per_frame, pixels = Dataset(), [], []
    _shared_planes(shared, row, column, dy, dx, step)
    order = list(np.random.default_rng(4).permutation(frames))
    for place in order:
        position = corner + normal * step * (place - (frames - 1) / 2)
        group = _frame_group(position, int(place))
        plane = Dataset()
        plane.ImagePositionPatient = group.PlanePositionSequence[0].ImagePositionPatient
        plane.ImageOrientationPatient = shared.PlaneOrientationSequence[0].ImageOrientationPatient
        plane.PixelSpacing, plane.Rows, plane.Columns = [dy, dx], rows, columns
        per_frame.append(group)
        pixels.append((tissue_at(plane_points(plane)) + offset).astype(np.uint16))
    dataset.SharedFunctionalGroupsSequence = Sequence([shared])
    dataset.PerFrameFunctionalGroupsSequence = Sequence(per_frame)
    dataset.NumberOfFrames = frames
    set_pixels(dataset, np.stack(pixels), bits_stored=12)
    return dataset


def _shared_planes(
    shared: Dataset, row: NDArray[np.float64], column: NDArray[np.float64], dy: float, dx: float, step: float
) -> None:
    measures, plane, anatomy = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = [dy, dx], step
    shared.PixelMeasuresSequence = Sequence([measures])
    plane.ImageOrientationPatient = [round(float(v), 8) for v in (*row, *column)]
    shared.PlaneOrientationSequence = Sequence([plane])
    anatomy.FrameLaterality = "U"
    anatomy.AnatomicRegionSequence = Sequence([code("818983003", "SCT", "Abdomen")])
    shared.FrameAnatomySequence = Sequence([anatomy])
    voi = Dataset()
    voi.WindowCenter, voi.WindowWidth = 40, 400
    shared.FrameVOILUTSequence = Sequence([voi])


def _frame_group(position: NDArray[np.float64], place: int) -> Dataset:
    group, content, plane = Dataset(), Dataset(), Dataset()
    content.StackID, content.InStackPositionNumber = "1", place + 1
    content.DimensionIndexValues = [place + 1]
    content.FrameReferenceDateTime = content.FrameAcquisitionDateTime = "20260102030405"
    content.FrameAcquisitionDuration = 10
    group.FrameContentSequence = Sequence([content])
    plane.ImagePositionPatient = [round(float(v), 6) for v in position]
    group.PlanePositionSequence = Sequence([plane])
    return group


def _volume_of(dataset: Dataset) -> None:
    dataset.PixelPresentation, dataset.VolumetricProperties = "MONOCHROME", "VOLUME"
    dataset.VolumeBasedCalculationTechnique = "NONE"


def _organization(name: str) -> Dataset:
    item = Dataset()
    item.DimensionOrganizationUID = uid(name, "dimensions")
    return item


def _dimension(name: str, pointer: int, group: int) -> Dataset:
    item = Dataset()
    item.DimensionOrganizationUID = uid(name, "dimensions")
    item.DimensionIndexPointer, item.FunctionalGroupPointer = pointer, group
    return item


def _slide_description(dataset: Dataset, rows: int, columns: int, tile: int, tiled: str) -> None:
    del dataset.Laterality
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    dataset.FrameOfReferenceUID, dataset.PositionReferenceIndicator = uid("slide"), "SLIDE_CORNER"
    dataset.VolumetricProperties, dataset.LossyImageCompression = "VOLUME", "00"
    dataset.BurnedInAnnotation, dataset.SpecimenLabelInImage, dataset.FocusMethod = "NO", "NO", "AUTO"
    dataset.ExtendedDepthOfField, dataset.AcquisitionContextSequence = "NO", Sequence([])
    dataset.DimensionOrganizationType = tiled
    dataset.ImagedVolumeWidth, dataset.ImagedVolumeHeight = columns * 0.0005, rows * 0.0005
    dataset.ImagedVolumeDepth = 0.001
    dataset.TotalPixelMatrixColumns, dataset.TotalPixelMatrixRows = columns, rows
    dataset.TotalPixelMatrixFocalPlanes, dataset.NumberOfOpticalPaths = 1, 1
    origin = Dataset()
    origin.XOffsetInSlideCoordinateSystem, origin.YOffsetInSlideCoordinateSystem = 20, 40
    dataset.TotalPixelMatrixOriginSequence = Sequence([origin])
    dataset.ImageOrientationSlide = [0, -1, 0, -1, 0, 0]
    dataset.ContainerIdentifier, dataset.IssuerOfTheContainerIdentifierSequence = "S-1", Sequence([])
    dataset.ContainerTypeCodeSequence = Sequence([code("433466003", "SCT", "Microscope slide")])
    specimen = Dataset()
    specimen.SpecimenIdentifier, specimen.SpecimenUID = "S-1", uid("specimen")
    specimen.IssuerOfTheSpecimenIdentifierSequence = Sequence([])
    specimen.SpecimenPreparationSequence = Sequence([])
    dataset.SpecimenDescriptionSequence = Sequence([specimen])
    _optics(dataset)
    shared, measures, frame_type, path = Dataset(), Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = [0.0005, 0.0005], 0.001
    shared.PixelMeasuresSequence = Sequence([measures])
    frame_type.FrameType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    shared.WholeSlideMicroscopyImageFrameTypeSequence = Sequence([frame_type])
    path.OpticalPathIdentifier = "1"
    shared.OpticalPathIdentificationSequence = Sequence([path])
    dataset.SharedFunctionalGroupsSequence = Sequence([shared])


def _optics(dataset: Dataset) -> None:
    optical = Dataset()
    optical.IlluminationTypeCodeSequence = Sequence([code("111744", "DCM", "Brightfield illumination")])
    optical.OpticalPathIdentifier, optical.OpticalPathDescription = "1", "Brightfield"
    optical.ICCProfile = _srgb_profile()
    optical.IlluminationColorCodeSequence = Sequence([code("371251000", "SCT", "White")])
    dataset.OpticalPathSequence = Sequence([optical])


def _srgb_profile() -> bytes:
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return profile + b"\0" * (len(profile) % 2)


def _tile_place(row: int, column: int, tile: int) -> Dataset:
    group, plane, content = Dataset(), Dataset(), Dataset()
    plane.ColumnPositionInTotalImagePixelMatrix = column * tile + 1
    plane.RowPositionInTotalImagePixelMatrix = row * tile + 1
    plane.XOffsetInSlideCoordinateSystem = 20 - row * tile * 0.0005
    plane.YOffsetInSlideCoordinateSystem = 40 - column * tile * 0.0005
    plane.ZOffsetInSlideCoordinateSystem = 0
    group.PlanePositionSlideSequence = Sequence([plane])
    content.DimensionIndexValues = [column + 1, row + 1]
    group.FrameContentSequence = Sequence([content])
    return group
