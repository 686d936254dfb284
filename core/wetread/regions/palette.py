"""Ten named colours that stay apart for every eye, and which region gets which.

The colours were searched for the largest smallest distance: any two differ by at least 15 CIEDE2000 units, for normal
vision and for complete protanopia, deuteranopia and tritanopia as Machado, Oliveira and Fernandes (2009) simulate
them. A test computes it. Regions get colours so that the sum of contrasts with the image under and around them is the
largest (linear assignment). While there are at most ten regions each has its own; with more, the nine with the most
pixels have their own and all others share the one that suits them best, so that a colour word never means two
described regions.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Colour:
    """A named colour, sRGB 0-255."""

    name: str
    rgb: tuple[int, int, int]


PALETTE: tuple[Colour, ...] = (
    Colour("yellow", (240, 230, 25)),
    Colour("orange", (254, 110, 4)),
    Colour("red", (209, 9, 5)),
    Colour("pink", (231, 153, 173)),
    Colour("purple", (99, 16, 141)),
    Colour("blue", (38, 127, 240)),
    Colour("cyan", (72, 218, 255)),
    Colour("green", (20, 120, 84)),
    Colour("white", (255, 255, 255)),
    Colour("brown", (77, 34, 14)),
)

DEFICIENCIES: dict[str, tuple[tuple[float, float, float], ...]] = {
    "protanopia": (
        (0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881),
    ),
    "tritanopia": (
        (1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900),
    ),
}  # fmt: skip
"""Linear RGB to linear RGB at severity 1.0 (Machado et al. 2009, table 1)."""


def choose_colours(
    under: NDArray[np.generic], around: NDArray[np.generic], pixels: Sequence[int]
) -> tuple[Colour, ...]:
    """One colour for each region.

    Args:
        under: (N, 3) mean colour of the picture under each region, sRGB 0-255.
        around: (N, 3) mean colour of the ring around it.
        pixels: N sizes; the largest regions choose first where there are more regions than colours.
    """
    from scipy.optimize import linear_sum_assignment

    count = len(pixels)
    if count == 0:
        return ()
    distances = _distances(np.concatenate([under, around]))
    contrast = np.minimum(distances[:count], distances[count:])
    order = sorted(range(count), key=lambda i: (-pixels[i], i))
    own, others = order, order[:0]
    if count > len(PALETTE):
        own, others = order[: len(PALETTE) - 1], order[len(PALETTE) - 1 :]
    chosen = dict.fromkeys(others, int(contrast[others].mean(axis=0).argmax()) if others else 0)
    free = [number for number in range(len(PALETTE)) if number not in chosen.values()]
    rows, columns = linear_sum_assignment(contrast[np.ix_(own, free)], maximize=True)
    chosen |= {own[row]: free[column] for row, column in zip(rows, columns, strict=True)}
    return tuple(PALETTE[chosen[i]] for i in range(count))


def simulate(rgb: NDArray[np.float64], deficiency: str) -> NDArray[np.float64]:
    """(N, 3) sRGB 0-1 as an eye with the deficiency sees it."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.asarray(DEFICIENCIES[deficiency]).T, 0.0, 1.0)
    return np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055)


def lab_of(rgb: NDArray[np.generic]) -> NDArray[np.float64]:
    """(N, 3) sRGB 0-255 to CIELAB (D65)."""
    from skimage.color import rgb2lab

    return np.asarray(rgb2lab(np.asarray(rgb, dtype=np.float64)[None] / 255.0)[0], dtype=np.float64)


def _distances(rgb: NDArray[np.generic]) -> NDArray[np.float64]:
    """(N, colours) distance in CIELAB of each picture colour to each palette colour."""
    return np.asarray(np.linalg.norm(lab_of(rgb)[:, None] - _palette_lab()[None], axis=2))


@lru_cache(maxsize=1)
def _palette_lab() -> NDArray[np.float64]:
    return lab_of(np.array([colour.rgb for colour in PALETTE]))
