"""``wetread targets``: the task catalogue, as a table for a person or as docs/targets.md."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from wetread.imaging.kinds import parse_modality
from wetread.terminology import TARGETS, Concept, Modality

if TYPE_CHECKING:
    import argparse

    from wetread.terminology import Target

_HEAD = """# The task catalogue

Written by `wetread targets --markdown`; the table itself is `core/wetread/targets.csv`, read by `wetread.terminology`.
{count} targets. Each is asked for with "Please segment <target> in the given image." Codes are SNOMED CT unless another
scheme is named; each is looked up in pydicom's dictionaries by a test, under the meaning that stands here. Where those
have no code for the exact thing, the nearest true, broader one stands here, with the region as its modifier.
*Paired* targets may be asked for with a side, which becomes a coded modifier. *Counted* ones list their objects. The
colour is the recommended display colour (Recommended Display CIELab Value).

| modality | targets |
|---|---|
"""
_COLUMNS = "| target | type, region | category | modalities | kind | colour | other names |"


def run(options: argparse.Namespace) -> int:
    """Print the catalogue."""
    if options.markdown:
        print(markdown(), end="")
        return 0
    modality = parse_modality(options.modality)
    for target in TARGETS:
        if modality is None or modality in target.modalities:
            print(f"{target.label:32} {_code(target.type)}{_region(target)}")
    return 0


def markdown() -> str:
    """The whole of docs/targets.md."""
    lines = [_HEAD.format(count=len(TARGETS)).rstrip("\n")]
    for modality in Modality:
        count = sum(modality in target.modalities for target in TARGETS)
        if count:
            lines.append(f"| {modality.value} | {count} |")
    by_group = sorted(TARGETS, key=lambda target: target.group)
    for group, targets in groupby(by_group, key=lambda target: target.group):
        lines += ["", f"## {group.capitalize()}", "", _COLUMNS, "|---|---|---|---|---|---|---|"]
        lines += [_row(target) for target in targets]
    return "\n".join(lines) + "\n"


def _row(target: Target) -> str:
    kind = ", ".join(filter(None, (target.laterality.value, "counted" if target.countable else "")))
    modalities = ", ".join(m.value for m in Modality if m in target.modalities)
    names = ", ".join(target.names()[1:])
    return (
        f"| {target.label} | {_code(target.type)}{_region(target)} | {target.category.meaning} | {modalities} | {kind} "
        f"| `#{bytes(target.colour).hex()}` | {names} |"
    )


def _region(target: Target) -> str:
    return "" if target.site == target.type else f"; {_code(target.site)}"


def _code(concept: Concept) -> str:
    scheme = "" if concept.scheme == "SCT" else f"{concept.scheme} "
    return f"{concept.meaning} ({scheme}{concept.code})"
