"""Figures of probabilities: AUROC, average precision, Brier score and calibration, by scikit-learn.

The expected calibration error is the mean distance of confidence and hit rate over ten bins of equal width, weighted
by their counts (Naeini et al., AAAI 2015); its bins are those of scikit-learn's reliability curve.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from wetread.evaluation.bootstrap import LEVEL, SEED, Estimate

if TYPE_CHECKING:
    from numpy.typing import NDArray

BINS = 10
RESAMPLES = 300
"""Fewer than for counts: every draw is a call of scikit-learn."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Points of a curve to draw; empty where there is none."""

    x: tuple[float, ...] = ()
    y: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class ProbabilityFigures:
    """Figures of one label's probabilities.

    Args:
        auroc: area under the ROC curve; None where all cases are of one kind.
        average_precision: area under the precision-recall curve.
        brier: mean squared distance of probability and truth.
        ece: expected calibration error.
        roc: false positive rate, true positive rate.
        reliability: mean probability of a bin, share of true cases in it.
        bins: cases in each of the bins of `reliability`.
    """

    auroc: Estimate
    average_precision: Estimate
    brier: Estimate
    ece: Estimate
    roc: Curve = field(default_factory=Curve)
    reliability: Curve = field(default_factory=Curve)
    bins: tuple[int, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        found: dict[str, Any] = {name: getattr(self, name).as_dict() for name in FIGURES}
        found["roc"] = [list(self.roc.x), list(self.roc.y)]
        return found | {"reliability": [list(self.reliability.x), list(self.reliability.y), list(self.bins)]}


FIGURES = ("auroc", "average_precision", "brier", "ece")


def probability_figures(truth: Sequence[bool], sure: Sequence[float], groups: Sequence[str]) -> ProbabilityFigures:
    """Measure probabilities of one label.

    Args:
        truth: (N,) whether the label is there.
        sure: (N,) probability, 0 to 1.
        groups: (N,) patients.
    """
    from sklearn.calibration import calibration_curve
    from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score, roc_curve

    y, p = np.asarray(truth, dtype=bool), np.asarray(sure, dtype=np.float64)
    if len(y) == 0 or p.min() < 0 or p.max() > 1:
        raise ValueError("Probabilities lie between 0 and 1, and there is at least one.")
    both = bool(y.any() and not y.all())

    def two_kinds(score: Callable[..., float]) -> Callable[[NDArray[np.float64]], float]:
        def value(weights: NDArray[np.float64]) -> float:
            used = weights > 0
            return float(score(y[used], p[used], sample_weight=weights[used])) if len(set(y[used])) == 2 else np.nan

        return value

    figures = {
        "auroc": _estimate(two_kinds(roc_auc_score), groups) if both else _nothing(groups),
        "average_precision": _estimate(two_kinds(average_precision_score), groups) if both else _nothing(groups),
        "brier": _estimate(lambda w: float(brier_score_loss(y, p, sample_weight=w, pos_label=True)), groups),
        "ece": _estimate(lambda w: expected_calibration_error(y, p, w), groups),
    }
    roc = Curve()
    if both:
        false_rate, true_rate, _ = roc_curve(y, p)
        roc = Curve(tuple(map(float, false_rate)), tuple(map(float, true_rate)))
    share, mean = calibration_curve(y, p, n_bins=BINS)
    reliability = Curve(tuple(map(float, mean)), tuple(map(float, share)))
    members = np.bincount(_bin(p), minlength=BINS)
    filled = tuple(int(n) for n in members if n)
    return ProbabilityFigures(**figures, roc=roc, reliability=reliability, bins=filled)


def expected_calibration_error(
    truth: NDArray[np.bool_], sure: NDArray[np.float64], weights: NDArray[np.float64] | None = None
) -> float:
    """Mean over cases of the distance between a bin's mean probability and its share of true cases."""
    w = np.ones(len(sure)) if weights is None else weights
    members = _bin(sure)
    total = np.bincount(members, w, BINS)
    distance = np.abs(np.bincount(members, w * sure, BINS) - np.bincount(members, w * truth, BINS))
    return float(distance.sum() / total.sum())


def _bin(sure: NDArray[np.float64]) -> NDArray[np.intp]:
    """The bin of each probability, with the edges of scikit-learn's `calibration_curve`."""
    return np.searchsorted(np.linspace(0.0, 1.0, BINS + 1)[1:-1], sure)


def _estimate(value: Callable[[NDArray[np.float64]], float], groups: Sequence[str]) -> Estimate:
    names, members = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    whole = value(np.ones(len(members)))
    if len(names) < 2 or np.isnan(whole):
        return Estimate(None if np.isnan(whole) else whole, None, None, len(members), len(names))
    draw = np.random.default_rng(SEED)
    drawn = [
        value(draw.multinomial(len(names), np.full(len(names), 1 / len(names)))[members].astype(np.float64))
        for _ in range(RESAMPLES)
    ]
    kept = [v for v in drawn if not np.isnan(v)]
    if not kept:
        return Estimate(whole, None, None, len(members), len(names))
    low, high = np.quantile(kept, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(whole, float(low), float(high), len(members), len(names))


def _nothing(groups: Sequence[str]) -> Estimate:
    return Estimate(None, None, None, len(groups), len(set(groups)))
