"""The leads of an electrocardiogram: their names, their codes in DICOM, and what follows from what.

Twelve leads carry eight independent signals: by Einthoven's law II = I + III, and Goldberger's augmented leads are
fixed combinations of I and II, so that any two limb leads give the other four exactly. The chest leads V1 to V6 follow
from nothing. Codes: PS3.16 CID 3001 (MDC) and the SCP-ECG codes (EN 1064, 5.6.3-9) that devices write.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

STANDARD = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
"""The twelve leads in the order in which they are recorded, printed and given without names."""
INDEPENDENT = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
"""The eight leads that models are given; everything else follows from them."""

_FROM_I_AND_II = {
    "I": (1.0, 0.0), "II": (0.0, 1.0), "III": (-1.0, 1.0),
    "aVR": (-0.5, -0.5), "aVL": (1.0, -0.5), "aVF": (-0.5, 1.0),
}  # fmt: skip
_BY_TERM = dict(zip((1, 2, 61, 62, 63, 64, 3, 4, 5, 6, 7, 8), STANDARD, strict=True))
_DERIVED_BY_TERM = dict(zip((31, 32, 111, 112, 113, 114, 33, 34, 35, 36, 37, 38), STANDARD, strict=True))
_CODES: dict[tuple[str, str], tuple[str, float]] = {
    **{("MDC", f"2:{term}"): (lead, 1.0) for term, lead in (*_BY_TERM.items(), *_DERIVED_BY_TERM.items())},
    **{("SCPECG", f"5.6.3-9-{term}"): (lead, 1.0) for term, lead in _BY_TERM.items()},
    ("MDC", "2:65"): ("aVR", -1.0),
    ("SCPECG", "5.6.3-9-65"): ("aVR", -1.0),
}
_NAMED = {lead.lower(): lead for lead in STANDARD}
_WORDS = re.compile(
    r"^\s*(?:mdc_ecg_(?:lead|elec_potl)_)?(?:derived\s+)?(?:lead\s+|ecg\s+)?(?P<sign>[-\u2212])?\s*"
    r"(?P<name>iii|ii|i|avr|avl|avf|v[1-6])(?![a-z0-9])",
    re.IGNORECASE,
)

Signed = tuple[str, float]
"""A standard lead and +1, or -1 where the channel holds it upside down (-aVR)."""


def lead_of_code(scheme: str, code: str) -> Signed | None:
    """The lead that a coded channel source means; None where it is no standard lead."""
    return _CODES.get((scheme.strip().upper(), code.strip()))


def lead_of_words(text: str) -> Signed | None:
    """The lead that a label or code meaning names: ``V1``, ``Lead II``, ``aVR, augmented voltage, right``."""
    found = _WORDS.match(text)
    if found is None:
        return None
    return _NAMED[found["name"].lower()], -1.0 if found["sign"] else 1.0


def code_of(lead: str) -> tuple[str, str, str]:
    """(code, scheme, meaning) of a standard lead in CID 3001, for writing."""
    term = next(term for term, name in _BY_TERM.items() if name == lead)
    side = {"aVR": ", augmented voltage, right", "aVL": ", augmented voltage, left", "aVF": ", augmented voltage, foot"}
    return f"2:{term}", "MDC", lead + side[lead] if lead in side else f"Lead {lead}"


def origin_of(lead: str, recorded: Mapping[str, object]) -> tuple[str, ...] | None:
    """The recorded leads that a lead is taken from: itself, or two limb leads; None where it cannot be had."""
    if lead in recorded:
        return (lead,)
    limbs = tuple(name for name in _FROM_I_AND_II if name in recorded)
    return limbs[:2] if lead in _FROM_I_AND_II and len(limbs) >= 2 else None


def lead_signal(lead: str, recorded: Mapping[str, NDArray[np.floating]]) -> NDArray[np.float32] | None:
    """A lead as recorded, or exactly derived from two limb leads; None where neither is possible.

    Args:
        lead: a name of `STANDARD`.
        recorded: lead -> (samples,) millivolts.
    """
    origin = origin_of(lead, recorded)
    if origin is None:
        return None
    if origin == (lead,):
        return np.asarray(recorded[lead], dtype=np.float32)
    weights = np.linalg.solve(np.array([_FROM_I_AND_II[name] for name in origin]).T, np.array(_FROM_I_AND_II[lead]))
    mixed = sum(w * np.asarray(recorded[name], dtype=np.float64) for w, name in zip(weights, origin, strict=True))
    return np.asarray(mixed, dtype=np.float32)


def limb_disagreement(recorded: Mapping[str, NDArray[np.floating]]) -> float | None:
    """How far I, II and III are from Einthoven's law: RMS of II - I - III over their mean RMS; None without all."""
    if not {"I", "II", "III"} <= recorded.keys():
        return None
    first, second, third = (np.asarray(recorded[name], dtype=np.float64) for name in ("I", "II", "III"))
    first, second, third = (signal - signal.mean() for signal in (first, second, third))
    scale = float(np.mean([np.sqrt((signal**2).mean()) for signal in (first, second, third)]))
    return float(np.sqrt(((second - first - third) ** 2).mean())) / scale if scale > 0 else None
