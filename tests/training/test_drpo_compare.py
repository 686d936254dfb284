"""Several seeds and methods side by side: table, numbers, plot, and the finished runs are not run again."""

import json

import yaml

from wetread.training.drpo_compare import compare

TINY = {
    "name": "tiny", "model": {"start": "small", "small": {"width": 48, "layers": 2, "hidden": 48, "vocabulary": 300}},
    "data": {"kind": "drawn", "count": 30, "held_out": 6}, "warm_up": {"steps": 20, "batch": 8},
    "rollouts": {"questions": 2, "each": 4, "answer_tokens": 5}, "rewards": {"weights": {"length": 1.0, "format": 0.1}},
    "optimiser": {"steps": 2, "learning_rate": 1e-4, "micro_batch": 8, "kl": 0.0, "save_every": 2},
}  # fmt: skip


def test_methods_share_their_start_and_are_drawn_side_by_side(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump(TINY | {"output": str(tmp_path / "out")}))
    said = []
    summary = compare(path, [0], ["drpo", "grpo"], said.append)
    runs = summary["runs"]
    assert [run["method"] for run in runs] == ["drpo", "grpo"]
    assert runs[0]["held_out"]["before"] == runs[1]["held_out"]["before"]
    assert [len(run["curve"]) for run in runs] == [2, 2]
    assert json.loads((tmp_path / "out/comparison.json").read_text())["gains"].keys() == {"drpo", "grpo"}
    assert "| drpo | 0 |" in (tmp_path / "out/comparison.md").read_text()
    assert (tmp_path / "out/comparison.png").stat().st_size > 10_000
    said.clear()
    again = compare(path, [0], ["drpo"], said.append)
    assert again["runs"][0]["held_out"] == runs[0]["held_out"]
    assert len(said) == 1
