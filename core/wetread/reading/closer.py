"""A closer look: large pictures of small things are grounded in overlapping quarters as well.

The model sees 256 x 256 pixels; on a larger picture of cells the detail is in the quarters. The finished answer is
grounded on the whole and on four overlapping windows, and the logits are averaged with weights that fade towards the
windows' edges. Only pictures at least 1.5 times the model's input on both sides gain from it (measured for the model
card), so only they are looked at twice.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST_SIDES = 1.5
OVERLAP = 1.25
PARTS = 2
FADE_PIXELS = 30

Window = tuple[int, int, int, int]
"""top, left, height, width in source pixels."""


def windows(rows: int, columns: int, side: int) -> list[Window]:
    """Four overlapping windows that cover the picture; none where the whole picture is enough."""
    if min(rows, columns) < LEAST_SIDES * side:
        return []
    height, width = math.ceil(rows / PARTS * OVERLAP), math.ceil(columns / PARTS * OVERLAP)
    return [(top, left, height, width) for top in (0, rows - height) for left in (0, columns - width)]


def weight(height: int, width: int) -> NDArray[np.float32]:
    """(height, width) weights, small at the edges of a window and 1 inside."""

    def ramp(length: int) -> NDArray[np.float32]:
        distance = np.minimum(np.arange(length) + 1, length - np.arange(length))
        return (np.minimum(distance, FADE_PIXELS) / FADE_PIXELS).astype(np.float32)

    faded: NDArray[np.float32] = ramp(height)[:, None] * ramp(width)
    return faded


def joined(whole: NDArray[np.float32], parts: list[tuple[Window, NDArray[np.float32]]]) -> NDArray[np.float32]:
    """Mean of the whole picture's logits and the windows' weighted mean, all at source resolution (rows, columns)."""
    total, weights = np.zeros_like(whole), np.zeros_like(whole)
    for (top, left, height, width), logits in parts:
        fading = weight(height, width)
        total[top : top + height, left : left + width] += logits * fading
        weights[top : top + height, left : left + width] += fading
    return ((whole + total / weights) / 2).astype(np.float32)
