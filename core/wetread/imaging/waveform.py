"""Waveform: an electrocardiogram as a model is given it and a person sees it, tied to its DICOM channels.

The signals are kept as recorded, in millivolts at the recorded rate; the encoder's 250 Hz and its normalisation belong
to the model (`model.ecg_input`). Ten seconds are read. Of a longer recording those are the first ten, or the ten that
the caller names, and the remarks say which; of a shorter one everything, at least five seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from wetread.errors import RefusedInput
from wetread.imaging.leads import INDEPENDENT, STANDARD, lead_signal, limb_disagreement, origin_of
from wetread.terminology import Modality

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pydicom import Dataset

    from wetread.imaging.sample import Source

WINDOW_S = 10.0
"""Seconds that are read."""
SHORTEST_S = 5.0
"""A recording below this holds too few beats to speak of a rhythm; it is refused."""
LEAST_RATE_HZ, MOST_RATE_HZ = 50.0, 20_000.0
MOST_MV = 50.0
"""No electrocardiogram swings further from its median; beyond it the units are wrong."""
_FLAT_MV = 0.005
_LAW_BROKEN = 0.35


@dataclass(frozen=True, slots=True, eq=False)
class Waveform:
    """Up to ten seconds of an electrocardiogram.

    Args:
        signals: (leads, samples) float32 millivolts, as recorded.
        rate_hz: samples a second.
        leads: names of the recorded standard leads, in the conventional order; rows of `signals`.
        missing: of I, II and V1 to V6, those neither recorded nor exactly derivable.
        source: the DICOM instance.
        header: that instance without its bulk.
        channels: (multiplex group, channel) of every lead in the instance, both from 1 (PS3.3 C.18.5.1.1).
        start_s: where the signals begin in the recording, seconds.
        recorded_s: length of the whole recording, seconds.
        remarks: what was found and handled while loading, in words.
    """

    signals: NDArray[np.float32]
    rate_hz: float
    leads: tuple[str, ...]
    missing: tuple[str, ...]
    source: Source
    header: Dataset = field(repr=False)  # patient data: never in a log through repr
    channels: tuple[tuple[int, int], ...]
    start_s: float = 0.0
    recorded_s: float = WINDOW_S
    remarks: tuple[str, ...] = ()
    modality: Modality = Modality.ECG

    def __post_init__(self) -> None:
        if self.signals.ndim != 2 or self.signals.shape[0] != len(self.leads) or len(self.channels) != len(self.leads):
            raise ValueError(
                f"{len(self.leads)} leads, {len(self.channels)} channels, signals of shape {self.signals.shape}."
            )
        self.signals.setflags(write=False)

    @property
    def seconds(self) -> float:
        """Length of `signals`."""
        return self.signals.shape[1] / self.rate_hz

    @property
    def study_uid(self) -> str:
        """Study Instance UID."""
        return self.source.study_uid

    @property
    def headers(self) -> tuple[Dataset, ...]:
        """The headers of all source instances: one."""
        return (self.header,)

    def lead(self, name: str) -> NDArray[np.float32] | None:
        """(samples,) of a lead as recorded or exactly derived from two limb leads; None where it cannot be had."""
        return lead_signal(name, dict(zip(self.leads, self.signals, strict=True)))

    def channels_of(self, name: str) -> tuple[tuple[int, int], ...]:
        """The recorded channels a lead is taken from: its own, or the two it is derived from; none where neither."""
        own = dict(zip(self.leads, self.channels, strict=True))
        return tuple(own[origin] for origin in origin_of(name, own) or ())


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """Leads of equal length before anything is decided about them.

    Args:
        signals: lead -> (samples,) float64 millivolts; not a number where the file has no value.
        rate_hz: samples a second.
        remarks: what the reader of the file had to say.
        begins_s: where the signals begin in a recording of which only a part was taken out.
        whole_s: length of that recording; that of the signals when None.
    """

    signals: dict[str, NDArray[np.float64]]
    rate_hz: float
    remarks: tuple[str, ...] = ()
    begins_s: float = 0.0
    whole_s: float | None = None

    @property
    def samples(self) -> int:
        """Samples per lead."""
        return len(next(iter(self.signals.values())))

    @property
    def seconds(self) -> float:
        """Length."""
        return self.samples / self.rate_hz


def check_rate(rate_hz: float, where: object) -> None:
    """Refuse a sampling rate that no electrocardiogram is recorded with.

    Raises:
        RefusedInput: not a number, or outside 50 to 20000 Hz.
    """
    if not (np.isfinite(rate_hz) and LEAST_RATE_HZ <= rate_hz <= MOST_RATE_HZ):
        raise RefusedInput(f"a sampling rate of {rate_hz:g} Hz", where,
                           f"an ECG is read at {LEAST_RATE_HZ:g} to {MOST_RATE_HZ:g} Hz.")  # fmt: skip


def windowed(recording: Recording, start_s: float, where: object) -> tuple[Recording, float]:
    """The ten seconds that are read, with remarks, checked; and the length of the whole recording in seconds.

    Args:
        recording: standard leads only.
        start_s: where to begin, seconds.
        where: file or UID, for messages.

    Raises:
        RefusedInput: no lead a model can use, too short, samples that are not numbers, flat leads, wrong units.
    """
    check_rate(recording.rate_hz, where)
    signals, remarks = dict(recording.signals), list(recording.remarks)
    signals, cut = without_ends(signals)
    if cut:
        remarks.append(f"{cut / recording.rate_hz:.2f} s without values at the ends of the recording left out")
    empty = [lead for lead, signal in signals.items() if not np.isfinite(signal).any()]
    for lead in empty:
        del signals[lead]
    if empty:
        remarks.append(f"no values in lead {', '.join(empty)}")
    if not any(origin_of(lead, signals) for lead in INDEPENDENT):
        raise RefusedInput(
            "no lead that can be read", where, f"give at least one of the leads {', '.join(INDEPENDENT)}."
        )
    count = len(next(iter(signals.values())))
    whole = (recording.whole_s or recording.seconds) - cut / recording.rate_hz
    first = round((start_s - recording.begins_s) * recording.rate_hz)
    length = min(count - first, round(WINDOW_S * recording.rate_hz))
    if first < 0 or length < SHORTEST_S * recording.rate_hz:
        found = max(length, 0) / recording.rate_hz
        raise RefusedInput(f"{found:.2f} s of ECG", where, f"give a recording of at least {SHORTEST_S:g} s.")
    signals = {lead: signal[first : first + length] for lead, signal in signals.items()}
    if length < count:
        remarks.append(f"{whole:.1f} s recorded: {start_s:g} to {start_s + length / recording.rate_hz:g} s are read")
    if length < round(WINDOW_S * recording.rate_hz):
        remarks.append(f"{length / recording.rate_hz:.2f} s long: the model sees the rest of {WINDOW_S:g} s as zeros")
    signals = _sound(signals, remarks, where)
    return Recording(signals, recording.rate_hz, tuple(remarks)), whole


def missing_leads(signals: dict[str, NDArray[np.float64]], remarks: list[str]) -> tuple[str, ...]:
    """The independent leads that cannot be had; what is derived and what is missing is added to `remarks`."""
    derived = [lead for lead in INDEPENDENT if lead not in signals and origin_of(lead, signals)]
    for lead in derived:
        remarks.append(f"lead {lead} derived from {' and '.join(origin_of(lead, signals) or ())}")
    missing = tuple(lead for lead in INDEPENDENT if origin_of(lead, signals) is None)
    if missing:
        remarks.append(f"missing lead{'s' if len(missing) > 1 else ''}: {', '.join(missing)}")
    return missing


def in_order(signals: dict[str, NDArray[np.float64]]) -> tuple[str, ...]:
    """The leads in the conventional order."""
    return tuple(lead for lead in STANDARD if lead in signals)


def without_ends(signals: dict[str, NDArray[np.float64]]) -> tuple[dict[str, NDArray[np.float64]], int]:
    """Leads without the samples at either end where none of them has a value, and how many those were."""
    held = np.flatnonzero(np.isfinite(np.stack(list(signals.values()))).any(axis=0)) if signals else np.array([])
    if held.size == 0:
        return signals, 0
    first, last = int(held[0]), int(held[-1]) + 1
    count = len(next(iter(signals.values())))
    return {lead: signal[first:last] for lead, signal in signals.items()}, count - (last - first)


def _sound(
    signals: dict[str, NDArray[np.float64]], remarks: list[str], where: object
) -> dict[str, NDArray[np.float64]]:
    """The leads that hold a signal: an electrode that fell off costs its lead, which is then missing."""
    for lead, signal in signals.items():
        bad = int((~np.isfinite(signal)).sum())
        if bad:
            raise RefusedInput(f"{bad} samples of lead {lead} are not numbers", where,
                               "mend the recording, or give it without that lead.")  # fmt: skip
    flat = [lead for lead, signal in signals.items() if float(np.ptp(signal)) < _FLAT_MV]
    left = {lead: signal for lead, signal in signals.items() if lead not in flat}
    if not any(origin_of(lead, left) for lead in INDEPENDENT):
        raise RefusedInput(f"flat line in lead {', '.join(flat)}", where,
                           "no lead is left that can be read: check the electrodes.")  # fmt: skip
    if flat:
        remarks.append(f"flat line in lead {', '.join(flat)}: left out")
        signals = left
    swing = max(float(np.percentile(np.abs(signal - np.median(signal)), 99)) for signal in signals.values())
    if swing > MOST_MV:
        raise RefusedInput(f"a signal of {swing:.4g} mV", where,
                           "no ECG is so large: correct the units or the sensitivity at the source.")  # fmt: skip
    broken = limb_disagreement(signals)
    if broken is not None and broken > _LAW_BROKEN:
        remarks.append("leads I, II and III do not agree (II is not I + III): check the order of the leads")
    return signals
