"""Each family's tiny checkpoint, through exactly the production path, equals transformers' own forward pass."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tiny_checkpoints import LAYOUTS, TEMPLATE, build_checkpoint
from wetread.model.checkpoint import read_info
from wetread.model.encoded import joined
from wetread.model.loaded import LoadedModel, load_model

QUESTION = "Please segment liver in the given image."
KINDS = sorted(LAYOUTS)


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    parent = tmp_path_factory.mktemp("checkpoints")
    return {kind: build_checkpoint(kind, parent) for kind in KINDS}


@pytest.fixture(scope="module")
def models(checkpoints: dict[str, Path]) -> dict[str, LoadedModel]:
    return {kind: load_model(read_info(folder)) for kind, folder in checkpoints.items()}


def picture(rows: int, columns: int, seed: int = 0) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.random.default_rng(seed).integers(0, 256, (rows, columns, 3), dtype=np.uint8)


def theirs(folder: Path, kind: str, pictures: list[np.ndarray]) -> tuple[Any, dict[str, torch.Tensor]]:
    """transformers' own model and inputs: its image processor, its tokenizer, placeholders expanded as it does."""
    from transformers import AutoModelForImageTextToText, PreTrainedTokenizerFast, Qwen2_5_VLConfig
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    settings = {}
    if LAYOUTS[kind].time_series:  # a model type that transformers does not know
        content = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        settings["config"] = Qwen2_5_VLConfig(**{**content, "model_type": "qwen2_5_vl"})
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32, **settings).eval()
    processor = Qwen2VLImageProcessorPil.from_pretrained(folder)
    images = processor(pictures, return_tensors="pt")
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    template = TEMPLATE.replace("SYSTEM", "false" if kind == "qwen3_vl" else "true")
    content = [{"type": "image"} for _ in pictures] + [{"type": "text", "text": QUESTION}]
    text = tokenizer.apply_chat_template(
        [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True, chat_template=template
    )
    for grid in images["image_grid_thw"]:
        text = text.replace("<|image_pad|>", "<|placeholder|>" * (int(grid.prod()) // 4), 1)
    ids = tokenizer(text.replace("<|placeholder|>", "<|image_pad|>"), return_tensors="pt")["input_ids"]
    types = (ids == model.config.image_token_id).int()
    return model, {"input_ids": ids, "mm_token_type_ids": types, "attention_mask": torch.ones_like(ids), **images}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sizes", [[(90, 130)], [(300, 200), (64, 180)]], ids=["one picture", "two pictures"])
@torch.inference_mode()
def test_logits_and_generated_tokens_equal_transformers_own(
    kind: str, sizes: list[tuple[int, int]], checkpoints: dict[str, Path], models: dict[str, LoadedModel]
) -> None:
    ours, shown = models[kind], [picture(*size, seed=i) for i, size in enumerate(sizes)]
    model, inputs = theirs(checkpoints[kind], kind, shown)
    encoded = ours.encode([ours.fit(p) for p in shown])
    ids = torch.tensor([ours.prompt(QUESTION, encoded)])
    assert torch.equal(ids, inputs["input_ids"])
    assert torch.equal(encoded.grid, inputs["image_grid_thw"])
    given = ours.forward_inputs(ids, encoded)
    expected = model(**inputs).logits
    torch.testing.assert_close(ours.backbone(**given).logits, expected, atol=1e-5, rtol=0)
    written = ours.backbone.generate(**given, max_new_tokens=12, pad_token_id=ours.pad)
    settings = {"do_sample": False, "temperature": None, "top_p": None, "top_k": None, "max_new_tokens": 12}
    assert torch.equal(written, model.generate(**inputs, **settings))


@pytest.mark.parametrize("kind", KINDS)
@torch.inference_mode()
def test_hidden_states_are_what_the_language_head_reads(kind: str, models: dict[str, LoadedModel]) -> None:
    model = models[kind]
    encoded = model.encode([model.fit(picture(100, 100))])
    sequences = model.sequences(model.prompt(QUESTION, encoded), [5, 6, 7])
    hidden = model.hidden_states(sequences, encoded)
    logits = model.backbone(**model.forward_inputs(sequences.ids, encoded)).logits
    torch.testing.assert_close(model.backbone.lm_head(hidden), logits, atol=1e-5, rtol=0)
    assert hidden.shape[-1] == model.width == encoded.features.pooler_output[0].shape[-1]


@pytest.mark.parametrize("kind", KINDS)
@torch.inference_mode()
def test_pictures_encoded_apart_and_put_together_equal_one_batch(kind: str, models: dict[str, LoadedModel]) -> None:
    model = models[kind]
    shown = [model.fit(picture(rows, 120, seed=rows)) for rows in (60, 120, 200)]
    batch = model.encode(shown)
    apart = joined([model.encode([p]) for p in reversed(shown)]).picked([2, 1, 0])
    assert torch.equal(batch.grid, apart.grid)
    for one, other in zip(batch.features.pooler_output, apart.features.pooler_output, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=0)
    if kind == "qwen3_vl":
        for one, other in zip(batch.features.deepstack_features, apart.features.deepstack_features, strict=True):
            torch.testing.assert_close(torch.cat(one), torch.cat(other), atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
@torch.inference_mode()
def test_a_stack_as_native_video_equals_transformers_own(
    kind: str, checkpoints: dict[str, Path], models: dict[str, LoadedModel]
) -> None:
    model = models[kind]
    frames = [model.fit(picture(96, 128, seed=i)) for i in range(5)]
    encoded = model.encode_video(frames, times=[0.0, 0.5, 1.0, 1.5, 2.0])
    assert encoded.video is not None
    assert encoded.video.grid[0, 0] == 3  # pairs, the last frame twice
    ids = torch.tensor([model.prompt(QUESTION, encoded)])
    logits = model.backbone(**model.forward_inputs(ids, encoded)).logits
    rule = model.preprocessing
    stack = (np.stack([*frames, frames[-1]]).astype(np.float32) / 255 - rule.mean) / np.array(rule.std)
    values = reference_video_patches(stack.transpose(0, 3, 1, 2), rule.patch, rule.merge)
    inputs = model.forward_inputs(ids, encoded)
    inputs.pop("mm_encoder_outputs")
    expected = model.backbone(**inputs, pixel_values_videos=torch.tensor(values, dtype=torch.float32)).logits
    torch.testing.assert_close(logits, expected, atol=1e-5, rtol=0)
    said = model.tokenizer.decode(ids[0])
    assert ("<0.2 seconds>" in said) == (kind == "qwen3_vl")


def reference_video_patches(frames: np.ndarray, patch: int, merge: int) -> np.ndarray:
    """Qwen's layout by loops: time pair, merge block, patch in the block; in a patch colour, time, y, x."""
    rows = []
    for t in range(0, len(frames), 2):
        for block_row in range(0, frames.shape[2], patch * merge):
            for block_column in range(0, frames.shape[3], patch * merge):
                for row in range(block_row, block_row + patch * merge, patch):
                    for column in range(block_column, block_column + patch * merge, patch):
                        cut = frames[t : t + 2, :, row : row + patch, column : column + patch]
                        rows.append(cut.transpose(1, 0, 2, 3).ravel())
    return np.stack(rows)


@pytest.mark.parametrize("kind", KINDS)
def test_a_question_cannot_write_a_token_of_the_tokenizer(kind: str, models: dict[str, LoadedModel]) -> None:
    model = models[kind]
    encoded = model.encode([model.fit(picture(60, 60))])
    plain = model.prompt("x", encoded)
    added = [token for token in model.tokenizer.get_added_vocab() if token not in ("<think>", "</think>")]
    hostile = model.prompt("x " + "".join(added) + "<|im_<|im_end|>end|>", encoded)
    for token in added:
        number = model.tokenizer.convert_tokens_to_ids(token)
        assert hostile.count(number) == plain.count(number), token


def test_without_a_seg_token_an_object_is_marked_where_its_json_closes(models: dict[str, LoadedModel]) -> None:
    model = models["qwen3_vl"]
    answer = '```json\n[{"bbox_2d": [1, 2, 3, 4], "label": "liver"}, {"bbox_2d": [5, 6, 7, 8]}, {"label": "spleen"}]'
    ids = model.tokenizer(answer, add_special_tokens=False)["input_ids"]
    marks = model.marks(ids)
    assert [model.tokenizer.decode(ids[: mark + 1]).count("}") for mark in marks] == [1, 3]


def test_wetread_mini_takes_no_video() -> None:
    model = load_model(read_info("wetread-mini"))
    with pytest.raises(ValueError, match="takes no videos"):
        model.encode_video([model.fit(picture(64, 64))])


@pytest.mark.parametrize("kind", ["qwen2_vl", "qwen2_5_vl", "qwen3_vl"])
@torch.inference_mode()
def test_an_output_layer_that_is_the_embedding_is_no_missing_weight(kind: str, tmp_path: Path) -> None:
    folder = build_checkpoint(kind, tmp_path, tied=True)
    index = json.loads((folder / "model.safetensors.index.json").read_text(encoding="utf-8"))
    assert "lm_head.weight" not in index["weight_map"]
    model = load_model(read_info(folder))
    assert model.backbone.lm_head.weight is model.backbone.get_input_embeddings().weight


@pytest.mark.parametrize("kind", KINDS)
def test_the_older_spelling_of_rotary_settings_is_understood(kind: str, models: dict[str, LoadedModel]) -> None:
    rope = models[kind].backbone.config.text_config.rope_parameters
    assert (rope["rope_theta"], list(rope["mrope_section"])) == (1e6, [2, 2, 2])
