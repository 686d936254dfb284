"""How well written boxes cover the truth: intersection over union with a mask or with boxes.

A mask is kept as its integral image (Crow 1984), made once for a question, so that a box costs four look-ups however
large the mask is. Boxes and masks meet on pixel edges, in pixels of the mask, as everywhere in Wetread; the frame in
which a model writes its boxes is converted once. Truth as several boxes or a mask of several parts can also be matched
one to one (Hungarian assignment), so that neither a box over everything nor one box said ten times pays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wetread.findings import BoxFrame

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from wetread.findings import Box

MODEL_SIDE = 1000.0
MOST_PARTS = 64


@dataclass(frozen=True, slots=True, eq=False)
class MaskTruth:
    """A mask as its integral image.

    Args:
        integral: (H + 1, W + 1) int64; entry (r, c) counts marked pixels above row r and left of column c.
        parts: (n, 4) boxes of the connected parts, pixel edges; at most the 64 largest.
    """

    integral: NDArray[np.int64]
    parts: NDArray[np.float64]

    @classmethod
    def of(cls, mask: NDArray[np.generic]) -> MaskTruth:
        """From a (H, W) array, or (1, H, W); whatever is above 0 is marked.

        Raises:
            ValueError: another number of dimensions.
        """
        from scipy import ndimage

        plane = np.asarray(mask)
        if plane.ndim == 3 and plane.shape[0] == 1:
            plane = plane[0]
        if plane.ndim != 2:
            raise ValueError(f"A mask has rows and columns, found shape {plane.shape}.")
        marked = plane > 0
        integral = np.zeros((plane.shape[0] + 1, plane.shape[1] + 1), dtype=np.int64)
        integral[1:, 1:] = marked.cumsum(0).cumsum(1)
        labelled, _ = ndimage.label(marked)
        boxes = [(s[1].start, s[0].start, s[1].stop, s[0].stop) for s in ndimage.find_objects(labelled)]
        boxes.sort(key=lambda box: (box[0] - box[2]) * (box[3] - box[1]))
        return cls(integral, np.array(boxes[:MOST_PARTS], dtype=np.float64).reshape(-1, 4))

    @property
    def size(self) -> tuple[int, int]:
        """(rows, columns)."""
        return self.integral.shape[0] - 1, self.integral.shape[1] - 1

    @property
    def area(self) -> int:
        """Marked pixels."""
        return int(self.integral[-1, -1])

    def iou(self, boxes: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n,) IoU of (n, 4) boxes in pixels of the mask; edges go to the nearest pixel edge, and stay in the mask."""
        rows, columns = self.size
        left, right = (np.clip(np.rint(boxes[:, k]), 0, columns).astype(np.int64) for k in (0, 2))
        top, bottom = (np.clip(np.rint(boxes[:, k]), 0, rows).astype(np.int64) for k in (1, 3))
        table = self.integral
        inside = table[bottom, right] - table[top, right] - table[bottom, left] + table[top, left]
        union = np.maximum((right - left) * (bottom - top), 0) + self.area - inside
        return np.where(union > 0, inside / np.maximum(union, 1), 0.0)


def box_iou(found: NDArray[np.float64], truth: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, m) IoU of (n, 4) with (m, 4) boxes of one frame; boxes without area give 0."""
    low = np.maximum(found[:, None, :2], truth[None, :, :2])
    high = np.minimum(found[:, None, 2:], truth[None, :, 2:])
    inside = np.maximum(high - low, 0).prod(axis=2)
    areas = [np.maximum(b[:, 2:] - b[:, :2], 0).prod(axis=1) for b in (found, truth)]
    union = areas[0][:, None] + areas[1][None] - inside
    return np.where(union > 0, inside / np.where(union > 0, union, 1.0), 0.0)


def one_to_one(ious: NDArray[np.float64]) -> float:
    """Sum of the best one-to-one matching, divided by the larger of the two counts.

    Args:
        ious: (n, m).
    """
    from scipy.optimize import linear_sum_assignment

    if not ious.size:
        return 0.0
    rows, columns = linear_sum_assignment(-ious)
    return float(ious[rows, columns].sum() / max(ious.shape))


def in_pixels(
    boxes: NDArray[np.float64], frame: BoxFrame, size: tuple[int, int], resized: tuple[int, int] | None
) -> NDArray[np.float64]:
    """Boxes as a model writes them, in pixels of the truth.

    Args:
        boxes: (n, 4).
        frame: of the model family.
        size: (rows, columns) of the truth.
        resized: (rows, columns) at which the model saw the picture; for `BoxFrame.RESIZED`.

    Raises:
        ValueError: resized pixels without the resized size.
    """
    if frame is BoxFrame.IMAGE:
        return boxes
    rows, columns = size
    if frame is BoxFrame.MODEL:
        return boxes * (np.array([columns, rows, columns, rows]) / MODEL_SIDE)
    if resized is None:
        raise ValueError("Boxes in pixels of the resized picture need its size.")
    return boxes * np.array([columns / resized[1], rows / resized[0], columns / resized[1], rows / resized[0]])


def truth_boxes(
    boxes: Sequence[Box], size: tuple[int, int], resized: tuple[int, int] | None = None
) -> NDArray[np.float64]:
    """(n, 4) boxes of the truth in pixels of the picture; each box carries its frame."""
    if not boxes:
        return np.zeros((0, 4))
    return np.concatenate([in_pixels(np.array([box.corners]), box.frame, size, resized) for box in boxes])


def soft_dice(probability: NDArray[np.floating], mask: NDArray[np.generic]) -> float:
    """Soft Dice of a grounding head's (H, W) probabilities with a mask of the same size; 1 where both are empty."""
    marked = np.asarray(mask) > 0
    total = float(probability.sum()) + float(marked.sum())
    return 2 * float(probability[marked].sum()) / total if total > 0 else 1.0
