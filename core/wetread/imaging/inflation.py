"""Small files that promise much: bounds on what a file may become in memory, checked before it does.

A deflated file of 1 MB can inflate to gigabytes inside the parser, and a few bytes of RLE may claim 65535 x 65535
pixels or two thousand million frames. Honest files stay far within these bounds: pictures rarely compress more than
a hundredfold, and every encapsulated frame takes an item of at least eight bytes (PS3.5 A.4).
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, BinaryIO

from wetread.errors import RefusedInput

if TYPE_CHECKING:
    from pydicom import Dataset

MAXIMUM_FRAME = 1 << 30
"""Bytes of one decoded frame."""
MAXIMUM_PLANES, MAXIMUM_VALUES = 4096, 4 << 30
"""Planes of one read, and bytes that their values may take in memory (four for each grey pixel)."""
ALWAYS_ALLOWED = 512 << 20
"""Bytes that anything may decode to, however small it is stored."""
MAXIMUM_RATIO, MAXIMUM_DEFLATION = 1000, 50
"""What pixel data, and a deflated file, may decode to: times what is stored."""
MAXIMUM_NESTING = 50
"""Levels of sequences: structured reports have about twenty."""
_ITEM_BYTES = 8
_META_START, _GROUP_LENGTH_BYTES, _META_BYTES = 132, 12, 4096
_DEFLATED = b"1.2.840.10008.1.2.1.99"
_CHUNK = 1 << 20


def check_inflation(file: BinaryIO, where: object, allowed: int = ALWAYS_ALLOWED) -> None:
    """Refuse a deflated DICOM file that inflates out of bounds; leaves the file at its start.

    Args:
        file: at its start.
        where: the file, for messages.
        allowed: bytes that any file may inflate to; beyond, fifty times what it holds.

    Raises:
        RefusedInput: out of bounds, or not what deflate writes.
    """
    head = file.read(_META_BYTES)
    if _DEFLATED in head:
        length = int.from_bytes(head[_META_START + 8 : _META_START + _GROUP_LENGTH_BYTES], "little")
        file.seek(_META_START + _GROUP_LENGTH_BYTES + length)
        _inflate(file, where, allowed)
    file.seek(0)


def _inflate(file: BinaryIO, where: object, allowed: int) -> None:
    inflater, taken, inflated = zlib.decompressobj(-zlib.MAX_WBITS), 0, 0
    try:
        while not inflater.eof and (piece := inflater.unconsumed_tail or file.read(_CHUNK)):
            taken += 0 if inflater.unconsumed_tail else len(piece)
            inflated += len(inflater.decompress(piece, _CHUNK))
            if inflated > max(allowed, MAXIMUM_DEFLATION * taken):
                raise RefusedInput("a deflated file that inflates out of bounds", where, "give it uncompressed.")
    except zlib.error:
        raise RefusedInput("damaged deflated file", where, "get the file again from its source.") from None


def check_nesting(dataset: Dataset, where: object, depth: int = 0) -> None:
    """Refuse sequences nested deeper than any object needs; what goes through them later goes one call a level.

    Raises:
        RefusedInput: nested too deep.
    """
    if depth > MAXIMUM_NESTING:
        raise RefusedInput(f"sequences nested more than {MAXIMUM_NESTING} deep", where, "give a file without them.")
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value:
                check_nesting(item, where, depth + 1)


def check_count(planes: int, where: object, first: Dataset | None = None) -> None:
    """Refuse more planes than one read takes, before any is decoded.

    Args:
        planes: slices or frames.
        where: for the message.
        first: one of the instances, which tells how large a plane is; None judges the number alone. Slides are
            not judged: of them only tiles are decoded.

    Raises:
        RefusedInput: too many, or too large together.
    """
    if first is not None and "TotalPixelMatrixRows" in first:
        return
    if planes > MAXIMUM_PLANES:
        raise RefusedInput(
            f"{planes:,} slices or frames in one read", where,
            f"give at most {MAXIMUM_PLANES:,}, e.g. every third one, or one part of the body.",
        )  # fmt: skip
    if first is None:
        return
    size = 4 * planes * int(first.get("Rows") or 0) * int(first.get("Columns") or 0)
    if size > MAXIMUM_VALUES:
        raise RefusedInput(
            f"{planes:,} planes of {first.Rows} x {first.Columns} ({size / 1e9:.1f} GB in memory)", where,
            f"give a part of them: at most {MAXIMUM_VALUES / 1e9:.1f} GB.",
        )  # fmt: skip


def check_pixel_size(dataset: Dataset, where: object) -> None:
    """Refuse an instance whose pixels would take more memory than its file can honestly hold.

    Raises:
        RefusedInput: a frame, or the promise of frames, out of bounds.
    """
    frames = int(dataset.get("NumberOfFrames") or 1)
    bits = int(dataset.Rows) * int(dataset.Columns) * int(dataset.SamplesPerPixel) * int(dataset.BitsAllocated)
    frame, stored = bits // 8, len(dataset.PixelData)
    if frame > MAXIMUM_FRAME:
        raise RefusedInput(f"a frame of {dataset.Rows} x {dataset.Columns} pixels", where, "give a smaller image.")
    if not dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        return
    decoded = 0 if "TotalPixelMatrixRows" in dataset else frames * frame  # of a slide, a few tiles are decoded
    if frames * _ITEM_BYTES > stored or decoded > max(ALWAYS_ALLOWED, MAXIMUM_RATIO * stored):
        raise RefusedInput(
            f"{frames} frames of {dataset.Rows} x {dataset.Columns} pixels announced in {stored} bytes",
            where, "the file is damaged; get it again from its source.",
        )  # fmt: skip
