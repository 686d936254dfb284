"""Several seeds and methods of one configuration, side by side: the same start, questions and order for every method.

Each run has its own folder ``<output>/<method>-<seed>``; the table, the numbers and the plot go beside them.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wetread.training.drpo_config import DRPOConfig
from wetread.training.drpo_run import train
from wetread.training.run_file import read_run_file
from wetread.training.run_folder import METRICS_FILE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

COLOURS = {"drpo": "#0072B2", "grpo": "#D55E00", "rloo": "#009E73", "fair-grpo": "#CC79A7"}
SMOOTHED = 10


def compare(
    config_path: Path, seeds: Sequence[int], methods: Sequence[str], report: Callable[[str], None], quiet: bool = True
) -> dict[str, Any]:
    """Run every method with every seed and write ``comparison.json``, ``comparison.md`` and ``comparison.png``.

    Args:
        config_path: YAML file of one run.
        seeds: of weights, questions and order.
        methods: of `AdvantagePart`.
        report: takes a line of progress.
        quiet: no progress bars.
    """
    base = read_run_file(config_path, DRPOConfig)
    runs: list[dict[str, Any]] = []
    for method in methods:
        for seed in seeds:
            output = base.output / f"{method}-{seed}"
            config = replace(base, seed=seed, output=output, advantages=replace(base.advantages, method=method))  # type: ignore[arg-type]
            kept = output / "result.json"
            # A comparison that was interrupted goes on with the runs that are missing.
            result = json.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else train(config, report, quiet)
            runs.append(result | {"curve": _curve(output / METRICS_FILE)})
            report(_line(runs[-1]))
    summary = {"config": base.as_dict(), "runs": runs, "gains": _gains(runs)}
    (base.output / "comparison.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    (base.output / "comparison.md").write_text(_table(runs), encoding="utf-8")
    plot(runs, base.output / "comparison.png")
    return summary


def _curve(path: Path) -> list[float]:
    return [float(json.loads(line)["reward"]) for line in path.read_text(encoding="utf-8").splitlines()]


def _line(run: dict[str, Any]) -> str:
    before, after = run["held_out"]["before"], run["held_out"]["after"]
    return (f"{run['method']} seed {run['seed']}: held-out reward sampled {before['sampled']['reward']:.3f} -> "
            f"{after['sampled']['reward']:.3f}, greedy {before['greedy']['reward']:.3f} -> "
            f"{after['greedy']['reward']:.3f}, {run['cpu_seconds']:.0f} CPU s")  # fmt: skip


def _gains(runs: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Relative gain of the mean over seeds, for each method and decoding."""
    gains: dict[str, dict[str, float]] = {}
    for method in dict.fromkeys(run["method"] for run in runs):
        own = [run["held_out"] for run in runs if run["method"] == method]
        gains[method] = {}
        for kind in ("greedy", "sampled"):
            before, after = (np.mean([held[when][kind]["reward"] for held in own]) for when in ("before", "after"))
            gains[method][kind] = float(after / before - 1)
    return gains


def _table(runs: list[dict[str, Any]]) -> str:
    rows = ["| method | seed | sampled before | sampled after | greedy before | greedy after | CPU s |",
            "|---|---|---|---|---|---|---|"]  # fmt: skip
    for run in runs:
        before, after = run["held_out"]["before"], run["held_out"]["after"]
        rows.append(f"| {run['method']} | {run['seed']} | {before['sampled']['reward']:.3f} | "
                    f"{after['sampled']['reward']:.3f} | {before['greedy']['reward']:.3f} | "
                    f"{after['greedy']['reward']:.3f} | {run['cpu_seconds']:.0f} |")  # fmt: skip
    for method, gains in _gains(runs).items():
        rows.append(f"| **{method}**, mean gain | | | {gains['sampled']:+.0%} | | {gains['greedy']:+.0%} | |")
    return "\n".join(rows) + "\n"


def plot(runs: list[dict[str, Any]], path: Path) -> None:
    """Reward of the training by step, each seed faint, the mean of the seeds strong; held-out rewards beside it."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    methods = list(dict.fromkeys(run["method"] for run in runs))
    figure, (curves, bars) = plt.subplots(1, 2, figsize=(10, 4), width_ratios=(3, 2), layout="constrained")
    for method in methods:
        smooth = [_smooth(run["curve"]) for run in runs if run["method"] == method]
        for curve in smooth:
            curves.plot(range(1, len(curve) + 1), curve, color=COLOURS[method], alpha=0.25, linewidth=1)
        shortest = min(map(len, smooth))
        mean = np.mean([curve[:shortest] for curve in smooth], axis=0)
        curves.plot(range(1, shortest + 1), mean, color=COLOURS[method], linewidth=2.2, label=method.upper())
    curves.set(xlabel="step", ylabel=f"mean reward of the step's answers\n(running mean over {SMOOTHED} steps)",
               ylim=(0, 1), title="Training")  # fmt: skip
    curves.legend(frameon=False, loc="lower right")
    width = 0.8 / len(methods)
    for place, method in enumerate(methods):
        own = [run["held_out"] for run in runs if run["method"] == method]
        pairs = [("before", "sampled"), ("after", "sampled"), ("before", "greedy"), ("after", "greedy")]
        for group, (when, kind) in enumerate(pairs):
            values = [held[when][kind]["reward"] for held in own]
            x = group + (place - (len(methods) - 1) / 2) * width
            bars.bar(x, np.mean(values), width * 0.9, color=COLOURS[method], alpha=0.35 if when == "before" else 0.85)
            bars.plot([x] * len(values), values, "k.", markersize=4)
    bars.set_xticks(range(4), ["sampled\nbefore", "sampled\nafter", "greedy\nbefore", "greedy\nafter"])
    bars.set(ylim=(0, 1), title="Held-out questions (points: seeds)")
    for axes in (curves, bars):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _smooth(values: list[float]) -> list[float]:
    return [float(np.mean(values[max(0, k - SMOOTHED + 1) : k + 1])) for k in range(len(values))]
