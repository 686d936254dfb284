"""What a report must mean where it points to a waveform: channels that the recording has, times within it.

Referenced Waveform Channels are pairs of multiplex group and channel, both from 1 (PS3.3 C.18.5.1.1); 0 as the channel
means all of the group. A TCOORD gives times or sample positions of a waveform that it is SELECTED FROM (C.18.7).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydicom import Dataset

Words = tuple[str, str]

_RANGES = frozenset({"SEGMENT", "MULTISEGMENT", "BEGIN", "END", "POINT", "MULTIPOINT"})
_PAIRED = frozenset({"SEGMENT", "MULTISEGMENT"})


def waveform_defects(item: Dataset, sources: dict[str, Dataset]) -> Iterator[Words]:
    """Defects of a WAVEFORM item."""
    references = item.get("ReferencedSOPSequence") or []
    if len(references) != 1:
        yield "a WAVEFORM names no recording", "refer to exactly one waveform instance."
        return
    reference = references[0]
    numbers = _numbers(reference.get("ReferencedWaveformChannels"))
    if len(numbers) % 2 or any(group < 1 or channel < 0 for group, channel in _pairs(numbers)):
        yield "Referenced Waveform Channels are no pairs", "give multiplex group and channel, both from 1."
        return
    if not sources:
        return
    source = sources.get(str(reference.ReferencedSOPInstanceUID))
    if source is None:
        yield "a WAVEFORM names a recording that is not among the sources", "refer to the source recording."
        return
    if str(source.get("SOPClassUID", "")) != str(reference.get("ReferencedSOPClassUID", "")):
        yield "a WAVEFORM names its recording under another SOP Class", "copy the class of the source."
    groups = source.get("WaveformSequence")
    if groups is None:
        return  # a header without its bulk says nothing about channels
    for group, channel in ((int(group), int(channel)) for group, channel in _pairs(numbers)):
        if group > len(groups) or channel > int(groups[group - 1].get("NumberOfWaveformChannels", 0)):
            yield f"a WAVEFORM names channel {channel} of group {group}, which is not there", "name recorded leads."


def time_defects(item: Dataset, sources: dict[str, Dataset]) -> Iterator[Words]:
    """Defects of a TCOORD item."""
    kind = str(item.get("TemporalRangeType", ""))
    offsets = _numbers(item.get("ReferencedTimeOffsets"))
    positions = _numbers(item.get("ReferencedSamplePositions"))
    times = offsets or positions
    if kind not in _RANGES:
        yield f"a TCOORD has the range '{kind}'", "use SEGMENT, POINT or another of PS3.3 C.18.7.1.1."
    if not times and not item.get("ReferencedDateTime"):
        yield "a TCOORD gives no time", "give time offsets in seconds."
        return
    if kind in _PAIRED and (len(times) % 2 or any(end <= start for start, end in _pairs(times))):
        yield f"a TCOORD {kind} does not run forwards", "give begin and end, in this order."
    if any(not math.isfinite(time) or time < 0 for time in times):
        yield "a TCOORD lies before the recording", "times count from its start."
    waveforms = [child for child in item.get("ContentSequence", [])
                 if child.get("RelationshipType") == "SELECTED FROM"]  # fmt: skip
    if not waveforms:
        yield "a TCOORD is selected from no waveform", "add SELECTED FROM with the waveform."
    for waveform in waveforms:
        yield from _beyond(max(offsets, default=0.0), waveform, sources)


def _beyond(last: float, waveform: Dataset, sources: dict[str, Dataset]) -> Iterator[Words]:
    for reference in waveform.get("ReferencedSOPSequence", []):
        source = sources.get(str(reference.get("ReferencedSOPInstanceUID", "")))
        groups = source.get("WaveformSequence") if source is not None else None
        ends = [
            float(group.get("MultiplexGroupTimeOffset") or 0) / 1000.0
            + int(group.NumberOfWaveformSamples) / float(group.SamplingFrequency)
            for group in groups or []
        ]
        if ends and last > max(ends) + 1e-3:
            yield f"a TCOORD ends at {last:g} s of a recording of {max(ends):g} s", "keep it within the recording."


def _numbers(value: object) -> list[float]:
    if value is None or value == "":
        return []
    if isinstance(value, int | float):
        return [float(value)]
    return [float(number) for number in value]  # type: ignore[attr-defined]


def _pairs(numbers: list[float]) -> list[tuple[float, float]]:
    return list(zip(numbers[::2], numbers[1::2], strict=False))
