"""DICOM ECG Waveform objects (12-Lead, General, General 32-bit and Ambulatory ECG; PS3.3 A.34) to a Waveform.

Every number is read as PS3.3 C.10.9 means it: stored value times Channel Sensitivity times its Correction Factor plus
Channel Baseline, in the channel's own units; Waveform Padding Value is no value; Channel Sample Skew and Time Skew are
taken out. Leads are known by their coded source. Of several multiplex groups the one with most leads is read, never a
median beat; leads that only another group of the same rate and length has are added to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wetread.errors import RefusedInput
from wetread.imaging.headers import header_of
from wetread.imaging.leads import Signed, lead_of_code, lead_of_words
from wetread.imaging.sample import Source
from wetread.imaging.waveform import SHORTEST_S, Recording, Waveform, check_rate, in_order, missing_leads, windowed
from wetread.imaging.wrapped import wrapping_remarks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from pydicom import Dataset

_TYPES = {
    ("SB", 8): "i1", ("UB", 8): "u1", ("SS", 16): "i2", ("US", 16): "u2",
    ("SL", 32): "i4", ("UL", 32): "u4", ("SV", 64): "i8", ("UV", 64): "u8",
}  # fmt: skip
_MILLIVOLTS = {"uv": 1e-3, "mv": 1.0, "v": 1e3, "nv": 1e-6,
               "microvolt": 1e-3, "millivolt": 1.0, "volt": 1e3, "nanovolt": 1e-6}  # fmt: skip
_NOT_RHYTHM = ("median", "average", "averaged", "template", "representative")
_REQUIRED = (
    "NumberOfWaveformChannels", "NumberOfWaveformSamples", "SamplingFrequency", "WaveformBitsAllocated",
    "WaveformSampleInterpretation", "ChannelDefinitionSequence",
)  # fmt: skip
_DAMAGED = "the file is damaged or cut short; get it again from its source."
_MOST_SAMPLES = 2_000_000_000
_LONG_S, _AROUND_S = 600.0, 60.0


def check_waveform(dataset: Dataset, where: object) -> None:
    """Refuse a waveform instance whose groups do not hold what they announce.

    Raises:
        RefusedInput: no waveform, a wrong number of channels, an unknown sample type, truncated data.
    """
    groups = dataset.get("WaveformSequence")
    if not groups:
        raise RefusedInput("no waveform data", where, "the file is a header only or was cut short; get it again.")
    for number, group in enumerate(groups, start=1):
        name = f"multiplex group {number}"
        for keyword in _REQUIRED:
            if not group.get(keyword):
                raise RefusedInput(f"{keyword} of {name} is missing or zero", where, _DAMAGED)
        channels, samples = int(group.NumberOfWaveformChannels), int(group.NumberOfWaveformSamples)
        if len(group.ChannelDefinitionSequence) != channels:
            described = len(group.ChannelDefinitionSequence)
            raise RefusedInput(f"{channels} leads announced, {described} described in {name}", where, _DAMAGED)
        kind = (str(group.WaveformSampleInterpretation), int(group.WaveformBitsAllocated))
        if kind not in _TYPES:
            raise RefusedInput(f"samples of type {kind[0]} with {kind[1]} bits", where, "give 8, 16 or 32 bit linear.")
        expected, found = channels * samples * kind[1] // 8, len(group.get("WaveformData") or b"")
        if found < expected:
            raise RefusedInput(f"truncated waveform: {found} of {expected} bytes in {name}", where, _DAMAGED)
        if channels * samples > _MOST_SAMPLES:
            raise RefusedInput(f"{samples} samples of {channels} leads", where, "give a shorter part of the recording.")


def to_waveform(datasets: Sequence[Dataset], start_s: float = 0.0) -> Waveform:
    """The Waveform of one instance.

    Args:
        datasets: the instances of one series; there must be one recording in it.
        start_s: where the ten seconds that are read begin in a longer recording.

    Raises:
        RefusedInput: several recordings, or one that cannot be read honestly.
    """
    recordings = {str(dataset.SOPInstanceUID): dataset for dataset in datasets}
    dataset = next(iter(recordings.values()))
    if len(recordings) > 1:
        raise RefusedInput(f"{len(recordings)} ECG recordings in one series", dataset.SeriesInstanceUID,
                           "give the file of one of them.")  # fmt: skip
    where = getattr(dataset, "filename", None) or dataset.SOPInstanceUID
    check_waveform(dataset, where)
    recording, channels = _leads_of(dataset, start_s, where)
    rate = recording.rate_hz
    read, whole = windowed(recording, start_s, where)
    remarks = list(read.remarks)
    missing = missing_leads(read.signals, remarks)
    leads = in_order(read.signals)
    return Waveform(
        signals=np.stack([read.signals[lead] for lead in leads]).astype(np.float32),
        rate_hz=rate,
        leads=leads,
        missing=missing,
        source=Source(
            str(dataset.StudyInstanceUID), str(dataset.SeriesInstanceUID), str(dataset.SOPClassUID),
            str(dataset.SOPInstanceUID),
        ),
        header=header_of(dataset),
        channels=tuple(channels[lead] for lead in leads),
        start_s=start_s,
        recorded_s=whole,
        remarks=tuple(remarks),
    )  # fmt: skip


Leads = dict[str, "NDArray[np.float64]"]


def _leads_of(dataset: Dataset, start_s: float, where: object) -> tuple[Recording, dict[str, tuple[int, int]]]:
    """The standard leads of the rhythm and their channels; of hours of recording, the minutes around `start_s`."""
    groups = list(enumerate(dataset.WaveformSequence, start=1))
    for _, group in groups:
        check_rate(float(group.SamplingFrequency), where)
    known = {number: _sources(group, where) for number, group in groups}
    rhythm = [(number, group) for number, group in groups if known[number] and _is_rhythm(group)]
    if not any(known.values()):
        count = sum(int(group.NumberOfWaveformChannels) for _, group in groups)
        raise RefusedInput(f"none of {count} channels is a standard lead", where, "give an ECG of the standard leads.")
    if not rhythm:
        longest = max(_seconds(group) for _, group in groups)
        raise RefusedInput(f"no rhythm of at least {SHORTEST_S:g} s (longest group {longest:.2f} s)", where,
                           "give the recorded rhythm; median beats alone are not read.")  # fmt: skip
    number, main = max(rhythm, key=lambda g: (len(known[g[0]]), _is_original(g[1]), _seconds(g[1]), -g[0]))
    part = _part(main, start_s)
    signals, channels, remarks = _decoded(dataset, number, main, known[number], part, where)
    for other, group in rhythm:
        lacking = {lead: source for lead, source in known[other].items() if lead not in signals}
        if other == number or not lacking or not _fits(group, main):
            continue
        more, places, said = _decoded(dataset, other, group, lacking, part, where)
        signals, channels, remarks = signals | more, channels | places, [*remarks, *said]
        if float(group.get("MultiplexGroupTimeOffset") or 0) != float(main.get("MultiplexGroupTimeOffset") or 0):
            remarks.append(f"lead {', '.join(more)} recorded at another time than the rest")
    passed = len(groups) - len({place[0] for place in channels.values()})
    if passed:
        remarks.append(f"{passed} of {len(groups)} multiplex groups not read (median beats, or nothing new)")
    rate = float(main.SamplingFrequency)
    told = (*wrapping_remarks(dataset), *remarks)
    return Recording(signals, rate, told, part.start / rate, _seconds(main)), channels


def _part(group: Dataset, start_s: float) -> slice:
    """The samples to decode: all, or of a recording of more than ten minutes only some around the start."""
    samples, rate = int(group.NumberOfWaveformSamples), float(group.SamplingFrequency)
    if samples <= _LONG_S * rate or not 0 <= start_s * rate < samples:
        return slice(0, samples)
    first = round(start_s * rate)
    return slice(first, min(first + round(_AROUND_S * rate), samples))


def _sources(group: Dataset, where: object) -> dict[str, tuple[int, float]]:
    """Standard lead -> (index of its channel, sign)."""
    found: dict[str, tuple[int, float]] = {}
    for index, channel in enumerate(group.ChannelDefinitionSequence):
        signed = _lead_of(channel, where)
        if signed is None:
            continue
        lead, sign = signed
        if lead in found:
            raise RefusedInput(f"two channels for lead {lead}", where, "correct the channel sources at the source.")
        found[lead] = (index, sign)
    return found


def _lead_of(channel: Dataset, where: object) -> Signed | None:
    """The lead by the code of the channel's source; by its meaning, then its label, where the code is not known."""
    sources = channel.get("ChannelSourceSequence") or []
    coded = lead_of_code(str(sources[0].get("CodingSchemeDesignator", "")), str(sources[0].get("CodeValue", ""))) \
        if sources else None  # fmt: skip
    spoken = lead_of_words(str(sources[0].get("CodeMeaning", ""))) if sources else None
    if coded and spoken and coded != spoken:
        raise RefusedInput(f"a channel coded as lead {coded[0]} and called {spoken[0]}", where,
                           "correct the channel source at its source.")  # fmt: skip
    return coded or spoken or lead_of_words(str(channel.get("ChannelLabel", "")))


