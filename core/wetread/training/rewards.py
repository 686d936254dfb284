r"""What an answer earns: labels, boxes, words, format, length, each between 0 and 1, and their weighted sum.

Paper (QoQ-Med section 3.4, appendix B.3): ``0.6 F1 + 0.2 IoU + 0.2 format``. The releases weigh and count otherwise;
`rewards_reference` reproduces them with their defects. Ours, the default here, differs from both: labels are compared
without regard to case and spaces, every separator counts, the IoU is the best box's (or one to one), a question without
pixel truth is judged by its other parts alone, and a truth that nothing is there wants no box. The answer is the
last ``\boxed{}``; saying it twice earns nothing and is counted.

A `Truth` is prepared once for a question and kept; scoring is then string work and four look-ups a box.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from wetread.findings import BoxFrame
from wetread.training.box_scores import MaskTruth, box_iou, in_pixels, one_to_one, truth_boxes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from wetread.findings import Box

PARTS = ("label_f1", "iou", "format", "jaccard", "length")
WEIGHTS: dict[str, dict[str, float]] = {
    "ours": {"label_f1": 0.5, "iou": 0.2, "format": 0.1, "jaccard": 0.2, "length": 0.0},
    "paper": {"label_f1": 0.6, "iou": 0.2, "format": 0.2, "jaccard": 0.0, "length": 0.0},
    "reference-qoqmed": {"label_f1": 0.5, "iou": 0.3, "format": 0.1, "jaccard": 0.0, "length": 0.1},
    "reference-qoqmed3": {"label_f1": 0.5, "iou": 0.2, "format": 0.1, "jaccard": 0.2, "length": 0.0},
}
"""The one place where weights are written."""
MATCHINGS = ("max", "mean", "one-to-one")
LONG_ENOUGH = 600

_SEPARATORS = re.compile(r"[,;&\n]|\band\b", re.IGNORECASE)
_FENCE = "```"
_BOXED = "\\boxed{"
_NUMBERS = frozenset((int, float))  # a bool is an int to isinstance, and no coordinate
MOST = 1e6


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """What is true of one question, ready to be compared with many answers.

    Args:
        answer: as the data set writes it.
        labels: its labels, folded.
        words: its words, folded.
        mask: pixel truth, or None.
        boxes: (n, 4) box truth in pixels of the picture.
        size: (rows, columns) of the mask or picture.
        frame: in which the model writes its boxes.
        resized: (rows, columns) at which the model saw the picture.
        nothing_there: pixel truth was given and is empty.
    """

    answer: str
    labels: frozenset[str]
    words: frozenset[str]
    mask: MaskTruth | None = None
    boxes: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 4)))
    size: tuple[int, int] = (1000, 1000)
    frame: BoxFrame = BoxFrame.MODEL
    resized: tuple[int, int] | None = None
    nothing_there: bool = False

    @property
    def grounded(self) -> bool:
        """True where boxes can be judged."""
        return self.nothing_there or self.mask is not None or len(self.boxes) > 0


def prepare(
    answer: str, *, mask: NDArray[np.generic] | None = None, boxes: Sequence[Box] = (),
    size: tuple[int, int] | None = None, frame: BoxFrame = BoxFrame.MODEL, resized: tuple[int, int] | None = None,
) -> Truth:  # fmt: skip
    """Make a `Truth`.

    Args:
        answer: the true answer.
        mask: (rows, columns) of the picture, square or not; goes before boxes where it is not empty.
        boxes: truth boxes, each in its own frame.
        size: (rows, columns) of the picture; needed for boxes in pixels where no mask is given.
        frame: in which the model writes its boxes.
        resized: (rows, columns) at which the model sees the picture; needed for `BoxFrame.RESIZED`.
    """
    kept = MaskTruth.of(mask) if mask is not None else None
    size = kept.size if kept is not None else size or (1000, 1000)
    corners = truth_boxes(boxes, size, resized)
    empty = kept is not None and kept.area == 0 and not len(corners)
    if kept is not None and kept.area == 0:
        kept = None
    return Truth(answer, labels_of(answer), _words(answer), kept, corners, size, frame, resized, empty)


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """What N answers earned.

    Args:
        total: (N,) weighted sum.
        parts: part -> (N,); NaN where a question has no such part.
        defects: how many answers had no boxed answer, several of them, an empty one, no readable objects.
    """

    total: NDArray[np.float64]
    parts: dict[str, NDArray[np.float64]]
    defects: dict[str, int]


def score(
    answers: Sequence[str], truths: Sequence[Truth], weights: Mapping[str, float] = WEIGHTS["ours"],
    matching: str = "max", every_label_boxed: bool = False,
) -> Scores:  # fmt: skip
    """Score N answers.

    Args:
        answers: decoded, without special tokens.
        truths: one for each answer; the same object for all rollouts of a question.
        weights: part -> weight; parts that a question cannot have are left out and the others scaled up.
        matching: "max", "mean" or "one-to-one", of boxes.
        every_label_boxed: the paper's format reward: 1 if every predicted label has a box, else 0.

    Raises:
        ValueError: an unknown part or matching, negative weights, or lengths that differ.
    """
    _check(weights, matching)
    if len(answers) != len(truths):
        raise ValueError(f"{len(answers)} answers and {len(truths)} truths.")
    count = len(answers)
    parts = {name: np.zeros(count) for name in PARTS}
    defects = {"no boxed answer": 0, "several boxed answers": 0, "empty answer": 0, "no readable objects": 0}
    written: dict[int, list[tuple[int, list[list[float]]]]] = {}
    by_id: dict[int, Truth] = {}
    label_f1, jaccard, iou, form, length = (parts[name] for name in ("label_f1", "jaccard", "iou", "format", "length"))
    for row, (answer, truth) in enumerate(zip(answers, truths, strict=True)):
        boxed = last_boxed(answer)
        several, trailing = answer.count(_BOXED) > 1, not answer.endswith("}") or answer.endswith("}}")
        if boxed is None:
            defects["no boxed answer"] += 1
        else:
            defects["several boxed answers"] += several
            labels = labels_of(boxed)
            defects["empty answer"] += not labels
            label_f1[row] = f1(labels, truth.labels)
            jaccard[row] = _jaccard(_words(boxed), truth.words)
        boxes = objects_of(answer)
        if truth.grounded:
            defects["no readable objects"] += boxes is None
            if truth.nothing_there:
                iou[row] = float(not boxes)
            elif boxes:
                written.setdefault(id(truth), []).append((row, boxes))
                by_id[id(truth)] = truth
        else:
            iou[row] = np.nan
        form[row] = _format(boxed, boxes, truth, every_label_boxed, several, trailing)
        length[row] = 1.0 if len(answer) > LONG_ENOUGH else 0.001 * len(answer)
    for key, rows in written.items():
        _cover(by_id[key], rows, matching, iou)
    return Scores(_weighted(parts, weights), parts, defects)


def _check(weights: Mapping[str, float], matching: str) -> None:
    unknown = set(weights) - set(PARTS)
    if unknown or min(weights.values(), default=0) < 0 or not sum(weights.values()) > 0:
        raise ValueError(f"Weights are of {', '.join(PARTS)}, not negative and not all 0; found {dict(weights)}.")
    if matching not in MATCHINGS:
        raise ValueError(f"matching is one of {', '.join(MATCHINGS)}; found {matching!r}.")


def _weighted(parts: dict[str, NDArray[np.float64]], weights: Mapping[str, float]) -> NDArray[np.float64]:
    total = earned = np.zeros(len(parts["format"]))
    for name, weight in weights.items():
        there = ~np.isnan(parts[name])
        earned = earned + weight * np.where(there, parts[name], 0.0)
        total = total + weight * there
    return earned / np.where(total > 0, total, 1.0) * sum(weights.values())


def _cover(truth: Truth, rows: list[tuple[int, list[list[float]]]], matching: str, out: NDArray[np.float64]) -> None:
    """Write the IoU of all answers to one question, their boxes taken together."""
    corners = np.array([box for _, boxes in rows for box in boxes], dtype=np.float64)
    ordered = np.concatenate(
        [np.minimum(corners[:, :2], corners[:, 2:]), np.maximum(corners[:, :2], corners[:, 2:])], 1
    )
    boxes = in_pixels(ordered, truth.frame, truth.size, truth.resized)
    targets = truth.boxes if truth.mask is None else truth.mask.parts
    pairs = box_iou(boxes, targets) if truth.mask is None or matching == "one-to-one" else None
    best = pairs.max(axis=1) if pairs is not None else truth.mask.iou(boxes)  # type: ignore[union-attr]
    start = 0
    for row, own in rows:
        end = start + len(own)
        if matching == "one-to-one" and pairs is not None:
            out[row] = one_to_one(pairs[start:end])
        else:
            out[row] = best[start:end].max() if matching == "max" else best[start:end].mean()
        start = end


def _format(
    boxed: str | None,
    boxes: list[list[float]] | None,
    truth: Truth,
    every_label_boxed: bool,
    several: bool,
    trailing: bool,
) -> float:
    """Half for one boxed answer that ends the text, half for readable objects where the question has pixel truth."""
    if every_label_boxed:
        wanted = len(labels_of(boxed)) if boxed else 0
        return float(wanted > 0 and len(boxes or ()) >= wanted)
    answered = float(boxed is not None and bool(boxed.strip()) and not several and not trailing)
    return 0.5 * (answered + float(boxes is not None)) if truth.grounded else answered


def last_boxed(text: str) -> str | None:
    r"""Content of the last ``\boxed{…}`` with matching braces; None where there is none."""
    start = text.rfind(_BOXED)
    if start < 0:
        return None
    start += len(_BOXED)
    end = text.find("}", start)
    if end >= 0 and "{" not in text[start:end]:
        return text[start:end]
    depth = 1
    for place in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if depth == 0:
            return text[start:place]
    return None


@lru_cache(maxsize=65536)
def labels_of(text: str) -> frozenset[str]:
    """Labels of an answer: every separator counts; case and spaces do not."""
    parts = _SEPARATORS.split(text.replace(_BOXED, "").replace("}", ""))
    return frozenset(" ".join(part.lower().split()).strip(".") for part in parts) - {""}


@lru_cache(maxsize=65536)
def _words(text: str) -> frozenset[str]:
    return frozenset(text.lower().replace(",", " ").split())


def objects_of(text: str) -> list[list[float]] | None:
    """Corners of the usable boxes in the first fence that loads, as written.

    None where nothing could be read; an empty list is readable and has no objects.
    """
    start = text.find(_FENCE)
    while start >= 0:
        end = text.find(_FENCE, start + 3)
        if end < 0:
            return None
        block = text[start + 3 : end].removeprefix("json")
        start = text.find(_FENCE, end + 3)
        try:
            loaded = json.loads(block)
        # Not JSONDecodeError alone: a number of thousands of digits is a plain ValueError.
        except (ValueError, RecursionError):
            continue
        if isinstance(loaded, dict):
            nested = loaded.get("objects_of_interest")
            loaded = nested if isinstance(nested, list) else [loaded]
        if isinstance(loaded, list):
            corners = [item["bbox_2d"] for item in loaded if isinstance(item, dict) and _usable(item.get("bbox_2d"))]
            return corners if corners or not loaded else None
    return None


def _usable(corners: object) -> bool:
    if not isinstance(corners, list) or len(corners) != 4:
        return False
    a, b, c, d = corners  # written out: this runs for every box of every answer
    return (
        {type(a), type(b), type(c), type(d)} <= _NUMBERS
        and -MOST < a < MOST and -MOST < b < MOST and -MOST < c < MOST and -MOST < d < MOST
    )  # fmt: skip


def f1(found: frozenset[str], truth: frozenset[str]) -> float:
    """F1 of two label sets; 1 where both are empty."""
    if not found and not truth:
        return 1.0
    return 2 * len(found & truth) / (len(found) + len(truth))


def _jaccard(found: frozenset[str], truth: frozenset[str]) -> float:
    union = found | truth
    return len(found & truth) / len(union) if union else 1.0
