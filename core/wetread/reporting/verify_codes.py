"""Does a code carry its own meaning? Looked up in pydicom's dictionaries of DCM, SCT, UMLS and UCUM concepts.

A code that the dictionaries do not know is let through: they are not complete. Meanings are compared without case,
punctuation and SNOMED's semantic tag in brackets, since synonyms of spelling are no defect; older meanings that
DICOM's own tables once gave a code are listed here. UCUM prescribes codes and no meanings (its unit 'cm2' may be called
'square centimetre'), so there only the meaning of another unit is a defect.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pydicom import Dataset

_CHECKED = ("DCM", "SCT", "UMLS", "LN", "RADLEX")
_ATOMS = r"(?:[munpkc]?(?:m|g|l|L|s|Pa|V|Bq|Hz|eq|mol)|%|1|min|h|d|a|deg|rad|\[[A-Za-z_'-]+\]|\{[^{}]+\})"
_UNIT = re.compile(rf"{_ATOMS}-?[1-3]?(?:[./]{_ATOMS}-?[1-3]?)*")

_FORMER = {
    ("SCT", "276214006"): frozenset({"finding category"}),
    ("SCT", "123037004"): frozenset({"anatomical structure"}),
    ("SCT", "49755003"): frozenset({"morphologically altered structure"}),
}
"""Meanings in earlier editions of PS3.16, which good objects still carry."""


def code_defects(items: Iterable[Dataset]) -> Iterator[tuple[str, str]]:
    """Every coded concept within these items whose meaning is not the scheme's.

    Give the items the object itself makes (segments, content), not what it copied from its source.
    """
    seen: set[tuple[str, str, str]] = set()
    for item in (coded for given in items for coded in _coded_items(given)):
        key = (str(item.get("CodeValue", "")), str(item.CodingSchemeDesignator), str(item.get("CodeMeaning", "")))
        if key in seen:
            continue
        seen.add(key)
        code, scheme, meaning = key
        if not code or not meaning:
            yield f"a {scheme} code has no value or no meaning", "write code, scheme and meaning together."
        meanings = _meanings().get((scheme, code), frozenset())
        if scheme == "UCUM" and not _units_called().get(_plain(meaning), frozenset()) - {code}:
            continue
        known = meanings | _FORMER.get((scheme, code), frozenset())
        if meanings and _core(meaning) not in map(_core, known):
            expected = sorted(meanings)[0]
            yield f"code {code} ({scheme}) means '{expected}', not '{meaning}'", "use the code of what is meant."


def is_unit(code: str) -> bool:
    """True for a UCUM unit that the dictionary knows or that is composed of common atoms."""
    return ("UCUM", code) in _meanings() or _UNIT.fullmatch(code) is not None


def _coded_items(dataset: Dataset) -> Iterator[Dataset]:
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value:
                if "CodingSchemeDesignator" in item and ("CodeValue" in item or "CodeMeaning" in item):
                    yield item
                yield from _coded_items(item)


@cache
def _meanings() -> dict[tuple[str, str], frozenset[str]]:
    from pydicom.sr._concepts_dict import concepts  # no public listing; CodesDict finds by keyword only

    found: dict[tuple[str, str], set[str]] = {}
    schemes: dict[str, Any] = concepts
    for scheme in (*_CHECKED, "UCUM"):
        for by_code in schemes.get(scheme, {}).values():
            for code, (meaning, _) in by_code.items():
                found.setdefault((scheme, code), set()).add(_plain(meaning))
    return {key: frozenset(values) for key, values in found.items()}


@cache
def _units_called() -> dict[str, frozenset[str]]:
    """UCUM codes by each of their names; the dictionary calls 1/cm a centimetre, and that is not another unit."""
    found: dict[str, set[str]] = {}
    for (scheme, code), names in _meanings().items():
        for name in names if scheme == "UCUM" else ():
            found.setdefault(name, set()).add(code.lstrip("/"))
    return {name: frozenset(codes) for name, codes in found.items()}


def _core(meaning: str) -> frozenset[str]:
    """Its words without those that SNOMED adds for order: an organ is a body organ structure."""
    words = frozenset(_plain(meaning).split())
    return words - {"body", "entire", "of", "property", "structure"} or words


def _plain(meaning: str) -> str:
    untagged = re.sub(r"\s*\([^()]*\)\s*$", "", meaning)
    return " ".join(re.sub(r"[^0-9a-z]+", " ", (untagged or meaning).lower()).split())
