"""A region against the ring around it: how bright, and for real colour images which colour.

The ring is every pixel outside the region within 5 pixels of it (Euclidean; in a volume within 5 steps of the finest
axis, so the same for every order of the axes). z = (mean inside - mean of ring) / s, where s is the pooled standard
deviation of both, at least a tenth of that of the whole image, so that a noise-free picture has no infinite z. From
|z| = 0.5 (Cohen's medium effect) the region is brighter or darker; on CT in Hounsfield units it must also differ by
10 HU, about the noise of the scanner. On ultrasound a darker region under a tenth of the display range is anechoic.
"""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from wetread.regions.attributes import Contrast, Intensity
from wetread.terminology import Modality

if TYPE_CHECKING:
    from numpy.typing import NDArray

RING_PIXELS = 5
EFFECT = 0.5
LEAST_HU = 10.0
LEAST_SPREAD = 0.1
VOID_SHARE = 0.1
HOUNSFIELD = "[hnsf'U]"
LUMA = np.array((0.299, 0.587, 0.114), dtype=np.float32)

COLOUR_MODALITIES = frozenset({
    Modality.PATHOLOGY, Modality.MICROSCOPY, Modality.DERMOSCOPY, Modality.ENDOSCOPY, Modality.FUNDUS,
    Modality.PHOTOGRAPH,
})  # fmt: skip
"""Where the colour of a pixel is the colour of the thing."""


def ring_of(mask: NDArray[np.bool_], steps: tuple[float, ...]) -> NDArray[np.bool_]:
    """The ring around a mask, within the array it is given in."""
    from scipy import ndimage

    finest = min(steps)
    sampling = None if max(steps) - finest <= 1e-6 * finest else [s / finest for s in steps]
    return np.asarray((ndimage.distance_transform_edt(~mask, sampling=sampling) <= RING_PIXELS + 1e-6) & ~mask)


def grey_of(image: NDArray[Any], *, colour: bool) -> NDArray[np.float32]:
    """Brightness as float32: the values themselves, or the luma (Rec. 601) of a colour image."""
    return np.asarray(image[..., :3] @ LUMA if colour else image, dtype=np.float32)


def compare(
    inside: NDArray[np.float32], ring: NDArray[np.float32], *, modality: Modality, units: str, spread: float,
    black: float, white: float,
) -> Intensity:  # fmt: skip
    """Compare the values in a region with those in its ring.

    Args:
        inside: (N,) values in the region.
        ring: (M,) values in its ring; M may be 0.
        modality: decides which words there are.
        units: UCUM, of the values.
        spread: standard deviation of the whole image.
        black: lowest value of the display range.
        white: highest value of it.
    """
    mean = float(inside.mean(dtype=np.float64))
    if ring.size == 0:
        return Intensity(mean, None, None, None, units)
    around = float(ring.mean(dtype=np.float64))
    pooled = sqrt((float(inside.var(dtype=np.float64)) + float(ring.var(dtype=np.float64))) / 2)
    difference = mean - around
    scale = max(pooled, LEAST_SPREAD * spread)
    z = difference / scale if scale > 0 else 0.0
    contrast = Contrast.EQUAL
    if abs(z) >= EFFECT and not (units == HOUNSFIELD and abs(difference) < LEAST_HU):
        contrast = Contrast.HIGHER if difference > 0 else Contrast.LOWER
    void = mean <= black + VOID_SHARE * (white - black)
    if modality is Modality.ULTRASOUND and contrast is Contrast.LOWER and void:
        contrast = Contrast.VOID
    return Intensity(mean, around, z, contrast, units)


def display_range(image: NDArray[Any]) -> tuple[float, float]:
    """(black, white): 0 and 255 of 8-bit images, otherwise the extremes."""
    if image.dtype == np.uint8:
        return 0.0, 255.0
    return float(image.min()), float(image.max())
