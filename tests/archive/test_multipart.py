"""A multipart answer comes apart into its parts, however the network cuts it, or is refused as none."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wetread.archive.multipart import parts_of

BOUNDARY = "a-boundary"
KIND = f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'


class Answer:
    """What `parts_of` needs of a response: headers, and a body that arrives in pieces."""

    def __init__(
        self, body: bytes, cuts: list[int] = (), kind: str = f"multipart/related; boundary={BOUNDARY}"
    ) -> None:  # type: ignore[assignment]
        self.content, self.headers, self.is_closed = body, {"Content-Type": kind}, False
        self._cuts = sorted(cut % (len(body) + 1) for cut in cuts)

    def iter_content(self, _: int) -> Iterator[bytes]:
        for start, end in zip([0, *self._cuts], [*self._cuts, len(self.content)], strict=True):
            yield self.content[start:end]

    def __enter__(self) -> Answer:
        return self

    def __exit__(self, *_: object) -> None:
        self.is_closed = True


def body(parts: list[bytes], *, lengths: bool, preamble: bytes = b"") -> bytes:
    pieces = [preamble]
    for number, part in enumerate(parts):
        said = b"Content-Length: %d\r\n" % len(part) if lengths else b""
        start = b"\r\n" if number or preamble else b""
        pieces.append(start + f"--{BOUNDARY}\r\n".encode() + b"Content-Type: application/dicom\r\n" + said + b"\r\n")
        pieces.append(part)
    return b"".join(pieces) + f"\r\n--{BOUNDARY}--\r\n".encode()


def read(answer: Answer) -> list[bytes]:
    return [np.asarray(part).tobytes() for part in parts_of(answer)]  # type: ignore[arg-type]


PART = st.binary(max_size=40) | st.sampled_from([b"\r\n--a-bound", b"\r\n", b"--"])


@given(st.lists(PART, min_size=1, max_size=5), st.booleans(), st.lists(st.integers(0, 10_000), max_size=12))
def test_parts_come_as_they_were_sent(parts: list[bytes], lengths: bool, cuts: list[int]) -> None:
    answer = Answer(body(parts, lengths=lengths), cuts)
    assert read(answer) == parts
    assert answer.is_closed


def test_with_lengths_a_part_may_hold_the_boundary() -> None:
    parts = [f"\r\n--{BOUNDARY}\r\n".encode(), b"next"]
    assert read(Answer(body(parts, lengths=True))) == parts


def test_what_stands_before_the_first_boundary_is_passed_over() -> None:
    assert read(Answer(body([b"part"], lengths=True, preamble=b"for old clients"))) == [b"part"]


@given(st.lists(PART, min_size=1, max_size=3), st.booleans(), st.integers(1, 200))
def test_an_answer_that_breaks_off_is_refused(parts: list[bytes], lengths: bool, missing: int) -> None:
    whole = body(parts, lengths=lengths)
    with pytest.raises(ValueError, match="breaks off"):
        read(Answer(whole[: max(0, len(whole) - 4 - missing)]))


def test_an_instance_sent_bare_is_one_part() -> None:
    assert read(Answer(b"DICM...", kind="application/dicom")) == [b"DICM..."]


@pytest.mark.parametrize("kind", ["application/json", "text/html", "multipart/related", ""])
def test_anything_else_is_no_multipart_answer(kind: str) -> None:
    with pytest.raises(ValueError, match="not a multipart answer"):
        read(Answer(b"{}", kind=kind))


def test_a_part_of_another_length_than_it_says_is_refused() -> None:
    whole = body([b"twelve bytes", b"more"], lengths=True).replace(b"Content-Length: 12", b"Content-Length: 10")
    with pytest.raises(ValueError, match="another length"):
        read(Answer(whole))


def test_a_part_that_claims_the_memory_is_refused() -> None:
    whole = body([b"x"], lengths=True).replace(b"Content-Length: 1\r", b"Content-Length: 99999999999\r")
    with pytest.raises(ValueError, match="too long"):
        read(Answer(whole))
