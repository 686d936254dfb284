"""Figures by sex and by age band, and the gaps between them.

Bands as in the published evaluation: to 25, to 50, to 75, and older. A gap is the largest difference between the
groups of one kind; groups of fewer than `FEWEST` patients are shown and take no part in a gap.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from wetread.evaluation.label_metrics import Labelled, exact_match, published

AGE_LIMITS = (25.0, 50.0, 75.0)
AGE_BANDS = ("to 25", "26 to 50", "51 to 75", "over 75")
FEWEST = 5
_SEXES = {"f": "female", "female": "female", "w": "female", "m": "male", "male": "male"}


def group_of(demographics: Mapping[str, str], kind: str) -> str | None:
    """The group of one person: of "sex" or "age"; None where it is not known."""
    value = demographics.get(kind, "").strip().lower()
    if kind == "sex":
        return _SEXES.get(value)
    try:
        age = float(value.rstrip("y").strip())
    except ValueError:
        return None
    return AGE_BANDS[sum(age > limit for limit in AGE_LIMITS)] if 0 <= age < 130 else None


def by_group(answers: Sequence[tuple[Labelled, Mapping[str, str]]]) -> dict[str, Any]:
    """Kind -> group -> figures with intervals, and the gap of each figure.

    Args:
        answers: of one data set, each with the demographics of its patient.
    """
    report: dict[str, Any] = {}
    for kind in ("sex", "age"):
        members: defaultdict[str, list[Labelled]] = defaultdict(list)
        for one, facts in answers:
            group = group_of(facts, kind)
            if group is not None:
                members[group].append(one)
        if not members:
            continue
        figures: dict[str, dict[str, Any]] = {}
        for group in sorted(members, key=lambda name: (*AGE_BANDS, "female", "male").index(name)):
            accuracy, f1 = published([members[group]])
            exact = exact_match(members[group])
            figures[group] = {
                "answers": len(members[group]), "patients": len({one.group for one in members[group]}),
                "accuracy": accuracy.as_dict(), "macro_f1": f1.as_dict(), "exact_match": exact.as_dict(),
            }  # fmt: skip
        large = [figures[g] for g, of in members.items() if len({one.group for one in of}) >= FEWEST]
        gaps = {name: _gap([one[name]["value"] for one in large]) for name in ("accuracy", "macro_f1", "exact_match")}
        report[kind] = {"groups": figures, "gap": gaps, "unknown": len(answers) - sum(map(len, members.values()))}
    return report


def _gap(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(max(known) - min(known), 6) if len(known) > 1 else None
