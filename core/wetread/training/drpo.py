"""DRPO's advantages: GRPO's, divided by how common and how easy a question's domain and its cluster already are.

For a question of domain g in cluster c (Dai et al., QoQ-Med, NeurIPS 2025, section 3.3):
``s = (r - mean)/(std + eps)``, ``T_g = sqrt(N_g) mu_g``, ``T_c = sqrt(N_c) mu_c``, ``a = s / (T_g T_c)`` and
``A = a / std(a)`` over the batch. The paper and the two releases of its code differ in the details, so each detail is a
switch and each source a mode; `robust` is ours and lives in `drpo_robust`. docs/drpo.md lists the switches.

The reference modes keep the released functions' behaviour, defects included:

- ``reference-qoqmed`` (DDVD233/QoQ_Med @97f7f3d): a domain whose questions all earn 0 turns the whole batch into NaN.
- ``reference-qoqmed3`` (DDVD233/qoq_med3 @d50c24d): such a question keeps its unscaled score instead.
- both: the cluster's factor has no floor, so negative rewards flip signs; vectors follow the order of the rollouts, so
  shuffling them changes advantages; all groups of a run must have the same size; history and cost grow with the run;
  a question id seen before takes the cluster of its first appearance.

Their K-means is scikit-learn's: ties fall as the installed version lets them fall (checked with 1.9.1), and vectors
are float32, so agreement with published numbers is to about 1e-6, not to the last bit.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from wetread.training.advantages import as_keys, as_numbers, as_rewards, grpo, rows_of
from wetread.training.clusters import published_clusters
from wetread.training.drpo_robust import RobustScale
from wetread.training.question_history import Question, QuestionHistory

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, slots=True)
class Switches:
    """What differs between the paper, the releases and ours.

    Args:
        domain_level: "dataset" or "modality": the part of a (dataset, modality) pair that is the domain; a domain
            given as one word is taken as it is.
        history: see `QuestionHistory`.
        k_max: most clusters of a domain.
        tau: of the elbow.
        domain_mean: "inverse-size" (centroid means weighted by 1 / cluster size) or "plain".
        clamp_cluster: put the floor `eps` under T_c as well.
        skip_not_finite: leave a score unscaled where scaling gives NaN or infinity.
        kl_damping: "off", "code" (after the batch's standard deviation, both signs) or "paper" (before it, positive
            s k only).
        kl_quantile: of |s| k, the temperature t of the damping.
        eps: floor and denominator guard.
    """

    domain_level: str = "dataset"
    history: str = "run"
    k_max: int = 10
    tau: float = 0.10
    domain_mean: str = "inverse-size"
    clamp_cluster: bool = False
    skip_not_finite: bool = False
    kl_damping: str = "off"
    kl_quantile: float = 0.75
    eps: float = 1e-6


MODES: dict[str, Switches] = {
    "reference-qoqmed": Switches(),
    "reference-qoqmed3": Switches(k_max=3, skip_not_finite=True),
    "paper": Switches(history="step", domain_mean="plain", clamp_cluster=True, kl_damping="paper"),
    "robust": Switches(history="window:1024", domain_mean="plain", clamp_cluster=True),
}
CHOICES = {
    "domain_level": ("dataset", "modality"),
    "domain_mean": ("inverse-size", "plain"),
    "kl_damping": ("off", "code", "paper"),
}


@dataclass(frozen=True, slots=True)
class DomainReport:
    """What the last step did to one domain, for the progress bar and the metrics.

    Args:
        questions: N, as counted by the history.
        mean_reward: mu.
        clusters: how many.
        scale: mean |A| / |s| over the domain's rollouts; 0 where no rollout differs from its group.
    """

    questions: float
    mean_reward: float
    clusters: int
    scale: float


class DRPOAdvantage:
    """Advantages of one run, step by step.

    Args:
        mode: "reference-qoqmed", "reference-qoqmed3", "paper" or "robust".
        switches: any field of `Switches`, to differ from the mode (the ablations of the paper's Table 2 and 4).

    Raises:
        ValueError: an unknown mode, switch or value; the message lists what there is.

    >>> advantage = DRPOAdvantage()
    >>> advantage([1.0, 0.0, 0.5, 0.5], ["a", "a", "b", "b"], ["ct", "ct", "us", "us"]).round(3).tolist()
    [1.225, -1.225, 0.0, 0.0]
    """

    def __init__(self, mode: str = "robust", **switches: Any) -> None:
        if mode not in MODES:
            raise ValueError(f"mode is one of {', '.join(MODES)}; found {mode!r}.")
        unknown = set(switches) - set(asdict(MODES[mode]))
        if unknown:
            raise ValueError(f"Unknown switches {sorted(unknown)}; there are {sorted(asdict(MODES[mode]))}.")
        self.mode = mode
        self.switches = replace(MODES[mode], **switches)
        _check(self.switches)
        self.last: dict[Hashable, DomainReport] = {}
        self._history = QuestionHistory(self.switches.history)
        self._robust = RobustScale(self.switches.k_max, self.switches.tau) if mode == "robust" else None

    def __call__(
        self, rewards: ArrayLike, question_ids: Sequence[Hashable], domains: Sequence[Hashable],
        kl: ArrayLike | None = None,
    ) -> NDArray[np.floating]:  # fmt: skip
        """Advantages of one step; the history moves on by it.

        Args:
            rewards: (B,) one for each rollout, all processes together.
            question_ids: (B,) the question of each rollout.
            domains: (B,) a word, or a (dataset, modality) pair of which `domain_level` takes one.
            kl: (B,) KL of each rollout against the reference (summed over its tokens), for the damping. Mode "paper"
                goes without damping where it is None; a damping that was asked for does not.

        Returns:
            (B,) advantages: float32 in the published modes, float64 in "robust".

        Raises:
            ValueError: lengths that differ; groups of unequal size in a published mode; damping without kl.
        """
        keys = as_keys(question_ids)
        values = as_rewards(rewards, keys) if self._robust is None else as_numbers(rewards)
        levels = [self._domain(domain) for domain in as_keys(domains)]
        if not len(keys) == len(levels) == len(values):
            raise ValueError(f"{len(values)} rewards, {len(keys)} question ids and {len(levels)} domains.")
        strength = self._strength(kl, len(keys))
        if not keys:
            return np.zeros(0, dtype=np.float32)
        if self._robust is not None:
            return self._ours(np.asarray(values), keys, levels, strength)
        return self._published(torch.as_tensor(values), keys, levels, strength)

    def _published(
        self, values: torch.Tensor, keys: list[Hashable], levels: list[Hashable], kl: NDArray[np.float64] | None
    ) -> NDArray[np.floating]:
        """The steps of the released functions, in their order."""
        rows = rows_of(keys)
        if len({len(places) for places in rows.values()}) > 1:
            raise ValueError(f"Mode {self.mode} needs the same number of rollouts of every question, as the released "
                             "code does; mode 'robust' takes any.")  # fmt: skip
        # A question given under two domains counts under the last one named, as released.
        questions = [Question(key, levels[places[-1]], tuple(places), values[places].numpy().copy())
                     for key, places in rows.items()]  # fmt: skip
        self._history.add(questions)
        scores = _standard_scores(values, keys, rows, self.switches.eps)
        factors = np.ones(len(keys))
        known: dict[Hashable, tuple[float, float, int]] = {}
        for domain in dict.fromkeys(question.domain for question in questions):
            known[domain] = self._factors(domain, questions, factors)
        scaled = scores / torch.as_tensor(factors, dtype=torch.float32)
        if self.switches.skip_not_finite:
            scaled = torch.where(torch.isfinite(scaled), scaled, scores)
        if self.switches.kl_damping == "paper" and kl is not None:
            # k_q is the sum over the question's rollouts (Eq. 4).
            summed = np.array([kl[rows[key]].sum() for key in keys])
            scaled = torch.as_tensor(damped_as_printed(scaled.numpy(), summed, self.switches.kl_quantile,
                                                       self.switches.eps))  # fmt: skip
        advantages = (scaled / (torch.std(scaled) + self.switches.eps)).float().numpy()
        if self.switches.kl_damping == "code" and kl is not None:
            advantages = damped_as_coded(advantages, kl, self.switches.kl_quantile, self.switches.eps)
        self._note(levels, scores.numpy(), advantages, known)
        return advantages

    def _factors(
        self, domain: Hashable, questions: list[Question], factors: NDArray[np.float64]
    ) -> tuple[float, float, int]:
        """Write T_g T_c of the domain's rollouts into `factors`; returns (N, mu, clusters)."""
        switches = self.switches
        remembered = domain in self._history.domains()
        # A window smaller than the step may forget a whole domain at once; the step itself then stands for it.
        vectors = self._history.vectors(domain) if remembered else np.stack(
            [question.vector for question in questions if question.domain == domain])  # fmt: skip
        clusters = published_clusters(vectors.astype(np.float32, copy=False), switches.k_max, switches.tau)
        means, sizes = clusters.means, clusters.sizes
        weights = 1.0 / sizes
        weighted = switches.domain_mean == "inverse-size"
        mean = float((weights * means).sum() / weights.sum()) if weighted else float(vectors.mean(dtype=np.float64))
        count, mean = self._history.count_and_mean(domain, mean) if remembered else (float(len(vectors)), mean)
        of_domain = max(math.sqrt(count) * mean, switches.eps)
        places = self._history.places(domain)
        for question in questions:
            if question.domain != domain:
                continue
            # A window smaller than the batch has already dropped its first questions: each is a cluster of its own.
            place = places.get(question.key)
            size, level = (1.0, float(question.vector.mean())) if place is None else (
                float(sizes[clusters.assignment[place]]), float(means[clusters.assignment[place]]))  # fmt: skip
            of_cluster = math.sqrt(size) * level
            factor = of_domain * (max(of_cluster, switches.eps) if switches.clamp_cluster else of_cluster)
            factors[list(question.places)] = factor
        return count, mean, len(sizes)

    def _ours(
        self, values: NDArray[np.float64], keys: list[Hashable], levels: list[Hashable], kl: NDArray[np.float64] | None
    ) -> NDArray[np.floating]:
        assert self._robust is not None
        scores, weights, known = self._robust(values, keys, levels, self._history)
        scaled: NDArray[np.floating] = scores * weights
        if kl is not None:
            kl = np.where(np.isfinite(kl), np.maximum(kl, 0.0), 0.0)
        if self.switches.kl_damping == "paper" and kl is not None:
            summed = np.zeros(len(keys))
            for places in rows_of(keys).values():
                summed[places] = kl[places].sum()
            scaled = damped_as_printed(scaled, summed, self.switches.kl_quantile, self.switches.eps)
        spread = float(scaled.std(ddof=1)) if len(scaled) > 1 else 0.0
        advantages: NDArray[np.floating] = scaled / spread if spread > 0 else np.zeros_like(scaled)
        if self.switches.kl_damping == "code" and kl is not None:
            advantages = damped_as_coded(advantages, kl, self.switches.kl_quantile, self.switches.eps)
        self._note(levels, scores, advantages, known)
        return advantages

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint needs: words, numbers and lists only, so it may be written as JSON."""
        return {
            "mode": self.mode,
            "switches": asdict(self.switches),
            "history": self._history.state_dict(),
            "robust": self._robust.state_dict() if self._robust is not None else None,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where a checkpoint was; the next advantages are those of the uninterrupted run, bit for bit.

        Raises:
            ValueError: saved in another mode or with other switches.
        """
        if state.get("mode") != self.mode or state.get("switches") != asdict(self.switches):
            raise ValueError(f"Saved by mode {state.get('mode')!r} with {state.get('switches')}, this is "
                             f"{self.mode!r} with {asdict(self.switches)}; start a new run or use those.")  # fmt: skip
        self._history.load_state_dict(state["history"], np.float64 if self._robust is not None else np.float32)
        if self._robust is not None:
            self._robust.load_state_dict(state["robust"])

    def _domain(self, domain: Hashable) -> Hashable:
        if isinstance(domain, tuple | list):
            if len(domain) != 2:
                raise ValueError(f"A domain is a word or a (dataset, modality) pair, found {domain!r}.")
            domain = domain[0] if self.switches.domain_level == "dataset" else domain[1]
        return domain.item() if isinstance(domain, np.generic) else domain

    def _strength(self, kl: ArrayLike | None, rollouts: int) -> NDArray[np.float64] | None:
        if self.switches.kl_damping == "off":
            return None
        if kl is None:
            if self.mode == "paper" and self.switches.kl_damping == "paper":
                return None
            raise ValueError(f"kl_damping={self.switches.kl_damping!r} needs kl, one number for each rollout.")
        values = as_numbers(kl)
        if values.shape != (rollouts,):
            raise ValueError(f"kl has shape {values.shape} for {rollouts} rollouts.")
        return values

    def _note(
        self, levels: list[Hashable], scores: NDArray[np.floating], advantages: NDArray[np.floating],
        known: dict[Hashable, tuple[float, float, int]],
    ) -> None:  # fmt: skip
        before, after = np.abs(scores), np.abs(advantages)
        self.last = {}
        for domain, (count, mean, clusters) in known.items():
            rows = np.array([level == domain for level in levels])
            total = float(before[rows].sum())
            scale = float(after[rows].sum()) / total if total > 0 else 0.0
            self.last[domain] = DomainReport(count, mean, clusters, scale)


def damped_as_coded(
    advantages: NDArray[np.floating], kl: NDArray[np.float64], quantile: float = 0.75, eps: float = 1e-6
) -> NDArray[np.floating]:
    """The damping that stands commented out in the released code: t / (|A| k + t) on finished advantages.

    Args:
        advantages: (B,).
        kl: (B,) KL of each rollout.
        quantile: t is this quantile of |A| k over the batch.
        eps: floor of t.
    """
    strength = np.abs(advantages) * kl
    temperature = _temperature(strength, quantile, eps)
    return (advantages * (temperature / (strength + temperature))).astype(advantages.dtype)


def damped_as_printed(
    scores: NDArray[np.floating], kl: NDArray[np.float64], quantile: float = 0.75, eps: float = 1e-6
) -> NDArray[np.floating]:
    """Eq. 5: t / (t + max(s k, 0)) on scores that are not yet divided by the batch's deviation.

    The paper does not define t; it is taken as the code takes it. Args as in `damped_as_coded`.
    """
    temperature = _temperature(np.abs(scores) * kl, quantile, eps)
    return (scores * (temperature / (temperature + np.maximum(scores * kl, 0.0)))).astype(scores.dtype)


def _temperature(strength: NDArray[np.floating], quantile: float, eps: float) -> float:
    return max(float(np.quantile(strength, quantile)), eps)


def _standard_scores(
    values: torch.Tensor, keys: list[Hashable], rows: dict[Hashable, list[int]], eps: float
) -> torch.Tensor:
    """GRPO's scores; a group of one gives NaN, as `torch.std` of one number does."""
    if all(len(places) > 1 for places in rows.values()):
        return torch.from_numpy(grpo(values.numpy(), keys, eps))
    return torch.full_like(values, float("nan"))


def _check(switches: Switches) -> None:
    for name, allowed in CHOICES.items():
        if getattr(switches, name) not in allowed:
            raise ValueError(f"{name} is one of {', '.join(allowed)}; found {getattr(switches, name)!r}.")
    if switches.k_max < 1:
        raise ValueError(f"k_max is 1 or more, found {switches.k_max}.")
    if not 0 <= switches.kl_quantile <= 1:
        raise ValueError(f"kl_quantile lies between 0 and 1, found {switches.kl_quantile}.")
