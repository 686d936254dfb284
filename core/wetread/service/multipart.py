"""multipart/related as DICOMweb uses it (PS3.18 8.6.1, RFC 2387), and the Accept header (PS3.18 8.7.4)."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from fastapi.responses import StreamingResponse

from wetread.service.errors import Unsupported

_PARAMETER = re.compile(r';\s*([\w-]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;\s]*)')


@dataclass(frozen=True, slots=True)
class MediaType:
    """One media type with its parameters, names in lower case, quotes removed."""

    name: str
    parameters: dict[str, str]

    @property
    def inner(self) -> str:
        """The type of the parts, for multipart; else the type itself. ``*/*`` where it is not said."""
        if self.name.startswith("multipart/"):
            return self.parameters.get("type", "*/*").lower()
        return self.name

    @property
    def transfer_syntax(self) -> str | None:
        """The wanted transfer syntax: a UID, ``*`` for as stored, or None."""
        return self.parameters.get("transfer-syntax")


def media_type(text: str) -> MediaType:
    """A Content-Type, or one entry of an Accept header."""
    parameters = {name.lower(): value.strip('"') for name, value in _PARAMETER.findall(text)}
    return MediaType(text.split(";")[0].strip().lower(), parameters)


def accepted(header: str | None) -> list[MediaType]:
    """The entries of an Accept header, most wanted first; everything where there is none."""
    entries = [media_type(part) for part in re.split(r',(?=(?:[^"]*"[^"]*")*[^"]*$)', header or "*/*") if part.strip()]

    def weight(entry: MediaType) -> float:
        try:
            return -float(entry.parameters.get("q", "1"))
        except ValueError:
            return 0.0

    return sorted(entries, key=weight)


def parts(content_type: str, body: bytes) -> Iterator[tuple[MediaType, bytes]]:
    """The parts of a multipart/related body.

    Raises:
        Unsupported: not multipart/related, or no boundary.
    """
    outer = media_type(content_type)
    boundary = outer.parameters.get("boundary", "")
    if outer.name != "multipart/related" or not boundary:
        raise Unsupported(
            "not multipart/related with a boundary", "Content-Type", "send DICOM files as PS3.18 10.5 says"
        )
    delimiter = b"\r\n--" + boundary.encode("latin-1")
    # The first delimiter may open the body without a line break before it.
    pieces = (b"\r\n" + body).split(delimiter)
    for piece in pieces[1:]:
        if piece.startswith(b"--"):
            return
        head, found, content = piece.partition(b"\r\n\r\n")
        if found:
            yield media_type(_content_type_of(head)), content


def _content_type_of(head: bytes) -> str:
    for line in head.decode("latin-1").split("\r\n"):
        name, _, value = line.partition(":")
        if name.strip().lower() == "content-type":
            return value.strip()
    return ""


def multipart(kind: str, contents: Iterable[tuple[str, bytes]]) -> StreamingResponse:
    """A streamed multipart/related answer.

    Args:
        kind: media type of the parts, for the outer header.
        contents: (Content-Type, body) of each part.
    """
    boundary = uuid.uuid4().hex

    def stream() -> Iterator[bytes]:
        for content_type, body in contents:
            yield f"\r\n--{boundary}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            yield body
        yield f"\r\n--{boundary}--\r\n".encode()

    return StreamingResponse(stream(), media_type=f'multipart/related; type="{kind}"; boundary={boundary}')
