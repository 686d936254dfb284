"""Clusters of questions that the model finds equally hard: K-means with k by an elbow.

`published_clusters` is the K-means of the released DRPO code (QoQ-Med @97f7f3d, QoQ-Med3 @d50c24d): scikit-learn, one
k-means++ start with seed 0, on float32 vectors in the order in which the questions came; its result therefore depends
on that order and on scikit-learn's version. `steady_clusters` is ours: rows are counted instead of listed, the start
is taken from the quantiles of the row means or from the last centroids, so that order plays no part and a step costs
the same in a long run as in a short one.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LLOYD_ROUNDS, WARM_ROUNDS = 25, 4


@dataclass(frozen=True, slots=True, eq=False)
class Clusters:
    """Q questions in k clusters.

    Args:
        assignment: (Q,) cluster of each question.
        sizes: (k,) questions in each cluster, float64.
        centroids: (k, R) in the dtype of the vectors.
    """

    assignment: NDArray[np.int64]
    sizes: NDArray[np.float64]
    centroids: NDArray[np.floating]

    @property
    def means(self) -> NDArray[np.floating]:
        """(k,) mean coordinate of each centroid, in its dtype."""
        return self.centroids.mean(axis=1)


def elbow(inertias: list[float], tau: float) -> int | None:
    """The k at which one more cluster stops paying (paper appendix B.1), as the released code counts.

    Args:
        inertias: I_1, I_2, ... in order of k.
        tau: stop where a drop is below this share of the drop before it.

    Returns:
        k, or None where no such place is among the given values.
    """
    drops = [a - b for a, b in itertools.pairwise(inertias)]
    for index in range(1, len(drops)):
        if drops[index] < tau * drops[index - 1]:
            return index + 1
    return None


def published_clusters(vectors: NDArray[np.float32], k_max: int, tau: float) -> Clusters:
    """K-means as in the released code.

    Args:
        vectors: (Q, R) rewards of Q questions, in batch order.
        k_max: 10 in QoQ-Med, 3 in QoQ-Med3.
        tau: of the elbow.
    """
    from sklearn.cluster import KMeans

    most = min(k_max, len(np.unique(vectors, axis=0)))
    fits = [KMeans(n_clusters=k, n_init="auto", random_state=0).fit(vectors) for k in range(1, most + 1)]
    chosen = fits[(elbow([float(fit.inertia_) for fit in fits], tau) or most) - 1]
    sizes = np.unique(chosen.labels_, return_counts=True)[1].astype(np.float64)
    return Clusters(chosen.labels_.astype(np.int64), sizes, chosen.cluster_centers_)


def steady_clusters(
    vectors: NDArray[np.float64], k_max: int, tau: float, start: NDArray[np.float64] | None = None
) -> Clusters:
    """K-means that knows no order, no random number and, from a warm start, no search.

    Args:
        vectors: (Q, R).
        k_max: most clusters.
        tau: of the elbow.
        start: (k, R) centroids of the step before; their number is kept and no elbow is looked for.
    """
    rows, which, counts = np.unique(vectors, axis=0, return_inverse=True, return_counts=True)
    weights = counts.astype(np.float64)
    if start is not None:
        found, centroids, _ = _lloyd(rows, weights, start, WARM_ROUNDS)
    else:
        tried: list[tuple[NDArray[np.int64], NDArray[np.float64], float]] = []
        k = None
        for clusters in range(1, min(k_max, len(rows)) + 1):
            tried.append(_lloyd(rows, weights, _quantile_start(rows, weights, clusters)))
            k = elbow([inertia for _, _, inertia in tried], tau)
            if k is not None:
                break
        found, centroids, _ = tried[(k or len(tried)) - 1]
    sizes = np.bincount(found, weights=weights, minlength=len(centroids)).astype(np.float64)
    return Clusters(found[which.reshape(-1)], sizes, centroids)


def _quantile_start(rows: NDArray[np.float64], weights: NDArray[np.float64], k: int) -> NDArray[np.float64]:
    """Means of k stretches of the rows ordered by their mean, about equal in weight, none empty."""
    order = np.argsort(rows.mean(axis=1), kind="stable")
    middle = np.cumsum(weights[order]) - weights[order] / 2
    stretch = np.minimum((middle / weights.sum() * k).astype(np.int64), k - 1)
    # A heavy row can swallow a stretch; the places are then dealt out by rank.
    if len(np.unique(stretch)) < k:
        stretch = np.arange(len(rows)) * k // len(rows)
    return np.stack([np.average(rows[order][stretch == c], axis=0, weights=weights[order][stretch == c])
                     for c in range(k)])  # fmt: skip


def _lloyd(
    rows: NDArray[np.float64], weights: NDArray[np.float64], centroids: NDArray[np.float64], rounds: int = LLOYD_ROUNDS
) -> tuple[NDArray[np.int64], NDArray[np.float64], float]:
    """Lloyd's rounds on weighted rows; clusters that lose all their rows are dropped."""
    found = np.full(len(rows), -1, dtype=np.int64)
    for _ in range(rounds):
        # |row|^2 is the same for every centroid and left out.
        nearest = ((centroids**2).sum(axis=1) - 2 * rows @ centroids.T).argmin(axis=1)
        if np.array_equal(nearest, found):
            break
        kept, found = np.unique(nearest, return_inverse=True)
        member = (found[None] == np.arange(len(kept))[:, None]) * weights
        centroids = member @ rows / member.sum(axis=1, keepdims=True)
    inertia = float((weights * ((rows - centroids[found]) ** 2).sum(axis=1)).sum())
    return found, centroids, inertia
