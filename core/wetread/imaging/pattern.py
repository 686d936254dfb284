"""Files of one series are nearly the same file: where they differ is found by comparing bytes.

A Pattern is learned from one file that pydicom parsed and `soundness.check_header` found whole. Another file matches
it where it holds the same elements in the same order and encoding, ends with pixel data of the same length, and
differs in values alone. Equal bytes need no second look: they are as sound as the first file's. Values that differ are
converted by pydicom itself and checked like any other. Nothing is guessed and nothing is refused here: whatever does
not match is left to pydicom, which says what is wrong with it.
"""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

from pydicom.dataelem import RawDataElement

from wetread.errors import RefusedInput
from wetread.imaging.elements import (
    CHARACTER_SET,
    MAGIC,
    META_GROUP,
    PIXEL_REPRESENTATION,
    PREAMBLE,
    UNDEFINED,
    Element,
    UnlikeError,
    elements_of,
    end_of,
)
from wetread.imaging.kinds import Family, family_of
from wetread.imaging.plain_values import plain_value
from wetread.imaging.soundness import check_element, quiet_pydicom

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydicom import DataElement, Dataset

SLACK = 4096
"""Bytes by which a header may be longer than the one the pattern was learned from."""
_IMPLICIT, _EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
_REMEMBERED = 10_000
_ABSENT = object()


class Pattern:
    """What the files of a series have in common; finds out where they differ as it meets them.

    Args:
        dataset: the file as pydicom gave it, checked.
        elements: all of its elements in stored order; the last one is the head of pixel data.
        size: of the file, bytes.
    """

    def __init__(self, dataset: Dataset, elements: Sequence[Element], size: int) -> None:
        self.dataset = dataset
        self.pixel_bytes = size - elements[-1].place
        self.header_bytes = elements[-1].place + SLACK
        self._elements = elements
        self._implicit = bool(dataset.original_encoding[0])
        self._differing: set[int] = set()
        self._parts = self._compiled()
        self._scratch = _scratch_of(dataset)
        self._values: dict[str, Any] = {}
        self._known: dict[tuple[int, bytes], Any] = {}

    @classmethod
    def learned(cls, dataset: Dataset, content: bytes) -> Pattern | None:
        """The pattern of a file; None for kinds of file that are not read by comparison.

        Args:
            dataset: as `pydicom.dcmread` gave it, checked and otherwise untouched.
            content: the same file, whole. The dataset belongs to the pattern from then on.
        """
        try:
            if not _is_plain_slice(dataset):
                return None
            elements = elements_of(content, bool(dataset.original_encoding[0]))
        except (UnlikeError, RefusedInput):
            return None
        parts = (dataset.file_meta, dataset)
        held = {int(tag): part.get_item(tag) for part in parts for tag in part.keys()}  # noqa: SIM118 - iterating converts
        seen = {tag: e.value_tell if isinstance(e, RawDataElement) else e.file_tell for tag, e in held.items()}
        # Where pydicom found other elements, or found them elsewhere, the file is not understood here.
        if seen != {element.tag: element.place for element in elements} or sum(map(len, parts)) != len(elements):
            return None
        if any(element.is_endless and held[element.tag].VR != "SQ" for element in elements):
            return None
        del dataset.PixelData  # it is in `content`, which whoever asks keeps
        return cls(dataset, elements, len(content))

    def fits(self, size: int) -> bool:
        """True where a file of so many bytes may match."""
        return 0 < size - self.pixel_bytes <= self.header_bytes

    def value(self, keyword: str, default: object = None) -> Any:
        """The value of an element that is the same in all files, as `Dataset.get`; not to be changed."""
        if keyword not in self._values:
            self._values[keyword] = self.dataset.get(keyword, _ABSENT)
        value = self._values[keyword]
        return default if value is _ABSENT else value

    def match(self, head: bytes, size: int) -> tuple[int, dict[str, Any]] | None:
        """Where the pixel data of a file starts, and the values in which it differs, by keyword.

        None where it does not match; private values are checked and not given.

        Args:
            head: its first bytes, `header_bytes` of them (or all).
            size: of the file.
        """
        try:
            start, differing = self._quick(head) or self._thorough(head)
            if start + self.pixel_bytes != size:
                return None
            values = {element.keyword: self._value(element, field) for element, field in differing}
        except (UnlikeError, RefusedInput):
            return None
        return start, values

    def _quick(self, head: bytes) -> tuple[int, list[tuple[Element, bytes]]] | None:
        """The file by the differences known so far; None where there are others."""
        place, differing = PREAMBLE, []
        for run, element in self._parts:
            if not head.startswith(run, place):
                return None
            place += len(run)
            if element is not None:
                start, place = place, end_of(element, head, place, self._implicit)
                if not element.is_idle:
                    differing.append((element, head[start:place]))
        return place, differing

    def _thorough(self, head: bytes) -> tuple[int, list[tuple[Element, bytes]]]:
        """The file element by element; what it differs in is known from then on."""
        place, new, differing = PREAMBLE + len(MAGIC), set(), []
        if not head.startswith(MAGIC, PREAMBLE):
            raise UnlikeError
        for number, element in enumerate(self._elements):
            if number not in self._differing and head.startswith(element.whole, place):
                place += len(element.whole)
                continue
            if not element.may_differ:
                raise UnlikeError
            if not head.startswith(element.head, place):
                raise UnlikeError
            new.add(number)
            start = place + len(element.head)
            place = end_of(element, head, start, self._implicit)
            if not element.is_idle:
                differing.append((element, head[start:place]))
        self._differing |= new
        self._parts = self._compiled()
        return place, differing

    def _compiled(self) -> list[tuple[bytes, Element | None]]:
        """Runs of bytes that are the same in all files, each up to the length of an element that is not."""
        parts: list[tuple[bytes, Element | None]] = []
        run = MAGIC
        for number, element in enumerate(self._elements):
            if number in self._differing:
                parts.append((run + element.head, element))
                run = b""
            else:
                run += element.whole
        return [*parts, (run, None)]

    def _value(self, element: Element, field: bytes) -> Any:
        """A value from its length and bytes, checked as in a file that pydicom reads.

        None for a private one that is not what its maker says: nothing reads it.

        Raises:
            UnlikeError: it cannot be converted.
            RefusedInput: it is not what its tag says.
        """
        value = plain_value(element.kind, element.keyword, field[4 if element.wide else 2 :])
        if value is not None:
            return value
        if (element.tag, field) in self._known:
            return self._known[element.tag, field]
        with quiet_pydicom():
            try:
                converted = self._converted(element, field)
            except Exception as error:  # pydicom raises many types for damaged values
                if (element.tag >> 16) % 2:
                    return None
                raise UnlikeError from error
            check_element(converted, "")
        if len(self._known) > _REMEMBERED:
            self._known.clear()
        self._known[element.tag, field] = converted.value
        return converted.value

    def _converted(self, element: Element, field: bytes) -> DataElement:
        from pydicom.dataelem import DataElement, empty_value_for_VR
        from pydicom.filereader import read_sequence
        from pydicom.tag import BaseTag

        implicit, scratch = self._implicit and element.tag >> 16 != META_GROUP, self._scratch
        tag, value = BaseTag(element.tag), field[4 if element.wide else 2 :]
        if element.is_endless:
            items = read_sequence(BytesIO(value), implicit, True, UNDEFINED, scratch.original_character_set)
            return DataElement(tag, "SQ", items, is_undefined_length=True)
        nothing = empty_value_for_VR(element.vr, raw=True) if not value else None
        scratch[tag] = RawDataElement(tag, element.vr, len(value), value or nothing, 0, implicit, True)  # type: ignore[arg-type]
        return scratch[tag]


