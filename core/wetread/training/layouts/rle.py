"""Run lengths of COCO masks: column by column, the first run of zeros; as a list of counts or as COCO's own string.

The string packs each count in groups of five bits, lowest first, with a sixth bit for "more follows", as characters
from 48 on; from the third count on, the difference to the count two places before is packed (cocoapi, common/maskApi.h
rleToString). pycocotools is used where it is installed; the arithmetic here is a test's equal of it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LARGEST_PIXELS = 100_000_000


def encode(mask: NDArray[np.bool_]) -> list[int]:
    """Counts of a bool (rows, columns) mask."""
    flat = mask.ravel(order="F")
    if flat.size == 0:
        return []
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    edges = np.concatenate([[0], changes, [flat.size]])
    counts = np.diff(edges).tolist()
    return [0, *counts] if flat[0] else counts


def decode(counts: list[int], rows: int, columns: int) -> NDArray[np.bool_]:
    """Bool (rows, columns) of counts.

    Raises:
        ValueError: the counts are not those of a mask of this size.
    """
    runs = np.asarray(counts, dtype=np.int64)
    if rows < 1 or columns < 1 or rows * columns > LARGEST_PIXELS:
        raise ValueError(f"a mask of {rows} x {columns}")
    if runs.ndim != 1 or (runs < 0).any() or int(runs.sum()) != rows * columns:
        raise ValueError("run lengths that do not fill the mask")
    values = np.arange(len(runs)) % 2 == 1
    return np.repeat(values, runs).reshape((rows, columns), order="F")


def pack(counts: list[int]) -> str:
    """Counts as COCO's string."""
    text = []
    for place, count in enumerate(counts):
        value = count - counts[place - 2] if place > 2 else count
        while True:
            five, value = value & 31, value >> 5
            more = value != -1 if five & 16 else value != 0
            text.append(chr(48 + (five | 32 if more else five)))
            if not more:
                break
    return "".join(text)


def unpack(text: str) -> list[int]:
    """Counts of COCO's string.

    Raises:
        ValueError: not such a string.
    """
    counts: list[int] = []
    value = shift = 0
    for character in text:
        five = ord(character) - 48
        if not 0 <= five < 64 or shift > 60:
            raise ValueError("not a run-length string")
        value |= (five & 31) << shift
        shift += 5
        if five & 32:
            continue
        if five & 16:
            value |= -1 << shift
        counts.append(value + counts[-2] if len(counts) > 2 else value)
        value = shift = 0
    if shift:
        raise ValueError("a run-length string that breaks off")
    return counts
