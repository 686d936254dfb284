"""What a file from outside must survive before it is taken in: is it DICOM, and does it stay within bounds.

A deflated file of 1 MB can inflate to gigabytes inside the parser, and a sequence nested 500 deep ends in a
RecursionError. Both are found here with bounded memory; what comes over the network is first parsed in a process of its
own (`quarantine`). The text of a parser's error can repeat patient data, so it is never passed on.
"""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

from pydicom.dataelem import DataElement, RawDataElement
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian

from wetread.archive.content import decoded
from wetread.errors import RefusedInput
from wetread.imaging.inflation import check_inflation, check_nesting

if TYPE_CHECKING:
    from pydicom import Dataset

_ALLOWED = 64 << 20
"""Bytes that a deflated file may inflate to: less than for a file that its owner opens."""
_UNDEFINED = 0xFFFFFFFF
_PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData", "PixelDataProviderURL")
_SEQUENCE_END = b"\xfe\xff\xdd\xe0\0\0\0\0"


def taken_in(content: bytes, where: str = "a part of the request") -> Dataset:
    """The data set of a DICOM file that came from outside.

    Raises:
        RefusedInput: not DICOM, not readable, or out of bounds.
    """
    if content[128:132] != b"DICM":
        raise RefusedInput("not a DICOM file", where, "send DICOM files with preamble (PS3.10)")
    check_inflation(BytesIO(content), where, _ALLOWED)
    try:
        dataset = decoded(content)
        is_whole = _is_whole(dataset, content)
        check_nesting(dataset, where)
        for _ in dataset.iterall():  # reads every element now, where an error is still an answer
            pass
    except RefusedInput:
        raise
    except Exception as error:
        # pydicom raises many types on broken files; none of them may end the server or repeat a value.
        raise RefusedInput(f"not readable as DICOM ({type(error).__name__})", where, "send a whole file") from None
    if not is_whole:
        raise RefusedInput("a file that ends too early", where, "send a whole file")
    return dataset


def _is_whole(dataset: Dataset, content: bytes) -> bool:
    """False where the file ends inside an element or before the pixel data; pydicom reads both without a word."""
    tags = sorted(dataset.keys())
    items: list[DataElement | RawDataElement | None] = [dataset.get_item(tag) for tag in tags]
    raw = [item for item in items if isinstance(item, RawDataElement)]
    is_image = "Rows" in dataset or "Image Storage" in UID(dataset.get("SOPClassUID") or "").name
    if not tags or (is_image and not any(keyword in dataset for keyword in _PIXELS)):
        return False
    if any(len(e.value or b"") < e.length for e in raw if e.length != _UNDEFINED):
        return False
    if dataset.file_meta.TransferSyntaxUID == DeflatedExplicitVRLittleEndian:
        return True  # places are those of the inflated stream; zlib itself notices a missing end
    for element in raw:
        end = element.value_tell + len(element.value or b"")
        if element.length == _UNDEFINED and content[end : end + 8] != _SEQUENCE_END:
            return False
        # A trailing null byte is a common slip and loses nothing.
        if element.length != _UNDEFINED and element.tag == tags[-1] and len(content) - end > 1:
            return False
    return True
