"""The closed-loop grounding head: from the language state at `<seg>` to a mask, a box, a presence and a class.

RCMed (arXiv 2505.03380) publishes the loop as a figure only; the equations are ours (docs/model.md): for
rounds r = 1..R with shared weights, the query looks at the pixels through its last mask (soft masked attention),
vision informs the language states, language guides the pixel features, and the query reads the language. Both
feedback gates start at zero, so round 1 is the open-loop baseline. What the loop has seen can be written back: a
residual on the embeddings of the words that follow a `<seg>` (`write_back`). One head serves every backbone: it
needs only the backbone's merged visual tokens and its last hidden states.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from wetread.model.grounding_layers import CrossAttention, DetailBranch, DetailDecoder

CLASS_TEMPERATURE = 0.07


@dataclass(frozen=True, slots=True)
class GroundingSize:
    """Size of the head, and which ways of the loop are open.

    Args:
        language: width of the backbone's hidden states and merged visual tokens.
        width: width of the loop.
        heads: attention heads of the loop.
        rounds: R, loop rounds.
        detail: channels of the convolutional branch at strides 2, 4, 8 and 16.
        mask: channels of the mask dot product.
        vision_to_language: after round 1 the language states look at queries and pixels.
        language_to_vision: after round 1 the pixel features read the language states.
        write_back: the head has weights that write what it saw back to the following words.
        classes: the head has weights that compare the class's words with label texts.
    """

    language: int = 192
    width: int = 128
    heads: int = 4
    rounds: int = 2
    detail: tuple[int, int, int, int] = (24, 40, 72, 112)
    mask: int = 32
    vision_to_language: bool = True
    language_to_vision: bool = True
    write_back: bool = False
    classes: bool = False


@dataclass(frozen=True, slots=True)
class Classes:
    """What a class is judged by.

    Args:
        spans: (B, K, L) bool, True on the states of the words that name the object of each `<seg>`.
        labels: (C, D) text embeddings of the labels that it can be.
    """

    spans: Tensor
    labels: Tensor


@dataclass(frozen=True, slots=True)
class Grounding:
    """What the head gives for B pictures and K queries each.

    Args:
        mask_logits: (B, K, H/2, W/2) of the last round.
        coarse_logits: one (B, K, H/16, W/16) for each round.
        boxes: one (B, K, 4) for each round, (centre x, centre y, width, height) relative to the picture, 0 to 1.
        presence_logits: one (B, K) for each round.
        class_logits: one (B, K, C) for each round, cosine over temperature; empty where no classes were given.
        residual: (B, K, D) what each `<seg>` writes back; None where the head or the caller wants none.
        fine_logits: like `mask_logits`, one for each round, where every round was asked for; else empty.
        rounds: (B,) rounds that were run before the mask stood still; the values of a picture that stopped early
            are repeated in the rounds after.
    """

    mask_logits: Tensor
    coarse_logits: tuple[Tensor, ...]
    boxes: tuple[Tensor, ...]
    presence_logits: tuple[Tensor, ...]
    class_logits: tuple[Tensor, ...] = ()
    residual: Tensor | None = None
    fine_logits: tuple[Tensor, ...] = ()
    rounds: Tensor | None = None


class _Loop(NamedTuple):
    """State of the loop for some pictures: what a round reads and what it leaves behind.

    Args:
        pixels: (B, N, d) pixel features.
        states: (B, L, d) language states.
        query: (B, K, d).
        coarse: (B, K, N) mask logits of the round before; zeros before the first.
        may_read: (B, K, L) additive bias, 0 where query k may read state l, else -inf.
    """

    pixels: Tensor
    states: Tensor
    query: Tensor
    coarse: Tensor
    may_read: Tensor

    def rows(self, index: Tensor) -> _Loop:
        """The state of some of the pictures."""
        return _Loop(*(part[index] for part in self))

    def with_rows(self, index: Tensor, other: _Loop) -> _Loop:
        """The state in which the rows at `index` are those of `other`."""
        return _Loop(*(mine.index_copy(0, index, new) for mine, new in zip(self, other, strict=True)))


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
        # What an older head does not have comes last and only where it is wanted, so its weights load strictly.
        if size.classes:
            self.class_out, self.label_in = nn.Linear(width, width), nn.Linear(size.language, width)
        if size.write_back:
            self.write_out = nn.Linear(width, size.language)
            self.gate_write = nn.Parameter(torch.zeros(()))

    def forward(
        self, pictures: Tensor, vision: Tensor, language: Tensor, language_mask: Tensor, query: Tensor,
        rounds: int | None = None, *, classes: Classes | None = None, seg_index: Tensor | None = None,
        stop_iou: float | None = None, every_fine: bool = False,
    ) -> Grounding:  # fmt: skip
        """Ground K queries in each picture.

        Args:
            pictures: (B, 3, H, W), normalised; H and W multiples of 32.
            vision: (B, h, w, D) merged visual tokens of the backbone.
            language: (B, L, D) last hidden states of the answer.
            language_mask: (B, L) bool, True where a state is there.
            query: (B, K, D) hidden states at the `<seg>` tokens.
            rounds: loop rounds; the head's own number when None.
            classes: judge classes as well; needs a head with `classes`.
            seg_index: (B, K) place of each `<seg>` among the L states; with it, a head with `write_back` gives the
                residuals.
            stop_iou: a picture stops when no mask of it changed more than this between two rounds; None runs all.
            every_fine: give the fine mask of every round, at the price of one decoder pass for each.
        """
        detail = self.detail(pictures)
        height, width = detail[3].shape[-2:]
        states = self.language_norm(self.language_in(language))
        absent = torch.zeros_like(language_mask, dtype=states.dtype).masked_fill(~language_mask, float("-inf"))
        q, pixels = self.query_in(query), self._pixels(detail[3], vision)
        loop = _Loop(pixels, states, q, q.new_zeros(*q.shape[:2], pixels.shape[1]),
                     absent.unsqueeze(1).expand(-1, q.shape[1], -1))  # fmt: skip
        residual = self._residual(loop, seg_index) if self.size.write_back and seg_index is not None else None
        active, run = torch.arange(len(q), device=q.device), torch.zeros(len(q), dtype=torch.long, device=q.device)
        rounds_seen: list[_Loop] = []
        fine: list[Tensor] = []
        for index in range(rounds or self.size.rounds):
            if index > 1 and stop_iou is not None:
                agree = mask_agreement(rounds_seen[-1].coarse, rounds_seen[-2].coarse).amin(1)
                active = active[agree[active] <= stop_iou]
                if not len(active):
                    break
            whole = len(active) == len(q)
            new = self._round(loop if whole else loop.rows(active), first=index == 0)
            loop = new if whole else loop.with_rows(active, new)
            run = run.index_fill(0, active, index + 1)
            rounds_seen.append(loop)
            if every_fine:
                fine.append(self._fine(loop, detail, (height, width)))
        mask = fine[-1] if fine else self._fine(loop, detail, (height, width))
        return Grounding(
            mask,
            tuple(seen.coarse.unflatten(2, (height, width)) for seen in rounds_seen),
            tuple(self.box(seen.query).sigmoid() for seen in rounds_seen),
            tuple(self.presence(seen.query).squeeze(-1) for seen in rounds_seen),
            tuple(self._classes(seen.states, classes) for seen in rounds_seen) if classes is not None else (),
            residual,
            tuple(fine),
            run,
        )

    def _round(self, loop: _Loop, *, first: bool) -> _Loop:
        """One round: feedback (not in the first), then the query looks and reads, then the coarse mask."""
        pixels, states, q, may_read = loop.pixels, loop.states, loop.query, loop.may_read
        focus = None
        if not first:
            focus = functional.softplus(self.focus) * functional.logsigmoid(loop.coarse.detach())
            if self.size.vision_to_language:
                context = torch.cat([q, pixels], dim=1)
                states = states + self.gate_language * self.language_sees(states, context)
            if self.size.language_to_vision:
                # Pixels are shared by the queries: they read what every query may read.
                shared = may_read.amin(1, keepdim=True).expand(-1, pixels.shape[1], -1)
                pixels = pixels + self.gate_pixel * self.pixel_reads(pixels, states, shared)
        q = self.query_norm_1(q + self.query_sees(q, pixels, focus))
        q = self.query_norm_2(q + self.query_reads(q, states, may_read))
        scores = self.coarse_query(q) @ pixels.transpose(1, 2) / self.size.width**0.5
        return _Loop(pixels, states, q, scores, may_read)

    def _fine(self, loop: _Loop, detail: list[Tensor], grid: tuple[int, int]) -> Tensor:
        """Mask logits (B, K, H/2, W/2): decoder features times the query, plus the coarse mask."""
        features = self.decoder(loop.pixels.transpose(1, 2).unflatten(2, grid), detail)
        mask = torch.einsum("bkc,bchw->bkhw", self.fine_query(loop.query), features)
        mask = mask + self.fine_bias(loop.query).unsqueeze(-1)
        coarse = loop.coarse.unflatten(2, grid)
        return mask + functional.interpolate(coarse, size=mask.shape[-2:], mode="bilinear", align_corners=False)

    def _residual(self, loop: _Loop, seg_index: Tensor) -> Tensor:
        """(B, K, D): what each `<seg>` writes back, from its own loop over nothing but the words up to it.

        The words after a `<seg>` are not known when it is written, and the other objects' queries may be such
        words; so every query runs as a picture of its own.
        """
        batch, count = seg_index.shape
        places = torch.arange(loop.states.shape[1], device=seg_index.device)
        later = places > seg_index.unsqueeze(-1)
        alone = _Loop(
            loop.pixels.repeat_interleave(count, 0), loop.states.repeat_interleave(count, 0),
            loop.query.flatten(0, 1).unsqueeze(1), loop.coarse.flatten(0, 1).unsqueeze(1),
            loop.may_read.masked_fill(later, float("-inf")).flatten(0, 1).unsqueeze(1),
        )  # fmt: skip
        for index in range(self.size.rounds):
            alone = self._round(alone, first=index == 0)
        rows = torch.arange(batch * count, device=seg_index.device)
        seen = alone.states[rows, seg_index.flatten()] + alone.query.squeeze(1)
        return (self.gate_write * self.write_out(seen)).unflatten(0, (batch, count))

    def _classes(self, states: Tensor, classes: Classes) -> Tensor:
        """(B, K, C): cosine of the class span's mean state with every label's text, over the temperature."""
        spans = classes.spans.to(states.dtype)
        named = self.class_out(spans @ states / spans.sum(-1, keepdim=True).clamp(min=1))
        labels = functional.normalize(self.label_in(classes.labels), dim=-1)
        return functional.normalize(named, dim=-1) @ labels.T / CLASS_TEMPERATURE

    def _pixels(self, detail: Tensor, vision: Tensor) -> Tensor:
        """Loop features (B, N, d): the backbone's visual tokens at stride 16 plus the branch's coarsest map."""
        seen = self.pixel_from_vision(vision).permute(0, 3, 1, 2)
        seen = functional.interpolate(seen, size=detail.shape[-2:], mode="bilinear", align_corners=False)
        return self.pixel_norm((seen + self.pixel_from_detail(detail)).flatten(2).transpose(1, 2))


def mask_agreement(first: Tensor, second: Tensor) -> Tensor:
    """(B, K) IoU of the masks of two rounds from their (B, K, N) logits; two empty masks agree."""
    a, b = first > 0, second > 0
    union = (a | b).sum(-1)
    return torch.where(union > 0, (a & b).sum(-1) / union.clamp(min=1), torch.ones_like(union, dtype=first.dtype))
