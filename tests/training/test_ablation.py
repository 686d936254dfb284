"""The ablation command: the same lessons for every variant, honest sentences, and no run made twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from wetread.errors import RefusedInput
from wetread.training.ablation import RESULT_FILE, ablate, read_ablation
from wetread.training.ablation_report import interval, paired, verdict

RECIPE = {
    "name": "test-model", "version": "0", "licence": "none", "seed": 1, "steps": 2, "batch": 2,
    "learning_rate": 1e-3, "warmup_steps": 1, "weight_decay": 0.01, "save_every": 2, "vocabulary": 320,
    "backbone": {"text_width": 48, "text_layers": 1, "text_heads": 2, "text_hidden": 64, "vision_width": 48,
                 "vision_layers": 2, "vision_heads": 2, "vision_hidden": 64},
    "head": {"width": 16, "heads": 2, "rounds": 2, "detail": [4, 4, 8, 8], "mask": 4, "write_back": True,
             "classes": True},
    "drawn_cells": 1.0, "drawn_uncovered": 0.0, "sets": [],
}  # fmt: skip


@pytest.fixture(autouse=True)
def _small_corpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wetread.training.sft.CORPUS_LESSONS", 20)


def ablation_file(folder: Path, **changes: object) -> Path:
    path = folder / "ablation.yaml"
    said = {
        "name": "A test", "json": str(folder / "out.json"), "card": str(folder / "out.md"), "seeds": [1],
        "measured": 4, "baseline": "whole loop", "variants": {"whole loop": {}, "open loop": {"rounds": 1}},
        "recipe": RECIPE | {"data": str(folder), "output": str(folder / "runs")},
    }  # fmt: skip
    path.write_text(yaml.safe_dump(said | changes, sort_keys=False))
    return path


def test_an_ablation_leaves_figures_a_table_and_a_plot_and_repeats_nothing(tmp_path: Path) -> None:
    config = ablation_file(tmp_path)
    card = ablate(config, report=lambda line: None)
    kept = json.loads((tmp_path / "out.json").read_text())
    assert [run["variant"] for run in kept["runs"]] == ["whole loop", "open loop"]
    whole, opened = (run["figures"] for run in kept["runs"])
    assert {"coarse_dice, round 1", "coarse_dice, round 2"} <= set(whole)
    assert "coarse_dice, round 2" not in opened
    assert {"dice", "box_iou", "presence_accuracy", "class_accuracy", "words_ce", "words_after_seg_ce"} <= set(opened)
    assert "| open loop |" in card.read_text()
    assert card.with_suffix(".png").stat().st_size > 0
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob(RESULT_FILE)}
    assert len(before) == 2
    ablate(config, report=lambda line: None)
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_a_run_folder_of_another_recipe_is_not_taken_for_this_one(tmp_path: Path) -> None:
    ablate(ablation_file(tmp_path, variants={"whole loop": {}}), report=lambda line: None)
    other = ablation_file(tmp_path, variants={"whole loop": {"rounds": 1}})
    with pytest.raises(RefusedInput, match="another recipe"):
        ablate(other, report=lambda line: None)


@pytest.mark.parametrize(
    ("change", "said"),
    [({"baseline": "none"}, "no baseline"), ({"variants": {"whole loop": {"turns": 2}}}, "does not fit"),
     ({"steps": 3}, "unknown")],
)  # fmt: skip
def test_a_wrong_ablation_is_refused_in_words(tmp_path: Path, change: dict[str, object], said: str) -> None:
    with pytest.raises(RefusedInput, match=said):
        read_ablation(ablation_file(tmp_path, **change))


def runs(**figures: list[float]) -> list[dict[str, Any]]:
    return [{"variant": name, "seed": seed, "figures": {"dice": value}}
            for name, values in figures.items() for seed, value in enumerate(values)]  # fmt: skip


def test_differences_are_paired_by_seed() -> None:
    results = runs(whole=[0.5, 0.7, 0.9], opened=[0.4, 0.6])
    assert paired(results, "opened", "whole", "dice") == pytest.approx([-0.1, -0.1])


def test_the_interval_is_students() -> None:
    low, high = interval([1.0, 2.0, 3.0]) or (0.0, 0.0)
    assert (low, high) == pytest.approx((2 - 4.302653 / 3**0.5, 2 + 4.302653 / 3**0.5), abs=1e-5)
    assert interval([1.0]) is None


@pytest.mark.parametrize(
    ("differences", "higher", "word"),
    [([0.1, 0.11, 0.1], True, "better"), ([0.1, 0.11, 0.1], False, "worse"), ([0.1, -0.1, 0.1], True, "undecided"),
     ([0.1, 0.1], True, "undecided"), ([0.4], True, "undecided")],
)  # fmt: skip
def test_only_an_interval_without_zero_is_called_a_difference(
    differences: list[float], higher: bool, word: str
) -> None:
    assert verdict(differences, higher_is_better=higher) == word
