"""Rhythms drawn with the beats of real recordings: what a hundred records hold too rarely, or not at all.

The usual beat of a record is laid down anew at times that a rhythm asks for: regular, early, irregularly irregular
without P waves over fibrillation, or in steps of a flutter cycle. Only the rhythm of such a tracing is known, so
statements about the shape of beats are not taught on it. Millivolts at 250 Hz, eight leads, ten seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wetread.model.ecg_beats import BEFORE
from wetread.model.ecg_input import RATE_HZ, SAMPLES

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    from wetread.model.ecg_beats import Beats

DRAWN = (
    "sinus rhythm", "sinus bradycardia", "sinus tachycardia", "sinus arrhythmia", "premature atrial contraction",
    "premature ventricular contractions", "atrial fibrillation", "atrial flutter",
)  # fmt: skip
"""Labels of `rhythms` that can be drawn."""
_WITHOUT_P = BEFORE - 18
_SECONDS = SAMPLES / RATE_HZ
_FIBRILLATION_LEADS = {1: 1.0, 2: 1.5, 3: 0.6}
"""Index in I, II, V1 to V6 -> how much of the atria's waves it shows."""


def draw(beats: Beats, label: str, random: Generator) -> tuple[NDArray[np.float64], frozenset[str]]:
    """A tracing of one rhythm with the beats of a record.

    Args:
        beats: of a record in sinus rhythm below 100 a minute, so that its P wave stands apart.
        label: of `DRAWN`.
        random: of the run.

    Returns:
        (8, 2500) and the labels that are true of it, of `DRAWN`.
    """
    rate = random.uniform(*{"sinus bradycardia": (38, 58), "sinus tachycardia": (102, 150)}.get(label, (61, 97)))
    rr = 60.0 / rate * (1.0 + random.normal(0, random.uniform(0.005, 0.03), 40))
    early: set[int] = set()
    truth = {label}
    if label == "sinus arrhythmia":
        rr *= 1.0 + random.uniform(0.13, 0.25) * np.sin(np.cumsum(rr) * random.uniform(1.2, 2.0) + random.uniform(0, 6))
    elif label == "atrial fibrillation":
        rr = 60.0 / random.uniform(60, 140) * np.clip(random.gamma(16, 1 / 16, 60), 0.45, 2.2)
    elif label == "atrial flutter":
        cycle = 1.0 / random.uniform(4.2, 5.5)
        steps = random.choice((2, 3, 4)) * np.ones(60, dtype=int)
        if random.random() < 0.4:
            steps = random.choice((2, 3, 4), 60)
        rr = cycle * steps
    elif label.startswith("premature"):
        for index in random.choice(np.arange(1, 9), random.integers(1, 3), replace=False):
            early.add(int(index) + 1)
            share = random.uniform(0.55, 0.82)
            left = 2 * rr[index] if "ventricular" in label else (1.7 + 0.2 * random.random()) * rr[index]
            rr[index], rr[index + 1] = share * rr[index], left - share * rr[index]
        base = 60.0 / float(np.median(rr))
        truth.add("sinus rhythm" if 60 <= base <= 100 else "sinus bradycardia")
    signals = _laid(beats, rr, label, early, random)
    if label == "atrial fibrillation":
        _shake(signals, random)
    elif label == "atrial flutter":
        _saw(signals, cycle, random)
    return noisy(signals, random), frozenset(truth)


def noisy(signals: NDArray[np.floating], random: Generator) -> NDArray[np.float64]:
    """The same tracing by another machine on another day: gains, muscle noise, drift, mains; cut at another second."""
    out = np.asarray(signals, dtype=np.float64) * random.uniform(0.92, 1.08, (len(signals), 1))
    time = np.arange(out.shape[1]) / RATE_HZ
    out += random.normal(0, random.uniform(0.002, 0.02), out.shape)
    drift = np.sin(2 * np.pi * random.uniform(0.1, 0.4) * time + random.uniform(0, 6))
    return out + random.normal(0, 0.06, (len(out), 1)) * drift


def _laid(beats: Beats, rr: NDArray[np.float64], label: str, early: set[int], random: Generator) -> NDArray[np.float64]:
    usual = beats.usual.copy()
    if label in ("atrial fibrillation", "atrial flutter"):
        usual[:, :_WITHOUT_P] = 0.0
    signals = np.zeros((len(usual), SAMPLES))
    at = random.uniform(0.0, 0.6)
    for index, step in enumerate(rr):
        if at >= _SECONDS:
            break
        beat = usual
        if index in early and "ventricular" in label:
            beat = _ventricular(usual, random)
        behind = float(rr[index - 1]) if index else float(step)
        _lay(signals, beat, at, behind, float(step))
        at += float(step)
    return signals


def _lay(signals: NDArray[np.float64], beat: NDArray[np.float64], at: float, behind: float, ahead: float) -> None:
    """One beat with soft ends; its T wave is drawn nearer where the next beat comes soon."""
    first = max(0, BEFORE - round(0.42 * behind * RATE_HZ))
    after = min(beat.shape[1] - BEFORE, round(0.62 * ahead * RATE_HZ))
    tail = beat[:, BEFORE:]
    places = np.linspace(0, tail.shape[1] - 1, after)
    squeezed = np.stack([np.interp(places, np.arange(tail.shape[1]), lead) for lead in tail])
    squeezed[:, : min(20, after)] = tail[:, : min(20, after)]
    piece = np.concatenate([beat[:, first:BEFORE], squeezed], axis=1)
    ramp = np.minimum(1.0, np.minimum(np.arange(piece.shape[1]), np.arange(piece.shape[1])[::-1]) / 8.0)
    piece = piece * ramp
    start = round(at * RATE_HZ) - (BEFORE - first)
    low, high = max(0, start), min(SAMPLES, start + piece.shape[1])
    if high > low:
        signals[:, low:high] += piece[:, low - start : high - start]


def _ventricular(usual: NDArray[np.float64], random: Generator) -> NDArray[np.float64]:
    """A wide beat without P wave, of another axis, with its T wave turned against it."""
    time = (np.arange(usual.shape[1]) - BEFORE) / RATE_HZ
    sign = random.choice((-1.0, 1.0), (len(usual), 1)) * random.uniform(0.6, 1.8, (len(usual), 1))
    width = random.uniform(0.035, 0.055)
    wave = np.exp(-((time / width) ** 2)) - 0.35 * np.exp(-(((time - 0.26) / 0.08) ** 2))
    return np.asarray(sign * wave)


def _shake(signals: NDArray[np.float64], random: Generator) -> None:
    time = np.arange(SAMPLES) / RATE_HZ
    height = random.uniform(0.01, 0.09)
    wave = sum(
        np.sin(2 * np.pi * f * time + random.uniform(0, 6) + 0.8 * np.sin(2 * np.pi * 0.4 * time))
        for f in random.uniform(4.5, 8.5, 3)
    )
    for lead, share in _FIBRILLATION_LEADS.items():
        signals[lead] += height * share * wave / 1.7


def _saw(signals: NDArray[np.float64], cycle: float, random: Generator) -> None:
    time = np.arange(SAMPLES) / RATE_HZ
    phase = (time / cycle + random.random()) % 1.0
    wave = np.where(phase < 0.65, phase / 0.65, (1 - phase) / 0.35) - 0.5
    height = random.uniform(0.08, 0.25)
    for lead, share in _FIBRILLATION_LEADS.items():
        signals[lead] += height * share * wave * (-1.0 if lead == 1 else 1.0)
