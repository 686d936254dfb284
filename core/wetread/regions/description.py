"""Words that are true of a mask: count, size, place and brightness of a region, measured, then said.

Deterministic: the same mask and picture give the same attributes and the same sentence, and every word has an
attribute behind it. The model learns to write these sentences (RCMed's colour-region idea, arXiv 2505.03380) and a
Finding's description is made by the same function from the predicted mask, so that text and mask cannot disagree.
Places are image places (left = left of the picture); laterality of the patient is never guessed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wetread.findings import Box

TINY_SHARE, SMALL_SHARE, LARGE_SHARE = 0.01, 0.05, 0.25
SPREAD_EXTENT = 0.6
CONTRAST = 0.25
RING_PIXELS = 5


@dataclass(frozen=True, slots=True)
class RegionAttributes:
    """What was measured of one mask.

    Args:
        count: number of 8-connected components.
        area_share: marked pixels over all pixels, 0 to 1.
        size: "tiny", "small", "medium" or "large": the share of the image of the whole region.
        place: "upper left" ... "centre" ... "lower right" by the thirds the centroid falls in, or
            "across the image" where the region spans most of the picture in both directions.
        brightness: "darker than", "brighter than" or "as bright as" the surrounding ring.
    """

    count: int
    area_share: float
    size: str
    place: str
    brightness: str


def components(mask: NDArray[np.bool_]) -> tuple[NDArray[np.intp], int]:
    """8-connected components of a (rows, columns) mask: label image and their number."""
    from scipy import ndimage

    labels, count = ndimage.label(mask, structure=np.ones((3, 3), dtype=bool))
    return labels, int(count)


def without_specks(mask: NDArray[np.bool_], least_pixels: int) -> NDArray[np.bool_]:
    """The mask without 8-connected components of fewer pixels than `least_pixels`."""
    labels, count = components(mask)
    large = np.bincount(labels.ravel(), minlength=count + 1) >= least_pixels
    large[0] = False
    return large[labels]


def component_boxes(mask: NDArray[np.bool_]) -> tuple[Box, ...]:
    """One tight IMAGE box for each 8-connected component, top to bottom."""
    from scipy import ndimage

    from wetread.findings import Box, BoxFrame

    labels, _ = components(mask)
    return tuple(
        Box(float(columns.start), float(rows.start), float(columns.stop), float(rows.stop), BoxFrame.IMAGE)
        for rows, columns in ndimage.find_objects(labels)
    )


def measure(mask: NDArray[np.bool_], picture: NDArray[np.uint8]) -> RegionAttributes:
    """Attributes of one non-empty mask.

    Args:
        mask: (rows, columns) bool.
        picture: (rows, columns, 3) uint8, what the reader sees.

    Raises:
        ValueError: the mask is empty or of another size than the picture.
    """
    if mask.shape != picture.shape[:2]:
        raise ValueError(f"Mask {mask.shape} and picture {picture.shape[:2]} differ in size.")
    if not mask.any():
        raise ValueError("An empty mask has no attributes; say 'no region' instead.")
    _, count = components(mask)
    share = float(mask.mean())
    return RegionAttributes(count, share, _size(share), _place(mask), _brightness(mask, picture))


def _size(share: float) -> str:
    if share < TINY_SHARE:
        return "tiny"
    if share < SMALL_SHARE:
        return "small"
    return "medium" if share < LARGE_SHARE else "large"


def _place(mask: NDArray[np.bool_]) -> str:
    rows, columns = np.nonzero(mask)
    height, width = mask.shape
    if np.ptp(rows) + 1 > SPREAD_EXTENT * height and np.ptp(columns) + 1 > SPREAD_EXTENT * width:
        return "across the image"
    vertical = ("upper", "", "lower")[min(int(3 * (rows.mean() + 0.5) / height), 2)]
    horizontal = ("left", "", "right")[min(int(3 * (columns.mean() + 0.5) / width), 2)]
    words = " ".join(word for word in (vertical, horizontal) if word)
    return f"in the {words} part" if words else "in the centre"


def _brightness(mask: NDArray[np.bool_], picture: NDArray[np.uint8]) -> str:
    from scipy import ndimage

    grey = picture.astype(np.float32).mean(axis=2)
    ring = ndimage.binary_dilation(mask, iterations=RING_PIXELS) & ~mask
    if not ring.any():
        return "as bright as"
    spread = max(float(grey.std()), 1e-6)
    contrast = (float(grey[mask].mean()) - float(grey[ring].mean())) / spread
    if abs(contrast) < CONTRAST:
        return "as bright as"
    return "brighter than" if contrast > 0 else "darker than"


def count_words(count: int) -> str:
    """A number in the words a person would use: exact to five, then in rough steps."""
    if count <= 5:
        return ("no", "one", "two", "three", "four", "five")[count]
    for limit, words in ((10, "several"), (30, "many"), (100, "dozens of")):
        if count <= limit:
            return words
    return "over a hundred"


def sentence(label: str, attributes: RegionAttributes, countable: bool) -> str:
    """The attributes in one sentence."""
    what = f"{count_words(attributes.count)} regions of {label}" if countable else f"the {label}"
    if countable and attributes.count == 1:
        what = f"one region of {label}"
    text = f"{what}, {attributes.size} in area, {attributes.place}, {attributes.brightness} the surroundings."
    return text[0].upper() + text[1:]
