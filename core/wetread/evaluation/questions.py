"""Questions and answers measured: per data set, per domain and overall, with everything that could not be measured.

The answers come from a file (`predictions`) or from a reader that is asked each question on its picture. An item
without an answer counts as answered with nothing; it never drops out, for then leaving out what is hard would raise a
figure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from wetread import __version__
from wetread.errors import RefusedInput
from wetread.evaluation.answer_texts import named_labels, published_answer, published_labels, published_similarity
from wetread.evaluation.bootstrap import RESAMPLES, SEED, Estimate
from wetread.evaluation.demographics import by_group
from wetread.evaluation.label_metrics import (
    Labelled,
    exact_match,
    label_table,
    mean_estimate,
    published,
    published_nested,
    usual,
)
from wetread.evaluation.metrics import box_iou
from wetread.evaluation.predictions import Prediction
from wetread.evaluation.probabilities import probability_figures
from wetread.evaluation.surfaces import TOLERANCE_PIXELS, mask_dice, surface_dice
from wetread.geometry import Resize
from wetread.training.data.item import Faults, TrainingItem
from wetread.training.manifests import tight_box

if TYPE_CHECKING:
    from wetread.findings import Box

DEFINITIONS = {
    "accuracy": "published: mean over the labels of the truth of (TP + TN) / all; the paper calls it balanced accuracy",
    "macro_f1": "published: mean over the labels of the truth of F1; a domain is the mean of its data sets",
    "overall": "mean over domains; mean_over_sets is the mean over all data sets",
    "published extractor": "first \\boxed{...}, else the first [...], else the whole text; compared letter by letter",
    "exact_match": "share of answers that name all labels and no other; last \\boxed{...}, case ignored",
    "usual": "scikit-learn over the labels offered or true, on the same answers as exact_match",
    "similarity": "Jaccard of the words of answer and truth, published",
    "box_iou": "largest IoU of a marked box with a box of the truth (of a mask: its tight box); no box counts as 0",
    "dice": "MONAI, where the truth has a mask; no mask counts as 0",
    "nsd": f"MONAI, tolerance {TOLERANCE_PIXELS:g} pixels; no mask counts as 0",
    "auroc, average_precision, brier, ece": "scikit-learn, of the label's probability; ECE over ten equal bins",
    "interval": "95 % percentile interval, bootstrap over patients (groups)",
    "gap": "largest difference between demographic groups of at least five patients",
}


@dataclass(frozen=True, slots=True, eq=False)
class Answered:
    """One item beside its answer, measured; None where the truth does not allow a measure."""

    item: TrainingItem
    prediction: Prediction | None
    as_published: Labelled
    as_named: Labelled
    similarity: float
    box_iou: float | None = None
    dice: float | None = None
    nsd: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """For JSON; without the question, which may hold a patient's record."""
        found: dict[str, Any] = {
            "item": self.item.id, "set": _key(self.item), "truth": sorted(self.as_named.truth),
            "answer": sorted(self.as_named.answer), "answered": self.prediction is not None,
            "right": self.as_named.truth == self.as_named.answer, "similarity": round(self.similarity, 4),
        }  # fmt: skip
        measured = {"box_iou": self.box_iou, "dice": self.dice, "nsd": self.nsd}
        return found | {name: round(value, 4) for name, value in measured.items() if value is not None}


def measure(item: TrainingItem, prediction: Prediction | None) -> Answered:
    """Measure one answer.

    Raises:
        RefusedInput: the truth's picture or mask, or the predicted mask, cannot be read.
    """
    text = "" if prediction is None else prediction.text
    said = published_labels(published_answer(text)) if text else frozenset()
    answer = Answered(
        item, prediction,
        Labelled(item.group, published_labels(item.answer), said),
        Labelled(item.group, frozenset(item.labels), frozenset(named_labels(text, item.label_set))),
        published_similarity(text, item.answer),
    )  # fmt: skip
    marked = prediction is not None and (prediction.boxes or prediction.mask is not None)
    if not (item.boxes or item.mask is not None) or not marked or prediction is None:
        return answer
    return _with_pixels(answer, prediction)


def question_report(answers: Sequence[Answered], faults: Faults, *, source: Mapping[str, Any]) -> dict[str, Any]:
    """The whole report.

    Args:
        answers: of all data sets.
        faults: what was left out.
        source: who answered and what was asked, for the report's head.

    Raises:
        RefusedInput: there is nothing to report.
    """
    if not answers:
        raise RefusedInput("no item that can be measured", source.get("data", {}).get("name", "data"),
                           "; ".join(faults.lines()[:2]) or "check the data")  # fmt: skip
    by_set: defaultdict[str, list[Answered]] = defaultdict(list)
    for one in answers:
        by_set[_key(one.item)].append(one)
    sets = {key: _of_set(by_set[key]) for key in sorted(by_set)}
    domains: defaultdict[str, list[list[Labelled]]] = defaultdict(list)
    for members in by_set.values():
        domains[members[0].item.domain].append([one.as_published for one in members])
    overall, by_sets = published_nested(list(domains.values())), published(s for of in domains.values() for s in of)
    return {
        "kind": "questions",
        "wetread": __version__,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        **source,
        "items": len(answers),
        "groups": len({one.item.group for one in answers}),
        "unanswered": sum(one.prediction is None for one in answers),
        "sets": sets,
        "domains": {name: _two(published(members)) for name, members in sorted(domains.items())},
        "overall": _two(overall) | {"mean_over_sets": _two(by_sets)},
        "mimic_qa": _mimic_headline(sets),
        "faults": faults.as_dict(),
        "bootstrap": {"resamples": RESAMPLES, "seed": SEED, "unit": "group", "level": 0.95},
        "definitions": DEFINITIONS,
        "answers": [one.as_dict() for one in answers],
    }


