"""Islands of a volume: bodies much smaller than the largest, which for one organ are errors of a network.

A network that looks slice by slice marks islands beyond the ends of an organ. Bodies are 26-connected; what is at
least a fifth of the largest stays, so that both kidneys do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

LEAST_ISLAND = 0.2
"""Share of the largest body's voxels."""


def without_islands(mask: NDArray[np.bool_], share: float = LEAST_ISLAND) -> NDArray[np.bool_]:
    """A mask (planes, rows, columns) without its bodies of fewer than `share` of the largest body's voxels."""
    from skimage.measure import label

    if not mask.any():
        return mask
    bodies = label(mask, connectivity=3)
    sizes = np.bincount(bodies.ravel())
    sizes[0] = 0
    return np.asarray((sizes >= share * sizes.max())[bodies] & mask)


def planes_without_islands(planes: Mapping[int, NDArray[np.bool_]]) -> dict[int, NDArray[np.bool_]]:
    """The same for planes by their index; only the marked part of the volume is laid out in memory.

    Args:
        planes: plane index -> bool (rows, columns), each with something marked.
    """
    if len(planes) < 2:
        return dict(planes)
    first, last = min(planes), max(planes)
    rows = np.flatnonzero(np.logical_or.reduce([plane.any(1) for plane in planes.values()]))
    columns = np.flatnonzero(np.logical_or.reduce([plane.any(0) for plane in planes.values()]))
    part = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    block = np.zeros((last - first + 1, rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1), dtype=bool)
    for index, plane in planes.items():
        block[index - first] = plane[part]
    kept = without_islands(block)
    left: dict[int, NDArray[np.bool_]] = {}
    for index, plane in planes.items():
        if kept[index - first].any():
            left[index] = np.zeros_like(plane)
            left[index][part] = kept[index - first]
    return left
