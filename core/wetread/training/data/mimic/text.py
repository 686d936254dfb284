"""The first hours of an admission as text: the same rows give the same words, whatever order they were stored in.

Sections in this order: Demographics, Vitals, Labs, Other charted values, Medication, Procedures. A measured item is
one line with its first and last value and when (hours from admission; below zero in the emergency department), its
range and its count; an abnormal value is marked. Only rows inside a `stay.Window` enter, and only of tables that were
charted during the stay: no diagnosis or procedure code, which are given at discharge, no note, no report.

A text beyond its budget loses lines from the middle, as the published loader cuts from the middle: the demographics
and vitals at its head and the treatments at its end stay.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wetread.training.data.mimic.stay import Admission, Window
from wetread.training.data.mimic.tables import CHART_ITEMS, ICU_STAYS, LAB_ITEMS, Places, times, whole

if TYPE_CHECKING:
    from datetime import datetime

    import pandas as pd

    from wetread.training.data.item import Faults

CountTokens = Callable[[str], int]
CUT_MARK = "..."
VITAL_SIGNS = {
    "220045": "Heart rate", "220179": "Systolic pressure", "220050": "Systolic pressure, arterial",
    "220180": "Diastolic pressure", "220051": "Diastolic pressure, arterial", "220181": "Mean pressure",
    "220052": "Mean pressure, arterial", "220210": "Respiratory rate", "220277": "Oxygen saturation",
    "223762": "Temperature (C)", "223761": "Temperature (F)", "223835": "Inspired oxygen",
    "220739": "GCS eyes", "223900": "GCS verbal", "223901": "GCS motor", "226512": "Weight on admission",
    "226730": "Height",
}  # fmt: skip
"""Items of d_items that are vital signs, in the order in which they are told."""
_TOKEN = re.compile(r"\d|[^\W\d_]+|[^\w\s]|_")


@dataclass(frozen=True, slots=True)
class Names:
    """What items are called.

    Args:
        labs: itemid -> (label, fluid).
        items: itemid -> label, of d_items.
        care_units: hadm_id -> (time, unit) of each ICU stay, in their order.
    """

    labs: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    items: Mapping[str, str] = field(default_factory=dict)
    care_units: Mapping[int, tuple[tuple[datetime, str], ...]] = field(default_factory=dict)


def read_names(places: Places, faults: Faults) -> Names:
    """Read the tables of names.

    Raises:
        RefusedInput: a table is torn.
    """
    labs = whole(places, LAB_ITEMS, faults).fillna("")
    items = whole(places, CHART_ITEMS, faults).fillna("")
    stays = whole(places, ICU_STAYS, faults)
    stays["intime"] = times(stays["intime"])
    units: dict[int, list[tuple[datetime, str]]] = {}
    for row in stays.dropna(subset=["hadm_id", "intime", "first_careunit"]).to_dict("records"):
        units.setdefault(int(row["hadm_id"]), []).append((row["intime"].to_pydatetime(), row["first_careunit"]))
    return Names(
        {row["itemid"]: (row["label"], row["fluid"]) for row in labs.to_dict("records")},
        {row["itemid"]: row["label"] for row in items.to_dict("records")},
        {hadm: tuple(sorted(set(found))) for hadm, found in units.items()},
    )


def estimated_tokens(text: str) -> int:
    """Tokens of a text where no tokenizer is at hand: words, single digits and signs, as Qwen's tokenizer cuts."""
    return len(_TOKEN.findall(text))


def record_text(
    admission: Admission,
    events: pd.DataFrame,
    window: Window,
    names: Names,
    *,
    budget: int | None = None,
    count: CountTokens = estimated_tokens,
) -> str:
    """The record of an admission inside a window.

    Args:
        admission: whose it is.
        events: its rows (`events.COLUMNS`), of any time; those outside the window are left out here.
        window: of the evidence.
        names: of items.
        budget: most tokens of the text; None for no limit.
        count: tells how many tokens a text has.
    """
    inside = window.filter(events)
    lines = [*_demographics(admission, window, names)]
    charted, labs = inside[inside["kind"] == "chart"], inside[inside["kind"] == "lab"]
    vital = charted["item"].isin(list(VITAL_SIGNS))
    lines += _section("Vitals", _measured(charted[vital], admission, VITAL_SIGNS, list(VITAL_SIGNS)))
    lab_names = {item: f"{label} ({fluid})" if fluid else label for item, (label, fluid) in names.labs.items()}
    lines += _section("Labs", _measured(labs, admission, lab_names, None))
    lines += _section("Other charted values", _measured(charted[~vital], admission, names.items, None))
    lines += _section("Medication", _given(inside[inside["kind"].isin(["drug", "input"])], admission, names))
    lines += _section("Procedures", _given(inside[inside["kind"] == "procedure"], admission, names))
    text = "\n".join(lines)
    return text if budget is None else shortened(text, budget, count)