def _of_set(answers: Sequence[Answered]) -> dict[str, Any]:
    groups = [one.item.group for one in answers]
    named = [one.as_named for one in answers]
    offered = sorted(set().union(*(one.item.label_set for one in answers)))
    figures: dict[str, Any] = {
        "domain": answers[0].item.domain,
        "items": len(answers),
        "groups": len(set(groups)),
        "unanswered": sum(one.prediction is None for one in answers),
        "published": _two(published([[one.as_published for one in answers]])),
        "exact_match": exact_match(named).as_dict(),
        "similarity": mean_estimate([one.similarity for one in answers], groups).as_dict(),
        "usual": {name: None if v is None else round(v, 6) for name, v in usual(named, offered).items()},
        "labels": {label: {name: e.as_dict() for name, e in row.items()} for label, row in label_table(named).items()},
        "demographics": by_group([(one.as_published, one.item.demographics) for one in answers]),
    }
    grounded = [one for one in answers if one.item.boxes or one.item.mask is not None]
    asked = [one for one in grounded if one.prediction is not None]
    if any(one.box_iou is not None for one in asked):
        figures["box_iou"] = _pixel_mean(grounded, "box_iou")
    masked = [one for one in grounded if one.item.mask is not None]
    if any(one.dice is not None for one in masked):
        figures["dice"], figures["nsd"] = _pixel_mean(masked, "dice"), _pixel_mean(masked, "nsd")
    figures["probabilities"] = _probabilities(answers)
    sure = [one for one in answers if one.prediction is not None and one.prediction.probability is not None]
    if sure:
        right = [one.as_named.truth == one.as_named.answer for one in sure]
        said = [one.prediction.probability or 0.0 for one in sure if one.prediction is not None]
        figures["answer_calibration"] = probability_figures(right, said, [one.item.group for one in sure]).as_dict()
    return figures


def _probabilities(answers: Sequence[Answered]) -> dict[str, Any]:
    """Label -> figures, over the answers that say a probability for it."""
    found: dict[str, Any] = {}
    said = [(one, one.prediction.probabilities) for one in answers if one.prediction is not None]
    for label in sorted(set().union(*(set(p) for _, p in said)) if said else set()):
        told = [(one, p[label]) for one, p in said if label in p]
        truth = [label.lower() in {name.lower() for name in one.as_named.truth} for one, _ in told]
        found[label] = probability_figures(truth, [p for _, p in told], [o.item.group for o, _ in told]).as_dict()
    return found


def _with_pixels(answer: Answered, prediction: Prediction) -> Answered:
    item = answer.item
    truth = item.load_mask()
    shape = truth.shape if truth is not None else item.pictures(frames=1)[0].shape[:2]
    resize = Resize((shape[0], shape[1]), (shape[0], shape[1]))
    boxes = [list(_in_image(box, resize)) for box in item.boxes]
    if truth is not None and truth.any() and not boxes:
        boxes = [list(tight_box(truth))]
    overlap = dice = nsd = None
    if boxes:
        marked = [list(_in_image(box, resize)) for box in prediction.boxes]
        overlap = float(box_iou(marked, boxes).max()) if marked else 0.0
    if truth is not None and truth.any() and prediction.mask is not None:
        from wetread.training.data.media import read_mask

        found = read_mask(prediction.mask)
        if found.shape != truth.shape:
            raise RefusedInput(f"mask of {found.shape} for a truth of {truth.shape}", item.location,
                               "give masks in the image's own pixels")  # fmt: skip
        dice, nsd = mask_dice(found, truth), surface_dice(found, truth)
    return Answered(item, prediction, answer.as_published, answer.as_named, answer.similarity, overlap, dice, nsd)


def _in_image(box: Box, resize: Resize) -> tuple[float, float, float, float]:
    from wetread.findings import BoxFrame

    return resize.convert(box, BoxFrame.IMAGE).corners


def _pixel_mean(answers: Sequence[Answered], name: str) -> dict[str, Any]:
    values = [getattr(one, name) or 0.0 for one in answers]
    return mean_estimate(values, [one.item.group for one in answers]).as_dict()


def _two(found: tuple[Estimate, Estimate]) -> dict[str, Any]:
    return {"accuracy": found[0].as_dict(), "macro_f1": found[1].as_dict()}


def _mimic_headline(sets: Mapping[str, Any]) -> dict[str, float] | None:
    """Similarity of question types 1 and 2, macro-F1 and accuracy of types 3, 5 and 6; None where one is missing."""
    try:
        similar = [sets[f"mimic_qa/qa_type_{kind}"]["similarity"]["value"] for kind in (1, 2)]
        closed = [sets[f"mimic_qa/qa_type_{kind}"]["published"] for kind in (3, 5, 6)]
    except KeyError:
        return None
    return {
        "similarity": round(float(np.mean(similar)), 6),
        "f1": round(float(np.mean([one["macro_f1"]["value"] for one in closed])), 6),
        "accuracy": round(float(np.mean([one["accuracy"]["value"] for one in closed])), 6),
    }


def _key(item: TrainingItem) -> str:
    return f"{item.domain}/{item.dataset}"
