"""The vision-language backbone: pictures and words in, Qwen's tensors out.

The small model is transformers' Qwen3-VL class at a small size, so everything here runs unchanged on the published
8B checkpoints. Pixels are cut into patches in the order of Qwen's image processor (merge blocks first; parity is
tested against `Qwen2VLImageProcessorPil`); torchvision is never needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from wetread.model.tokenizer import IMAGE_TOKEN, SEG_TOKEN, VIDEO_TOKEN, VISION_END, VISION_START

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from transformers import PreTrainedTokenizerFast, Qwen3VLConfig

PIXEL_MEAN, PIXEL_STD = 0.5, 0.5
IMAGE_TYPE = 1


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


def patchify(pictures: torch.Tensor, patch: int, merge: int, temporal: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    """Pictures to Qwen's flattened patches.

    Args:
        pictures: (B, 3, H, W) float, already normalised; H and W multiples of patch * merge.
        patch: patch side in pixels.
        merge: patches merged per side into one visual token.
        temporal: temporal patch size; the picture is repeated that often.

    Returns:
        pixel_values (B * h * w, 3 * temporal * patch * patch) and image_grid_thw (B, 3).
    """
    batch, channels, height, width = pictures.shape
    h, w = height // patch, width // patch
    cut = pictures.reshape(batch, channels, h // merge, merge, patch, w // merge, merge, patch)
    cut = cut.permute(0, 2, 5, 3, 6, 1, 4, 7)
    cut = cut.unsqueeze(6).expand(-1, -1, -1, -1, -1, -1, temporal, -1, -1)
    grid = torch.tensor([[1, h, w]], dtype=torch.long, device=pictures.device).repeat(batch, 1)
    return cut.reshape(batch * h * w, -1), grid


def normalise(pictures: NDArray[np.uint8]) -> torch.Tensor:
    """(B, H, W, 3) uint8 -> (B, 3, H, W) float in [-1, 1], Qwen3-VL's mean and std of 0.5."""
    return (torch.tensor(pictures).permute(0, 3, 1, 2).float() / 255.0 - PIXEL_MEAN) / PIXEL_STD


def prompt_ids(tokenizer: PreTrainedTokenizerFast, text: str, visual_tokens: int) -> list[int]:
    """Token ids of one user turn with one picture, up to and including the assistant's opening."""
    harmless = text.replace("<|", "< |").replace(SEG_TOKEN, "< seg >")  # a question can never write control tokens
    messages = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": harmless}]}]
    rendered = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    rendered = rendered.replace(IMAGE_TOKEN, IMAGE_TOKEN * visual_tokens)
    return list(tokenizer(rendered, add_special_tokens=False)["input_ids"])


def seg_id(tokenizer: PreTrainedTokenizerFast) -> int:
    """Id of the `<seg>` token."""
    return int(tokenizer.convert_tokens_to_ids(SEG_TOKEN))
