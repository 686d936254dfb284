"""Figures of answers made of labels: the published definition, scikit-learn's, and intervals over patients.

Published (QoQ-Med, appendix D.2): for each label, true and false positives and negatives over all answers of a data
set; accuracy ``(TP + TN) / all`` and F1 of each label that occurs in the truth; their plain mean over labels, then over
the data sets of a domain, then over domains. The paper calls the mean of accuracies "balanced accuracy", which is
another thing than scikit-learn's; both are here under their own names.

For the bootstrap the four counts are kept per patient, so that a resample is a matrix product and not a recount.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wetread.evaluation.bootstrap import Estimate, ratio_estimate, weighted_estimate

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Labelled:
    """One answer beside its truth, both as sets of labels.

    Args:
        group: the patient.
        truth: labels that are there.
        answer: labels that were named.
    """

    group: str
    truth: frozenset[str]
    answer: frozenset[str]


@dataclass(frozen=True, slots=True, eq=False)
class LabelCounts:
    """Confusion counts of one data set.

    Args:
        labels: (L,) labels that occur in the truth, sorted.
        counts: (4, L, G) true positives, false positives, false negatives, true negatives, by patient.
    """

    labels: tuple[str, ...]
    counts: NDArray[np.float64]

    def figures(self, weights: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(R, L) accuracy and F1 of each label for (R, G) weights of patients; NaN where a label is not drawn."""
        tp, fp, fn, tn = (weights @ part.T for part in self.counts)
        there = tp + fn > 0
        with np.errstate(invalid="ignore", divide="ignore"):
            accuracy = np.where(there, (tp + tn) / (tp + fp + fn + tn), np.nan)
            f1 = np.where(there, 2 * tp / (2 * tp + fp + fn), np.nan)
        return accuracy, f1


def count_labels(answers: Sequence[Labelled], groups: Sequence[str]) -> LabelCounts:
    """Confusion counts by patient.

    Args:
        answers: of one data set.
        groups: patients in the order of the counts; may hold more than those of `answers`.
    """
    place = {group: index for index, group in enumerate(groups)}
    labels = tuple(sorted(set().union(*(one.truth for one in answers)))) if answers else ()
    counts = np.zeros((4, len(labels), len(groups)))
    for one in answers:
        for index, label in enumerate(labels):
            there, said = label in one.truth, label in one.answer
            kind = (0 if said else 2) if there else (1 if said else 3)
            counts[kind, index, place[one.group]] += 1
    return LabelCounts(labels, counts)


def published(sets: Iterable[Sequence[Labelled]]) -> tuple[Estimate, Estimate]:
    """(accuracy, macro-F1) as the mean over data sets of the mean over labels, with intervals over patients.

    Args:
        sets: the answers of each data set; of one for its own figures, of a domain's for the domain's.
    """
    return published_nested([list(sets)])


def published_nested(domains: Sequence[Sequence[Sequence[Labelled]]]) -> tuple[Estimate, Estimate]:
    """(accuracy, macro-F1) as the mean over domains of the mean over data sets of the mean over labels."""
    filled = [[one for one in sets if one] for sets in domains]
    filled = [sets for sets in filled if sets]
    everyone = [one for sets in filled for answers in sets for one in answers]
    groups = sorted({one.group for one in everyone})
    counted = [[count_labels(answers, groups) for answers in sets] for sets in filled]

    def statistic(which: int) -> Estimate:
        def value(weights: NDArray[np.floating]) -> NDArray[np.float64]:
            of_domains = []
            for sets in counted:
                # A data set of which no patient is drawn has no labels, and takes no part in its domain's mean.
                of_sets = [_mean(one.figures(weights)[which]) for one in sets]
                of_domains.append(_mean(np.stack(of_sets, axis=1)))
            return _mean(np.stack(of_domains, axis=1))

        return weighted_estimate(value, len(groups), len(everyone))

    return statistic(0), statistic(1)


def label_table(answers: Sequence[Labelled]) -> dict[str, dict[str, Estimate]]:
    """Label -> accuracy, F1, recall and specificity of that label alone, with intervals."""
    groups = sorted({one.group for one in answers})
    found = count_labels(answers, groups)
    table = {}
    for index, label in enumerate(found.labels):
        tp, fp, fn, tn = found.counts[:, index]
        table[label] = {
            "accuracy": ratio_estimate(tp + tn, tp + fp + fn + tn, groups),
            "f1": ratio_estimate(2 * tp, 2 * tp + fp + fn, groups),
            "recall": ratio_estimate(tp, tp + fn, groups),
            "specificity": ratio_estimate(tn, tn + fp, groups),
        }
    return table


def usual(answers: Sequence[Labelled], label_set: Sequence[str] = ()) -> dict[str, float | None]:
    """scikit-learn's figures over the labels that are offered or true.

    Returns:
        `macro_f1`, `micro_f1`, `label_jaccard` (mean over answers), and, where every truth is a single label,
        `balanced_accuracy` (mean recall over classes, an answer of none or several labels is wrong).
    """
    from sklearn.metrics import balanced_accuracy_score, f1_score, jaccard_score

    names = sorted({*label_set, *set().union(*(one.truth for one in answers))}) if answers else []
    if not names:
        return {}
    # A single column would be taken for two classes: a column that is always empty keeps it one label.
    columns = [*names, ""] if len(names) == 1 else names
    truth = np.array([[name in one.truth for name in columns] for one in answers])
    said = np.array([[name in one.answer for name in columns] for one in answers])
    figures: dict[str, float | None] = {
        "macro_f1": float(np.mean(f1_score(truth, said, average=None, zero_division=0)[: len(names)])),
        "micro_f1": float(f1_score(truth, said, average="micro", zero_division=0)),
        "label_jaccard": float(jaccard_score(truth, said, average="samples", zero_division=0)),
    }
    if all(len(one.truth) == 1 for one in answers):
        wanted = [next(iter(one.truth)) for one in answers]
        given = [next(iter(one.answer)) if len(one.answer) == 1 else "" for one in answers]
        with warnings.catch_warnings():
            # An answer that is no class of the truth is wrong, which is meant; scikit-learn warns of it.
            warnings.simplefilter("ignore", UserWarning)
            figures["balanced_accuracy"] = float(balanced_accuracy_score(wanted, given))
    return figures


def exact_match(answers: Sequence[Labelled]) -> Estimate:
    """Share of answers that name all labels and no other."""
    hits = [float(one.truth == one.answer) for one in answers]
    return ratio_estimate(hits, np.ones(len(hits)), [one.group for one in answers])


def mean_estimate(values: Sequence[float], groups: Sequence[str]) -> Estimate:
    """Mean of a value of each answer, with its interval over patients."""
    return ratio_estimate(values, np.ones(len(values)), groups)


def _mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over the last axis without NaN; NaN where nothing is left."""
    there = ~np.isnan(values)
    count = there.sum(axis=-1)
    total = np.where(there, values, 0.0).sum(axis=-1)
    return np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0)
