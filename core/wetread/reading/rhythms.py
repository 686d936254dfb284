"""A read of an ECG by a rhythm network: beats are measured, the network names statements, words say both.

Measured are the heart rate, the time from beat to beat and beats that come early; these are facts of the tracing and
need no network. What the network names is a finding with its calibrated presence. It abstains where one of the eight
independent leads is missing, where no beats stand out, and where the beats resemble each other too little to be
beats. A statement is grounded: of an ECG without beats the network is never asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wetread.findings import Finding, Interval
from wetread.imaging.leads import INDEPENDENT
from wetread.model.ecg_beats import FEATURES, Beats, features, find_beats
from wetread.model.ecg_input import RATE_HZ, encoder_input
from wetread.rhythms import find_rhythm

if TYPE_CHECKING:
    from wetread.imaging.waveform import Waveform
    from wetread.model.rhythm_network import RhythmModel

LEAST_LIKENESS = 0.5
"""Mean correlation of the QRS complexes with their median below which noise was taken for beats."""
_RATES = (20.0, 250.0)
_EARLY = frozenset({"premature atrial contraction", "premature ventricular contractions"})


@dataclass(frozen=True, slots=True)
class RhythmRead:
    """What a rhythm network says of an ECG.

    Args:
        words: what was measured, then what was named.
        findings: named statements, the surest first.
        abstention: why nothing is said; None where something is.
    """

    words: str
    findings: tuple[Finding, ...]
    abstention: str | None = None


def read_rhythm(model: RhythmModel, waveform: Waveform) -> RhythmRead:
    """Measure and name.

    Raises:
        ModelUnavailable: the weights do not load.
    """
    if waveform.missing:
        leads = ", ".join(waveform.missing)
        return RhythmRead("", (), f"{model.name} needs all of {', '.join(INDEPENDENT)}; missing: {leads}.")
    beats = find_beats(encoder_input(waveform)[0])
    if beats is None:
        return RhythmRead("", (), "No beats stand out in this tracing; its rhythm cannot be told.")
    values = features(beats)
    measured = dict(zip(FEATURES, values.tolist(), strict=True))
    if measured["qrs_shape"] < LEAST_LIKENESS or not _RATES[0] <= beats.rate <= _RATES[1]:
        return RhythmRead("", (), "What stands out in this tracing is too unlike itself to be beats: noise, or a "
                          "rhythm that was not learned.")  # fmt: skip
    found = []
    for statement, presence in zip(model.statements, model.presence(values), strict=True):
        target = find_rhythm(statement.label)
        if presence >= statement.threshold and target is not None:
            interval = _early(beats, waveform) if statement.label in _EARLY else None
            found.append(Finding(target, "", presence, 0, description=_facts(beats), interval=interval))
    found.sort(key=lambda finding: -finding.presence)
    words = [_facts(beats) + "."]
    words += [f"The network names {f.label} (presence {f.presence:.2f})." for f in found]
    if not found:
        words.append("The network is sure of none of the statements it has learned.")
    return RhythmRead(" ".join(words), tuple(found))


def _facts(beats: Beats) -> str:
    """Measured: rate and intervals, to the hundredth of a second."""
    rr = beats.rr_s
    return (f"Measured: {len(beats.peaks)} beats, {beats.rate:.0f} a minute, "
            f"{rr.min():.2f} to {rr.max():.2f} s from beat to beat")  # fmt: skip


def _early(beats: Beats, waveform: Waveform) -> Interval | None:
    """From the beat before the earliest beat to the beat after it; None where no beat comes early."""
    rr = beats.rr_s
    first = int(np.argmin(rr / np.median(rr)))
    if rr[first] >= 0.9 * np.median(rr):
        return None
    last = min(first + 2, len(beats.peaks) - 1)
    start, end = (waveform.start_s + float(beats.peaks[index]) / RATE_HZ for index in (first, last))
    return Interval(start, min(end, waveform.start_s + waveform.seconds), waveform.leads)
