"""The report of an ablation: figures of every run as JSON, a table with mean and spread, and a plot.

A difference is called one only where the 95 % t-interval of its seeds, each paired with the baseline of the same
seed, leaves out zero; everything else is said to be undecided. The sentences are made from the figures, so the report
reads the same whether the loop helps or not.
"""

from __future__ import annotations

import json
import platform
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from wetread.training.ablation import Ablation

COLUMNS = (
    ("dice", "Dice"), ("box_iou", "box IoU"), ("presence_accuracy", "presence"), ("class_accuracy", "class"),
    ("words_ce", "CE of words"), ("words_after_seg_ce", "CE after `<seg>`"),
)  # fmt: skip
LEAST_SEEDS = 3
"""Two seeds that happen to agree decide nothing."""
HIGHER_IS_BETTER = {"dice": True, "box_iou": True, "words_after_seg_ce": False}


def write_report(
    said: Ablation, config: Path, results: Sequence[dict[str, Any]], examples: dict[str, int], cpu_seconds: float
) -> None:
    """Write the JSON, the Markdown and the plot of the runs that are there."""
    from wetread.training.ablation import as_plain

    said.json.parent.mkdir(parents=True, exist_ok=True)
    said.card.parent.mkdir(parents=True, exist_ok=True)
    kept = {"ablation": as_plain(said), "machine": _machine(), "examples": examples, "runs": list(results)}
    said.json.write_text(json.dumps(kept, indent=2, default=list) + "\n", encoding="utf-8")
    plot = said.card.with_suffix(".png")
    _plot(said, results, plot)
    said.card.write_text(_markdown(said, config, results, examples, plot.name, cpu_seconds), encoding="utf-8")


def paired(results: Sequence[dict[str, Any]], variant: str, baseline: str, figure: str) -> list[float]:
    """Differences variant - baseline of one figure, one for each seed that both were run with."""
    values = {(r["variant"], r["seed"]): r["figures"].get(figure) for r in results}
    seeds = sorted({seed for name, seed in values if name == variant})
    pairs = [(values[variant, seed], values.get((baseline, seed))) for seed in seeds]
    return [a - b for a, b in pairs if a is not None and b is not None]


def interval(differences: Sequence[float]) -> tuple[float, float] | None:
    """95 % t-interval of a mean; None for fewer than two values."""
    from scipy import stats

    if len(differences) < 2:
        return None
    spread = float(np.std(differences, ddof=1)) / len(differences) ** 0.5
    reach = float(stats.t.ppf(0.975, len(differences) - 1)) * spread
    mean = float(np.mean(differences))
    return mean - reach, mean + reach


def verdict(differences: Sequence[float], *, higher_is_better: bool) -> str:
    """``better``, ``worse`` or ``undecided``."""
    found = interval(differences)
    if found is None or len(differences) < LEAST_SEEDS or found[0] <= 0.0 <= found[1]:
        return "undecided"
    return "better" if (found[0] > 0) == higher_is_better else "worse"


def _markdown(
    said: Ablation, config: Path, results: Sequence[dict[str, Any]], examples: dict[str, int], plot: str,
    cpu_seconds: float,
) -> str:  # fmt: skip
    recipe = said.recipe
    sets = ", ".join(f"{name} ({count} pictures or slices)" for name, count in examples.items())
    others = [name for name in said.variants if name != said.baseline]
    finished = min((sum(r["variant"] == name for r in results) for name in said.variants), default=0)
    lines = [
        f"# {said.name}", "",
        f"`wetread train ablate --config {config.as_posix()}`; every run of it is in `{said.json.as_posix()}`.", "",
        f"Each run: {recipe.steps} steps of {recipe.batch} lessons from scratch, trained on {sets} and drawn cells; "
        f"measured on the same {said.measured} held-out lessons under their true answers. Variants of one seed share "
        f"initial weights and lessons. Seeds: {', '.join(map(str, said.seeds))}; all variants are finished for "
        f"{finished} of them. {_machine()}; {cpu_seconds / 60:.0f} CPU minutes in this session.", "",
        "## Figures: mean (standard deviation over seeds)", "",
        "| variant | " + " | ".join(title for _, title in COLUMNS) + " | CPU s a run |",
        "|---" * (len(COLUMNS) + 2) + "|",
    ]  # fmt: skip
    for name in said.variants:
        runs = [r for r in results if r["variant"] == name]
        cells = [_cell([r["figures"].get(key) for r in runs]) for key, _ in COLUMNS]
        lines.append(f"| {name} | " + " | ".join(cells) + f" | {_cell([r['cpu_seconds'] for r in runs], 0)} |")
    lines += ["", f"## Difference to *{said.baseline}*, paired by seed: mean [95 % t-interval]", "",
              "| variant | " + " | ".join(title for key, title in COLUMNS if key in HIGHER_IS_BETTER) + " |",
              "|---" * (len(HIGHER_IS_BETTER) + 1) + "|"]  # fmt: skip
    for name in others:
        cells = [_difference(results, name, said.baseline, key) for key, _ in COLUMNS if key in HIGHER_IS_BETTER]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines += ["", *_conclusions(said, results, others), "", "## Dice of each round's coarse mask", "",
              *_rounds(said, results), "", "## Where training left the gates (they start at zero)", "",
              *_gates(said, results), "", f"![Dice and cross-entropy after the mask, a dot for each seed]({plot})",
              ""]  # fmt: skip
    return "\n".join(lines)


