"""Backbone and grounding head as one model: the forward pass that training and reading share.

Training and reading use the same path: encode the picture, run the language model over prompt and answer, take the
last hidden states, ground at every `<seg>`. Reading generates the answer first; the grounding pass over the finished
sequence is one prefill.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from wetread.model.backbone import IMAGE_TYPE, patchify

if TYPE_CHECKING:
    from transformers import Qwen3VLForConditionalGeneration

    from wetread.model.grounding import Classes, Grounding, GroundingHead


@dataclass(frozen=True, slots=True)
class Sequences:
    """A padded batch of prompt + answer.

    Args:
        ids: (B, S) token ids, right padded.
        present: (B, S) bool, False on padding.
        answer_start: (B,) index of the first answer token.
        seg_positions: (B, K) indices of the `<seg>` tokens; 0 where `seg_present` is False.
        seg_present: (B, K) bool.
    """

    ids: Tensor
    present: Tensor
    answer_start: Tensor
    seg_positions: Tensor
    seg_present: Tensor

    def to(self, device: torch.device) -> Sequences:
        """The same on another device."""
        return Sequences(*(part.to(device) for part in (self.ids, self.present, self.answer_start,
                                                        self.seg_positions, self.seg_present)))  # fmt: skip


def pad_sequences(rows: list[list[int]], starts: list[int], seg: int, pad: int) -> Sequences:
    """Right-pad token rows and find their `<seg>` tokens after `starts`."""
    found = [[i for i, t in enumerate(row) if t == seg and i >= start] for row, start in zip(rows, starts, strict=True)]
    return pad_marked(rows, starts, found, pad)


def pad_marked(rows: list[list[int]], starts: list[int], found: list[list[int]], pad: int) -> Sequences:
    """Right-pad token rows whose marks, the tokens to be grounded, are known."""
    length = max(len(row) for row in rows)
    ids = torch.full((len(rows), length), pad, dtype=torch.long)
    present = torch.zeros((len(rows), length), dtype=torch.bool)
    most = max(1, *(len(f) for f in found))
    positions = torch.zeros((len(rows), most), dtype=torch.long)
    seg_present = torch.zeros((len(rows), most), dtype=torch.bool)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = torch.tensor(row)
        present[i, : len(row)] = True
        positions[i, : len(found[i])] = torch.tensor(found[i], dtype=torch.long)
        seg_present[i, : len(found[i])] = True
    return Sequences(ids, present, torch.tensor(starts), positions, seg_present)


class GroundedModel(nn.Module):
    """A Qwen-VL backbone with the closed-loop head."""

    def __init__(self, backbone: Qwen3VLForConditionalGeneration, head: GroundingHead) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head

    @property
    def patch(self) -> int:
        """Patch side in pixels."""
        return int(self.backbone.config.vision_config.patch_size)

    @property
    def merge(self) -> int:
        """Patches merged per side."""
        return int(self.backbone.config.vision_config.spatial_merge_size)

    def encode(self, pictures: Tensor) -> tuple[Any, Tensor]:
        """Visual tokens of (B, 3, H, W) normalised pictures: transformers' encoder output and image_grid_thw."""
        temporal = int(self.backbone.config.vision_config.temporal_patch_size)
        values, grid = patchify(pictures, self.patch, self.merge, temporal)
        return self.backbone.model.get_image_features(values, grid), grid

    def vision_grid(self, encoded: Any, grid: Tensor) -> Tensor:
        """Merged visual tokens as (B, h, w, D)."""
        h, w = int(grid[0, 1]) // self.merge, int(grid[0, 2]) // self.merge
        return torch.stack(list(encoded.pooler_output)).unflatten(1, (h, w))

    def hidden_states(self, sequences: Sequences, encoded: Any, grid: Tensor) -> Tensor:
        """Last hidden states (B, S, D) of prompt and answer."""
        types = (sequences.ids == self.backbone.config.image_token_id).int() * IMAGE_TYPE
        return self.backbone.model(
            input_ids=sequences.ids,
            attention_mask=sequences.present.long(),
            mm_encoder_outputs={"image": encoded},
            image_grid_thw=grid,
            mm_token_type_ids=types,
            use_cache=False,
        ).last_hidden_state

    def ground(
        self, pictures: Tensor, sequences: Sequences, encoded: Any, grid: Tensor, hidden: Tensor, *,
        classes: Classes | None = None, stop_iou: float | None = None,
    ) -> Grounding:  # fmt: skip
        """Masks, boxes and presence at every `<seg>`; `classes.spans` are over the tokens from the first answer on."""
        positions = torch.arange(sequences.ids.shape[1], device=hidden.device)
        answer = sequences.present & (positions[None] >= sequences.answer_start[:, None])
        first = int(sequences.answer_start.min())
        rows = torch.arange(len(hidden), device=hidden.device)[:, None]
        query = hidden[rows, sequences.seg_positions]
        last = sequences.ids.shape[1] - 1  # where there is no `<seg>`: its residual is made, and never used
        places = torch.where(sequences.seg_present, sequences.seg_positions, last) - first
        return self.head(pictures, self.vision_grid(encoded, grid), hidden[:, first:], answer[:, first:], query,
                         classes=classes, seg_index=places, stop_iou=stop_iou)  # fmt: skip