def _scratch_of(dataset: Dataset) -> Dataset:
    """A dataset to convert single elements in, beside what they depend on: character set, sign, private creators."""
    from pydicom import Dataset as PlainDataset

    scratch = PlainDataset()
    for tag in dataset.keys():  # noqa: SIM118 - iterating a Dataset converts every element
        if tag.is_private_creator or tag in (PIXEL_REPRESENTATION, CHARACTER_SET):
            scratch[tag] = dataset.get_item(tag)
    implicit, little = dataset.original_encoding
    scratch.set_original_encoding(implicit, little, dataset.original_character_set)
    return scratch


def _is_plain_slice(dataset: Dataset) -> bool:
    """One uncompressed grey slice of CT, MR or PET with a linear rescale, little endian."""
    return (
        family_of(dataset, "") is Family.SLICES
        and dataset.file_meta.get("TransferSyntaxUID") in (_IMPLICIT, _EXPLICIT)
        and dataset.get("PhotometricInterpretation") in ("MONOCHROME1", "MONOCHROME2")
        and dataset.get("SamplesPerPixel") == 1
        and int(dataset.get("NumberOfFrames") or 1) == 1
        and (bits := dataset.get("BitsAllocated")) in (8, 16)
        and dataset.get("BitsStored") in range(1, bits + 1)
        and dataset.get("PixelRepresentation") in (0, 1)
        and "FloatPixelData" not in dataset
        and "DoubleFloatPixelData" not in dataset
        and "ModalityLUTSequence" not in dataset
        and "SharedFunctionalGroupsSequence" not in dataset
    )