def shortened(text: str, budget: int, count: CountTokens) -> str:
    """The text without lines from its middle, so that it has at most `budget` tokens; all of it where it fits.

    Raises:
        ValueError: a budget below one token.
    """
    if budget < 1:
        raise ValueError(f"A budget of {budget} tokens.")
    if count(text) <= budget:
        return text
    for pieces, joint in ((text.split("\n"), "\n"), (list(text), "")):
        kept = _most(pieces, joint, budget, count)
        if kept:
            return _around(pieces, joint, kept)
    return ""


def _most(pieces: list[str], joint: str, budget: int, count: CountTokens) -> int:
    """The largest number of pieces that may be kept; 0 where not even two may."""
    low, high = 0, len(pieces) - 1
    while low < high:
        middle = (low + high + 1) // 2
        if count(_around(pieces, joint, middle)) <= budget:
            low = middle
        else:
            high = middle - 1
    # Tokens of a joined text are nearly, not exactly, the sum of its parts: the last step is checked, not assumed.
    while low > 0 and count(_around(pieces, joint, low)) > budget:
        low -= 1
    return low if low >= 2 else 0


def _around(pieces: list[str], joint: str, kept: int) -> str:
    head, tail = (kept + 1) // 2, kept // 2
    return joint.join([*pieces[:head], CUT_MARK, *pieces[len(pieces) - tail :]])


def _section(title: str, lines: list[str]) -> list[str]:
    return [f"{title}:", *lines] if lines else []


def _demographics(admission: Admission, window: Window, names: Names) -> list[str]:
    facts = [
        f"Sex: {admission.sex or 'unknown'}",
        f"Age: {'unknown' if admission.age is None else admission.age}",
        f"Race: {admission.race or 'unknown'}",
        f"Admission: {admission.kind or 'unknown'}" + (f", from {admission.came_from}" if admission.came_from else ""),
    ]
    units = [u for u in names.care_units.get(admission.hadm, ()) if window.holds(u[0])]
    facts += [f"Intensive care: {unit} ({_hours(since, admission)})" for since, unit in units]
    return _section("Demographics", facts)


def _measured(rows: pd.DataFrame, admission: Admission, names: Mapping[str, str], order: list[str] | None) -> list[str]:
    """A line for each item and unit: first, last, range, count."""
    lines: list[tuple[tuple[float, str], str]] = []
    for (item, unit), part in rows.assign(unit=rows["unit"].fillna("")).groupby(["item", "unit"]):
        # Rows of one minute are told in the order of their values, so that the text does not depend on the file's.
        ordered = part.sort_values(["charted", "value"])
        values = ordered["value"]
        name = names.get(str(item), f"item {item}")
        first, last = ordered.iloc[0], ordered.iloc[-1]
        said = (
            f"- {name}: {_number(first['value'])}{' ' + unit if unit else ''} ({_hours(first['charted'], admission)})"
        )
        if len(ordered) > 1:
            said += f", last {_number(last['value'])} ({_hours(last['charted'], admission)})"
            said += f", {_number(values.min())} to {_number(values.max())}, n={len(ordered)}"
        if bool(last["abnormal"]):
            said += ", abnormal"
        elif bool(ordered["abnormal"].any()):
            said += ", abnormal before"
        place = float(order.index(str(item))) if order else 0.0
        lines.append(((place, f"{name} {unit}"), said))
    return [said for _, said in sorted(lines)]


def _given(rows: pd.DataFrame, admission: Admission, names: Names) -> list[str]:
    """Drugs, infusions and procedures in the order of their start; repeated orders of one thing are one line."""
    lines: dict[str, tuple[datetime, str, int]] = {}
    for row in rows.sort_values(["charted", "kind", "item", "detail"]).to_dict("records"):
        name = row["item"] if row["kind"] == "drug" else names.items.get(str(row["item"]), f"item {row['item']}")
        unit, detail = (row[column] if isinstance(row[column], str) else "" for column in ("unit", "detail"))
        known = row["kind"] == "input" and row["value"] == row["value"] and unit
        amount = f"{_number(row['value'])} {unit}" if known else ""
        said = ", ".join(filter(None, (f"- {name}", detail, amount)))
        first, _, count = lines.get(said, (row["charted"], said, 0))
        lines[said] = (first, said, count + 1)
    return [
        f"{said} ({_hours(first, admission)})" + (f", {count} times" if count > 1 else "")
        for first, said, count in lines.values()
    ]


def _hours(time: datetime, admission: Admission) -> str:
    """Whole hours from admission, rounded down, so that no minute after the cut can look like one before it."""
    return f"{int((time - admission.admitted).total_seconds() // 3600)} h"


def _number(value: float) -> str:
    return f"{value:.4g}" if abs(value) < 10_000 else f"{value:.0f}"
