"""The report in a folder: report.md, report.json and a report.html that needs nothing beside itself.

The page is the Markdown's tables, the plots and the worst cases; pictures are inside it as data. What an answer or a
file name says is escaped: a model's text is a stranger's text.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from wetread.errors import RefusedInput
from wetread.evaluation import plots
from wetread.evaluation.worst import WorstCases

_STYLE = """
body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:90rem;padding:0 1rem;color:#1b1b1b;background:#fff}
h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2.2rem;border-bottom:1px solid #ccc;padding-bottom:.2rem}
.scroll{overflow-x:auto}table{border-collapse:collapse;font-size:13px}
th,td{padding:.28rem .55rem;border-bottom:1px solid #e3e3e3;text-align:left;vertical-align:top}
td small{color:#666;white-space:nowrap;display:block}td:first-child,td:nth-child(2){white-space:nowrap}
th{background:#f4f4f4}tr:hover td{background:#fafafa}
.plots{display:flex;flex-wrap:wrap;gap:1rem;align-items:flex-start}img{max-width:100%}
.cases{display:grid;grid-template-columns:repeat(auto-fill,minmax(22rem,1fr));gap:1.2rem}
figure{margin:0}figcaption{font-size:13px;overflow-wrap:anywhere}
.truth{color:#007a5a;font-weight:600}.answer{color:#b34700;font-weight:600}.note{color:#555;font-size:13px}
"""

_INTERVAL = re.compile(r"^(-?\d+\.\d{3}) \[(-?\d+\.\d{3}, -?\d+\.\d{3})\]$")


def check_folder(folder: Path | None) -> None:
    """Refuse a folder that cannot take a report before an hour of reading rather than after it.

    Raises:
        RefusedInput: it is a file, or cannot be made or written.
    """
    if folder is None:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ".part").write_text("", encoding="utf-8")
        (folder / ".part").unlink()
    except OSError as error:
        raise RefusedInput("a report cannot be written there", folder, "give a folder for --report") from error


def write_report(report: dict[str, Any], text: str, folder: Path, worst: WorstCases) -> None:
    """Write the three files, each whole or not at all.

    Args:
        report: as for JSON.
        text: the report as Markdown.
        folder: made where it is not there.
        worst: the cases to draw.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _replace(folder / "report.md", text + "\n")
    _replace(folder / "report.json", json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    _replace(folder / "report.html", page(report, text, worst))


def page(report: dict[str, Any], text: str, worst: WorstCases) -> str:
    """The HTML page."""
    name, data = report["model"]["name"], report["data"]
    title = f"{name} on {data.get('folder', data.get('name', ''))}"
    parts = [
        f"<!doctype html><html lang='en'><meta charset='utf-8'><title>{html.escape(title)}</title>",
        "<meta name='viewport' content='width=device-width, initial-scale=1'>",
        f"<style>{_STYLE}</style><h1>{html.escape(title)}</h1>",
        "<p class='note'>Output of a model that nobody reviewed; not for diagnosis. "
        f"Wetread {html.escape(report['wetread'])}, {html.escape(report['created'])}.</p>",
        *_html_of(text),
    ]
    drawn = [image for image in report_plots(report) if image is not None]
    if drawn:
        parts.append("<h2>Plots</h2><div class='plots'>")
        parts += [f"<img alt='plot' src='{_data(image)}'>" for image in drawn]
        parts.append("</div>")
    if worst.cases:
        parts.append("<h2>Worst cases</h2><p class='note'><span class='truth'>Left: truth.</span> "
                     "<span class='answer'>Right: answer.</span></p><div class='cases'>")  # fmt: skip
        for case in worst.cases:
            image = case.drawn()
            shown = f"<img alt='truth and answer' src='{_data(image)}'>" if image else ""
            caption = f"<b>{html.escape(case.name)}</b><br>{html.escape(case.caption)}"
            parts.append(f"<figure>{shown}<figcaption>{caption}</figcaption></figure>")
        parts.append("</div>")
    parts.append("<h2>Definitions</h2><dl>")
    parts += [f"<dt><b>{html.escape(k)}</b></dt><dd>{html.escape(v)}</dd>" for k, v in report["definitions"].items()]
    parts.append("</dl></html>")
    return "\n".join(parts)


def report_plots(report: dict[str, Any]) -> list[bytes | None]:
    """The plots that a report of either kind allows."""
    if report.get("kind") == "questions":
        return _question_plots(report)
    labels = report["labels"]
    titles = {"dice": "Dice", "nsd": "NSD", "box_iou": "Box IoU", "ap50": "AP50", "presence_f1": "F1 of presence"}
    if len(labels) <= 2:
        # Few labels: one plot of all measures says more than a plot for each.
        rows = [
            (f"{label}: {title}", one[k]) for label, one in labels.items() for k, title in titles.items() if k in one
        ]
        found = [plots.bars("Measures", rows)]
    else:
        found = [plots.bars(title, [(label, one[key]) for label, one in labels.items() if key in one])
                 for key, title in titles.items()]  # fmt: skip
    curves = {label: one["presence"] for label, one in labels.items() if "presence" in one}
    found.append(plots.roc({label: one["roc"] for label, one in curves.items()}))
    return [*found, plots.reliability({label: one["reliability"] for label, one in curves.items()})]


def _question_plots(report: dict[str, Any]) -> list[bytes | None]:
    sets = report["sets"]
    found = [plots.bars("Macro-F1 (published definition)",
                        [(key, one["published"]["macro_f1"]) for key, one in sets.items()])]  # fmt: skip
    rows = [(f"{key}: {label}", row["f1"]) for key, one in sets.items() for label, row in one["labels"].items()]
    if len(rows) > 1:
        found.append(plots.bars("F1 of each label", rows))
    curves = {f"{key}: {label}": p for key, one in sets.items() for label, p in one["probabilities"].items()}
    found.append(plots.roc({name: p["roc"] for name, p in curves.items()}))
    curves |= {f"{key}: answer": one["answer_calibration"] for key, one in sets.items() if "answer_calibration" in one}
    return [*found, plots.reliability({name: p["reliability"] for name, p in curves.items()})]


def _html_of(text: str) -> Iterable[str]:
    """The Markdown that our reports write: headings, tables, lists and bold words."""
    rows: list[list[str]] = []
    listed: list[str] = []
    for line in [*text.splitlines(), ""]:
        if line.startswith("|"):
            if not re.fullmatch(r"[|\- ]+", line):
                rows.append([c.strip().replace("\\|", "|") for c in re.split(r"(?<!\\)\|", line)[1:-1]])
            continue
        if rows:
            head, *body = rows
            yield "<div class='scroll'><table><tr>" + "".join(f"<th>{_inline(c)}</th>" for c in head) + "</tr>"
            yield from ("<tr>" + "".join(f"<td>{_inline(c)}</td>" for c in row) + "</tr>" for row in body)
            yield "</table></div>"
            rows = []
        if line.startswith("- "):
            listed.append(f"<li>{_inline(line[2:])}</li>")
            continue
        if listed:
            yield f"<ul>{''.join(listed)}</ul>"
            listed = []
        if line.startswith("#"):
            yield f"<h2>{_inline(line.lstrip('# '))}</h2>"
        elif line.strip():
            yield f"<p>{_inline(line)}</p>"


def _inline(text: str) -> str:
    bold = re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", html.escape(text))
    return _INTERVAL.sub(r"\1<small>[\2]</small>", bold)


def _data(image: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(image).decode("ascii")


def _replace(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
