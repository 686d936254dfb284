"""How many pixels each segment of a Segmentation marks on each frame: what its measurements are held against.

Frames of native BINARY are counted in the packed bytes as they lie, eight pixels at once; those of a label map are
decoded one at a time. FRACTIONAL pixels are probabilities or occupancies and have no count.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wetread.imaging.soundness import panics_as_errors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from pydicom import Dataset

MAXIMUM_BITS = 8 * 2 * 1024**3
"""Pixels that promise more than two GiB are not looked at."""
Counts = dict[int, dict[int, int]]
"""Segment number -> 0-based frame -> marked pixels; frames on which nothing is marked are in it for BINARY."""


def segment_of_frames(seg: Dataset) -> list[int]:
    """The segment number of every frame that names one; one number where all frames share it."""
    shared = seg.get("SharedFunctionalGroupsSequence") or []
    return [
        int(item.ReferencedSegmentNumber)
        for groups in (*(seg.get("PerFrameFunctionalGroupsSequence") or []), *shared)
        for item in groups.get("SegmentIdentificationSequence", [])
    ]


def pixel_counts(seg: Dataset) -> Counts | None:
    """Marked pixels of every segment and frame; None where they cannot be counted.

    A header without pixels, FRACTIONAL values, and pixels beyond `MAXIMUM_BITS` are not counted.
    """
    frames, syntax = int(seg.get("NumberOfFrames") or 1), seg.file_meta.TransferSyntaxUID
    bits = int(seg.Rows) * int(seg.Columns)
    if "PixelData" not in seg or frames * bits * int(seg.BitsAllocated) > MAXIMUM_BITS:
        return None
    if seg.SegmentationType == "BINARY" and not syntax.is_compressed:
        numbers = segment_of_frames(seg)
        numbers = numbers * frames if len(numbers) == 1 else numbers
        if len(numbers) != frames or 8 * len(seg.PixelData) < frames * bits:
            return None
        counts: Counts = {}
        for frame, (number, marked) in enumerate(zip(numbers, _set_bits(seg.PixelData, frames, bits), strict=True)):
            counts.setdefault(number, {})[frame] = marked
        return counts
    return _label_counts(seg) if seg.SegmentationType == "LABELMAP" else None


def unmarked_segments(seg: Dataset, counts: Counts | None) -> set[int]:
    """Numbers of the described segments that have no pixel; empty where pixels cannot be counted."""
    if counts is None:
        return set()
    described = {int(item.SegmentNumber) for item in seg.SegmentSequence}
    return {number for number in described if not any(counts.get(number, {}).values())}


def _set_bits(packed: bytes, frames: int, bits: int) -> Iterator[int]:
    """Ones in each run of `bits`; frames follow each other without padding (PS3.5 8.1.1)."""
    content: NDArray[np.uint8] = np.frombuffer(packed, dtype=np.uint8)
    for start in range(0, frames * bits, bits):
        end = start + bits
        first, last = start // 8, -(-end // 8)
        ones = int(np.bitwise_count(content[first:last]).sum())
        # The bits of the neighbours in the bytes at either end do not count.
        ones -= (int(content[first]) & ((1 << start % 8) - 1)).bit_count()
        ones -= (int(content[last - 1]) >> (end % 8)).bit_count() if end % 8 else 0
        yield ones


def _label_counts(seg: Dataset) -> Counts:
    from pydicom.pixels import iter_pixels

    counts: Counts = {}
    with panics_as_errors():
        for frame, labels in enumerate(iter_pixels(seg, raw=True)):
            numbers, found = np.unique(labels, return_counts=True)
            for number, marked in zip(numbers.tolist(), found.tolist(), strict=True):
                if number:
                    counts.setdefault(int(number), {})[frame] = int(marked)
    return counts
