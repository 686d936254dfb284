"""Volumes with their truth: NIfTI (anything ITK reads) and npz, as (planes, rows, columns) arrays.

ITK's index order gives planes along the file's third axis and coordinates in LPS millimetres, DICOM's own frame.
Grey values become pictures with one scale for the whole volume: window 40/400 HU for CT, percentiles 0.5 to 99.5 for
everything else; a volume already stored as 8-bit is shown as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wetread.errors import RefusedInput
from wetread.reading.pictures import CT_WINDOW, PERCENTILES, grey_levels
from wetread.terminology import Modality

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Volume:
    """Grey values and truth of one volume.

    Args:
        values: (planes, rows, columns), in the file's units.
        spacing: (between columns, between rows, between planes) in mm.
        origin: centre of the first voxel, mm, LPS.
        direction: nine numbers, the ITK direction matrix row by row.
        masks: label -> bool (planes, rows, columns), union over synonyms.
        scale: (low, high) grey values shown as 0 and 255.
    """

    values: NDArray[Any]
    spacing: tuple[float, float, float]
    origin: tuple[float, float, float]
    direction: tuple[float, ...]
    masks: Mapping[str, NDArray[np.bool_]]
    scale: tuple[float, float]

    def picture(self, plane: int) -> NDArray[np.uint8]:
        """One plane as (rows, columns, 3) uint8."""
        return np.repeat(grey_levels(self.values[plane], *self.scale)[..., None], 3, axis=2)


@lru_cache(maxsize=2)
def read_volume(path: str, seg: str, names: tuple[tuple[int, str], ...], modality: Modality) -> Volume:
    """Read a volume and name its truth; the last two volumes of a process are kept, so do not write into them.

    Args:
        path: of the grey values; an npz may hold its own label map (`gts`).
        seg: path of the label map, "" where there is none.
        names: (value of the label map, label); several values of one label become one mask.
        modality: decides the grey scale of the pictures.

    Raises:
        RefusedInput: unreadable, not three-dimensional, or a label map of another size.
    """
    if path.lower().endswith(".npz"):
        with np.load(path, allow_pickle=False) as arrays:
            if "imgs" not in arrays:
                raise RefusedInput("npz without an array named imgs", path, "store imgs, gts and spacing")
            values, labels = arrays["imgs"], arrays.get("gts")
            spacing = _three(arrays["spacing"]) if "spacing" in arrays else (1.0, 1.0, 1.0)
            origin = _three(arrays["origin"]) if "origin" in arrays else (0.0, 0.0, 0.0)
            direction = tuple(arrays["direction"].tolist()) if "direction" in arrays else tuple(np.eye(3).ravel())
    else:
        values, spacing, origin, direction = _read_itk(path)
        labels = None
    if seg:
        labels = _read_itk(seg)[0]
    if values.ndim != 3:
        raise RefusedInput(f"{values.ndim} dimensions", path, "give a volume of three dimensions")
    if labels is not None and labels.shape != values.shape:
        raise RefusedInput(f"labels of {labels.shape} on a volume of {values.shape}", path, "give both in one grid")
    masks: dict[str, NDArray[np.bool_]] = {}
    for value, name in names if labels is not None else ():
        marked = np.equal(labels, value)
        masks[name] = np.logical_or(masks[name], marked) if name in masks else marked
    return Volume(values, spacing, origin, direction, masks, grey_scale(values, modality))


def slice_count(path: Path) -> int:
    """Number of planes, from the header alone where the format allows it."""
    if path.suffix.lower() == ".npz":
        with np.load(path, allow_pickle=False) as arrays:
            return int(arrays["imgs"].shape[0])
    import SimpleITK as sitk

    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise RefusedInput("unreadable volume", path, "give a NIfTI file or another that ITK reads") from error
    size = reader.GetSize()
    if len(size) != 3:
        raise RefusedInput(f"{len(size)} dimensions", path, "give a volume of three dimensions")
    return int(size[2])


def grey_scale(values: NDArray[Any], modality: Modality) -> tuple[float, float]:
    """(low, high) grey values shown as black and white, one pair for the whole volume."""
    if values.dtype == np.uint8:
        return (0.0, 255.0)
    if modality is Modality.CT:
        return (CT_WINDOW[0] - CT_WINDOW[1] / 2, CT_WINDOW[0] + CT_WINDOW[1] / 2)
    low, high = np.percentile(values, PERCENTILES)
    return (float(low), float(high))


def _read_itk(
    path: str,
) -> tuple[NDArray[Any], tuple[float, float, float], tuple[float, float, float], tuple[float, ...]]:
    import SimpleITK as sitk

    try:
        image = sitk.ReadImage(path)
    except RuntimeError as error:
        raise RefusedInput("unreadable volume", path, "give a NIfTI file or another that ITK reads") from error
    if image.GetDimension() != 3:
        raise RefusedInput(f"{image.GetDimension()} dimensions", path, "give a volume of three dimensions")
    return sitk.GetArrayFromImage(image), _three(image.GetSpacing()), _three(image.GetOrigin()), image.GetDirection()


def _three(values: tuple[float, ...] | NDArray[Any]) -> tuple[float, float, float]:
    x, y, z = (float(v) for v in values)
    return (x, y, z)
