"""A few corrections shown in many ways: turned, mirrored, cut and tinted as far as the modality allows.

What is up and what is left means something on a CT slice, a radiograph or an ultrasound; on a picture of skin, of a
polyp or of cells it does not. Cuts keep at least 0.7 of each side, so that an object keeps its rough size.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wetread.reading.pictures import fitted
from wetread.terminology import Modality
from wetread.training.lessons import SIDE, jittered

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST_CUT = 0.7
TURNED = frozenset({
    Modality.DERMOSCOPY, Modality.ENDOSCOPY, Modality.PATHOLOGY, Modality.MICROSCOPY, Modality.PHOTOGRAPH
})  # fmt: skip
"""Modalities without an up or a left: quarter turns and mirror images are as true."""
MIRRORED = TURNED | {Modality.ULTRASOUND, Modality.FUNDUS, Modality.MAMMOGRAPHY, Modality.OCT}
"""Modalities on which left and right may change places."""


def augmented(
    picture: NDArray[np.uint8], mask: NDArray[np.bool_], modality: Modality, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """One way of showing a picture and its mask.

    Args:
        picture: (rows, columns, 3).
        mask: (rows, columns).
        modality: says what may be turned or mirrored.
        rng: decides.

    Returns:
        picture (256, 256, 3) and mask (256, 256).
    """
    rows, columns = mask.shape
    share = rng.uniform(LEAST_CUT, 1.0, 2) if rng.random() < 0.8 else np.ones(2)
    height, width = max(int(rows * share[0]), 1), max(int(columns * share[1]), 1)
    top, left = int(rng.integers(rows - height + 1)), int(rng.integers(columns - width + 1))
    turns = int(rng.integers(4)) if modality in TURNED else 0
    mirror = modality in MIRRORED and rng.random() < 0.5

    def shown(array: NDArray[Any]) -> NDArray[Any]:
        part = np.rot90(fitted(array[top : top + height, left : left + width], SIDE), turns)
        return np.ascontiguousarray(part[:, ::-1] if mirror else part)

    return jittered(shown(picture), rng), shown(mask.astype(np.uint8) * 255) >= 128