def _is_rhythm(group: Dataset) -> bool:
    label = str(group.get("MultiplexGroupLabel") or "").lower()
    return not any(word in label for word in _NOT_RHYTHM) and _seconds(group) >= SHORTEST_S


def _is_original(group: Dataset) -> bool:
    return str(group.get("WaveformOriginality", "ORIGINAL")) == "ORIGINAL"


def _seconds(group: Dataset) -> float:
    return int(group.NumberOfWaveformSamples) / float(group.SamplingFrequency)


def _fits(group: Dataset, main: Dataset) -> bool:
    return all(group.get(k) == main.get(k) for k in ("SamplingFrequency", "NumberOfWaveformSamples"))


def _decoded(
    dataset: Dataset, number: int, group: Dataset, wanted: dict[str, tuple[int, float]], part: slice, where: object
) -> tuple[Leads, dict[str, tuple[int, int]], list[str]]:
    """Millivolts of the wanted leads of one group, their channels, and remarks on filters and skew."""
    kind = _TYPES[str(group.WaveformSampleInterpretation), int(group.WaveformBitsAllocated)]
    stored_as = np.dtype(kind).newbyteorder("<" if dataset.original_encoding[1] is not False else ">")
    samples, count = int(group.NumberOfWaveformSamples), int(group.NumberOfWaveformChannels)
    stored = np.frombuffer(group.WaveformData, dtype=stored_as, count=samples * count).reshape(samples, count)[part]
    padding = group.get("WaveformPaddingValue")
    padded = np.frombuffer(padding, dtype=stored_as)[0] if padding and len(padding) >= stored_as.itemsize else None
    rate = float(group.SamplingFrequency)
    signals, late, filters = {}, 0.0, set()
    for lead, (index, sign) in wanted.items():
        channel = group.ChannelDefinitionSequence[index]
        values = stored[:, index].astype(np.float64)
        signal = sign * _in_millivolts(values, channel, lead, where)
        if padded is not None:
            signal[stored[:, index] == padded] = np.nan
        skew = _number(channel, "ChannelSampleSkew", where) / rate or _number(channel, "ChannelTimeSkew", where)
        late = max(late, abs(skew))
        signals[lead] = _unskewed(signal, skew * rate) if skew else signal
        filters.add(_filters(channel, where))
    remarks = [f"recorded with {words}" for words in sorted(filters) if words]
    if late:
        remarks.append(f"channel skew of up to {1000 * late:.3g} ms taken out")
    return signals, {lead: (number, wanted[lead][0] + 1) for lead in signals}, remarks


