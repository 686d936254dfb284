"""Did every character survive? The declared character set, and what a set that is too small leaves behind.

A writer that cannot encode a character puts ``?`` in its place ("−820 HU" becomes "?820 HU") and a reader that cannot
decode one puts U+FFFD; no public validator names either.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pydicom.charset import python_encoding
from pydicom.multival import MultiValue

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydicom import Dataset

Words = tuple[str, str]

_WHOLE = {"ISO_IR 192", "GB18030", "GBK"}
_TEXTS = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
# A question mark that begins a word or a number, or stands alone between two words.
_LOST = re.compile(r"(?<![\w/])\?\w|\w\?\w|\w \? \w")


def character_defects(dataset: Dataset) -> Iterator[Words]:
    """Defects of the character set of an object and of its texts, each kind told once."""
    declared = dataset.get("SpecificCharacterSet")
    names = [str(name) for name in declared] if isinstance(declared, MultiValue) else [str(declared or "")]
    unknown = [name for name in names if name and name not in python_encoding]
    if unknown:
        yield f"Specific Character Set is '{unknown[0][:16]}'", "write ISO_IR 192."
    replaced = lost = foreign = False
    for text in _texts(dataset):
        replaced = replaced or "\ufffd" in text
        foreign = foreign or not text.isascii()
        lost = lost or _LOST.search(text) is not None
    if replaced:
        yield "a text does not decode in its Specific Character Set", "write ISO_IR 192, or text outside it is lost."
    elif names == [""] and foreign:
        yield "texts beyond ASCII without a Specific Character Set", "write ISO_IR 192."
    elif lost and not set(names) & _WHOLE:
        yield "a character was lost and became '?'", "write ISO_IR 192, or text outside it is lost."


def _texts(dataset: Dataset) -> Iterator[str]:
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value:
                yield from _texts(item)
        elif element.VR in _TEXTS and not element.is_empty:
            values = element.value if element.VM > 1 else [element.value]
            yield from (str(value) for value in values)
