"""Islands of a volume: bodies much smaller than the largest, which for one organ are errors of a network.

A network that looks slice by slice marks islands beyond the ends of an organ. Bodies are 26-connected; what is at
least a fifth of the largest stays, so that both kidneys do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
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
