"""The clipped policy loss and the KL estimates of QoQ-Med's trainer, as pure functions of log probabilities.

PPO's clip with separate lower and upper bounds (in log space, as the released code has it), the dual clip of Ye et
al. 2020 for negative advantages, averaged over all tokens of the batch ("token") or first within each response
("sequence", the paper's objective). KL: Schulman's k1, k2 and k3; k3 ("low_var_kl") is clamped at +-10.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

MASK_EPS = 1e-8
KL_CLAMP = 10.0


@dataclass(frozen=True, slots=True, eq=False)
class PolicyLoss:
    """The loss and what was clipped.

    Args:
        loss: scalar with gradient.
        clipped_high: share of tokens held by the upper or lower bound of the ratio.
        clipped_low: share of tokens with a negative advantage held by the dual clip.
        approximate_kl: mean of old minus new log probability.
    """

    loss: Tensor
    clipped_high: Tensor
    clipped_low: Tensor
    approximate_kl: Tensor


def masked_mean(values: Tensor, mask: Tensor, average: str = "token") -> Tensor:
    """Mean of (B, T) values where the mask is 1.

    Args:
        values: (B, T).
        mask: (B, T), 1 on the tokens of the response.
        average: "token": over all tokens at once; "sequence": within each response, then over responses.
    """
    if average == "token":
        return (values * mask).sum() / (mask.sum() + MASK_EPS)
    if average == "sequence":
        return ((values * mask).sum(-1) / (mask.sum(-1) + MASK_EPS)).mean()
    raise ValueError(f"average is 'token' or 'sequence', found {average!r}.")


def policy_loss(
    old: Tensor, new: Tensor, advantages: Tensor, mask: Tensor, *, clip_low: float = 0.2, clip_high: float = 0.3,
    clip_dual: float | None = 3.0, average: str = "token",
) -> PolicyLoss:  # fmt: skip
    """The clipped objective, negated.

    Args:
        old: (B, T) log probabilities when the rollouts were made.
        new: (B, T) log probabilities now.
        advantages: (B,) or (B, T).
        mask: (B, T).
        clip_low: the ratio is not rewarded below 1 - clip_low.
        clip_high: nor above 1 + clip_high.
        clip_dual: bound of the loss for negative advantages; None switches it off.
        average: see `masked_mean`.
    """
    advantages = advantages.unsqueeze(-1) if advantages.ndim == 1 else advantages
    step = new - old
    free = -advantages * torch.exp(step)
    held = -advantages * torch.exp(torch.clamp(step, math.log(1.0 - clip_low), math.log(1.0 + clip_high)))
    worse = torch.maximum(free, held)
    clipped_low = torch.zeros_like(worse)
    final = worse
    if clip_dual is not None:
        bound = -advantages * clip_dual
        final = torch.where(advantages < 0, torch.minimum(worse, bound), worse)
        clipped_low = ((worse > bound) & (advantages < 0)).float()
    return PolicyLoss(
        masked_mean(final, mask, average),
        masked_mean((free < held).float(), mask),
        masked_mean(clipped_low, mask),
        masked_mean(-step, mask),
    )


def kl_tokens(new: Tensor, reference: Tensor, estimate: str = "low_var_kl") -> Tensor:
    """(B, T) estimate of KL(new || reference) at the sampled tokens, in float32.

    Args:
        new: log probabilities of the policy.
        reference: log probabilities of the reference.
        estimate: "k1" (log ratio), "k2" (half its square) or "low_var_kl" (k3, clamped).
    """
    difference = reference.float() - new.float()
    if estimate == "k1":
        return -difference
    if estimate == "k2":
        return 0.5 * difference.square()
    if estimate in ("low_var_kl", "k3"):
        return torch.clamp(difference.exp() - difference - 1, -KL_CLAMP, KL_CLAMP)
    raise ValueError(f"estimate is 'k1', 'k2' or 'low_var_kl', found {estimate!r}.")
