"""Layers of the grounding head: the convolutional detail branch, its decoder, and attention between two sets.

The detail branch is a small U-Net on the picture itself; it carries what visual tokens of 32 pixels cannot.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


def _block(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True),
        nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True),
    )  # fmt: skip


class DetailBranch(nn.Module):
    """U-Net encoder on the picture: features at strides 2, 4, 8, 16."""

    def __init__(self, channels: tuple[int, int, int, int]) -> None:
        super().__init__()
        first, *rest = channels
        self.stem = nn.Sequential(
            nn.Conv2d(3, first, 5, 2, 2, bias=False), nn.BatchNorm2d(first), nn.ReLU(inplace=True),
            nn.Conv2d(first, first, 3, 1, 1, bias=False), nn.BatchNorm2d(first), nn.ReLU(inplace=True),
        )  # fmt: skip
        self.down = nn.ModuleList(_block(a, b, 2) for a, b in zip(channels, rest, strict=False))

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> four feature maps, finest first."""
        features = [self.stem(pictures)]
        for block in self.down:
            features.append(block(features[-1]))
        return features


class DetailDecoder(nn.Module):
    """Up-path: loop features at stride 16 plus the branch's skips -> mask features at stride 2."""

    def __init__(self, width: int, channels: tuple[int, int, int, int], mask: int) -> None:
        super().__init__()
        first, second, third, fourth = channels
        self.enter = nn.Conv2d(width + fourth, fourth, 1)
        self.up = nn.ModuleList([_block(fourth + third, third), _block(third + second, second),
                                 _block(second + first, first)])  # fmt: skip
        self.leave = nn.Conv2d(first, mask, 1)

    def forward(self, loop: Tensor, detail: list[Tensor]) -> Tensor:
        """Loop features (B, width, H/16, W/16) and the branch's maps -> (B, mask, H/2, W/2)."""
        features = self.enter(torch.cat([loop, detail[3]], dim=1))
        for block, skip in zip(self.up, reversed(detail[:3]), strict=True):
            features = functional.interpolate(features, size=skip.shape[-2:], mode="bilinear", align_corners=False)
            features = block(torch.cat([features, skip], dim=1))
        return self.leave(features)


class CrossAttention(nn.Module):
    """Multi-head attention of one set on another, with an optional additive bias on the keys."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key_value, self.leave = (
            nn.Linear(width, width), nn.Linear(width, 2 * width), nn.Linear(width, width),
        )  # fmt: skip

    def forward(self, x: Tensor, context: Tensor, bias: Tensor | None = None) -> Tensor:
        """X (B, N, d) attends to context (B, M, d); bias (B, N, M) is added to the attention logits."""
        batch, count, width = x.shape
        split = (batch, -1, self.heads, width // self.heads)
        query = self.query(x).view(split).transpose(1, 2)
        key, value = (part.view(split).transpose(1, 2) for part in self.key_value(context).chunk(2, dim=-1))
        mixed = functional.scaled_dot_product_attention(
            query, key, value, attn_mask=None if bias is None else bias.unsqueeze(1).to(query.dtype)
        )
        return self.leave(mixed.transpose(1, 2).reshape(batch, count, width))
