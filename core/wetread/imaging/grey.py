"""Grey pixels as they are stored, and the straight line that makes values of them.

Values are float32 and take twice the memory of stored pixels, so they are made when somebody looks at a plane. The
line is the modality LUT in its linear form (rescale slope and intercept, PS3.3 C.11.1.1.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Grey:
    """One grey plane.

    Args:
        stored: (rows, columns) numbers as they were decoded; not to be changed.
        bits: how many of each number's bits count (Bits Stored).
        slope: None where DICOM gives none.
        intercept: None where DICOM gives none.
    """

    stored: NDArray[Any]
    bits: int
    slope: float | None = None
    intercept: float | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """(rows, columns)."""
        return self.stored.shape

    @property
    def ndim(self) -> int:
        """2."""
        return self.stored.ndim

    def values(self) -> NDArray[np.float32]:
        """The values (rows, columns), made anew at every call."""
        values = significant_bits(self.stored, self.bits).astype(np.float32)
        if self.slope is not None and self.slope != 1.0:
            values *= np.float32(self.slope)
        if self.intercept is not None and self.intercept != 0.0:
            values += np.float32(self.intercept)
        return values


def grey_values(pixels: NDArray[Any] | Grey) -> NDArray[np.float32]:
    """Values of a grey plane, in whichever form it is kept."""
    return pixels.values() if isinstance(pixels, Grey) else np.asarray(pixels, dtype=np.float32)


def significant_bits(stored: NDArray[Any], bits: int) -> NDArray[Any]:
    """Stored numbers without what may lie above the high bit (PS3.5 8.1.1); sign extended where signed."""
    spare = stored.dtype.itemsize * 8 - bits
    if spare <= 0 or not np.issubdtype(stored.dtype, np.integer):
        return stored
    return np.right_shift(np.left_shift(stored, spare), spare)