def _conclusions(said: Ablation, results: Sequence[dict[str, Any]], others: Sequence[str]) -> list[str]:
    """What the intervals allow to be said, one sentence for each figure; a worse variant speaks for what it lacks."""
    titles = dict(COLUMNS)
    sentences = []
    for key, higher in HIGHER_IS_BETTER.items():
        verdicts = {n: verdict(paired(results, n, said.baseline, key), higher_is_better=higher) for n in others}
        decided = [f"*{name}* is {word}" for name, word in verdicts.items() if word != "undecided"]
        told = "; ".join(decided) if decided else "no variant differs from it by more than the seeds do"
        sentences.append(f"- **{titles[key]}**: {told}.")
    return [
        f"Compared with *{said.baseline}*, at 95 %:",
        "",
        *sentences,
        "",
        "At this size, budget and number of seeds; nothing here speaks for a larger model.",
    ]


def _rounds(said: Ablation, results: Sequence[dict[str, Any]]) -> list[str]:
    keys = sorted({key for r in results for key in r["figures"] if key.startswith("coarse_dice")})
    lines = ["| variant | " + " | ".join(key.split(", ")[1] for key in keys) + " |", "|---" * (len(keys) + 1) + "|"]
    for name in said.variants:
        runs = [r["figures"] for r in results if r["variant"] == name]
        lines.append(f"| {name} | " + " | ".join(_cell([figures.get(key) for figures in runs]) for key in keys) + " |")
    return lines


def _gates(said: Ablation, results: Sequence[dict[str, Any]]) -> list[str]:
    keys = sorted({key for r in results for key in r["gates"]})
    lines = ["| variant | " + " | ".join(f"`{key}`" for key in keys) + " |", "|---" * (len(keys) + 1) + "|"]
    for name in said.variants:
        runs = [r["gates"] for r in results if r["variant"] == name]
        lines.append(f"| {name} | " + " | ".join(_cell([kept.get(key) for kept in runs]) for key in keys) + " |")
    return lines


def _cell(values: Sequence[float | None], digits: int = 3) -> str:
    there = [value for value in values if value is not None]
    if not there:
        return "–"
    spread = f" ({np.std(there, ddof=1):.{digits}f})" if len(there) > 1 else ""
    return f"{np.mean(there):.{digits}f}{spread}"


def _difference(results: Sequence[dict[str, Any]], variant: str, baseline: str, key: str) -> str:
    differences = paired(results, variant, baseline, key)
    if not differences:
        return "–"
    found = interval(differences)
    return f"{np.mean(differences):+.3f}" + (f" [{found[0]:+.3f}, {found[1]:+.3f}]" if found else "")


def _machine() -> str:
    import torch

    return f"{platform.machine()}, {torch.get_num_threads()} thread(s), torch {torch.__version__}"


def _plot(said: Ablation, results: Sequence[dict[str, Any]], path: Path) -> None:
    """Two panels, a dot for each seed and a bar at the mean."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 0.55 * len(said.variants) + 1.4), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    names = list(said.variants)
    for axis, key, title in zip(axes, ("dice", "words_after_seg_ce"), ("Dice, held out (more is better)",
                                "cross-entropy after <seg> (less is better)"), strict=True):  # fmt: skip
        for row, name in enumerate(names):
            values = [r["figures"].get(key) for r in results if r["variant"] == name]
            there = [value for value in values if value is not None]
            axis.plot(there, [row] * len(there), "o", color="#0072b2", alpha=0.7)
            if there:
                axis.plot([np.mean(there)] * 2, [row - 0.3, row + 0.3], color="black", linewidth=1.5)
        axis.set_title(title, fontsize=10)
        axis.grid(axis="x", alpha=0.3)
    axes[0].set_yticks(range(len(names)), names)
    axes[0].set_ylim(len(names) - 0.5, -0.5)
    figure.savefig(path, dpi=120)
