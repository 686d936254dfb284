"""A read as a person sees it in a terminal: what was asked, the reasoning, the findings, and how sure it all is."""

from __future__ import annotations

import shutil
import textwrap
from typing import TYPE_CHECKING

from wetread.imaging.waveform import Waveform

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wetread.findings import Box, Finding, Interval, Read
    from wetread.imaging.sample import Sample

UNREVIEWED = "Preliminary, written by a model and reviewed by nobody; not for diagnosis."
_WIDEST = 110


def read_as_text(read: Read, sample: Sample | Waveform, *, with_reasoning: bool = True) -> str:
    """The read in lines no wider than the terminal.

    Args:
        read: what to show.
        sample: what was read.
        with_reasoning: False where the answer has streamed to the terminal already.
    """
    lines = [*field("Image", _kind_and_size(sample)), *field("Question", read.question)]
    if with_reasoning and read.reasoning:
        lines += field("Reasoning", read.reasoning)
    if read.abstention is not None:
        lines += field("No read", read.abstention)
    elif not read.findings:
        lines += field("Findings", "none")
    else:
        lines += ["", *_findings(read.findings, sample)]
    if read.diagnoses and read.abstention is None:
        lines += field("Answer", ", ".join(read.diagnoses))
    for remark in (*sample.remarks, *read.remarks):
        lines += field("Remark", remark)
    made = read.provenance
    lines += field("Model", f"{made.model} {made.model_version}, seed {made.seed}, {made.seconds:.1f} s")
    return "\n".join([*lines, *field("Status", UNREVIEWED)])


def _kind_and_size(sample: Sample | Waveform) -> str:
    if isinstance(sample, Waveform):
        return f"{sample.modality}, {len(sample.leads)} leads, {sample.seconds:.4g} s at {sample.rate_hz:g} Hz"
    planes, rows, columns = sample.shape
    return f"{sample.modality}, {columns} x {rows} pixels" + (f", {planes} planes" if planes > 1 else "")


def _findings(findings: Sequence[Finding], sample: Sample | Waveform) -> list[str]:
    if not isinstance(sample, Waveform):
        return findings_table(findings, len(sample.planes))
    rows = [["Finding", "Presence", "Time", "Leads"]]
    rows += [[f.label, f"{f.presence:.2f}", *interval_as_text(f.interval)] for f in findings]
    return table(rows)


def interval_as_text(interval: Interval | None) -> tuple[str, str]:
    """Times in seconds and leads; ``-`` where a finding is about the whole recording."""
    if interval is None:
        return "-", "-"
    return f"{interval.start:.2f} to {interval.end:.2f} s", ", ".join(interval.leads)


def findings_table(findings: Sequence[Finding], planes: int) -> list[str]:
    """A row per finding, and under each its description; the plane is told where there are several."""
    heading = ["Finding", "Presence", "Box (x, y to x, y)", "Pixels", "Objects"]
    rows = [heading]
    for finding in findings:
        pixels = "-" if finding.mask is None else f"{finding.mask.pixels:,}"
        objects = str(len(finding.instances)) if finding.target.countable else "-"
        rows.append([finding.label, f"{finding.presence:.2f}", box_as_text(finding.box), pixels, objects])
    if planes > 1:
        for row, words in zip(rows, ["Plane", *(str(finding.plane + 1) for finding in findings)], strict=True):
            row.insert(2, words)
    lines = table(rows)
    described = lines[:2]
    for line, finding in zip(lines[2:], findings, strict=True):
        notes = [finding.description] if finding.description else []
        notes += [] if finding.grounded else ["Not tied to the pixels: treat it as text only."]
        described += [line, *(wrapped for note in notes for wrapped in _wrapped(note, "    "))]
    return described


def box_as_text(box: Box | None) -> str:
    """Corners in image pixels, rounded; ``-`` where there is no box."""
    if box is None:
        return "-"
    return f"{box.x_min:.0f}, {box.y_min:.0f} to {box.x_max:.0f}, {box.y_max:.0f}"


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns padded to their widest cell; the first row is the heading and gets a rule."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    lines.insert(1, "  " + "  ".join("-" * width for width in widths))
    return [line.rstrip() for line in lines]


def field(name: str, text: str) -> list[str]:
    """A named text, wrapped with its lines under each other."""
    lines = _wrapped(text, " " * 11)
    return [f"{name:<10} {lines[0].strip()}", *lines[1:]] if lines else []


def _wrapped(text: str, indent: str) -> list[str]:
    width = min(shutil.get_terminal_size().columns, _WIDEST)
    return [
        line
        for paragraph in text.splitlines()
        for line in textwrap.wrap(paragraph, max(width, 40), initial_indent=indent, subsequent_indent=indent)
    ]
