"""The vision-language backbone: pictures and words in, Qwen's tensors out.

The small model is transformers' Qwen3-VL class at a small size, so everything here runs unchanged on the published
8B checkpoints. How pictures become patches is in `processing`, how words become tokens in `chat`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional

from wetread.model.chat import prompt_ids
from wetread.model.processing import normalise, patchify
from wetread.model.tokenizer import IMAGE_TOKEN, SEG_TOKEN, VIDEO_TOKEN, VISION_END, VISION_START

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast, Qwen3VLConfig

IMAGE_TYPE, VIDEO_TYPE = 1, 2
"""Values of mm_token_type_ids; 0 is text."""

__all__ = [
    "IMAGE_TYPE", "VIDEO_TYPE", "BackboneSize", "PatchProjection", "normalise", "patchify", "prompt_ids", "seg_id",
    "small_config", "with_fast_patches",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class BackboneSize:
    """Size of a small Qwen3-VL; defaults are wetread-mini's."""

    text_width: int = 192
    text_layers: int = 4
    text_heads: int = 4
    text_hidden: int = 576
    vision_width: int = 192
    vision_layers: int = 4
    vision_heads: int = 4
    vision_hidden: int = 576
    patch: int = 16
    merge: int = 2
    deepstack_layer: int = 1
    positions: int = 256


def small_config(tokenizer: PreTrainedTokenizerFast, size: BackboneSize) -> Qwen3VLConfig:
    """A Qwen3-VL configuration of the given size for this tokenizer."""
    from transformers import Qwen3VLConfig

    def token(name: str) -> int:
        return int(tokenizer.convert_tokens_to_ids(name))

    head = size.text_width // size.text_heads
    third = head // 2 // 3
    return Qwen3VLConfig(
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": size.text_width,
            "intermediate_size": size.text_hidden,
            "num_hidden_layers": size.text_layers,
            "num_attention_heads": size.text_heads,
            "num_key_value_heads": size.text_heads,
            "head_dim": head,
            "max_position_embeddings": 2048,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 10000.0,
                "mrope_section": [head // 2 - 2 * third, third, third],
                "mrope_interleaved": True,
            },
            "pad_token_id": tokenizer.pad_token_id,
            "eos_token_id": tokenizer.eos_token_id,
            "bos_token_id": None,
            "tie_word_embeddings": True,
        },
        vision_config={
            "depth": size.vision_layers,
            "hidden_size": size.vision_width,
            "intermediate_size": size.vision_hidden,
            "num_heads": size.vision_heads,
            "patch_size": size.patch,
            "temporal_patch_size": 1,
            "spatial_merge_size": size.merge,
            "out_hidden_size": size.text_width,
            "num_position_embeddings": size.positions,
            "deepstack_visual_indexes": [size.deepstack_layer],
        },
        image_token_id=token(IMAGE_TOKEN),
        video_token_id=token(VIDEO_TOKEN),
        vision_start_token_id=token(VISION_START),
        vision_end_token_id=token(VISION_END),
        tie_word_embeddings=True,
    )


class PatchProjection(nn.Module):
    """The patch embedding's convolution as the matrix product it is: stride and kernel are one patch.

    Three times as fast as Conv3d in float32 and five times in bfloat16 on a CPU core; parameters keep their names and
    shapes, so that files are read and written as before.
    """

    def __init__(self, convolution: nn.Conv3d) -> None:
        super().__init__()
        self.weight, self.bias = convolution.weight, convolution.bias

    def forward(self, patches: torch.Tensor) -> torch.Tensor:
        """(N, channels, time, rows, columns) of one patch each -> (N, width)."""
        return functional.linear(patches.flatten(1), self.weight.flatten(1), self.bias)


def with_fast_patches(backbone: PreTrainedModel) -> PreTrainedModel:
    """The same backbone, its patch embedding a `PatchProjection`."""
    embedding: Any = backbone.model.visual.patch_embed
    if isinstance(embedding.proj, nn.Conv3d):
        embedding.proj = PatchProjection(embedding.proj)
    return backbone


def seg_id(tokenizer: PreTrainedTokenizerFast) -> int:
    """Id of the `<seg>` token."""
    return int(tokenizer.convert_tokens_to_ids(SEG_TOKEN))
