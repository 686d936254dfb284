"""95 % intervals by resampling patients.

Pictures of one patient resemble each other, so whole groups are drawn with replacement (cluster bootstrap; Efron and
Tibshirani, An Introduction to the Bootstrap, 1993, chapter 8; percentile interval, chapter 13). A resample is a row
of counts, how often each group was drawn, so 2,000 resamples are one matrix product and no loop over items.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, NDArray

RESAMPLES = 2000
SEED = 0
LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Estimate:
    """A measured value with its interval.

    Args:
        value: on all items; None where nothing could be measured.
        low: lower end of the 95 % interval; None where there are fewer than two groups.
        high: upper end.
        n: what the value is a mean or ratio of (pictures, objects, reads).
        groups: patients.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    groups: int

    def as_dict(self) -> dict[str, float | int | None]:
        """For JSON, rounded to six decimals."""
        shown = {k: None if v is None else round(v, 6) for k, v in
                 (("value", self.value), ("low", self.low), ("high", self.high))}  # fmt: skip
        return {**shown, "n": self.n, "groups": self.groups}


def group_counts(groups: int, resamples: int = RESAMPLES, seed: int = SEED) -> NDArray[np.int64]:
    """(resamples, groups) how often each group is drawn; every row sums to `groups`."""
    return np.random.default_rng(seed).multinomial(groups, np.full(groups, 1.0 / groups), size=resamples)


def ratio_estimate(
    numerators: ArrayLike,
    denominators: ArrayLike,
    groups: Sequence[str],
    *,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> Estimate:
    """Sum of numerators over sum of denominators: a mean where each denominator is a count, or F1.

    Args:
        numerators: (items,).
        denominators: (items,); an item with 0 takes part in neither value nor n.
        groups: (items,) patient of each item.
        resamples: number of draws.
        seed: of the draws.
    """
    top, bottom = np.asarray(numerators, dtype=np.float64), np.asarray(denominators, dtype=np.float64)
    used = bottom > 0
    names, members = np.unique(np.asarray(groups, dtype=str)[used], return_inverse=True)
    if not used.any():
        return Estimate(None, None, None, 0, 0)
    top_of = np.bincount(members, top[used], len(names))
    bottom_of = np.bincount(members, bottom[used], len(names))

    def ratio(counts: NDArray[np.floating]) -> NDArray[np.float64]:
        return (counts @ top_of) / (counts @ bottom_of)

    return _estimate(ratio, len(names), round(float(bottom.sum())), resamples, seed)


def weighted_estimate(
    statistic: Callable[[NDArray[np.floating]], NDArray[np.float64]],
    groups: int,
    n: int,
    *,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> Estimate:
    """Interval of any statistic of group weights.

    Args:
        statistic: (R, groups) counts -> (R,) values; NaN where a resample holds nothing to measure.
        groups: number of patients.
        n: reported with the value.
        resamples: number of draws.
        seed: of the draws.
    """
    return Estimate(None, None, None, n, groups) if groups == 0 else _estimate(statistic, groups, n, resamples, seed)


def _estimate(
    statistic: Callable[[NDArray[np.floating]], NDArray[np.float64]], groups: int, n: int, resamples: int, seed: int
) -> Estimate:
    value = float(statistic(np.ones((1, groups)))[0])
    if np.isnan(value):
        return Estimate(None, None, None, n, groups)
    if groups < 2:
        return Estimate(value, None, None, n, groups)
    # A block at a time keeps the weights of a hundred thousand patients within some tens of megabytes; the generator
    # goes on from block to block, so the draws are those of `group_counts`.
    draw, share = np.random.default_rng(seed), np.full(groups, 1.0 / groups)
    sizes = [min(100, resamples - done) for done in range(0, resamples, 100)]
    drawn = np.concatenate([statistic(draw.multinomial(groups, share, size=n).astype(np.float64)) for n in sizes])
    drawn = drawn[~np.isnan(drawn)]
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(value, float(low), float(high), n, groups)
