"""The figure of `docs/active-learning.md`: Dice against number of corrections, from the reports of `corrections.py`.

One panel a report; bars are 95 % intervals over the pictures measured.

    python benchmarks/plot_corrections.py benchmarks/results/corrections-*.json --out docs/pictures/corrections.png
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from wetread.evaluation.plots import COLOURS


def main() -> int:
    """Draw."""
    parser = argparse.ArgumentParser(description="Dice against number of corrections.")
    parser.add_argument("reports", type=Path, nargs="+", help="of corrections.py, each of one set")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    reports = [json.loads(path.read_text(encoding="utf-8")) for path in options.reports]
    figure = Figure(figsize=(2.9 * len(reports) + 0.4, 3.1), layout="constrained")
    FigureCanvasAgg(figure)
    for number, (axes, report) in enumerate(
        zip(figure.subplots(1, len(reports), sharey=True, squeeze=False)[0], reports, strict=True)
    ):
        runs = report["runs"]
        for index, run in enumerate(runs):
            counts = [point["corrections"] for point in run["points"]]
            found = [point["model"]["dice"] for point in run["points"]]
            values = [one["value"] for one in found]
            spread = [[max(0.0, one["value"] - one["low"]) for one in found],
                      [max(0.0, one["high"] - one["value"]) for one in found]]  # fmt: skip
            axes.errorbar(counts, values, yerr=spread, color=COLOURS[0], marker="o", markersize=4, capsize=3,
                          linewidth=1.6, alpha=1 - 0.3 * index, label="Wetread" if not index else None)  # fmt: skip
        last = counts[-1]
        unets = [run["unet"]["dice"]["value"] for run in runs if "unet" in run]
        axes.plot([last] * len(unets), unets, "D", color=COLOURS[1], markersize=6, label=f"U-Net on the same {last}")
        square = float(np.mean([run["best_square"]["dice"] for run in runs]))
        axes.axhline(square, color="0.5", linestyle="--", linewidth=1, label="best centred square")
        axes.set(title=report["label"], xlabel="corrections", ylim=(0, 1), xticks=counts)
        axes.spines[["top", "right"]].set_visible(False)
        if not number:
            axes.set_ylabel("Dice, unseen pictures")
            axes.legend(fontsize=7, frameon=False, loc="lower right")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(options.out, dpi=110)
    return 0


if __name__ == "__main__":
    sys.exit(main())
