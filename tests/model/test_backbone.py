"""The small backbone is transformers' Qwen3-VL, and the patches are Qwen's own."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tiny_checkpoints import tiny_config, tiny_tokenizer
from wetread.model.backbone import BackboneSize, normalise, patchify, small_config, with_fast_patches
from wetread.model.tokenizer import train_tokenizer


@pytest.mark.parametrize(("rows", "columns"), [(256, 256), (96, 160)])
def test_patches_equal_those_of_qwens_image_processor(rows: int, columns: int) -> None:
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    picture = np.random.default_rng(0).integers(0, 256, (rows, columns, 3), dtype=np.uint8)
    processor = Qwen2VLImageProcessorPil(
        patch_size=16, merge_size=2, temporal_patch_size=2, image_mean=[0.5] * 3, image_std=[0.5] * 3, do_resize=False
    )
    theirs = processor(picture, return_tensors="pt")
    ours, grid = patchify(normalise(picture[None]), patch=16, merge=2, temporal=2)
    assert torch.equal(grid, theirs["image_grid_thw"])
    torch.testing.assert_close(ours, theirs["pixel_values"].float(), atol=1e-6, rtol=0)


def test_digits_are_single_tokens_and_any_text_round_trips() -> None:
    tokenizer = train_tokenizer(["boxes like [12, 345, 678, 1000] and words"] * 5, 400)
    text = "größe ≈ −820 HU [12, 345]"
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(ids) == text
    assert len(tokenizer("1000", add_special_tokens=False)["input_ids"]) == 4


def test_the_configuration_builds_and_rope_sections_fill_the_head() -> None:
    from transformers import Qwen3VLForConditionalGeneration

    size = BackboneSize(text_width=96, text_layers=1, vision_width=96, vision_layers=2)
    config = small_config(train_tokenizer(["abc"], 300), size)
    model = Qwen3VLForConditionalGeneration(config)
    section = config.text_config.rope_parameters["mrope_section"]
    assert sum(section) == config.text_config.head_dim // 2
    assert model.lm_head.weight is model.model.language_model.embed_tokens.weight


@pytest.mark.parametrize("family", ["qwen2_vl", "qwen2_5_vl", "qwen3_vl"])
@torch.inference_mode()
def test_patches_multiplied_equal_patches_convolved_and_weights_keep_their_names(family: str) -> None:
    from transformers import AutoModelForImageTextToText

    backbone = AutoModelForImageTextToText.from_config(tiny_config(family, tiny_tokenizer(family)))
    embedding = backbone.model.visual.patch_embed
    patches = torch.randn(12, 3 * 2 * embedding.patch_size**2)
    convolved, before = embedding(patches), {name: value.shape for name, value in backbone.state_dict().items()}
    torch.testing.assert_close(with_fast_patches(backbone).model.visual.patch_embed(patches), convolved)
    assert {name: value.shape for name, value in backbone.state_dict().items()} == before
