"""Advantages without domains: GRPO, RLOO and ReMax, one number for each rollout.

All take the rewards of a whole step and the id of the question of each rollout, and return float32 in the same order.
Formulas: GRPO (Shao et al. 2024) as in QoQ-Med's and verl's code (eps 1e-6) and in TRL 1.16 (eps 1e-4), both with the
unbiased standard deviation; RLOO (Ahmadian et al. 2024); ReMax (Li et al. 2023). Mean and deviation are torch's, taken
question by question: a group of equal rewards then gives the same last bit, and so the same zero, as the references.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from numpy.typing import ArrayLike, NDArray

VERL_EPS, TRL_EPS = 1e-6, 1e-4


def rows_of(question_ids: Sequence[Hashable]) -> dict[Hashable, list[int]]:
    """Question id -> places of its rollouts, both in the order of the batch."""
    rows: dict[Hashable, list[int]] = {}
    for place, question in enumerate(as_keys(question_ids)):
        rows.setdefault(question, []).append(place)
    return rows


def as_keys(ids: Sequence[Hashable]) -> list[Hashable]:
    """Ids or domains as Python has them: a tensor's elements are objects of their own, equal to no other."""
    plain = ids.tolist() if isinstance(ids, torch.Tensor | np.ndarray) else ids
    return [key.item() if isinstance(key, torch.Tensor | np.generic) else key for key in plain]


def as_numbers(values: ArrayLike) -> NDArray[np.float64]:
    """Numbers of a list, an array or a tensor of any kind, in float64, which holds every narrower one exactly."""
    if isinstance(values, torch.Tensor):
        return values.detach().double().cpu().numpy()
    return np.asarray(values, dtype=np.float64)


def as_rewards(rewards: ArrayLike, question_ids: Sequence[Hashable]) -> torch.Tensor:
    """The rewards as a float32 tensor, one for each id.

    Raises:
        ValueError: the two differ in length, or the rewards are not a list of numbers.
    """
    # torch, not numpy, rounds the step's rewards to float32 in the references; the rounding is the same.
    values = torch.as_tensor(as_numbers(rewards).astype(np.float32))
    if values.ndim != 1 or len(values) != len(question_ids):
        raise ValueError(f"One reward for each rollout: found rewards of {tuple(values.shape)} and "
                         f"{len(question_ids)} question ids.")  # fmt: skip
    return values


def grpo(rewards: ArrayLike, question_ids: Sequence[Hashable], eps: float = VERL_EPS) -> NDArray[np.float32]:
    """(r - mean) / (std + eps) within each question; std unbiased.

    Args:
        rewards: (B,).
        question_ids: (B,).
        eps: `VERL_EPS` or `TRL_EPS`.

    Raises:
        ValueError: a question with one rollout only.
    """
    values = as_rewards(rewards, question_ids)
    scores = values.clone()
    for question, places in rows_of(question_ids).items():
        if len(places) < 2:
            raise ValueError(f"GRPO needs two rollouts of a question or more; {question!r} has one.")
        scores[places] = _standard_scores(values[places], eps)
    return scores.numpy()


def rloo(rewards: ArrayLike, question_ids: Sequence[Hashable]) -> NDArray[np.float32]:
    """The reward minus the mean of the question's other rollouts.

    Raises:
        ValueError: a question with one rollout only.
    """
    values = as_rewards(rewards, question_ids)
    scores = values.clone()
    for question, places in rows_of(question_ids).items():
        if len(places) < 2:
            raise ValueError(f"RLOO needs two rollouts of a question or more; {question!r} has one.")
        group = values[places]
        scores[places] = group - (group.sum() - group) / (len(places) - 1)
    return scores.numpy()


def remax(rewards: ArrayLike, baselines: ArrayLike) -> NDArray[np.float32]:
    """The reward minus that of the greedy answer to the same question.

    Args:
        rewards: (B,).
        baselines: (B,) reward of the greedy rollout of each rollout's question.
    """
    values, greedy = (as_numbers(given).astype(np.float32) for given in (rewards, baselines))
    if values.shape != greedy.shape or values.ndim != 1:
        raise ValueError(f"One baseline for each reward: found {values.shape} and {greedy.shape}.")
    return values - greedy


def _standard_scores(group: torch.Tensor, eps: float) -> torch.Tensor:
    """(r - mean) / (unbiased std + eps) of one question; NaN for a single rollout, as torch.std has it."""
    deviation = torch.std(group) if len(group) > 1 else torch.full((), float("nan"))
    return (group - torch.mean(group)) / (deviation + eps)