def _in_millivolts(values: NDArray[np.float64], channel: Dataset, lead: str, where: object) -> NDArray[np.float64]:
    """Stored values of one channel in millivolts (PS3.3 C.10.9.1.4.2 to C.10.9.1.4.4)."""
    sensitivity = channel.get("ChannelSensitivity")
    units = channel.get("ChannelSensitivityUnitsSequence") or []
    if sensitivity is None or not units:
        raise RefusedInput(f"lead {lead} has no sensitivity in volts", where, "give a recording that says its units.")
    said = (str(units[0].get("CodeValue", "")), str(units[0].get("CodeMeaning", "")))
    factor = next((_MILLIVOLTS[word.lower()] for word in said if word.lower() in _MILLIVOLTS), None)
    if factor is None:
        raise RefusedInput(f"lead {lead} is not measured in volts", where, "give an ECG in uV or mV.")
    correction = channel.get("ChannelSensitivityCorrectionFactor")
    scale = _number(channel, "ChannelSensitivity", where)
    scale *= 1.0 if correction is None else _number(channel, "ChannelSensitivityCorrectionFactor", where)
    if scale == 0.0:
        raise RefusedInput(f"lead {lead} has a sensitivity of zero", where, _DAMAGED)
    return factor * (scale * values + _number(channel, "ChannelBaseline", where))


def _number(channel: Dataset, keyword: str, where: object) -> float:
    """A number of a channel; 0 where it is not given.

    Raises:
        RefusedInput: it is not a finite number.
    """
    value: Any = channel.get(keyword)
    try:
        number = float(value) if value is not None else 0.0
    except (TypeError, ValueError):
        number = float("nan")
    if not np.isfinite(number):
        raise RefusedInput(f"{keyword} is not a number", where, _DAMAGED)
    return number


def _unskewed(signal: NDArray[np.float64], samples: float) -> NDArray[np.float64]:
    """The signal as it was at the group's own sampling times; its sample k was taken `samples` later than time k."""
    times = np.arange(len(signal), dtype=np.float64)
    return np.interp(times, times + samples, signal)


def _filters(channel: Dataset, where: object) -> str:
    """The filters of a channel in words, from its numbers alone."""
    low, high = _number(channel, "FilterLowFrequency", where), _number(channel, "FilterHighFrequency", where)
    notch = _number(channel, "NotchFilterFrequency", where)
    words = [f"{name} {value:g} Hz" for name, value in (("a high-pass filter of", low), ("a low-pass filter of", high),
                                                        ("a notch filter at", notch)) if value]  # fmt: skip
    return ", ".join(words)
