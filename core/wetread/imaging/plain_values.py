"""The usual forms of the values in which the slices of a series differ, taken without pydicom's machinery.

Strict: a UID of digits and dots, decimal and integer strings, dates and times of digits, one binary number. Anything
else (None) is pydicom's to convert and the checks' to judge.
"""

from __future__ import annotations

import math
import re
from struct import Struct
from typing import TYPE_CHECKING

from wetread.imaging.soundness import has_right_count

if TYPE_CHECKING:
    from collections.abc import Callable

PlainValue = str | int | float | list[int] | list[float]

_UID = re.compile(rb"[0-9.]{1,64}\0?")
_MOMENT = re.compile(rb"[0-9.]{1,26} ?")
_DECIMAL = re.compile(rb" *[+-]?(?:[0-9]{1,32}(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,2})? *")
_INTEGER = re.compile(rb" *[+-]?[0-9]{1,9} *")
_MOMENTS = frozenset({"DA", "TM"})
_BINARY = {vr: Struct(f"<{code}") for vr, code in
           {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d"}.items()}  # fmt: skip


def plain_value(vr: str, keyword: str, value: bytes) -> PlainValue | None:
    """A value in one of the usual forms, None where it is in another, or where it is not what its keyword needs.

    Args:
        vr: as stored, or the standard's for the tag.
        keyword: the element's.
        value: its bytes.
    """
    if vr == "UI":
        return value.rstrip(b"\0").decode("ascii") if _UID.fullmatch(value) else None
    if vr in _MOMENTS:
        return value.rstrip().decode("ascii") if _MOMENT.fullmatch(value) else None
    if vr == "DS":
        return _numbers(value, keyword, _DECIMAL, float)
    if vr == "IS":
        return _numbers(value, keyword, _INTEGER, int)
    if vr in _BINARY and len(value) == _BINARY[vr].size:
        number: int | float = _BINARY[vr].unpack(value)[0]
        return number if math.isfinite(number) and has_right_count(keyword, 1) else None
    return None


def _numbers(
    value: bytes, keyword: str, form: re.Pattern[bytes], make: Callable[[bytes], float] | type[int]
) -> PlainValue | None:
    parts = value.split(b"\\")
    if not all(form.fullmatch(part) for part in parts) or not has_right_count(keyword, len(parts)):
        return None
    return make(value) if len(parts) == 1 else [make(part) for part in parts]
