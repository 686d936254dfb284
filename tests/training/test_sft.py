"""Supervised training: every loss against a hand-made number, and a resumed run equals an uninterrupted one."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
import yaml
from torch.nn import functional

from wetread.errors import RefusedInput
from wetread.model.checkpoint import load_model, read_info
from wetread.training.grounding_losses import box_loss, mask_loss
from wetread.training.recipe import read_recipe
from wetread.training.sft import METRICS_FILE, schedule, train

RECIPE = {
    "name": "test-model", "version": "0", "licence": "CC0-1.0", "seed": 3, "steps": 4, "batch": 2,
    "learning_rate": 1e-3, "warmup_steps": 2, "weight_decay": 0.01, "save_every": 2, "vocabulary": 320,
    "backbone": {"text_width": 48, "text_layers": 1, "text_heads": 2, "text_hidden": 64, "vision_width": 48,
                 "vision_layers": 2, "vision_heads": 2, "vision_hidden": 64},
    "head": {"width": 16, "heads": 2, "rounds": 2, "detail": [4, 4, 8, 8], "mask": 4},
    "drawn_cells": 0.8, "drawn_uncovered": 0.2, "sets": [],
}  # fmt: skip


@pytest.fixture(autouse=True)
def _small_corpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wetread.training.sft.CORPUS_LESSONS", 20)


def recipe_file(folder: Path, name: str, **changes: object) -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(RECIPE | {"data": str(folder), "output": str(folder / name)} | changes))
    return path


def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path: Path) -> None:
    whole, pieces = recipe_file(tmp_path, "whole"), recipe_file(tmp_path, "pieces")
    straight = train(whole, report=lambda line: None)
    train(pieces, report=lambda line: None, steps=2)
    resumed = train(pieces, report=lambda line: None)
    assert read_info(straight).weights_sha256 == read_info(resumed).weights_sha256
    metrics = [(folder.parent / METRICS_FILE).read_text() for folder in (straight, resumed)]
    assert metrics[0] == metrics[1]
    assert [json.loads(line)["step"] for line in metrics[0].splitlines()] == [1, 2, 3, 4]


def test_a_saved_model_loads_and_says_what_it_is(tmp_path: Path) -> None:
    folder = train(recipe_file(tmp_path, "run", steps=1), report=lambda line: None)
    info = read_info(folder)
    model, tokenizer = load_model(info)
    assert (info.name, info.side) == ("test-model", 256)
    assert len(tokenizer) <= 320
    assert not model.training


def test_mask_loss_is_two_bce_and_half_dice() -> None:
    logits = torch.tensor([[[2.0, -1.0], [0.0, 3.0]]])
    truth = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
    p = logits.sigmoid()
    dice = 1 - (2 * (p * truth).sum() + 1) / (p.square().sum() + 2 + 1)
    expected = 2 * functional.binary_cross_entropy(p, truth) + 0.5 * dice
    torch.testing.assert_close(mask_loss(logits, truth), expected)


def test_an_empty_truth_counts_in_the_bce_only() -> None:
    logits = torch.tensor([[[0.0, 0.0], [0.0, 0.0]]])
    assert float(mask_loss(logits, torch.zeros(1, 2, 2))) == pytest.approx(2 * math.log(2))


def test_box_loss_of_equal_boxes_is_zero_and_of_shifted_ones_by_hand() -> None:
    box = torch.tensor([[0.5, 0.5, 0.2, 0.2]])
    assert float(box_loss(box, box)) == pytest.approx(0.0, abs=1e-6)
    shifted = torch.tensor([[0.6, 0.5, 0.2, 0.2]])
    iou = 0.02 / 0.06
    giou = iou - (0.06 - 0.06) / 0.06
    assert float(box_loss(shifted, box)) == pytest.approx(5 * 0.1 / 4 + 2 * (1 - giou), abs=1e-5)


def test_the_schedule_warms_up_and_ends_low(tmp_path: Path) -> None:
    recipe = read_recipe(recipe_file(tmp_path, "any", steps=100, warmup_steps=10))
    assert schedule(0, recipe) == pytest.approx(0.1)
    assert schedule(10, recipe) == pytest.approx(1.0)
    assert schedule(100, recipe) == pytest.approx(0.02)


@pytest.mark.parametrize(
    ("change", "said"),
    [({"stepz": 1}, "unknown"), ({"sets": [{"folder": "x", "weight": 1, "labels": ["unicorn"]}]}, "unicorn"),
     ({"sets": [{"folder": "x"}]}, "does not fit"), ({"steps": 0}, "steps is a whole number of 1 or more"),
     ({"batch": 1.5}, "batch is a whole number"), ({"learning_rate": "1e-3"}, "learning_rate is a number"),
     ({"head": {"zz": 1}}, "zz"), ({"head": [1]}, "does not fit")],
)  # fmt: skip
def test_a_wrong_recipe_is_refused_in_words(tmp_path: Path, change: dict[str, object], said: str) -> None:
    with pytest.raises(RefusedInput, match=said):
        read_recipe(recipe_file(tmp_path, "wrong", **change))
