"""The measures, each one formula with its source: Dice, box IoU, one-to-one matching, AP50.

Boxes are rows (x_min, y_min, x_max, y_max) on pixel edges, so a box of one pixel has area 1. Ratios of counts (F1)
are kept as numerator and denominator: a mean over resampled patients must resample the counts, not the ratios.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

MATCH_IOU = 0.5
"""Two boxes are the same object from this intersection over union on (PASCAL VOC)."""


def dice(predicted: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    """Dice similarity 2|A and B| / (|A| + |B|) (Dice, Ecology 26:297, 1945).

    Args:
        predicted: bool array of any shape.
        truth: bool array of the same shape.

    Returns:
        0 to 1; NaN where both are empty (the formula says nothing there, and counting it as 1 would reward sets
        with many empty pictures).
    """
    if predicted.shape != truth.shape:
        raise ValueError(f"Dice of two shapes: {predicted.shape} and {truth.shape}.")
    total = np.count_nonzero(predicted) + np.count_nonzero(truth)
    return float(2.0 * np.count_nonzero(predicted & truth) / total) if total else float("nan")


def box_iou(first: ArrayLike, second: ArrayLike) -> NDArray[np.float64]:
    """Intersection over union (Jaccard) of every box of one list with every box of another.

    Args:
        first: (N, 4) boxes.
        second: (M, 4) boxes.

    Returns:
        (N, M) values, 0 to 1; boxes without area have IoU 0.
    """
    a, b = as_boxes(first), as_boxes(second)
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    intersection = np.clip(high - low, 0.0, None).prod(axis=2)
    union = _area(a)[:, None] + _area(b)[None, :] - intersection
    return np.divide(intersection, union, out=np.zeros_like(intersection), where=union > 0)


def hull(boxes: ArrayLike) -> NDArray[np.float64]:
    """The smallest box (4,) around a non-empty list of boxes."""
    rows = as_boxes(boxes)
    return np.concatenate([rows[:, :2].min(axis=0), rows[:, 2:].max(axis=0)])


def match_count(predicted: ArrayLike, truth: ArrayLike, threshold: float = MATCH_IOU) -> int:
    """Largest number of one-to-one pairs whose IoU reaches the threshold (maximum bipartite matching).

    A maximum matching, unlike a greedy one, does not depend on the order of the boxes.
    """
    reached = box_iou(predicted, truth) >= threshold
    if not reached.any():
        return 0
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import maximum_bipartite_matching

    return int((maximum_bipartite_matching(csr_matrix(reached), perm_type="column") >= 0).sum())


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """The detected boxes of one picture after matching.

    Args:
        scores: (N,) confidence of each box.
        hits: (N,) True where the box was given an object of its own.
        objects: number of objects that are really there.
    """

    scores: NDArray[np.float64]
    hits: NDArray[np.bool_]
    objects: int


def match_detections(boxes: ArrayLike, scores: ArrayLike, truth: ArrayLike, threshold: float = MATCH_IOU) -> Detections:
    """Give each box, the surest first, the free object it overlaps most (COCO's rule; Lin et al., ECCV 2014).

    Of equal scores the box with the larger overlap goes first, so that the order of the input does not matter.
    """
    values = np.asarray(scores, dtype=np.float64).reshape(-1)
    overlap = box_iou(boxes, truth)
    if len(values) != len(overlap):
        raise ValueError(f"{len(overlap)} boxes but {len(values)} scores.")
    hits = np.zeros(len(values), dtype=bool)
    if overlap.size:
        free = np.ones(overlap.shape[1], dtype=bool)
        for box in np.lexsort((-overlap.max(axis=1), -values)):
            best = int(np.where(free, overlap[box], -1.0).argmax())
            if free[best] and overlap[box, best] >= threshold:
                hits[box], free[best] = True, False
    return Detections(values, hits, overlap.shape[1])


def average_precision(
    scores: NDArray[np.float64],
    hits: NDArray[np.bool_],
    objects: ArrayLike,
    weights: NDArray[np.floating] | None = None,
) -> NDArray[np.float64]:
    """Area under the interpolated precision-recall curve (all points, PASCAL VOC 2010 on; Everingham et al. 2015).

    Precision at a recall is the largest precision at that recall or a higher one. Boxes of equal score enter the
    curve together: no threshold can tell them apart.

    Args:
        scores: (N,) of all boxes of all pictures.
        hits: (N,) from `match_detections`.
        objects: number of objects of all pictures; (R,) where `weights` is given.
        weights: (R, N) how often each box counts, for resampling; one row of ones by default.

    Returns:
        (R,) average precision, 0 to 1; NaN where there is no object.
    """
    counts = np.atleast_1d(np.asarray(objects, dtype=np.float64))
    w = np.ones((len(counts), len(scores))) if weights is None else np.asarray(weights, dtype=np.float64)
    result = np.where(counts > 0, 0.0, np.nan)
    if len(scores) == 0:
        return result
    order = np.argsort(-scores, kind="stable")
    last_of_score = np.append(np.diff(scores[order]) != 0, True)
    w = w[:, order]
    found = np.cumsum(w * hits[order], axis=1)[:, last_of_score]
    shown = np.cumsum(w, axis=1)[:, last_of_score]
    precision = np.divide(found, shown, out=np.zeros_like(found), where=shown > 0)
    precision = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    gained = np.diff(found, axis=1, prepend=0.0)
    area = (gained * precision).sum(axis=1)
    return np.divide(area, counts, out=result, where=counts > 0)


def as_boxes(boxes: ArrayLike) -> NDArray[np.float64]:
    """(N, 4) float64; an empty list becomes (0, 4)."""
    return np.asarray(boxes, dtype=np.float64).reshape(-1, 4)


def _area(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
