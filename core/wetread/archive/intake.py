"""What a file from outside must survive before it is taken in: is it DICOM, and does it stay within bounds.

A deflated file of 1 MB can inflate to gigabytes inside the parser, and a sequence nested 500 deep ends in a
RecursionError. Both are found here with bounded memory. The text of a parser's error can repeat patient data, so it
is never passed on.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from pydicom.uid import DeflatedExplicitVRLittleEndian

from wetread.archive.content import decoded
from wetread.errors import RefusedInput

if TYPE_CHECKING:
    from pydicom import Dataset

_MAXIMUM_INFLATED = 64 * 1024 * 1024
_MAXIMUM_RATIO = 50
_META_START, _GROUP_LENGTH_BYTES = 132, 12


def taken_in(content: bytes, where: str = "a part of the request") -> Dataset:
    """The data set of a DICOM file that came from outside.

    Raises:
        RefusedInput: not DICOM, not readable, or out of bounds.
    """
    if content[128:132] != b"DICM":
        raise RefusedInput("not a DICOM file", where, "send DICOM files with preamble (PS3.10)")
    _check_inflation(content, where)
    try:
        dataset = decoded(content)
        for _ in dataset.iterall():  # reads every element now, where an error is still an answer
            pass
        return dataset
    except Exception as error:
        # pydicom raises many types on broken files; none of them may end the server or repeat a value.
        raise RefusedInput(f"not readable as DICOM ({type(error).__name__})", where, "send a whole file") from None


def _check_inflation(content: bytes, where: str) -> None:
    if DeflatedExplicitVRLittleEndian.encode() not in content[_META_START : _META_START + 4096]:
        return
    length = int.from_bytes(content[_META_START + 8 : _META_START + _GROUP_LENGTH_BYTES], "little")
    compressed = content[_META_START + _GROUP_LENGTH_BYTES + length :]
    allowed = max(_MAXIMUM_INFLATED, _MAXIMUM_RATIO * len(compressed))
    inflater, inflated = zlib.decompressobj(-zlib.MAX_WBITS), 0
    try:
        while compressed and not inflater.eof:
            inflated += len(inflater.decompress(compressed, 1 << 20))
            compressed = inflater.unconsumed_tail
            if inflated > allowed:
                raise RefusedInput("inflates out of bounds", where, "send it uncompressed")
    except zlib.error:
        raise RefusedInput("not readable as DICOM (deflate)", where, "send a whole file") from None
