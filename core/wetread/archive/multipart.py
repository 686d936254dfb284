"""The parts of a multipart answer, each as soon as it is there, in memory that it stays in.

A part that says how long it is (Content-Length, as Orthanc's do) is never searched for its end, nor copied twice; of
any other the end is looked for (RFC 2046 5.1.1; PS3.18 8.6.1.2).
"""

from __future__ import annotations

import re
from email.message import Message
from typing import TYPE_CHECKING

import numpy as np

from wetread.imaging.blocks import Memory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from requests import Response

_CHUNK = 1 << 18
_LONGEST_PART, _LONGEST_HEADER = 8 << 30, 1 << 14
_LENGTH = re.compile(rb"(?im)^content-length:[ \t]*([0-9]{1,12})[ \t]*\r?$")


def parts_of(response: Response) -> Iterator[NDArray[np.uint8]]:
    """The bytes of every part, in order; of an answer that is one bare part, that.

    Args:
        response: asked for as a stream; it is closed at the end.

    Raises:
        ValueError: not a multipart answer, or one that breaks off.
    """
    message = Message()
    message["Content-Type"] = response.headers.get("Content-Type", "")
    with response:
        if message.get_content_type() == "application/dicom":  # some servers send a lone instance bare
            yield np.frombuffer(response.content, dtype=np.uint8)
            return
        boundary = message.get_boundary()
        if message.get_content_maintype() != "multipart" or not boundary:
            raise ValueError("not a multipart answer")
        stream = _Stream(response)
        delimiter, memory = b"--" + boundary.encode("latin-1"), Memory()
        stream.until(delimiter, 1 << 20)
        while stream.exactly(2) == b"\r\n":
            header = stream.until(b"\r\n\r\n", _LONGEST_HEADER)
            length = _LENGTH.search(header)
            if length is None:
                yield np.frombuffer(stream.until(b"\r\n" + delimiter, _LONGEST_PART), dtype=np.uint8)
                continue
            if int(length[1]) > _LONGEST_PART:
                raise ValueError("a part too long to be meant")
            part = memory.take(int(length[1]))
            stream.into(part.data)
            if stream.exactly(2 + len(delimiter)) != b"\r\n" + delimiter:
                raise ValueError("a part of another length than it says")
            yield part


class _Stream:
    """Bytes of an answer, in the pieces that are asked for."""

    def __init__(self, response: Response) -> None:
        self._chunks = response.iter_content(_CHUNK)
        self._pending = bytearray()

    def until(self, mark: bytes, most: int) -> bytes:
        """What stands before a mark, which is passed over too."""
        searched = 0
        while (found := self._pending.find(mark, searched)) < 0:
            searched = max(0, len(self._pending) - len(mark) + 1)
            if searched > most:
                raise ValueError("a multipart answer without its marks")
            self._more()
        before = bytes(self._pending[:found])
        del self._pending[: found + len(mark)]
        return before

    def exactly(self, count: int) -> bytes:
        """The next bytes."""
        while len(self._pending) < count:
            self._more()
        taken = bytes(self._pending[:count])
        del self._pending[:count]
        return taken

    def into(self, place: memoryview) -> None:
        """The next bytes, as many as fit, where they are to stay."""
        filled = min(len(self._pending), len(place))
        place[:filled] = self._pending[:filled]
        del self._pending[:filled]
        while filled < len(place):
            chunk = self._next()
            taken = min(len(chunk), len(place) - filled)
            place[filled : filled + taken] = chunk[:taken]
            self._pending += chunk[taken:]
            filled += taken

    def _more(self) -> None:
        self._pending += self._next()

    def _next(self) -> bytes:
        chunk: bytes | None = next(self._chunks, None)
        if chunk is None:
            raise ValueError("a multipart answer that breaks off")
        return chunk
