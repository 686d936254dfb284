"""From one answer and one truth to a Score; from many Scores to the figures of a label.

The same two steps serve Wetread's reader and every peer in `benchmarks/`: whoever marks pixels or boxes is measured
with the same formulas. A picture is a volume of one plane. A read that abstains marks nothing and is scored so:
abstaining is counted, and it never raises a figure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from wetread.evaluation.bootstrap import Estimate, ratio_estimate, weighted_estimate
from wetread.evaluation.metrics import (
    Detections,
    as_boxes,
    average_precision,
    box_iou,
    dice,
    match_count,
    match_detections,
)
from wetread.evaluation.probabilities import probability_figures
from wetread.evaluation.surfaces import surface_dice

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

PRESENT_FROM = 0.5
"""A target counts as said to be there from this presence on."""

Boxes = Sequence[Sequence[float]]


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """What is really there, for one label in one item.

    Args:
        present: the label is in the item.
        mask: bool (planes, rows, columns); None where only boxes are known.
        box: tight box around all of it, by plane.
        objects: a box for each object; None where objects are not told apart.
    """

    present: bool
    mask: NDArray[np.bool_] | None
    box: Mapping[int, Sequence[float]]
    objects: Boxes | None


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What was marked, for one label in one item.

    Args:
        mask: bool (planes, rows, columns) or None where nothing was marked.
        box: the finding's box, on `plane`; None where there is none.
        plane: of `box`.
        objects: the finding's instances (or its one box, where it lists none).
        presence: probability that the target is there; 0 where there is no finding.
        abstained: the model said that it does not cover this.
        seconds: wall-clock time of the read.
    """

    mask: NDArray[np.bool_] | None = None
    box: Sequence[float] | None = None
    plane: int = 0
    objects: Boxes = ()
    presence: float = 0.0
    abstained: bool = False
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Score:
    """One label in one item, measured; None where the truth does not allow the measure."""

    item: str
    group: str
    label: str
    present: bool
    said_present: bool
    abstained: bool
    seconds: float
    plane_dice: tuple[float, ...] | None
    volume_dice: float | None
    empty_planes: int
    marked_empty_planes: int
    box_iou: float | None
    detections: Detections | None
    matched: int = 0
    presence: float = 0.0
    plane_nsd: tuple[float, ...] | None = None

    def as_dict(self) -> dict[str, Any]:
        """For the JSON file."""
        found: dict[str, Any] = {
            "item": self.item, "label": self.label, "present": self.present, "said_present": self.said_present,
            "abstained": self.abstained, "seconds": round(self.seconds, 3),
            "dice": None if not self.plane_dice else round(float(np.mean(self.plane_dice)), 4),
            "box_iou": None if self.box_iou is None else round(self.box_iou, 4),
            "presence": round(self.presence, 6),
        }  # fmt: skip
        if self.plane_nsd:
            found["nsd"] = round(float(np.mean(self.plane_nsd)), 4)
        if self.volume_dice is not None:
            found["volume_dice"] = round(self.volume_dice, 4)
        if self.detections is not None:
            found |= {"objects": self.detections.objects, "shown": len(self.detections.scores), "matched": self.matched}
        return found


def score(item: str, group: str, label: str, truth: Truth, answer: Answer) -> Score:
    """Measure one answer against one truth, both in the picture's own resolution."""
    plane_dice: tuple[float, ...] | None = None
    plane_nsd: tuple[float, ...] | None = None
    volume_dice: float | None = None
    empty = marked_empty = 0
    if truth.mask is not None:
        marked = np.zeros_like(truth.mask) if answer.mask is None else answer.mask
        filled = truth.mask.any(axis=(1, 2))
        plane_dice = tuple(dice(marked[i], truth.mask[i]) for i in np.flatnonzero(filled))
        plane_nsd = tuple(surface_dice(marked[i], truth.mask[i]) for i in np.flatnonzero(filled))
        volume_dice = dice(marked, truth.mask) if len(truth.mask) > 1 and filled.any() else None
        empty, marked_empty = int((~filled).sum()), int(marked[~filled].any(axis=(1, 2)).sum())
    elif not truth.present:
        empty, marked_empty = 1, int(answer.box is not None or len(answer.objects) > 0)
    overlap: float | None = None
    if truth.present and truth.box:
        there = truth.box.get(answer.plane)
        overlap = 0.0 if answer.box is None or there is None else float(box_iou([answer.box], [there])[0, 0])
    detections: Detections | None = None
    matched = 0
    if truth.objects is not None:
        sure = np.full(len(answer.objects), answer.presence)
        detections = match_detections(answer.objects, sure, truth.objects)
        matched = match_count(as_boxes(answer.objects), as_boxes(truth.objects))
    return Score(
        item, group, label, truth.present, answer.presence >= PRESENT_FROM, answer.abstained, answer.seconds,
        plane_dice, volume_dice, empty, marked_empty, overlap, detections, matched, answer.presence, plane_nsd,
    )  # fmt: skip


