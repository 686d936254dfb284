"""Masks from files, laid onto the planes of a Sample: pictures, label maps, NumPy, NIfTI, DICOM SEG.

A picture or array must have the size of the image. NIfTI and SEG know where they lie in the patient: a SEG is matched
to the instances and frames it was drawn on, a NIfTI voxel by voxel through millimetres, whatever the order of its axes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wetread.errors import RefusedInput

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wetread.imaging.sample import Sample

_PICTURES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif"})
_VOLUMES = (".nii", ".nii.gz", ".nrrd", ".mha", ".mhd")
_SMOOTHED_SHARE = 0.95
_FEW_LABELS = 4
_WHITE = 250
_OFF_GRID = 0.51
_MOST_COLOURS = 4096


@dataclass(frozen=True, slots=True, eq=False)
class MaskFile:
    """What a mask file holds.

    Args:
        masks: label map of the Sample's shape (planes, rows, columns), or bool (segments, planes, rows, columns).
        labels: names that the file itself gives, one for each segment; empty where it gives none.
    """

    masks: NDArray[Any]
    labels: tuple[str, ...] = ()


def read_masks(path: Path, sample: Sample) -> MaskFile:
    """The masks of a file over the planes of a Sample.

    Raises:
        RefusedInput: unreadable, of another size, or drawn on other images.
    """
    if not path.is_file():
        raise RefusedInput("no such mask file", path, "give a picture, NIfTI, NumPy or DICOM SEG file.")
    name = path.name.lower()
    if name.endswith(_VOLUMES):
        return MaskFile(_of_volume(path, sample))
    if path.suffix.lower() == ".npy":
        return MaskFile(_shaped(_of_numpy(path), sample, path))
    if path.suffix.lower() in _PICTURES:
        return MaskFile(_shaped(read_picture_labels(path), sample, path))
    return _of_segmentation(path, sample)


def read_picture_labels(path: Path) -> NDArray[Any]:
    """(rows, columns) labels of a picture, or (pages, rows, columns) of a TIFF with several.

    Grey values and palette indices are labels. In a colour picture every colour but black is one label, numbered by
    its value. JPEG and masks with smoothed edges are cut at half.
    """
    from PIL import Image, ImageSequence, UnidentifiedImageError

    try:
        with Image.open(path) as picture:
            lossy = picture.format == "JPEG"
            pages = [_labels_of(np.asarray(_plain(page)), lossy, path) for page in ImageSequence.Iterator(picture)]
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise RefusedInput("a mask that cannot be read", path, f"give it again ({type(error).__name__}).") from None
    return pages[0] if len(pages) == 1 else np.stack(pages)


def _plain(page: Any) -> Any:
    return page.convert("RGB") if page.mode in ("RGBA", "LA", "PA", "CMYK", "YCbCr") else page


def _labels_of(values: NDArray[Any], lossy: bool, path: Path) -> NDArray[Any]:
    if values.ndim == 3:
        if (values == values[..., :1]).all():
            values = values[..., 0]
        elif lossy:
            raise RefusedInput("a colour mask as JPEG", path, "give it as PNG: JPEG blurs the colours.")
        else:
            code = values[..., 0].astype(np.int64) << 16 | values[..., 1].astype(np.int64) << 8 | values[..., 2]
            found, numbers = np.unique(code, return_inverse=True)
            if len(found) > _MOST_COLOURS:
                raise RefusedInput(f"{len(found)} colours", path, "give a mask, not a picture.")
            numbers = numbers.reshape(code.shape)
            return numbers if found[0] == 0 else numbers + 1
    if values.dtype == np.uint8 and (lossy or _is_smoothed(values)):
        return np.asarray(values > 127)
    return values


def _is_smoothed(values: NDArray[np.uint8]) -> bool:
    """True for one white mask with soft edges: of its many greys nearly all lie within two pixels of white."""
    if len(np.unique(values)) <= _FEW_LABELS:
        return False
    from scipy import ndimage

    between = (values > 0) & (values < _WHITE)
    near_white = ndimage.binary_dilation(values >= _WHITE, np.ones((3, 3), dtype=bool), iterations=2)
    return bool(np.count_nonzero(between & near_white) >= _SMOOTHED_SHARE * np.count_nonzero(between))


def _of_numpy(path: Path) -> NDArray[Any]:
    try:
        return np.asarray(np.load(path, allow_pickle=False))
    except (OSError, ValueError) as error:
        raise RefusedInput("a mask that cannot be read", path, f"give it again ({type(error).__name__}).") from None


def _shaped(labels: NDArray[Any], sample: Sample, path: Path) -> NDArray[Any]:
    """An array without a place of its own, by its shape."""
    if labels.shape == sample.shape[1:] and sample.shape[0] == 1:
        return labels[None]
    if labels.shape != sample.shape and labels.shape[-3:] != sample.shape:
        planes, rows, columns = sample.shape
        wanted = f"{rows} x {columns}" if planes == 1 else f"{planes} planes of {rows} x {columns}"
        raise RefusedInput(f"a mask of shape {labels.shape}", path, f"give one of the image's size: {wanted}.")
    return labels


def _of_volume(path: Path, sample: Sample) -> NDArray[Any]:
    import SimpleITK as sitk

    try:
        image = sitk.ReadImage(str(path))
    except RuntimeError:
        raise RefusedInput("a mask that cannot be read", path, "give NIfTI or another volume that ITK reads.") from None
    labels = sitk.GetArrayFromImage(image)
    if labels.dtype.kind == "f":
        if not np.isfinite(labels).all() or (labels != np.rint(labels)).any():
            raise RefusedInput("a mask with fractions", path, "give whole numbers as labels.")
        labels = labels.astype(np.int64)
    if image.GetDimension() != 3 or any(plane.geometry is None for plane in sample.planes):
        return _shaped(labels, sample, path)
    size, spacing = np.array(image.GetSize()), np.array(image.GetSpacing())
    to_patient = np.array(image.GetDirection()).reshape(3, 3) * spacing
    to_index = np.linalg.inv(to_patient)
    rows, columns = (axis.ravel() + 0.5 for axis in np.mgrid[: sample.shape[1], : sample.shape[2]])
    placed = np.zeros(sample.shape, dtype=labels.dtype)
    for number, plane in enumerate(sample.planes):
        if plane.geometry is None:
            continue
        points = plane.geometry.image_to_patient(np.column_stack([columns, rows]))
        index = (points - np.array(image.GetOrigin())) @ to_index.T
        nearest = np.rint(index).astype(np.int64)
        if number == 0 and np.abs(index - nearest).max() > _OFF_GRID:
            raise RefusedInput("a mask on another grid", path, "give one drawn on this image.")
        inside = ((nearest >= 0) & (nearest < size)).all(axis=1)
        x, y, z = nearest[inside].T
        flat = np.zeros(len(nearest), dtype=labels.dtype)
        flat[inside] = labels[z, y, x]
        placed[number] = flat.reshape(sample.shape[1:])
    if labels.any() and not placed.any():
        raise RefusedInput("a mask that lies outside the image", path, "give one drawn on this image.")
    return placed


def _of_segmentation(path: Path, sample: Sample) -> MaskFile:
    import highdicom as hd
    import pydicom
    from pydicom.errors import InvalidDicomError

    try:
        dataset = pydicom.dcmread(path)
        if str(dataset.get("Modality", "")) != "SEG":
            raise RefusedInput("a DICOM file that is no segmentation", path, "give a DICOM SEG as the mask.")
        segmentation = hd.seg.Segmentation.from_dataset(dataset, copy=False)
    except InvalidDicomError:
        raise RefusedInput("a mask of unknown kind", path, "give a picture, NIfTI, NumPy or DICOM SEG file.") from None
    labels = tuple(str(item.SegmentLabel) for item in segmentation.SegmentSequence)
    try:
        frames = _frames_of(segmentation, sample)
    except (ValueError, KeyError, RuntimeError, AttributeError) as error:
        reason = type(error).__name__
        raise RefusedInput(f"a SEG that does not refer to these images ({reason})", path, "give their own.") from None
    if frames.shape[1:3] != sample.shape[1:]:
        raise RefusedInput(f"a SEG of {frames.shape[1:3]} pixels", path, "give one of the image's size.")
    return MaskFile(np.moveaxis(frames, -1, 0).astype(bool), labels)


def _frames_of(segmentation: Any, sample: Sample) -> NDArray[Any]:
    """(planes, rows, columns, segments) of a SEG in the order of the Sample's planes."""
    sources = [plane.source for plane in sample.planes]
    options = {"combine_segments": False, "ignore_spatial_locations": True, "assert_missing_frames_are_empty": True}
    if sources[0].frame_number is None:
        known = {uid for _, _, uid in segmentation.get_source_image_uids()}
        if not known & {source.sop_instance_uid for source in sources}:
            raise KeyError("no instance in common")
        wanted = [source.sop_instance_uid for source in sources]
        return np.asarray(segmentation.get_pixels_by_source_instance(wanted, **options))
    numbers = [source.frame_number for source in sources]
    return np.asarray(segmentation.get_pixels_by_source_frame(sources[0].sop_instance_uid, numbers, **options))
