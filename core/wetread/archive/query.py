"""QIDO-RS queries (PS3.18 10.6): which attributes can be asked for, and whether an entry matches.

Entries are DICOM JSON objects (PS3.18 Annex F). Matching follows PS3.4 C.2.2.2: single value, list of UIDs, wildcard
(``*``, ``?``), date and time ranges, universal. Person names match without regard to case. An attribute that is not
kept in the index is refused rather than ignored: ignoring it would answer with studies that were not asked for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from pydicom.datadict import dictionary_VR, keyword_for_tag, tag_for_keyword

from wetread.errors import RefusedInput

if TYPE_CHECKING:
    from collections.abc import Iterable

Attributes = dict[str, dict[str, Any]]
"""One DICOM JSON object: eight hexadecimal digits -> {"vr": ..., "Value": [...]}."""

MAXIMUM_RESULTS = 10_000
_NO_FILTER = frozenset({"limit", "offset", "includefield", "fuzzymatching"})


class Level(IntEnum):
    """Where in the DICOM information model a query looks; an entry carries its own and all higher levels."""

    STUDY = 0
    SERIES = 1
    INSTANCE = 2


KEYWORDS: dict[Level, tuple[str, ...]] = {
    Level.STUDY: (
        "SpecificCharacterSet", "StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName",
        "TimezoneOffsetFromUTC", "StudyDescription", "PatientName", "PatientID", "PatientBirthDate", "PatientSex",
        "PatientAge", "StudyInstanceUID", "StudyID",
    ),
    Level.SERIES: (
        "SeriesDate", "SeriesTime", "Modality", "Manufacturer", "SeriesDescription", "BodyPartExamined",
        "ProtocolName", "SeriesInstanceUID", "SeriesNumber", "Laterality", "PerformedProcedureStepStartDate",
        "PerformedProcedureStepStartTime", "RequestAttributesSequence",
    ),
    Level.INSTANCE: (
        "SOPClassUID", "SOPInstanceUID", "ContentDate", "ContentTime", "InstanceNumber", "NumberOfFrames", "Rows",
        "Columns", "BitsAllocated", "ContentLabel", "ContentDescription",
    ),
}  # fmt: skip
"""Attributes that are read from the instances, by level (PS3.18 tables 10.6.3-3 to 10.6.3-5 and a few more)."""

COUNTED: dict[Level, tuple[str, ...]] = {
    Level.STUDY: (
        "ModalitiesInStudy", "SOPClassesInStudy", "NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances",
    ),
    Level.SERIES: ("NumberOfSeriesRelatedInstances",),
    Level.INSTANCE: ("InstanceAvailability", "AvailableTransferSyntaxUID"),
}  # fmt: skip
"""Attributes that the index works out."""


def json_tag(keyword: str) -> str:
    """Eight upper-case hexadecimal digits for a keyword of the dictionary."""
    tag = tag_for_keyword(keyword)
    if tag is None:
        raise KeyError(keyword)
    return f"{tag:08X}"


@dataclass(frozen=True, slots=True)
class Query:
    """A QIDO-RS query at one level.

    Args:
        filters: (tag as eight digits, VR, wanted text); empty text matches everything.
        limit: at most this many entries.
        offset: entries to skip.
    """

    level: Level
    filters: tuple[tuple[str, str, str], ...] = ()
    limit: int = MAXIMUM_RESULTS
    offset: int = 0

    @classmethod
    def parse(cls, level: Level, parameters: Iterable[tuple[str, str]]) -> Query:
        """From URL parameters; attributes by keyword or by tag (``PatientID`` or ``00100020``).

        Raises:
            RefusedInput: an unknown attribute, one of a lower level, or numbers that are none.
        """
        known = {json_tag(k): k for upper in Level if upper <= level for k in (*KEYWORDS[upper], *COUNTED[upper])}
        filters, numbers = [], {"limit": MAXIMUM_RESULTS, "offset": 0}
        for name, value in parameters:
            if name in numbers:
                if not re.fullmatch(r"[0-9]{1,9}", value):
                    raise RefusedInput("not a number", f"query parameter {name}", "give a count of zero or more")
                numbers[name] = int(value)
            elif name not in _NO_FILTER:
                tag = _tag_of(name)
                if tag not in known:
                    where = f"{level.name.lower()} query"
                    raise RefusedInput("attribute not searchable here", where, "leave it out and filter the answers")
                filters.append((tag, dictionary_VR(tag), value.strip()))
        return cls(level, tuple(filters), min(numbers["limit"], MAXIMUM_RESULTS), numbers["offset"])

    def matches(self, entry: Attributes) -> bool:
        """True where the entry satisfies every filter."""
        return all(_matches(entry.get(tag, {}), vr, wanted) for tag, vr, wanted in self.filters)

    def answer(self, entries: Iterable[Attributes]) -> list[Attributes]:
        """The entries that match, after offset and limit, in the order given."""
        matching = [entry for entry in entries if self.matches(entry)]
        return matching[self.offset : self.offset + self.limit]


def _tag_of(name: str) -> str | None:
    if re.fullmatch(r"[0-9A-Fa-f]{8}", name):
        return name.upper() if keyword_for_tag(name) else None
    tag = tag_for_keyword(name)
    return None if tag is None else f"{tag:08X}"


def _matches(element: dict[str, Any], vr: str, wanted: str) -> bool:
    if wanted in ("", "*"):
        return True
    values = [_text(value) for value in element.get("Value", []) if value is not None]
    if vr in ("UI", "CS"):
        # A list of UIDs (PS3.4 C.2.2.2.2); viewers also ask for ModalitiesInStudy=CT,MR in this way.
        choices = [choice for choice in re.split(r"[,\\]", wanted) if choice]
        return any(_is_like(value, choice) for value in values for choice in choices)
    if vr in ("DA", "TM", "DT") and "-" in wanted:
        first, _, last = wanted.partition("-")
        return any(_in_range(value, first, last) for value in values)
    if vr == "PN":
        return any(_is_like(value.casefold().rstrip("^"), wanted.casefold().rstrip("^")) for value in values)
    return any(_is_like(value, wanted) for value in values)


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return str(value.get("Alphabetic", "")) or str(next(iter(value.values()), ""))
    return str(value)


def _is_like(value: str, pattern: str) -> bool:
    if "*" not in pattern and "?" not in pattern:
        return value == pattern
    parts = {"*": ".*", "?": "."}
    return re.fullmatch("".join(parts.get(c) or re.escape(c) for c in pattern), value, re.DOTALL) is not None


def _in_range(value: str, first: str, last: str) -> bool:
    # Both ends count in; a shorter bound ("2024", "12") covers everything that begins with it.
    return (not first or value >= first) and (not last or value[: len(last)] <= last)
