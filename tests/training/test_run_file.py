"""A run file is refused in one line: which key, where, what was found, what is allowed."""

from pathlib import Path

import pytest

from wetread.errors import RefusedInput
from wetread.training.drpo_config import DRPOConfig
from wetread.training.run_file import read_run_file

GOOD = """\
name: x
output: runs/x
model:
  start: wetread-mini
data:
  kind: drawn
rollouts:
  each: 5
optimiser:
  steps: 3
  learning_rate: 1e-6
"""
RECIPES = sorted((Path(__file__).parents[2] / "core/wetread/training/recipes").glob("drpo*.yaml"))


def read(tmp_path, text):
    path = tmp_path / "run.yaml"
    path.write_text(text)
    return read_run_file(path, DRPOConfig)


def test_a_good_file_and_its_defaults(tmp_path):
    config = read(tmp_path, GOOD)
    assert config.optimiser.learning_rate == 1e-6
    assert config.rollouts.each == 5
    assert config.advantages.mode == "robust"
    assert config.output == Path("runs/x")


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_the_shipped_files_are_valid(path):
    assert read_run_file(path, DRPOConfig).name == path.stem


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("  each: 5", "  eech: 5", ["unknown key 'rollouts.eech'", "line 8", "each"]),
        ("  each: 5", "  each: five", ["rollouts.each", "line 8", "'five'", "whole number"]),
        ("  each: 5", "  each: 1", ["rollouts", "2 or more"]),
        ("  each: 5", "  each: true", ["rollouts.each", "True", "whole number"]),
        ("  steps: 3\n", "", ["missing key 'steps'", "optimiser"]),
        ("  kind: drawn", "  kind: paint", ["data.kind", "drawn, climb"]),
        ("  kind: drawn", "  kind: climb", ["data", "needs root"]),
        ("  learning_rate: 1e-6", "  learning_rate: fast", ["optimiser.learning_rate", "'fast'", "a number"]),
        (
            "  learning_rate: 1e-6",
            "  learning_rate: 1e-6\nadvantages: {history: 'window:0'}",
            ["advantages", "window:n"],
        ),
        ("  learning_rate: 1e-6", "  learning_rate: 1e-6\nadvantages: [a]", ["advantages", "mapping"]),
        ("  learning_rate: 1e-6", "  learning_rate: 1e-6\nrewards: {weights: {f1: 1}}", ["rewards", "label_f1"]),
        ("  steps: 3", "  steps: 0", ["optimiser", "steps is a whole number of 1 or more", "0"]),
        ("  steps: 3", "  steps: -1", ["optimiser", "steps", "-1"]),
        ("  learning_rate: 1e-6", "  learning_rate: .nan", ["optimiser", "learning_rate", "nan"]),
        ("  each: 5", "  each: 5\n  temperature: 0", ["rollouts", "temperature is above 0"]),
        (
            "  learning_rate: 1e-6",
            "  learning_rate: 1e-6\nrewards: {weights: {label_f1: -1}}",
            ["rewards", "not negative"],
        ),
        ("  learning_rate: 1e-6", "  learning_rate: 1e-6\nrewards: {weights: {label_f1: 0}}", ["rewards", "not all 0"]),
        ("name: x", "name: [", ["not YAML"]),
        ("model:\n  start: wetread-mini", "model: 3", ["model", "mapping"]),
    ],
)
def test_what_does_not_fit_is_named(tmp_path, before, after, said):
    with pytest.raises(RefusedInput) as refused:
        read(tmp_path, GOOD.replace(before, after))
    line = str(refused.value)
    assert "\n" not in line
    assert "run.yaml" in line
    for words in said:
        assert words in line, line


def test_a_file_that_is_not_there_or_not_text(tmp_path):
    with pytest.raises(RefusedInput, match="unreadable file"):
        read_run_file(tmp_path / "gone.yaml", DRPOConfig)
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RefusedInput, match="not a text file"):
        read_run_file(tmp_path / "binary.yaml", DRPOConfig)
