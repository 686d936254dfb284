"""The closed-loop grounding head: from the language state at `<seg>` to a mask, a box and a presence.

RCMed (arXiv 2505.03380) publishes the loop as a figure only; the equations are ours (docs/model.md): for
rounds r = 1..R with shared weights, the query looks at the pixels through its last mask (soft masked attention),
vision informs the language states, language guides the pixel features, and the query reads the language. Both
feedback gates start at zero, so round 1 is the open-loop baseline. A convolutional branch (a small U-Net on the
picture itself) carries the detail that 32-pixel visual tokens cannot. One head serves every backbone: it needs only
the backbone's merged visual tokens and its last hidden states.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True, slots=True)
class GroundingSize:
    """Size of the head.

    Args:
        language: width of the backbone's hidden states and merged visual tokens.
        width: width of the loop.
        heads: attention heads of the loop.
        rounds: R, loop rounds.
        detail: channels of the convolutional branch at strides 2, 4, 8 and 16.
        mask: channels of the mask dot product.
    """

    language: int = 192
    width: int = 128
    heads: int = 4
    rounds: int = 2
    detail: tuple[int, int, int, int] = (24, 40, 72, 112)
    mask: int = 32


@dataclass(frozen=True, slots=True)
class Grounding:
    """What the head gives for B pictures and K queries each.

    Args:
        mask_logits: (B, K, H/2, W/2) of the last round.
        coarse_logits: one (B, K, H/16, W/16) for each round.
        boxes: one (B, K, 4) for each round, (centre x, centre y, width, height) relative to the picture, 0 to 1.
        presence_logits: one (B, K) for each round.
    """

    mask_logits: Tensor
    coarse_logits: tuple[Tensor, ...]
    boxes: tuple[Tensor, ...]
    presence_logits: tuple[Tensor, ...]


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


class GroundingHead(nn.Module):
    """The closed loop. Shapes: B pictures, K queries (`<seg>` tokens), L language states, N = H/16 * W/16 pixels."""

    def __init__(self, size: GroundingSize) -> None:
        super().__init__()
        self.size = size
        width = size.width
        self.detail = DetailBranch(size.detail)
        self.decoder = DetailDecoder(width, size.detail, size.mask)
        self.pixel_from_vision = nn.Linear(size.language, width)
        self.pixel_from_detail = nn.Conv2d(size.detail[3], width, 1)
        self.pixel_norm = nn.LayerNorm(width)
        self.language_in = nn.Linear(size.language, width)
        self.language_norm = nn.LayerNorm(width)
        self.query_in = nn.Sequential(nn.Linear(size.language, width), nn.GELU(), nn.Linear(width, width))
        self.query_sees = CrossAttention(width, size.heads)
        self.query_reads = CrossAttention(width, size.heads)
        self.language_sees = CrossAttention(width, size.heads)
        self.pixel_reads = CrossAttention(width, size.heads)
        self.query_norm_1, self.query_norm_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.focus = nn.Parameter(torch.zeros(()))
        self.gate_language, self.gate_pixel = nn.Parameter(torch.zeros(())), nn.Parameter(torch.zeros(()))
        self.coarse_query = nn.Linear(width, width)
        self.fine_query = nn.Linear(width, size.mask)
        self.fine_bias = nn.Linear(width, 1)
        self.box = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, 4))
        self.presence = nn.Linear(width, 1)

    def forward(
        self, pictures: Tensor, vision: Tensor, language: Tensor, language_mask: Tensor, query: Tensor,
        rounds: int | None = None,
    ) -> Grounding:  # fmt: skip
        """Ground K queries in each picture.

        Args:
            pictures: (B, 3, H, W), normalised; H and W multiples of 32.
            vision: (B, h, w, D) merged visual tokens of the backbone.
            language: (B, L, D) last hidden states of the answer.
            language_mask: (B, L) bool, True where a state is there.
            query: (B, K, D) hidden states at the `<seg>` tokens.
            rounds: loop rounds; the head's own number when None.
        """
        detail = self.detail(pictures)
        height, width = detail[3].shape[-2:]
        pixels = self._pixels(detail[3], vision)
        states = self.language_norm(self.language_in(language))
        absent = torch.zeros_like(language_mask, dtype=states.dtype).masked_fill(~language_mask, float("-inf"))
        reads_bias = absent.unsqueeze(1)
        q = self.query_in(query)
        coarse: list[Tensor] = []
        boxes: list[Tensor] = []
        presences: list[Tensor] = []
        for index in range(rounds or self.size.rounds):
            if index:
                focus = functional.softplus(self.focus) * functional.logsigmoid(coarse[-1].detach().flatten(2))
                context = torch.cat([q, pixels], dim=1)
                states = states + self.gate_language * self.language_sees(states, context)
                bias = reads_bias.expand(-1, pixels.shape[1], -1)
                pixels = pixels + self.gate_pixel * self.pixel_reads(pixels, states, bias)
            else:
                focus = None
            q = self.query_norm_1(q + self.query_sees(q, pixels, focus))
            q = self.query_norm_2(q + self.query_reads(q, states, reads_bias.expand(-1, q.shape[1], -1)))
            scores = self.coarse_query(q) @ pixels.transpose(1, 2) / self.size.width**0.5
            coarse.append(scores.unflatten(2, (height, width)))
            boxes.append(self.box(q).sigmoid())
            presences.append(self.presence(q).squeeze(-1))
        grid = pixels.transpose(1, 2).unflatten(2, (height, width))
        features = self.decoder(grid, detail)
        mask = torch.einsum("bkc,bchw->bkhw", self.fine_query(q), features) + self.fine_bias(q).unsqueeze(-1)
        up = functional.interpolate(coarse[-1], size=mask.shape[-2:], mode="bilinear", align_corners=False)
        return Grounding(mask + up, tuple(coarse), tuple(boxes), tuple(presences))

    def _pixels(self, detail: Tensor, vision: Tensor) -> Tensor:
        """Loop features (B, N, d): the backbone's visual tokens at stride 16 plus the branch's coarsest map."""
        seen = self.pixel_from_vision(vision).permute(0, 3, 1, 2)
        seen = functional.interpolate(seen, size=detail.shape[-2:], mode="bilinear", align_corners=False)
        return self.pixel_norm((seen + self.pixel_from_detail(detail)).flatten(2).transpose(1, 2))
