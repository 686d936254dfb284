"""Every form in which masks come, as crops: one mask, several that may overlap, a label map, a `findings.Mask`.

A region is kept as its bounding box and its mask inside the box, so that a thousand instances cost no more than their
own pixels. What cannot be one image with its masks is refused in one line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from wetread.errors import RefusedInput
from wetread.findings import Mask

if TYPE_CHECKING:
    from numpy.typing import NDArray

Masks = Any
"""Bool array of the image's size; integer label map; several of either, in a sequence or along a first axis; Mask."""

Box = tuple[slice, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """One mask, cut out.

    Args:
        index: among the masks given, from 0.
        value: of the label map; 1 otherwise.
        box: where the crop lies; of no extent for an empty mask.
        crop: bool, tight.
    """

    index: int
    value: int
    box: Box
    crop: NDArray[np.bool_]

    @property
    def is_empty(self) -> bool:
        """True where no pixel is marked."""
        return self.crop.size == 0


def image_shape(image: NDArray[Any], masks: Masks) -> tuple[tuple[int, ...], bool]:
    """(shape along space, is colour) of an image, and whether the masks can be meant for it.

    An image with 3 or 4 values along its last axis is colour, unless the masks have that axis too.

    Raises:
        RefusedInput: no image, NaN or infinite pixels, or masks of another size.
    """
    if not isinstance(image, np.ndarray) or image.ndim not in (2, 3, 4) or 0 in image.shape:
        raise RefusedInput("no image", "image", "give an array (rows, columns[, 3]) or (planes, rows, columns[, 3]).")
    if image.dtype.kind not in "buif":
        raise RefusedInput(f"pixels of type {image.dtype}", "image", "give numbers.")
    if image.dtype.kind == "f" and not np.isfinite(image).all():
        raise RefusedInput("NaN or infinite pixels", "image", "say what these pixels hold, or fill them.")
    first = masks if isinstance(masks, np.ndarray | Mask) else next(iter(masks), None)
    given = tuple(np.shape(_array(first))) if first is not None and not isinstance(first, str) else ()
    if image.shape[-1] == 1 and image.ndim > 2 and given[-(image.ndim - 1) :] == image.shape[:-1]:
        return image.shape[:-1], False
    colour = image.ndim == 4 or (image.ndim == 3 and image.shape[-1] in (3, 4))
    if colour and image.ndim == 3 and given[-3:] == image.shape:
        colour = False
    if image.ndim == 4 and image.shape[-1] not in (3, 4):
        raise RefusedInput(f"an image of shape {image.shape}", "image", "give colour as a last axis of 3.")
    return (image.shape[:-1] if colour else image.shape), colour


def cut(masks: Masks, shape: tuple[int, ...]) -> tuple[Cut, ...]:
    """The regions of `masks`, in the order given; those of a label map in the order of their values.

    Args:
        masks: see `Masks`.
        shape: of the image along space.

    Raises:
        RefusedInput: another size than the image, or values that are no labels.
    """
    one_plane = shape[1:] if shape[0] == 1 and len(shape) == 3 else shape
    if isinstance(masks, Mask):
        return _of_array(_fitted(masks, shape))
    if isinstance(masks, np.ndarray) and (masks.shape in (shape, one_plane, (1, *shape)) or masks.ndim < len(shape)):
        return _of_array(_fitted(masks, shape))
    if not isinstance(masks, np.ndarray | Sequence):
        raise RefusedInput(f"masks as {type(masks).__name__}", "masks", "give an array, or several of them.")
    cuts = []
    for index, mask in enumerate(masks):
        array = _fitted(mask, shape)
        cuts.append(_tight(index, array if array.dtype == bool else array != 0))
    return tuple(cuts)


def _array(mask: Any) -> NDArray[Any]:
    return mask.dense() if isinstance(mask, Mask) else np.asarray(mask)


def _fitted(mask: Any, shape: tuple[int, ...]) -> NDArray[Any]:
    array = _array(mask)
    if array.shape != shape and array.ndim == len(shape) + 1 and array.shape[0] == 1:
        array = array[0]
    if array.shape != shape and len(shape) == array.ndim + 1 and shape[0] == 1:
        array = array[None]
    if array.shape != shape:
        raise RefusedInput(f"a mask of shape {array.shape}", f"image of {shape}", "give masks of the image's size.")
    if array.dtype.kind == "f":
        if not np.isfinite(array).all() or (array != np.rint(array)).any():
            raise RefusedInput("a mask with fractions or NaN", "masks", "give bool, or whole numbers as labels.")
        array = array.astype(np.int64)
    if array.dtype.kind not in "bui":
        raise RefusedInput(f"a mask of type {array.dtype}", "masks", "give bool, or whole numbers as labels.")
    if array.dtype.kind == "i" and array.size and array.min() < 0:
        raise RefusedInput("negative labels", "masks", "give labels from 1; 0 is background.")
    return array


def _of_array(array: NDArray[Any]) -> tuple[Cut, ...]:
    """One region of a bool array; one for each value of a label map."""
    if array.dtype == bool:
        return (_tight(0, array),)
    from scipy import ndimage

    values = np.unique(array)
    values = values[values > 0]
    if values.size == 0:
        return (_empty(0, array.ndim),)
    numbers = np.arange(1, values.size + 1)
    if int(values[-1]) != values.size:  # values such as 255, or with gaps: numbered first
        array = np.where(array > 0, np.searchsorted(values, array) + 1, 0)
    boxes = ndimage.find_objects(array.astype(np.int32, copy=False))
    return tuple(
        Cut(index, int(value), boxes[int(number) - 1], array[boxes[int(number) - 1]] == number)
        for index, (value, number) in enumerate(zip(values, numbers, strict=True))
    )


def _tight(index: int, mask: NDArray[np.bool_]) -> Cut:
    axes = range(mask.ndim)
    marked = [np.flatnonzero(mask.any(axis=tuple(a for a in axes if a != axis))) for axis in axes]
    if marked[0].size == 0:
        return _empty(index, mask.ndim)
    box = tuple(slice(int(m[0]), int(m[-1]) + 1) for m in marked)
    return Cut(index, 1, box, np.ascontiguousarray(mask[box]))


def _empty(index: int, axes: int) -> Cut:
    return Cut(index, 1, (slice(0, 0),) * axes, np.zeros((0,) * axes, dtype=bool))
