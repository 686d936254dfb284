"""The steps of `wetread train rhythm`: fitting the perceptrons, and calibrating what they say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from wetread.model.rhythm_network import Statement, forward

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

_RATE, _DECAY, _DROPOUT = 0.01, 1.0, 0.5
_LEAST_POSITIVE = 3


class Size(Protocol):
    """What of a recipe decides how a network is fitted."""

    @property
    def members(self) -> int:
        """Perceptrons."""
        ...

    @property
    def hidden(self) -> int:
        """Hidden units of each."""
        ...

    @property
    def steps(self) -> int:
        """Of the optimiser, on all examples at once."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """(N, F) features, (N, L) truth and (N, L) weight of each statement of each example."""

    features: NDArray[np.float64]
    truth: NDArray[np.float64]
    weight: NDArray[np.float64]


def fit(examples: Examples, size: Size, seed: int) -> dict[str, Tensor]:
    """The weights of `rhythm_network.forward`: AdamW on the weighted cross-entropy, rare statements counted more."""
    import torch

    draw = torch.Generator().manual_seed(seed)
    given, truth, weight = (torch.tensor(a, dtype=torch.float32)
                            for a in (examples.features, examples.truth, examples.weight))  # fmt: skip
    low, middle, high = torch.quantile(given, torch.tensor([0.16, 0.5, 0.84]), dim=0)
    inputs, outputs, members, units = given.shape[1], truth.shape[1], size.members, size.hidden
    weights = {
        "centre": middle, "scale": ((high - low) / 2).clamp_min(1e-3),
        "hidden.weight": torch.randn(members, outputs, inputs, units, generator=draw) / inputs**0.5,
        "hidden.bias": torch.zeros(members, outputs, units),
        "out.weight": 0.1 * torch.randn(members, outputs, units, generator=draw) / units**0.5,
        "direct.weight": torch.zeros(members, outputs, inputs),
        "out.bias": torch.zeros(members, outputs),
    }  # fmt: skip
    learned = [value.requires_grad_() for name, value in weights.items() if "." in name]
    positive = (weight * truth).sum(0)
    more = ((weight * (1 - truth)).sum(0) / positive.clamp_min(1e-6)).clamp(1.0, 12.0).sqrt()
    optimiser = torch.optim.AdamW(learned, lr=_RATE, weight_decay=_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, _RATE, total_steps=size.steps)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for _ in range(size.steps):
            logits = forward(weights, given, _DROPOUT)
            loss = torch.nn.functional.binary_cross_entropy_with_logits(
                logits, truth, weight=weight, pos_weight=more, reduction="sum"
            )
            optimiser.zero_grad()
            (loss / weight.sum()).backward()
            optimiser.step()
            schedule.step()
    return {name: value.detach() for name, value in weights.items()}


def logits_of(weights: dict[str, Tensor], features: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, F) to (n, L) logits."""
    import torch

    with torch.inference_mode():
        return np.asarray(forward(weights, torch.tensor(features, dtype=torch.float32)).numpy(), dtype=np.float64)


def calibrated(labels: Sequence[str], logits: NDArray[np.float64], truth: NDArray[np.float64]) -> tuple[Statement, ...]:
    """Platt's sigmoid and the threshold of the best F1 for each statement; neither where real records are too few.

    Args:
        labels: L names.
        logits: (repeats, n, L) of records that were not seen.
        truth: (n, L).
    """
    found = []
    for column, label in enumerate(labels):
        values, true = logits[:, :, column].ravel(), np.tile(truth[:, column], len(logits))
        if truth[:, column].sum() < _LEAST_POSITIVE:  # learned from drawn tracings: nothing real to calibrate on
            # Made only where it is surer than it ever was on a real record without it.
            most = float((1 / (1 + np.exp(-values[true == 0]))).max(initial=0.0))
            found.append(Statement(label, round(max(0.5, most + 1e-3), 3), 1.0, 0.0))
            continue
        slope, offset = _platt(values, true)
        presence = 1 / (1 + np.exp(-(slope * values + offset)))
        found.append(Statement(label, _threshold(presence, true), round(slope, 6), round(offset, 6)))
    return tuple(found)


def _platt(values: NDArray[np.float64], true: NDArray[np.float64]) -> tuple[float, float]:
    """Slope and offset of greatest likelihood (Platt 1999, with his softened targets), slope from 0.1 to 4."""
    from scipy.optimize import minimize

    positive, negative = float(true.sum()), float((1 - true).sum())
    soft = np.where(true > 0, (positive + 1) / (positive + 2), 1 / (negative + 2))

    def loss(given: NDArray[np.float64]) -> float:
        z = given[0] * values + given[1]
        return float((np.logaddexp(0, z) - soft * z).sum())

    best = minimize(loss, np.array([1.0, 0.0]), bounds=[(0.1, 4.0), (-6.0, 6.0)], method="L-BFGS-B")
    return float(best.x[0]), float(best.x[1])


def _threshold(presence: NDArray[np.float64], true: NDArray[np.float64]) -> float:
    """The middle of all thresholds within 0.02 of the best F1."""
    tried = np.linspace(0.2, 0.7, 51)
    f1 = np.array([2 * (true * (presence >= t)).sum() / max(1.0, true.sum() + (presence >= t).sum()) for t in tried])
    return round(float(np.median(tried[f1 >= f1.max() - 0.02])), 3)
