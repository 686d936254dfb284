"""Plots of a report, each as PNG bytes: bars with intervals, ROC curves, reliability."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
"""Okabe and Ito, colour-blind safe."""
MOST_BARS, MOST_CURVES = 40, 8


def bars(title: str, rows: Sequence[tuple[str, Mapping[str, Any]]]) -> bytes | None:
    """Horizontal bars of estimates (`Estimate.as_dict`) with their intervals; None where there is no value."""
    known = [(name, e) for name, e in rows if e.get("value") is not None][:MOST_BARS]
    if not known:
        return None
    figure, axes = _figure(7.0, 0.9 + 0.32 * len(known))
    places = range(len(known))[::-1]
    values = [e["value"] for _, e in known]
    low = [max(0.0, e["value"] - e["low"]) if e["low"] is not None else 0.0 for _, e in known]
    high = [max(0.0, e["high"] - e["value"]) if e["high"] is not None else 0.0 for _, e in known]
    axes.barh(list(places), values, color=COLOURS[0], alpha=0.75, height=0.6)
    axes.errorbar(values, list(places), xerr=[low, high], fmt="none", ecolor="black", elinewidth=1.2, capsize=3)
    axes.set_yticks(list(places), [name if len(name) <= 48 else f"{name[:45]}..." for name, _ in known])
    axes.set_xlim(0, 1)
    axes.set_title(title, loc="left", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    return _png(figure)


def roc(curves: Mapping[str, Sequence[Sequence[float]]]) -> bytes | None:
    """ROC curves: name -> (false positive rates, true positive rates)."""
    known = [(name, c) for name, c in curves.items() if c and c[0]][:MOST_CURVES]
    if not known:
        return None
    figure, axes = _figure(4.4, 4.3 + 0.17 * len(known))
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=1, linestyle="--")
    for (name, curve), colour in zip(known, COLOURS, strict=False):
        axes.plot(curve[0], curve[1], color=colour, linewidth=1.6, label=name)
    axes.set(xlabel="1 - specificity", ylabel="sensitivity", xlim=(0, 1), ylim=(0, 1.01), aspect="equal")
    axes.set_title("ROC", loc="left", fontsize=10)
    figure.legend(fontsize=7, loc="outside lower center", frameon=False)
    return _png(figure)


def reliability(curves: Mapping[str, Sequence[Sequence[float]]]) -> bytes | None:
    """Reliability curves: name -> (mean probability, share of true cases, cases in the bin)."""
    known = [(name, c) for name, c in curves.items() if c and c[0]][:MOST_CURVES]
    if not known:
        return None
    figure, axes = _figure(4.4, 4.3 + 0.17 * len(known))
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=1, linestyle="--")
    for (name, curve), colour in zip(known, COLOURS, strict=False):
        axes.plot(curve[0], curve[1], color=colour, linewidth=1.2, label=name)
        most = max(curve[2]) if len(curve) > 2 and curve[2] else 1
        sizes = [12 + 60 * n / most for n in curve[2]] if len(curve) > 2 else 20
        axes.scatter(curve[0], curve[1], s=sizes, color=colour, zorder=3)
    axes.set(xlabel="probability said", ylabel="share that is so", xlim=(0, 1), ylim=(-0.02, 1.02), aspect="equal")
    axes.set_title("Reliability (area of a point: its cases)", loc="left", fontsize=10)
    figure.legend(fontsize=7, loc="outside lower center", frameon=False)
    return _png(figure)


def _figure(width: float, height: float) -> tuple[Figure, Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.tick_params(labelsize=8)
    return figure, axes


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()
