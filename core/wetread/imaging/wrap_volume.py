"""NIfTI volumes and multi-page TIFF -> a series of CT or MR Image Storage instances.

SimpleITK reads NIfTI and turns its RAS millimetres into DICOM's LPS; index (i, j, k) lies at
origin + direction @ (spacing * index), so the slices (k) become instances whose rows run along i and whose columns
along j, whatever the orientation. An oblique volume keeps its directions exactly; a sheared one cannot be said by
orthogonal DICOM slices and is refused. Values are kept as int16 where they fit, otherwise scaled with a rescale slope.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wetread.errors import RefusedInput
from wetread.imaging.inflation import check_count
from wetread.imaging.kinds import parse_modality, sop_class
from wetread.imaging.nifti import check_nifti
from wetread.imaging.wrapped import MODALITY_ASSUMED, SCALED, SPACING_ASSUMED
from wetread.imaging.wrapped_instance import content_hash, new_instance, refuse_size, role_uid, set_pixels
from wetread.terminology import Modality

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from pydicom import Dataset

_INT16 = (-32768, 32767)
_AIR_BELOW_HU = -500


def wrap_volume(
    values: NDArray[Any],
    affine: NDArray[np.float64],
    modality: Modality | str | None = None,
    where: object = "volume",
    remarks: tuple[str, ...] = (),
) -> list[Dataset]:
    """A volume as a series of single-frame instances, in the order of its slices.

    Args:
        values: (slices, rows, columns) numbers.
        affine: (4, 4) from (column, row, slice, 1) at voxel *centres* to LPS millimetres.
        modality: CT or MR; where None, CT if there are values below -500 (air in HU), else MR, and it is said so.
        where: the file, for messages.
        remarks: sentences of `wrapped` that already apply.

    Raises:
        RefusedInput: not a volume of finite numbers, too many slices, a sheared or singular affine, another modality.
    """
    if values.ndim != 3 or values.dtype.kind not in "biuf" or not values.size or not np.isfinite(values).all():
        raise RefusedInput(f"a volume of shape {values.shape}, type {values.dtype}", where, "give finite 3-D numbers.")
    refuse_size(values.shape[1:], where)
    check_count(len(values), where)
    kind = parse_modality(modality)
    if kind is None:
        kind = Modality.CT if float(values.min()) < _AIR_BELOW_HU else Modality.MR
        remarks = (*remarks, MODALITY_ASSUMED)
    if kind not in (Modality.CT, Modality.MR):
        raise RefusedInput(f"a volume said to be {kind.value}", where, "say CT or MR, or give the DICOM series.")
    directions, spacing = _axes(affine, where)
    stored, slope, intercept = _as_int16(values)
    if slope != 1.0:
        remarks = (*remarks, SCALED)
    content = content_hash(stored, kind, slope, intercept, affine.round(6).tolist())
    series = []
    for index in range(len(stored)):
        dataset = _slice(kind, content, index, remarks)
        position = affine[:3, 3] + affine[:3, 2] * index
        dataset.ImagePositionPatient = [_decimal(v) for v in position]
        dataset.ImageOrientationPatient = [_decimal(v) for v in (*directions[:, 0], *directions[:, 1])]
        dataset.PixelSpacing = [_decimal(spacing[1]), _decimal(spacing[0])]
        dataset.SliceThickness = dataset.SpacingBetweenSlices = _decimal(spacing[2])
        if kind is Modality.CT:
            del dataset.SpacingBetweenSlices
        dataset.RescaleIntercept, dataset.RescaleSlope = _decimal(intercept), _decimal(slope)
        dataset.RescaleType = "HU" if kind is Modality.CT else "US"
        set_pixels(dataset, stored[index])
        series.append(dataset)
    return series


def wrap_stack(pages: list[NDArray[Any]], modality: Modality | str | None, where: object) -> list[Dataset]:
    """The pages of a TIFF as slices 1 mm apart and 1 mm wide, because a TIFF does not say; the remark does.

    Raises:
        RefusedInput: colour pages, pages of several sizes, or a modality other than CT or MR.
    """
    if len({page.shape for page in pages}) > 1 or pages[0].ndim != 2:
        raise RefusedInput("pages in colour or of different size", where, "give grey pages of one size, or one page.")
    return wrap_volume(np.stack(pages), np.eye(4), modality, where, (SPACING_ASSUMED,))


def read_volume(path: Path) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """A NIfTI file as (slices, rows, columns) values and its affine at voxel centres to LPS millimetres.

    Raises:
        RefusedInput: not NIfTI, broken off, or not three-dimensional.
    """
    import SimpleITK as sitk

    check_nifti(path)
    try:
        image = sitk.ReadImage(str(path), imageIO="NiftiImageIO")
    except RuntimeError as error:
        raise RefusedInput("not a readable NIfTI file", path, "give a whole .nii or .nii.gz file.") from error
    if image.GetDimension() == 4 and image.GetSize()[3] == 1:
        image = image[:, :, :, 0]
    if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() != 1:
        raise RefusedInput(
            f"a NIfTI file of {image.GetDimension()} dimensions", path, "give a volume of three dimensions."
        )
    affine = np.eye(4)
    affine[:3, :3] = np.asarray(image.GetDirection()).reshape(3, 3) * np.asarray(image.GetSpacing())
    affine[:3, 3] = image.GetOrigin()
    return sitk.GetArrayFromImage(image), affine


def _slice(kind: Modality, content: str, index: int, remarks: tuple[str, ...]) -> Dataset:
    """A CT or MR instance without geometry and pixels."""
    is_ct = kind is Modality.CT
    dataset = new_instance(sop_class("2" if is_ct else "4"), kind.value, content, index + 1, remarks)
    dataset.SeriesDescription = f"{kind.value} volume"
    dataset.ImageType = ["DERIVED", "SECONDARY", "AXIAL" if is_ct else "OTHER"]
    dataset.FrameOfReferenceUID, dataset.PositionReferenceIndicator = role_uid(content, "frame of reference"), None
    dataset.PatientPosition, dataset.AcquisitionNumber = None, None
    if is_ct:
        dataset.KVP = None
    else:
        dataset.ScanningSequence, dataset.SequenceVariant, dataset.ScanOptions = "RM", "NONE", None
        dataset.MRAcquisitionType = None
        dataset.RepetitionTime = dataset.EchoTime = dataset.EchoTrainLength = None
    return dataset


def _axes(affine: NDArray[np.float64], where: object) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Unit directions (3, 3), one a column, and spacing (3,) in mm of an affine without shear."""
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    if not np.isfinite(affine).all() or (spacing < 1e-6).any():
        raise RefusedInput("a volume whose voxels have no extent", where, "repair its affine.")
    directions = affine[:3, :3] / spacing
    if np.abs(directions[:, 0] @ directions[:, 1]) > 1e-4:
        raise RefusedInput("a sheared volume", where, "resample it to perpendicular axes.")
    return directions, spacing


def _as_int16(values: NDArray[Any]) -> tuple[NDArray[np.int16], float, float]:
    """(stored, slope, intercept) with stored * slope + intercept = values: exactly where they are small integers."""
    low, high = float(values.min()), float(values.max())
    whole = values.dtype.kind in "biu" or bool((values == np.round(values)).all())
    if whole and _INT16[0] <= low and high <= _INT16[1]:
        return values.astype(np.int16), 1.0, 0.0
    if whole and high - low <= _INT16[1] - _INT16[0]:
        intercept = np.ceil((low + high) / 2)
        return (values.astype(np.float64) - intercept).astype(np.int16), 1.0, float(intercept)
    slope = max((high - low) / 65534.0, 1e-12)
    slope = float(_decimal(slope))
    intercept = float(_decimal((low + high) / 2))
    stored = np.clip(np.round((values.astype(np.float64) - intercept) / slope), *_INT16)
    return stored.astype(np.int16), slope, intercept


def _decimal(value: float) -> str:
    """A DICOM decimal string: the most digits that fit 16 characters (PS3.5 6.2)."""
    from pydicom.valuerep import format_number_as_ds

    return format_number_as_ds(float(value))
