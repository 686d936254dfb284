"""The weights of DRPO's `robust` mode: the paper's idea without the released code's traps. Ours.

weight of a question = 1 / (sqrt(N_g) mu_g sqrt(N_c) mu_c), where

- mu is a mean reward above the lowest reward remembered (0 where none is negative), so no sign flips, and never less
  than `FLOOR` of the mean over everything remembered, so nothing is divided by 0 and no scale is assumed;
- a question is described by `FEATURES` quantiles of its rewards: the order of rollouts plays no part and groups may
  differ in size; a rollout whose reward is not a number gets advantage 0 and is not counted;
- questions are remembered in sorted order within a step: the order of questions plays no part;
- clusters go on from the step before; an elbow is looked for every `SEARCH_EVERY` steps of a domain;
- weights stay within `WIDEST` of their geometric mean, so that no single question is the whole step.

Groups whose rewards are equal, single rollouts, single questions and domains that earn nothing get 0, never NaN.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from wetread.training.advantages import rows_of
from wetread.training.clusters import Clusters, steady_clusters
from wetread.training.question_history import Question, QuestionHistory, hashable, plain

if TYPE_CHECKING:
    from collections.abc import Hashable

    from numpy.typing import NDArray

FEATURES = 8
FLOOR = 0.05
WIDEST = 10.0
SEARCH_EVERY = 16
SAME = 1e-9


class RobustScale:
    """Scores and weights of a step, and the clusters that the next one starts from.

    Args:
        k_max: most clusters of a domain.
        tau: of the elbow.
    """

    def __init__(self, k_max: int, tau: float) -> None:
        self._k_max, self._tau = k_max, tau
        self._centroids: dict[Hashable, NDArray[np.float64]] = {}
        self._age: dict[Hashable, int] = {}

    def __call__(
        self, values: NDArray[np.float64], keys: list[Hashable], levels: list[Hashable], history: QuestionHistory
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], dict[Hashable, tuple[float, float, int]]]:
        """Score the step and take it into the history.

        Args:
            values: (B,) rewards.
            keys: (B,) question ids.
            levels: (B,) domains.
            history: of the run.

        Returns:
            scores (B,), weights (B,), and for each domain of the step (N, mean reward, clusters).
        """
        scores, questions = np.zeros(len(values)), []
        for places in rows_of(list(zip(keys, levels, strict=True))).values():
            key, domain = keys[places[0]], levels[places[0]]
            known = [place for place in places if math.isfinite(values[place])]
            if not known:
                continue
            group = np.sort(values[known])
            scores[known] = _standard_scores(values[known], group)
            vector = np.quantile(group, np.linspace(0, 1, FEATURES)) if group[0] < group[-1] else np.full(
                FEATURES, group[0])  # fmt: skip
            questions.append(Question(key, domain, tuple(places), vector))
        questions.sort(key=lambda question: (str(question.domain), question.vector.tolist()))
        history.add(questions)
        weights, known_domains = self._weights(questions, history, len(values))
        return scores, weights, known_domains

    def _weights(
        self, questions: list[Question], history: QuestionHistory, rollouts: int
    ) -> tuple[NDArray[np.float64], dict[Hashable, tuple[float, float, int]]]:
        weights = np.ones(rollouts)
        domains = list(dict.fromkeys(question.domain for question in questions))
        if not domains:
            return weights, {}
        remembered = history.domains()
        for forgotten in set(self._centroids) - set(remembered):
            del self._centroids[forgotten], self._age[forgotten]
        vectors = {domain: history.vectors(domain) for domain in remembered}
        # The lowest reward of any kind counts as nothing earned.
        lift = min(0.0, min(float(v.min()) for v in vectors.values()))
        overall = sum(float(v.sum()) for v in vectors.values()) / sum(v.size for v in vectors.values()) - lift
        if overall <= 0:
            return weights, {d: (float(sum(q.domain == d for q in questions)), lift, 1) for d in domains}
        logs, found = np.zeros(rollouts), {}
        for domain in domains:
            found[domain] = self._domain(domain, questions, history, vectors.get(domain), lift, overall, logs)
        rows = [place for question in questions for place in question.places]
        # Each question counts once, so that a large group does not decide what is usual.
        usual = float(np.mean(np.sort([logs[question.places[0]] for question in questions])))
        weights[rows] = np.exp(-np.clip(logs[rows] - usual, -math.log(WIDEST), math.log(WIDEST)))
        return weights, found

    def _domain(
        self, domain: Hashable, questions: list[Question], history: QuestionHistory,
        vectors: NDArray[np.floating] | None, lift: float, overall: float, logs: NDArray[np.float64],
    ) -> tuple[float, float, int]:  # fmt: skip
        """Write log(T_g T_c) of the domain's rollouts; returns (N, mean reward, clusters)."""
        mine = [question for question in questions if question.domain == domain]
        # A window smaller than the step forgets a part of it at once; the step itself then stands for the domain.
        asked = np.stack([question.vector for question in mine])
        if vectors is None:
            vectors = asked
        clusters = self._clusters(domain, vectors)
        mean = float(vectors.mean())
        if domain in history.domains():
            count, mean = history.count_and_mean(domain, mean)
        else:
            count = float(len(vectors))
        of_domain = 0.5 * math.log(count) + math.log(max(mean - lift, FLOOR * overall))
        nearest = ((asked[:, None, :] - clusters.centroids[None]) ** 2).sum(axis=2).argmin(axis=1)
        for question, cluster in zip(mine, nearest, strict=True):
            level = max(float(clusters.means[cluster]) - lift, FLOOR * overall)
            logs[list(question.places)] = of_domain + 0.5 * math.log(clusters.sizes[cluster]) + math.log(level)
        return count, mean, len(clusters.sizes)

    def _clusters(self, domain: Hashable, vectors: NDArray[np.floating]) -> Clusters:
        age = self._age.get(domain, 0)
        start = None if age % SEARCH_EVERY == 0 else self._centroids[domain]
        clusters = steady_clusters(np.asarray(vectors, dtype=np.float64), self._k_max, self._tau, start)
        self._centroids[domain], self._age[domain] = np.asarray(clusters.centroids, dtype=np.float64), age + 1
        return clusters

    def state_dict(self) -> dict[str, Any]:
        """Centroids and ages, as lists."""
        return {"domains": [[plain(domain), centroids.tolist(), self._age[domain]]
                            for domain, centroids in self._centroids.items()]}  # fmt: skip

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where a checkpoint was."""
        self._centroids = {hashable(d): np.asarray(c, dtype=np.float64) for d, c, _ in state["domains"]}
        self._age = {hashable(domain): int(age) for domain, _, age in state["domains"]}


def _standard_scores(group: NDArray[np.float64], ordered: NDArray[np.float64]) -> NDArray[np.float64]:
    """(r - mean) / unbiased std; zeros where the rewards are equal but for rounding, or where there is only one."""
    if len(group) < 2:
        return np.zeros(len(group))
    # Sums over sorted numbers are the same for every order of the rollouts.
    mean, spread = float(ordered.mean()), float(ordered.std(ddof=1))
    if spread <= SAME * float(np.abs(ordered).max()):
        return np.zeros(len(group))
    return (group - mean) / spread
