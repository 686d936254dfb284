"""The elements at the top level of a DICOM file in little endian, as bytes: where each starts and ends.

Only what comparing files needs (PS3.5 7.1, 7.5; PS3.10 7.1). Sequences of undefined length are measured by pydicom.
Whoever uses this asks pydicom as well, and believes neither where the two differ (`Pattern.learned`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from struct import Struct

from pydicom.datadict import dictionary_VR, keyword_for_tag, tag_for_keyword

from wetread.imaging.soundness import quiet_pydicom

PREAMBLE = 128
"""Bytes before the prefix; anything may stand there."""
MAGIC = b"DICM"
META_GROUP, PIXEL_DATA, UNDEFINED = 0x0002, 0x7FE00010, 0xFFFFFFFF
CHARACTER_SET, PIXEL_REPRESENTATION = 0x00080005, 0x00280103
_SHORT_HEAD = 6  # tag and VR; a length of two bytes follows
_LONG = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"})
"""VRs with a length of four bytes after two reserved ones."""
_ALWAYS_SAME = frozenset({
    0x00020010, CHARACTER_SET, 0x00080016, 0x00080060, 0x0020000D, 0x0020000E,  # encoding, kind, study and series
    0x00280002, 0x00280004, 0x00280006, 0x00280008, 0x00280010, 0x00280011,  # what pixels are
    0x00280100, 0x00280101, 0x00280102, PIXEL_REPRESENTATION,
})  # fmt: skip
_TAG, _SHORT, _WIDE = Struct("<HH").unpack_from, Struct("<H").unpack_from, Struct("<I").unpack_from


class UnlikeError(Exception):
    """The file is not like the one it is compared with, or not of a kind that is compared."""


@dataclass(frozen=True)
class Element:
    """One element at the top level.

    Args:
        tag: as a number.
        vr: None where the encoding does not tell (implicit VR).
        head: its bytes before the length.
        whole: all of its bytes, as first seen.
        place: where its value starts in the file that the pattern was learned from.
        keyword: the standard's; empty for a private one and in the file meta, where nobody asks for one.
    """

    tag: int
    vr: str | None
    head: bytes
    whole: bytes
    place: int
    keyword: str = ""

    @cached_property
    def wide(self) -> bool:
        """The length takes four bytes."""
        return len(self.head) != _SHORT_HEAD

    @cached_property
    def kind(self) -> str:
        """Its VR; where the encoding does not tell, the standard's for the tag."""
        return self.vr or (dictionary_VR(self.tag) if self.keyword else "")

    @cached_property
    def is_endless(self) -> bool:
        """A sequence of undefined length."""
        return self.wide and _WIDE(self.whole, len(self.head))[0] == UNDEFINED

    @cached_property
    def is_idle(self) -> bool:
        """A private one that can hold no sequence: nothing reads its value, and it may be what it likes."""
        return (self.tag >> 16) % 2 == 1 and self.vr not in (None, "SQ", "UN")

    @property
    def may_differ(self) -> bool:
        """False for what decides how the rest is to be understood."""
        is_creator = (self.tag >> 16) % 2 == 1 and 0x10 <= self.tag & 0xFFFF <= 0xFF
        return self.tag not in _ALWAYS_SAME and self.tag != PIXEL_DATA and not is_creator


def elements_of(content: bytes, implicit: bool) -> list[Element]:
    """The elements of a file in stored order; of the last one, pixel data, only what stands before its value.

    Raises:
        UnlikeError: pixel data is not the last element, or is cut short; or an encoding that is not read here.
    """
    elements: list[Element] = []
    place = PREAMBLE + len(MAGIC)
    while place + 8 <= len(content):
        group, number = _TAG(content, place)
        tag, bare = group << 16 | number, implicit and group != META_GROUP
        code = b"" if bare else content[place + 4 : place + 6]
        if not bare and not (code.isalpha() and code.isupper()):
            raise UnlikeError
        head = content[place : place + (4 if bare else 8 if code in _LONG else _SHORT_HEAD)]
        first = place + len(head) + (2 if len(head) == _SHORT_HEAD else 4)
        vr, keyword = None if bare else code.decode("ascii"), keyword_for_tag(tag)
        if group == META_GROUP or tag_for_keyword(keyword) != tag:
            keyword = ""
        if tag == PIXEL_DATA:
            if len(head) == _SHORT_HEAD or first > len(content) or first + _WIDE(content, first - 4)[0] != len(content):
                raise UnlikeError
            return [*elements, Element(tag, vr, head, content[place:first], first, keyword)]
        end = end_of(Element(tag, vr, head, content[place:first], first), content, place + len(head), implicit)
        elements.append(Element(tag, vr, head, content[place:end], first, keyword))
        place = end
    raise UnlikeError


def end_of(element: Element, content: bytes, start: int, implicit: bool) -> int:
    """Where the value of an element like this one ends, whose length is at `start`.

    Raises:
        UnlikeError: it ends beyond the content, or is of undefined length where the other's is defined.
    """
    first = start + (4 if element.wide else 2)
    if first > len(content):
        raise UnlikeError
    length = _WIDE(content, start)[0] if element.wide else _SHORT(content, start)[0]
    if element.wide and (length == UNDEFINED) != element.is_endless:
        raise UnlikeError
    end: int = first + (_sequence_bytes(content, first, implicit) if element.is_endless else length)
    if end > len(content):
        raise UnlikeError
    return end


def _sequence_bytes(content: bytes, place: int, implicit: bool) -> int:
    """Bytes of a sequence of undefined length, with its delimiter, as pydicom reads it.

    Raises:
        UnlikeError: it cannot be read.
    """
    from pydicom.filereader import read_sequence

    stream = BytesIO(content[place:])
    try:
        with quiet_pydicom():
            read_sequence(stream, implicit, True, UNDEFINED, "iso8859")
    except Exception as error:  # pydicom raises many types for damaged sequences
        raise UnlikeError from error
    return stream.tell()
