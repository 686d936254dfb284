"""What a model is asked to write about an ECG beside its reasoning and diagnosis, and how that is read back.

One object a finding: ``{"label": "atrial fibrillation", "interval_s": [0.5, 6.0], "leads": ["II", "V1"]}``. Seconds
count from the start of the recording. Interval and leads may be left out; what cannot be read is said in words.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass

from wetread.imaging.leads import STANDARD, lead_of_words

INSTRUCTION = (
    "First reason step by step, as an inner monologue between <think> and </think>. Then list what you marked as JSON "
    'inside ```json and ```: a list of objects, each with the key "label" and, where it can be pointed at, '
    '"interval_s" as [start, end] in seconds from the start of the recording and "leads" as a list of lead names. '
    "After it, write the diagnoses inside \\boxed{}, separated by commas."
)

_FENCE = re.compile(r"```(?:json)?\s*(.*?)```", re.DOTALL)


@dataclass(frozen=True, slots=True)
class EcgObject:
    """One object of an answer.

    Args:
        label: as written.
        interval_s: (start, end) in seconds, start before end; None where none was given.
        leads: standard names; all twelve where an interval names none.
    """

    label: str
    interval_s: tuple[float, float] | None = None
    leads: tuple[str, ...] = ()


def ecg_objects(text: str) -> tuple[tuple[EcgObject, ...], tuple[str, ...]]:
    """The objects of an answer and, in words, what could not be taken; never raises on what a model may write."""
    objects: list[EcgObject] = []
    defects: list[str] = []
    for item in _listed(text):
        if not isinstance(item, dict) or not isinstance(item.get("label"), str) or not item["label"].strip():
            defects.append("an object without a label was left out")
            continue
        label = " ".join(item["label"].split())
        interval = _interval(item.get("interval_s"))
        if interval is None and item.get("interval_s") is not None:
            defects.append(f"the interval written for {label!r} is not two usable times")
        objects.append(EcgObject(label, interval, _leads(item.get("leads"), label, defects)))
    return tuple(objects), tuple(defects)


def _listed(text: str) -> list[object]:
    after = text.rsplit("</think>", 1)[-1]
    for candidate in _FENCE.findall(after):
        try:
            loaded = json.loads(candidate)
        except (json.JSONDecodeError, RecursionError):
            continue
        if isinstance(loaded, dict):
            return [loaded]
        if isinstance(loaded, list):
            return loaded
    return []


def _interval(numbers: object) -> tuple[float, float] | None:
    if not isinstance(numbers, list) or len(numbers) != 2:
        return None
    if not all(isinstance(n, int | float) and not isinstance(n, bool) and math.isfinite(n) for n in numbers):
        return None
    start, end = sorted((float(numbers[0]), float(numbers[1])))
    return (start, end) if 0.0 <= start < end else None


def _leads(names: object, label: str, defects: list[str]) -> tuple[str, ...]:
    if names is None or names == []:
        return STANDARD
    listed = names if isinstance(names, list) else [names]
    found = [lead_of_words(str(name)) for name in listed]
    if any(signed is None for signed in found):
        defects.append(f"a lead written for {label!r} is no standard lead")
    known = {signed[0] for signed in found if signed is not None}
    return tuple(lead for lead in STANDARD if lead in known) or STANDARD
