"""Losses of the grounding head: masks, boxes, presence and class, over all rounds.

Weights of BCE and Dice as LISA, boxes as BiomedParse's configuration; the class's weight is ours. The last round is
judged on the fine mask, every round on its coarse one. Dice is MONAI's, with squared denominator and smoothing 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from monai.losses import DiceLoss
from torch import Tensor
from torch.nn import functional

if TYPE_CHECKING:
    from wetread.model.grounding import Grounding

ROUND_WEIGHT = 0.3
CLASS_WEIGHT = 0.2
_DICE = DiceLoss(sigmoid=True, squared_pred=True, smooth_nr=1.0, smooth_dr=1.0, reduction="none")


def grounding_losses(
    grounding: Grounding, masks: Tensor, boxes: Tensor, shown: Tensor, asked: Tensor, classes: Tensor | None = None
) -> dict[str, Tensor]:
    """Mask, box, presence and class losses over the `<seg>` tokens that are there, already weighted.

    Args:
        grounding: what the head gave for B pictures and K queries.
        masks: (B, K, H/2, W/2) soft truth.
        boxes: (B, K, 4) centre x, centre y, width, height, 0 to 1.
        shown: (B, K) bool, the target is in the picture.
        asked: (B, K) bool, there is such a `<seg>`.
        classes: (B, K) index of the true label, where the head judged classes.
    """
    truth, there = masks[asked], shown[asked]
    mask = mask_loss(grounding.mask_logits[asked].float(), truth)
    height, width = grounding.coarse_logits[0].shape[-2:]
    small = functional.adaptive_avg_pool2d(truth, (height, width))
    for coarse in grounding.coarse_logits:
        mask = mask + ROUND_WEIGHT * mask_loss(coarse[asked].float(), small)
    losses = {"mask": mask}
    box_part, presence = torch.zeros(()), torch.zeros(())
    for box, logit in zip(grounding.boxes, grounding.presence_logits, strict=True):
        presence = presence + 0.5 * functional.binary_cross_entropy_with_logits(logit[asked].float(), there.float())
        if there.any():
            box_part = box_part + ROUND_WEIGHT * box_loss(box[asked][there].float(), boxes[asked][there])
    losses |= {"box": box_part, "presence": presence}
    if classes is not None:
        rounds = [functional.cross_entropy(logits[asked].float(), classes[asked]) for logits in grounding.class_logits]
        losses["class"] = CLASS_WEIGHT * torch.stack(rounds).mean()
    return losses


def mask_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """2 BCE + 0.5 Dice of (N, H, W) logits against soft truth; an empty truth counts in the BCE only."""
    bce = functional.binary_cross_entropy_with_logits(logits, truth)
    dice = _DICE(logits.unsqueeze(1), truth.unsqueeze(1)).flatten()
    there = truth.sum((1, 2)) > 0
    return 2 * bce + 0.5 * (dice * there).sum() / there.sum().clamp(min=1)


def box_loss(predicted: Tensor, truth: Tensor) -> Tensor:
    """5 L1 + 2 (1 - GIoU) of (N, 4) boxes given as centre and size (Rezatofighi et al., CVPR 2019)."""
    p_low, p_high = predicted[:, :2] - predicted[:, 2:] / 2, predicted[:, :2] + predicted[:, 2:] / 2
    t_low, t_high = truth[:, :2] - truth[:, 2:] / 2, truth[:, :2] + truth[:, 2:] / 2
    inside = (torch.minimum(p_high, t_high) - torch.maximum(p_low, t_low)).clamp(min=0).prod(1)
    union = predicted[:, 2:].prod(1) + truth[:, 2:].prod(1) - inside
    hull = (torch.maximum(p_high, t_high) - torch.minimum(p_low, t_low)).prod(1)
    giou = inside / union.clamp(min=1e-6) - (hull - union) / hull.clamp(min=1e-6)
    return 5 * functional.l1_loss(predicted, truth) + 2 * (1 - giou).mean()
