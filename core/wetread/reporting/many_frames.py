"""A Segmentation of thousands of frames, written as fast as bytes can be put together.

highdicom stays the author: a template of two segments over the same slices, one frame for each plane that is marked,
gives every attribute, every functional group and the order of the planes. What differs between the frames of one plane
is the number of the segment, twice (Dimension Index Values and Referenced Segment Number), so each further frame is the
bytes of the template's with these two numbers in it. The groups go into the dataset undecoded; who asks for them gets
them as always, and writing the object copies them.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np
from pydicom import Dataset
from pydicom.dataelem import RawDataElement
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.tag import Tag

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from highdicom.seg import SegmentDescription
    from numpy.typing import NDArray

    from wetread.findings import Mask

MANY = 500
"""Frames from which the template pays: below, highdicom needs less than a second."""
TEMPLATE_SIZE = (2, 2)
_GROUPS = Tag("PerFrameFunctionalGroupsSequence")
_SEGMENT_AT, _INDEX_AT = 0xFACE, 0xFACEFACE
"""Numbers that no object has: they show where the segment's number stands in the bytes of a frame."""
_ITEM = struct.Struct("<HHL")


def frames_of(masks: Sequence[Mask]) -> list[tuple[int, int]]:
    """(segment from 1, plane) of every frame that marks something."""
    return [(segment, plane) for segment, mask in enumerate(masks, start=1) for plane in sorted(mask.planes)
            if mask.planes[plane].any()]  # fmt: skip


def write_many(
    masks: Sequence[Mask], sources: dict[int, str], descriptions: list[SegmentDescription],
    template_of: Callable[[NDArray[np.uint8], list[SegmentDescription]], Dataset],
) -> Dataset:  # fmt: skip
    """The Segmentation of all masks.

    Args:
        masks: one for each segment, none of them empty.
        sources: index of each plane that is handed over -> SOP Instance UID of its slice, in the slices' order.
        descriptions: one for each segment.
        template_of: builds the object of (planes, *TEMPLATE_SIZE, 2) pixels and two descriptions with highdicom, on
            slices that say they have that size: where a slice lies does not depend on how many pixels it has.
    """
    frames, places = frames_of(masks), {plane: place for place, plane in enumerate(sources)}
    marked = {plane for _, plane in frames}
    pixels = np.zeros((len(sources), *TEMPLATE_SIZE, 2), dtype=np.uint8)
    for plane in marked:
        pixels[places[plane], 0, 0, 0] = 1
    pixels[places[min(marked)], 0, 1, 1] = 1  # a second segment, so that each frame names its own
    dataset = template_of(pixels, descriptions[:2])
    plane_of = {uid: plane for plane, uid in sources.items()}
    groups = list(dataset.PerFrameFunctionalGroupsSequence)[: len(marked)]
    items = {plane_of[_source(one)]: _split(one) for one in groups}
    place_of = {plane: place for place, plane in enumerate(items)}
    frames.sort(key=lambda frame: (frame[0], place_of[frame[1]]))
    dataset.SegmentSequence = list(descriptions)
    dataset.NumberOfFrames = len(frames)
    dataset.Rows, dataset.Columns = masks[0].shape[1:]
    _put_groups(dataset, b"".join(_framed(items[plane], segment) for segment, plane in frames))
    bits = _bits(masks, frames)
    dataset.SegmentsOverlap = "YES" if _overlap(frames, bits) else "NO"
    dataset.PixelData = _pixel_data(bits, int(np.prod(masks[0].shape[1:])))
    dataset["PixelData"].VR = "OB"
    return dataset


Parts = tuple[bytes, bytes, bytes]


def _source(groups: Dataset) -> str:
    """The slice that a frame of the template was drawn on."""
    return str(groups.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID)


def _split(groups: Dataset) -> Parts:
    """The bytes of one frame's groups before, between and after the two places of the segment's number.

    Raises:
        ValueError: highdicom no longer writes a segment's number just twice.
    """
    groups.FrameContentSequence[0].DimensionIndexValues = [
        _INDEX_AT, *list(groups.FrameContentSequence[0].DimensionIndexValues)[1:],
    ]  # fmt: skip
    groups.SegmentIdentificationSequence[0].ReferencedSegmentNumber = _SEGMENT_AT
    stream = DicomBytesIO()
    stream.is_little_endian, stream.is_implicit_VR = True, False
    write_dataset(stream, groups)
    content = stream.getvalue()
    before, *rest = content.split(struct.pack("<L", _INDEX_AT))
    between, *after = (rest[0] if len(rest) == 1 else b"").split(struct.pack("<H", _SEGMENT_AT))
    if len(rest) != 1 or len(after) != 1:
        raise ValueError("a frame of the template does not name its segment where it is expected to")
    return before, between, after[0]


def _framed(parts: Parts, segment: int) -> bytes:
    """One item of the sequence."""
    before, between, after = parts
    content = b"".join((before, struct.pack("<L", segment), between, struct.pack("<H", segment), after))
    return _ITEM.pack(0xFFFE, 0xE000, len(content)) + content


def _put_groups(dataset: Dataset, content: bytes) -> None:
    """Let the dataset hold the sequence as it will stand in the file."""
    del dataset[_GROUPS]
    dataset[_GROUPS] = RawDataElement(_GROUPS, "SQ", len(content), content, 0, False, True)
    # Undecoded elements are written as they are where nothing about the encoding changes (pydicom's write_dataset).
    dataset.set_original_encoding(False, True, dataset._character_set)


def _bits(masks: Sequence[Mask], frames: Sequence[tuple[int, int]]) -> NDArray[np.uint8]:
    """(frames, bytes) each frame's pixels as bits, from the first bit of a byte of its own."""
    pixels = int(np.prod(masks[0].shape[1:]))
    bits = np.zeros((len(frames), -(-pixels // 8)), dtype=np.uint8)
    for row, (segment, plane) in zip(bits, frames, strict=True):
        marked = masks[segment - 1].planes[plane].tobytes()
        # An organ covers a small part of a slice: the rest is zero already.
        first, last = marked.find(1) // 8, marked.rfind(1) // 8 + 1
        inside = np.frombuffer(marked, dtype=np.bool_)[8 * first : 8 * last]
        row[first:last] = np.packbits(inside, bitorder="little")
    return bits


def _overlap(frames: Sequence[tuple[int, int]], bits: NDArray[np.uint8]) -> bool:
    """True where two segments share a pixel."""
    taken: dict[int, NDArray[np.uint8]] = {}
    for (_, plane), row in zip(frames, bits, strict=True):
        held = taken.get(plane)
        if held is None:
            taken[plane] = row.copy()
        elif (held & row).any():
            return True
        else:
            held |= row
    return False


def _pixel_data(bits: NDArray[np.uint8], pixels: int) -> bytes:
    """Bits of all frames one after another (PS3.5 8.1.1), padded to an even length."""
    if pixels % 8 == 0:
        content = bits.tobytes()
    else:  # frames that end within a byte: eight of them fill whole bytes again
        runs = (np.unpackbits(bits[first : first + 8], axis=1, count=pixels, bitorder="little")
                for first in range(0, len(bits), 8))  # fmt: skip
        content = b"".join(np.packbits(run.ravel(), bitorder="little").tobytes() for run in runs)
    return content + b"\0" * (len(content) % 2)
