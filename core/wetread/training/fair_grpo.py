"""FairGRPO: DRPO's factor with the patient's demographic group in the place of the cluster.

As released (DDVD233/qoq_med3 @d50c24d, verl/trainer/ppo/core_algos.py): ``a = s / (T_d sqrt(N_g) mu_g)`` with
``T_d = max(sqrt(N_d) mu_d, eps)``, where N_d and mu_d count and average every question of the domain so far, and N_g
and mu_g those of the question's group within the domain. Questions without a known group ("UNK") fall back to the
clusters of the UNK questions (k_max 3). Scores that scaling would make infinite or NaN stay unscaled. History is that
of the whole run; all groups of rollouts have the same size.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from wetread.training.advantages import as_keys, as_rewards, grpo, rows_of
from wetread.training.clusters import published_clusters
from wetread.training.question_history import Question, QuestionHistory

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from numpy.typing import ArrayLike, NDArray

UNKNOWN_GROUP = "UNK"


class FairGRPOAdvantage:
    """Advantages of one run, step by step.

    Args:
        k_max: most clusters among questions without a known group.
        tau: of the elbow.
        eps: floor and denominator guard.
    """

    def __init__(self, k_max: int = 3, tau: float = 0.10, eps: float = 1e-6) -> None:
        self._k_max, self._tau, self._eps = k_max, tau, eps
        self._history = QuestionHistory("run")

    def __call__(
        self,
        rewards: ArrayLike,
        question_ids: Sequence[Hashable],
        domains: Sequence[Hashable],
        groups: Sequence[Hashable],
    ) -> NDArray[np.float32]:
        """Advantages of one step.

        Args:
            rewards: (B,).
            question_ids: (B,).
            domains: (B,).
            groups: (B,) demographic group of each rollout's patient; "UNK" where it is not known.

        Raises:
            ValueError: groups of rollouts of unequal size, or of one.
        """
        values = as_rewards(rewards, question_ids)
        rows, domains, groups = rows_of(question_ids), as_keys(domains), as_keys(groups)
        if len({len(places) for places in rows.values()}) > 1:
            raise ValueError("FairGRPO needs the same number of rollouts of every question.")
        questions = [Question(key, (domains[places[-1]], groups[places[-1]]), tuple(places),
                              values[places].numpy().copy()) for key, places in rows.items()]  # fmt: skip
        self._history.add(questions)
        factors = np.ones(len(values))
        for question in questions:
            factors[list(question.places)] = self._factor(question)
        scores = torch.from_numpy(grpo(values.numpy(), question_ids, self._eps))
        scaled = scores / torch.as_tensor(factors, dtype=torch.float32)
        scaled = torch.where(torch.isfinite(scaled), scaled, scores)
        return (scaled / (torch.std(scaled) + self._eps)).numpy()

    def _factor(self, question: Question) -> float:
        assert isinstance(question.domain, tuple)  # (domain, group), as `__call__` makes them
        domain, group = question.domain
        keys = [key for key in self._history.domains() if isinstance(key, tuple) and key[0] == domain]
        # The order of the sum decides the last bits: known groups first, then UNK, as released.
        keys.sort(key=lambda key: bool(key[1] == UNKNOWN_GROUP))
        everything = np.concatenate([self._history.vectors(key).ravel() for key in keys]).astype(np.float64)
        count = sum(len(self._history.vectors(key)) for key in keys)
        of_domain = max(math.sqrt(count) * float(everything.mean()), self._eps)
        mine = self._history.vectors((domain, group))
        if group != UNKNOWN_GROUP:
            return of_domain * math.sqrt(len(mine)) * float(mine.astype(np.float64).mean())
        clusters = published_clusters(mine.astype(np.float32), self._k_max, self._tau)
        cluster = clusters.assignment[self._history.places(question.domain)[question.key]]
        return of_domain * math.sqrt(clusters.sizes[cluster]) * float(clusters.means[cluster])

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint needs, as JSON has it."""
        return {"history": self._history.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where a checkpoint was."""
        self._history.load_state_dict(state["history"], np.float32)
