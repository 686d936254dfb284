"""The report on questions as Markdown, the published tables beside it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from wetread.evaluation.published_tables import (
    CLAIMED,
    CLAIMED_MIMIC_QA,
    DOMAINS,
    TABLE_2,
    TABLE_4,
    TABLE_5,
)
from wetread.evaluation.report import cell

_TASKS = ("multimodal/length_of_stay", "multimodal/mortality")


def question_markdown(report: dict[str, Any]) -> str:
    """Figures by data set, domain and overall; by label and group; what was left out; the published tables."""
    size = f"{report['items']} questions, {report['groups']} patients, {report['unanswered']} unanswered"
    lines = [f"**{report['model']['name']}** on {report['data']['name']} ({report['data']['split']}): {size}", ""]
    lines += ["### Data sets", "", *_table(SET_COLUMNS, [set_row(key, one) for key, one in report["sets"].items()]), ""]
    rows = [[name, cell(one["accuracy"]), cell(one["macro_f1"])] for name, one in report["domains"].items()]
    overall, by_sets = report["overall"], report["overall"]["mean_over_sets"]
    rows.append(["**overall**, mean of domains", cell(overall["accuracy"]), cell(overall["macro_f1"])])
    rows.append(["mean of data sets", cell(by_sets["accuracy"]), cell(by_sets["macro_f1"])])
    lines += ["### Domains, published definition", "", *_table(("domain", "accuracy", "macro-F1"), rows), ""]
    lines += ["### Labels", "", *_table(LABEL_COLUMNS, list(label_rows(report))), ""]
    groups = list(group_rows(report))
    if groups:
        lines += ["### Demographic groups", "", *_table(GROUP_COLUMNS, groups), ""]
    sure = list(probability_rows(report))
    if sure:
        lines += ["### Probabilities", "", *_table(PROBABILITY_COLUMNS, sure), ""]
    for title, columns, published in published_rows(report):
        lines += [f"### {title}", "", *_table(columns, published), ""]
    lines.append("Square brackets: 95 % interval, bootstrap over patients.")
    lines += [f"- abstained {n} times: {why}" for why, n in report["model"].get("abstentions", {}).items()]
    kinds = report["faults"]["counts"].items()
    lines += [f"- left out: {count} x {kind}" for kind, count in kinds]
    return "\n".join(lines)


SET_COLUMNS = ("data set", "questions", "accuracy", "macro-F1", "exact match", "macro-F1 (scikit-learn)",
               "balanced accuracy (scikit-learn)", "similarity", "box IoU", "Dice", "NSD")  # fmt: skip
LABEL_COLUMNS = ("data set", "label", "accuracy", "F1", "recall", "specificity")
GROUP_COLUMNS = ("data set", "group", "questions (patients)", "accuracy", "macro-F1", "exact match")
PROBABILITY_COLUMNS = ("data set", "label", "AUROC", "average precision", "Brier", "ECE")


def set_row(key: str, one: dict[str, Any]) -> list[str]:
    """The cells of a data set."""
    usual = one["usual"]
    return [
        key, str(one["items"]), cell(one["published"]["accuracy"]), cell(one["published"]["macro_f1"]),
        cell(one["exact_match"]), _plain(usual.get("macro_f1")), _plain(usual.get("balanced_accuracy")),
        cell(one["similarity"]), cell(one.get("box_iou")), cell(one.get("dice")), cell(one.get("nsd")),
    ]  # fmt: skip


def label_rows(report: dict[str, Any], most: int = 40) -> Iterable[list[str]]:
    """The cells of labels; of a data set with very many, the most frequent."""
    for key, one in report["sets"].items():
        rows = sorted(one["labels"].items(), key=lambda item: -item[1]["recall"]["n"])
        for label, figures in rows[:most]:
            name = label if len(label) <= 60 else f"{label[:57]}..."
            yield [key, name, *(cell(figures[n]) for n in ("accuracy", "f1", "recall", "specificity"))]
        if len(rows) > most:
            yield [key, f"and {len(rows) - most} more", "", "", "", ""]


def group_rows(report: dict[str, Any]) -> Iterable[list[str]]:
    """The cells of demographic groups and their gaps."""
    for key, one in report["sets"].items():
        for kind, found in one["demographics"].items():
            for group, figures in found["groups"].items():
                size = f"{figures['answers']} ({figures['patients']})"
                yield [key, group, size, *(cell(figures[n]) for n in ("accuracy", "macro_f1", "exact_match"))]
            if any(value is not None for value in found["gap"].values()):
                yield [key, f"gap by {kind}", "", *map(_plain, found["gap"].values())]


def probability_rows(report: dict[str, Any]) -> Iterable[list[str]]:
    """The cells of labels with probabilities, and of the answers' own."""
    names = ("auroc", "average_precision", "brier", "ece")
    for key, one in report["sets"].items():
        for label, figures in one["probabilities"].items():
            yield [key, label, *(cell(figures[name]) for name in names)]
        if "answer_calibration" in one:
            yield [key, "(the whole answer)", *(cell(one["answer_calibration"][name]) for name in names)]


def published_rows(report: dict[str, Any]) -> Iterable[tuple[str, Sequence[str], list[list[str]]]]:
    """Ours and the published tables: (title, columns, rows)."""
    ours = [cell(report["domains"].get(name, {}).get("macro_f1")) for name in DOMAINS]
    overall = report["overall"]
    shown = [["**here**", *ours, cell(overall["macro_f1"]), cell(overall["accuracy"]), ""]]
    for row in (*TABLE_2, *TABLE_5, *CLAIMED):
        f1 = [f"{value:.3f}" for value in row.f1] or ["–"] * len(DOMAINS)
        shown.append([row.method, *f1, f"{row.overall_f1:.3f}", _plain(row.overall_accuracy), row.source])
    if any(name in report["domains"] for name in DOMAINS):
        yield "Published figures of QoQ-Med (macro-F1)", ("method", *DOMAINS, "all F1", "all accuracy", "source"), shown
    if any(task in report["sets"] for task in _TASKS):
        rows = [["**here**", *(cell(report["sets"].get(t, {}).get("published", {}).get(m)) for t in _TASKS
                               for m in ("accuracy", "macro_f1"))]]  # fmt: skip
        rows += [[name, *(f"{v:.3f}" for pair in pairs for v in pair)] for name, pairs in TABLE_4.items()]
        columns = ("method", "stay accuracy", "stay F1", "mortality accuracy", "mortality F1")
        yield "Published figures on MIMIC-IV (Table 4)", columns, rows
    if report["mimic_qa"] is not None:
        said = report["mimic_qa"]
        rows = [["**here**", f"{said['similarity']:.3f}", f"{said['f1']:.3f}"],
                ["QoQ-Med3 (README claim)", *(f"{CLAIMED_MIMIC_QA[n]:.3f}" for n in ("similarity", "f1"))]]  # fmt: skip
        yield "MIMIC question sets", ("method", "similarity of types 1, 2", "F1 of types 3, 5, 6"), rows


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    shown = [list(map(_escaped, row)) for row in rows]
    used = [i for i in range(len(columns)) if i < 2 or any(row[i] not in ("", "–") for row in shown)]
    lines = ["| " + " | ".join(columns[i] for i in used) + " |", "|" + "---|" * len(used)]
    return lines + ["| " + " | ".join(row[i] for i in used) + " |" for row in shown]


def _escaped(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _plain(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
