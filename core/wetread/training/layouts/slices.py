"""Which slices of a volume become pictures, and how they are made.

The rule: for every target, in order of first appearance, the slice with most of it (the first of equals) and the
nearest slices a quarter of its extent before and behind on which it is still marked; each slice once, in order, at
most `MOST_SLICES`. Slices are the planes of the file; spacing and place in the patient are kept, so that a millimetre
stays one. Grey values are shown by the reader's own rule (`volumes.grey_scale`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wetread.geometry import PlaneGeometry
from wetread.terminology import Modality
from wetread.training.layouts.picture import BadItem, Picture, kept
from wetread.training.volumes import Volume, grey_scale

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

MOST_SLICES = 24


def chosen_slices(masks: Mapping[str, NDArray[np.bool_]]) -> list[int]:
    """Indices of the slices that show the targets of a volume best.

    Args:
        masks: label -> bool (planes, rows, columns).
    """
    chosen: list[int] = []
    for mask in masks.values():
        areas = mask.sum(axis=(1, 2))
        marked = np.flatnonzero(areas)
        if marked.size == 0:
            continue
        key, step = int(areas.argmax()), max(1, marked.size // 4)
        before, behind = marked[marked <= key - step], marked[marked >= key + step]
        chosen.append(key)
        chosen += [int(before[-1])] if before.size else []
        chosen += [int(behind[0])] if behind.size else []
    return sorted(list(dict.fromkeys(chosen))[:MOST_SLICES])


def pictures_of(volume: Volume, modality: Modality) -> list[Picture]:
    """The chosen slices of a volume.

    Raises:
        BadItem: no target is marked on it.
    """
    found = chosen_slices(volume.masks)
    if not found:
        raise BadItem("no region: nothing is marked on the volume")
    return [_slice(volume, modality, index) for index in found]


def read_volume_with_labels(path: Path, labels: Path, names: Mapping[int, str], modality: Modality) -> Volume:
    """A volume and its label map; of a file with several channels the first.

    Raises:
        BadItem: unreadable, of another size, or a value that has no name.
    """
    values, spacing, origin, direction = _read(path)
    marked = _read(labels)[0]
    if marked.shape != values.shape:
        raise BadItem(f"labels of {marked.shape} on a volume of {values.shape}")
    numbers = np.rint(marked).astype(np.int64)
    unknown = sorted(set(np.unique(numbers).tolist()) - {0, *names})
    if unknown:
        raise BadItem(f"label values without a name: {unknown[:5]}")
    masks: dict[str, NDArray[np.bool_]] = {}
    for value, name in sorted(names.items()):
        if value > 0:
            mask = numbers == value
            masks[name] = masks[name] | mask if name in masks else mask
    return Volume(values, spacing, origin, direction, masks, grey_scale(values, modality))


def _read(
    path: Path,
) -> tuple[NDArray[Any], tuple[float, float, float], tuple[float, float, float], tuple[float, ...]]:
    import SimpleITK as sitk

    try:
        image = sitk.ReadImage(str(path))
        if image.GetDimension() == 4:
            image = image[:, :, :, 0]
        if image.GetDimension() != 3:
            raise BadItem(f"{image.GetDimension()} dimensions in {path.name!r}")
        values = sitk.GetArrayFromImage(image)
    except RuntimeError as error:
        raise BadItem(f"unreadable volume {path.name!r}") from error
    values = values[..., 0] if values.ndim == 4 else values
    x, y, z = (float(v) for v in image.GetSpacing())
    a, b, c = (float(v) for v in image.GetOrigin())
    return values, (x, y, z), (a, b, c), tuple(float(v) for v in image.GetDirection())


def _slice(volume: Volume, modality: Modality, index: int) -> Picture:
    labels, masks = kept((label, mask[index]) for label, mask in volume.masks.items())
    values = np.asarray(volume.values[index])
    return Picture(
        shown=volume.picture(index),
        values=values,
        masks=masks,
        labels=labels,
        name=f"#{index}",
        geometry=_geometry(volume, index),
        units="[hnsf'U]" if modality is Modality.CT and values.dtype != np.uint8 else "1",
    )


def _geometry(volume: Volume, index: int) -> PlaneGeometry | tuple[float, float]:
    """ITK's origin and direction are DICOM's own frame (LPS), and the origin is the centre of the first voxel."""
    axes = np.asarray(volume.direction, dtype=np.float64).reshape(3, 3)
    column, row, plane = volume.spacing
    position = np.asarray(volume.origin) + axes[:, 2] * plane * index
    try:
        return PlaneGeometry(_three(position), _three(axes[:, 0]), _three(axes[:, 1]), row, column, "", plane)
    except ValueError:  # sheared axes: sizes are true, directions are not said
        return (row, column)


def _three(values: NDArray[np.float64]) -> tuple[float, float, float]:
    x, y, z = (float(v) for v in values)
    return (x, y, z)
