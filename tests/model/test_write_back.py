"""Write-back: nothing changes while its gate is closed, and the words after the mask change when it is open."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from wetread.model.backbone import BackboneSize, normalise, prompt_ids, seg_id, small_config
from wetread.model.class_spans import class_spans, span_masks
from wetread.model.grounded import GroundedModel, Sequences, pad_sequences
from wetread.model.grounding import GroundingHead, GroundingSize
from wetread.model.tokenizer import SEG_TOKEN, train_tokenizer
from wetread.model.write_back import added_to_embeddings, spread, written_back

SMALL = BackboneSize(text_width=48, text_layers=1, text_heads=2, text_hidden=64, vision_width=48, vision_layers=2,
                     vision_heads=2, vision_hidden=64)  # fmt: skip
ANSWER = f'<think>\nA few.\n</think>\n[{{"label": "nuclei"}}{SEG_TOKEN}, {{"label": "liver"}}{SEG_TOKEN}] so it ends'


@pytest.fixture(scope="module")
def model() -> tuple[GroundedModel, object]:
    from transformers import Qwen3VLForConditionalGeneration

    tokenizer = train_tokenizer([ANSWER.replace(SEG_TOKEN, "")] * 4, 320)
    torch.manual_seed(0)
    config = small_config(tokenizer, SMALL)
    config._attn_implementation = "sdpa"
    size = GroundingSize(language=48, width=16, heads=2, rounds=2, detail=(4, 4, 8, 8), mask=4, write_back=True)
    return GroundedModel(Qwen3VLForConditionalGeneration(config), GroundingHead(size)).eval(), tokenizer


@torch.no_grad()
def two_passes(model: GroundedModel, tokenizer: object, gate: float) -> tuple[torch.Tensor, torch.Tensor, Sequences]:
    """Hidden states of the first and of the second pass over one answer."""
    model.head.gate_write.fill_(gate)
    prompt = prompt_ids(tokenizer, "What is this?", 64)
    answer = tokenizer(ANSWER, add_special_tokens=False)["input_ids"]
    sequences = pad_sequences([prompt + answer], [len(prompt)], seg_id(tokenizer), tokenizer.pad_token_id)
    pictures = normalise(np.random.default_rng(0).integers(0, 255, (1, 256, 256, 3), dtype=np.uint8))
    encoded, grid = model.encode(pictures)
    first = model.hidden_states(sequences, encoded, grid)
    residual = model.ground(pictures, sequences, encoded, grid, first).residual
    laid = spread(residual, sequences.seg_positions, sequences.seg_present, sequences.ids.shape[1])
    with added_to_embeddings(model.backbone, laid):
        second = model.hidden_states(sequences, encoded, grid)
    return first, second, sequences


def test_a_closed_gate_changes_nothing(model: tuple[GroundedModel, object]) -> None:
    first, second, _ = two_passes(*model, gate=0.0)
    assert torch.equal(first, second)


def test_an_open_gate_changes_the_words_after_the_mask_and_none_before(model: tuple[GroundedModel, object]) -> None:
    first, second, sequences = two_passes(*model, gate=0.8)
    seg = int(sequences.seg_positions[0, 0])
    assert torch.equal(first[:, : seg + 1], second[:, : seg + 1])
    logits = [model[0].backbone.lm_head(states[:, seg + 1 :]) for states in (first, second)]
    assert not torch.allclose(*logits, atol=1e-3)


@torch.no_grad()
def test_a_residual_knows_only_the_words_up_to_its_own_seg(model: tuple[GroundedModel, object]) -> None:
    head = model[0].head
    head.gate_write.fill_(1.0)
    torch.manual_seed(2)
    pictures, vision = torch.randn(1, 3, 64, 64), torch.randn(1, 2, 2, 48)
    language, mask = torch.randn(1, 9, 48), torch.ones(1, 9, dtype=torch.bool)
    index = torch.tensor([[3, 7]])

    def residual(states: torch.Tensor) -> torch.Tensor:
        return head(pictures, vision, states, mask, states[:, index[0]], seg_index=index).residual

    changed = language.clone()
    changed[:, 4:] = torch.randn(1, 5, 48)
    torch.testing.assert_close(residual(language)[:, 0], residual(changed)[:, 0])
    assert not torch.allclose(residual(language)[:, 1], residual(changed)[:, 1])


def test_tokens_carry_the_residual_of_the_last_seg_before_them() -> None:
    residual = torch.tensor([[[1.0], [2.0]], [[3.0], [float("nan")]]])
    laid = spread(residual, torch.tensor([[1, 3], [0, 0]]), torch.tensor([[True, True], [True, False]]), 6)
    assert laid[:, :, 0].tolist() == [[0, 0, 1, 1, 2, 2], [0, 3, 3, 3, 3, 3]]


@torch.no_grad()
def test_writing_word_by_word_equals_the_two_passes_up_to_the_second_seg(model: tuple[GroundedModel, object]) -> None:
    grounded, tokenizer = model
    _, second, sequences = two_passes(grounded, tokenizer, gate=0.8)
    pictures = normalise(np.random.default_rng(0).integers(0, 255, (1, 256, 256, 3), dtype=np.uint8))
    encoded, grid = grounded.encode(pictures)
    vision = grounded.vision_grid(encoded, grid)

    def ground(states: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
        there = torch.ones(states.shape[:2], dtype=torch.bool)
        return grounded.head(pictures, vision, states, there, states[:, place[0]], seg_index=place).residual

    prompt = int(sequences.answer_start[0])
    backbone, norm, states = grounded.backbone, grounded.backbone.model.language_model.norm, []
    hook = norm.register_forward_hook(lambda module, inputs, output: states.append(output[:, -1]))
    with written_back(backbone, seg_id(tokenizer), ground, norm=norm):
        types = (sequences.ids[:, :prompt] == backbone.config.image_token_id).int()
        out = backbone(input_ids=sequences.ids[:, :prompt], mm_encoder_outputs={"image": encoded}, image_grid_thw=grid,
                       mm_token_type_ids=types, use_cache=True)  # fmt: skip
        states.clear()
        for place in range(prompt, int(sequences.seg_positions[0, 1]) + 1):
            out = backbone(input_ids=sequences.ids[:, place : place + 1], past_key_values=out.past_key_values,
                           use_cache=True)  # fmt: skip
    hook.remove()
    written = torch.cat(states)
    torch.testing.assert_close(written, second[0, prompt : prompt + len(written)], atol=2e-4, rtol=1e-3)


def test_the_label_before_each_seg_is_found_token_for_token(model: tuple[GroundedModel, object]) -> None:
    tokenizer = model[1]
    answer = tokenizer(ANSWER, add_special_tokens=False)["input_ids"]
    spans = class_spans(tokenizer, answer, seg_id(tokenizer))
    assert [tokenizer.decode(answer[a:b]).strip('" ') for a, b in spans] == ["nuclei", "liver"]
    masks = span_masks([spans, []], queries=3, length=len(answer))
    assert masks.sum(-1).tolist() == [[b - a for a, b in spans] + [0], [0, 0, 0]]


def test_a_seg_without_a_label_has_an_empty_span(model: tuple[GroundedModel, object]) -> None:
    tokenizer = model[1]
    assert class_spans(tokenizer, tokenizer(f"so {SEG_TOKEN}", add_special_tokens=False)["input_ids"],
                       seg_id(tokenizer))[0] == (0, 0)  # fmt: skip


def test_the_defaults_keep_the_shipped_weights_names() -> None:
    plain = set(GroundingHead(GroundingSize()).state_dict())
    more = set(GroundingHead(dataclasses.replace(GroundingSize(), write_back=True, classes=True)).state_dict())
    assert more - plain == {"write_out.weight", "write_out.bias", "gate_write", "class_out.weight", "class_out.bias",
                            "label_in.weight", "label_in.bias"}  # fmt: skip
