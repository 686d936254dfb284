"""Regions drawn over their image: a translucent fill and a contour of two pixels in each region's colour.

Fill: I' = (1 - 0.4 m) I + 0.4 m c with m the mask and c the colour (algorithms 5.4 of the design). The contour is the
outermost two pixels of the region itself, so that nothing outside a mask is ever coloured.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

ALPHA = 0.4
CONTOUR_PIXELS = 2


def paint(
    picture: NDArray[np.uint8], regions: Sequence[tuple[tuple[slice, slice], NDArray[np.bool_], tuple[int, int, int]]]
) -> NDArray[np.uint8]:
    """The picture with regions drawn over it, larger ones first so that small ones stay visible.

    Args:
        picture: (rows, columns, 3) uint8.
        regions: (box, mask inside the box, sRGB colour).

    Returns:
        (rows, columns, 3) uint8, a new array.
    """
    drawn = picture.copy()
    for box, crop, colour in sorted(regions, key=lambda region: -int(np.count_nonzero(region[1]))):
        part = drawn[box]
        ink = np.asarray(colour, dtype=np.float32)
        part[crop] = np.rint((1.0 - ALPHA) * part[crop].astype(np.float32) + ALPHA * ink).astype(np.uint8)
        part[contour_of(crop)] = colour
    return drawn


def contour_of(crop: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The outermost two pixels of a mask; the edge of the array counts as outside."""
    from scipy import ndimage

    return np.asarray(crop & ~ndimage.binary_erosion(crop, iterations=CONTOUR_PIXELS, border_value=0))


def shown_as_picture(values: NDArray[Any], window: tuple[float, float] | None = None) -> NDArray[np.uint8]:
    """One plane as (rows, columns, 3) uint8.

    Args:
        values: (rows, columns) grey or (rows, columns, 3) colour.
        window: (low, high) shown as black and white; 8-bit values are shown as they are without one, others between
            their 0.5th and 99.5th percentiles.
    """
    if values.ndim == 3:
        return np.ascontiguousarray(values[..., :3], dtype=np.uint8)
    if values.dtype == np.uint8 and window is None:
        return np.repeat(values[..., None], 3, axis=2)
    low, high = window if window is not None else (float(v) for v in np.percentile(values, (0.5, 99.5)))
    grey = np.clip((values.astype(np.float32) - low) / max(high - low, 1e-6), 0.0, 1.0)
    return np.repeat((grey * 255.0 + 0.5).astype(np.uint8)[..., None], 3, axis=2)


def as_rgb8(image: NDArray[Any]) -> NDArray[np.uint8]:
    """A colour image as uint8, alpha left out: 16-bit by its high byte, fractions from 0 to 1 times 255."""
    rgb = image[..., :3]
    if rgb.dtype == np.uint8:
        return np.asarray(rgb)
    if rgb.dtype == np.uint16:
        return np.asarray(rgb >> 8, dtype=np.uint8)
    scale = 255.0 if rgb.dtype.kind in "fb" and float(rgb.max()) <= 1.0 else 1.0
    return np.rint(np.clip(rgb.astype(np.float32) * scale, 0.0, 255.0)).astype(np.uint8)