def summarise(scores: Sequence[Score]) -> dict[str, Any]:
    """The figures of one label over all its items, each with its interval over groups.

    Keys that the truth does not allow (AP50 without objects, Dice without masks) are left out.
    """
    figures: dict[str, Estimate] = {}
    with_mask = [s for s in scores if s.plane_dice is not None]
    if any(s.plane_dice for s in with_mask):
        figures["dice"] = _ratio(with_mask, lambda s: sum(s.plane_dice or ()), lambda s: len(s.plane_dice or ()))
        figures["nsd"] = _ratio(with_mask, lambda s: sum(s.plane_nsd or ()), lambda s: len(s.plane_nsd or ()))
    volumes = [s for s in scores if s.volume_dice is not None]
    if volumes:
        figures["volume_dice"] = _ratio(volumes, lambda s: s.volume_dice or 0.0, lambda s: 1)
    boxed = [s for s in scores if s.box_iou is not None]
    if boxed:
        figures["box_iou"] = _ratio(boxed, lambda s: s.box_iou or 0.0, lambda s: 1)
    counted = [s for s in scores if s.detections is not None]
    if counted:
        figures["ap50"] = _average_precision(counted)
        figures["instance_f1"] = _ratio(counted, lambda s: 2 * s.matched, _shown_and_there)
    figures["presence_f1"] = _ratio(
        scores, lambda s: 2 * (s.present and s.said_present), lambda s: s.present + s.said_present
    )
    if any(s.empty_planes for s in scores):
        figures["marked_where_absent"] = _ratio(scores, lambda s: s.marked_empty_planes, lambda s: s.empty_planes)
    figures["seconds_per_read"] = _ratio(scores, lambda s: s.seconds, lambda s: 1)
    sure = probability_figures([s.present for s in scores], [s.presence for s in scores], [s.group for s in scores])
    figures |= {"presence_auroc": sure.auroc, "presence_ap": sure.average_precision, "presence_ece": sure.ece}
    return {
        "items": len(scores),
        "groups": len({s.group for s in scores}),
        "present": sum(s.present for s in scores),
        "absent": sum(not s.present for s in scores),
        "abstained": sum(s.abstained for s in scores),
        **{name: estimate.as_dict() for name, estimate in figures.items()},
        "presence": sure.as_dict(),
    }


def _ratio(scores: Sequence[Score], top: Callable[[Score], float], bottom: Callable[[Score], float]) -> Estimate:
    return ratio_estimate([top(s) for s in scores], [bottom(s) for s in scores], [s.group for s in scores])


def _shown_and_there(score_: Score) -> int:
    found = score_.detections
    return 0 if found is None else len(found.scores) + found.objects


def _average_precision(scores: Sequence[Score]) -> Estimate:
    found = [(s.group, s.detections) for s in scores if s.detections is not None]
    names, members = np.unique([group for group, _ in found], return_inverse=True)
    confidences = np.concatenate([d.scores for _, d in found])
    hits = np.concatenate([d.hits for _, d in found])
    owners = np.repeat(members, [len(d.scores) for _, d in found])
    objects = np.bincount(members, [d.objects for _, d in found], len(names))

    def statistic(counts: NDArray[np.floating]) -> NDArray[np.float64]:
        there: ArrayLike = counts @ objects
        return average_precision(confidences, hits, there, counts[:, owners])

    return weighted_estimate(statistic, len(names), int(objects.sum()))
