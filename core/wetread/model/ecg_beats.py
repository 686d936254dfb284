"""What can be measured on an ECG without a network: beats, intervals, and the shape of the usual beat in every lead.

QRS complexes are found by the energy of the slope over all leads (after Pan and Tompkins 1985, IEEE Trans Biomed Eng
32:230-236: band-pass, derivative, square, window). The usual beat is the median over beats, so that one ectopic does
not bend it. Everything is in seconds and millivolts at `ecg_input.RATE_HZ`; the numbers of `features` are what the
rhythm network (`rhythm_network`) is given, always in the order of `FEATURES`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wetread.imaging.leads import INDEPENDENT
from wetread.model.ecg_input import RATE_HZ

if TYPE_CHECKING:
    from numpy.typing import NDArray

BEFORE, AFTER = round(0.30 * RATE_HZ), round(0.45 * RATE_HZ)
"""Samples of a beat before and after its QRS."""
LEAST_BEATS = 4
_SHORTEST_RR_S = 0.24
_QRS_BAND_HZ, _WAVE_BAND_HZ = (5.0, 25.0), (0.5, 40.0)

FEATURES = (
    "rate", "slow", "fast", "rr_median", "rr_spread", "rr_successive", "rr_shortest", "rr_longest", "early",
    "early_paused", "early_shape", "qrs_duration", "qrs_shape", "p_height", "p_alike", "p_time", "f_wave",
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Beats:
    """The beats of one recording.

    Args:
        peaks: (n,) samples of the QRS complexes at 250 Hz, ascending.
        signals: (8, samples) millivolts without baseline wander.
        usual: (8, BEFORE + AFTER) the median beat.
    """

    peaks: NDArray[np.int64]
    signals: NDArray[np.float64]
    usual: NDArray[np.float64]

    @property
    def rr_s(self) -> NDArray[np.float64]:
        """(n - 1,) seconds from beat to beat."""
        return np.diff(self.peaks) / RATE_HZ

    @property
    def rate(self) -> float:
        """Beats a minute: the mean over the recording, as a printed heart rate is."""
        return 60.0 / float(self.rr_s.mean())


def find_beats(signals: NDArray[np.floating]) -> Beats | None:
    """The beats of (8, samples) millivolts at 250 Hz; None where fewer than `LEAST_BEATS` stand out."""
    from scipy.ndimage import uniform_filter1d
    from scipy.signal import butter, find_peaks, sosfiltfilt

    raw = np.asarray(signals, dtype=np.float64)
    clean = sosfiltfilt(butter(2, _WAVE_BAND_HZ, btype="bandpass", fs=RATE_HZ, output="sos"), raw, axis=1)
    steep = np.diff(sosfiltfilt(butter(2, _QRS_BAND_HZ, btype="bandpass", fs=RATE_HZ, output="sos"), raw, axis=1))
    # A lead of large voltage must not decide alone, so every lead counts with its own strongest slopes.
    strong = np.percentile(np.abs(steep), 98, axis=1, keepdims=True)
    energy = (np.minimum(np.abs(steep) / np.where(strong > 0, strong, 1.0), 2.0) ** 2).mean(axis=0)
    energy = uniform_filter1d(energy, round(0.10 * RATE_HZ))
    height = float(np.percentile(energy, 97))
    found, _ = find_peaks(energy, height=0.25 * height, prominence=0.2 * height,
                          distance=round(_SHORTEST_RR_S * RATE_HZ))  # fmt: skip
    if len(found) < LEAST_BEATS:
        return None
    whole = [int(p) for p in found if BEFORE <= p < clean.shape[1] - AFTER]
    if len(whole) < LEAST_BEATS - 1:
        return None
    usual = np.median(np.stack([clean[:, p - BEFORE : p + AFTER] for p in whole]), axis=0)
    usual = usual - np.median(usual[:, BEFORE - 24 : BEFORE - 14], axis=1, keepdims=True)  # PR segment is zero
    return Beats(np.asarray(found, dtype=np.int64), clean, usual)


def features(beats: Beats) -> NDArray[np.float64]:
    """(len(FEATURES),) the numbers a rhythm network is given."""
    return np.nan_to_num(np.asarray([*_rhythm(beats), *_shape(beats)], dtype=np.float64))


def _rhythm(beats: Beats) -> list[float]:
    rr = beats.rr_s
    middle = float(np.median(rr))
    early = [i for i in range(len(rr)) if rr[i] < 0.88 * float(np.median(rr[max(0, i - 4) : i + 5]))]
    paused = [i for i in early if i + 1 < len(rr) and rr[i + 1] > 1.05 * middle]
    alike = [_likeness(beats, i + 1) for i in early]
    return [
        beats.rate, _step(60.0 - beats.rate), _step(beats.rate - 100.0), middle,
        float(rr.std() / rr.mean()), float(np.abs(np.diff(rr)).mean() / middle),
        float(rr.min() / middle), float(rr.max() / middle), float(min(len(early), 4)), float(min(len(paused), 4)),
        float(min(alike, default=1.0)),
    ]  # fmt: skip


def _step(beats_beyond: float) -> float:
    """0 to 1 around a limit of the heart rate: the definitions of brady- and tachycardia are steps, not slopes."""
    return float(1.0 / (1.0 + np.exp(-np.clip(beats_beyond / 2.0, -30.0, 30.0))))


def _likeness(beats: Beats, index: int) -> float:
    """Correlation of one beat's QRS with the usual one over all leads; 1 where it lies at the edge."""
    place, reach = int(beats.peaks[index]), round(0.08 * RATE_HZ)
    seen = beats.signals[:, max(0, place - reach) : place + reach]
    usual = beats.usual[:, BEFORE - reach : BEFORE + reach]
    if seen.shape != usual.shape:
        return 1.0
    return float(np.corrcoef(seen.ravel(), usual.ravel())[0, 1])


def _shape(beats: Beats) -> list[float]:
    usual = beats.usual
    slope = np.abs(np.diff(usual, axis=1)).sum(axis=0)
    fast = np.flatnonzero(slope[BEFORE - 30 : BEFORE + 35] > 0.12 * slope.max())
    duration = float(fast[-1] - fast[0]) / RATE_HZ if fast.size else 0.0
    alike = [_likeness(beats, i) for i in range(len(beats.peaks))]
    ii = INDEPENDENT.index("II")
    # P is sought from 280 to 80 ms before the QRS; after a fast beat the T wave before it lies there as well.
    spans = [beats.signals[:, p - BEFORE + 5 : p - 20] for p in beats.peaks if p >= BEFORE]
    p_usual = usual[ii, 5 : BEFORE - 20]
    p_alike = np.mean([np.corrcoef(s.ravel(), usual[:, 5 : BEFORE - 20].ravel())[0, 1] for s in spans])
    high = int(np.argmax(p_usual))
    return [
        duration, float(np.mean(alike)), float(p_usual.max() - np.median(p_usual)), float(p_alike),
        (len(p_usual) - high + 20) / RATE_HZ, _flutter(beats),
    ]  # fmt: skip


def _flutter(beats: Beats) -> float:
    """Share of the power between 3.5 and 9 Hz once the usual beat is taken out of II and V1: flutter, fibrillation."""
    left = beats.signals[[INDEPENDENT.index("II"), INDEPENDENT.index("V1")]].copy()
    for peak in beats.peaks:
        start, stop = max(0, peak - 20), min(left.shape[1], peak + AFTER)
        at = start - (peak - BEFORE)
        left[:, start:stop] -= beats.usual[[1, 2], at : at + stop - start]
    power = np.abs(np.fft.rfft(left, axis=1)) ** 2
    hz = np.fft.rfftfreq(left.shape[1], 1 / RATE_HZ)
    return float((power[:, (hz > 3.5) & (hz < 9)].sum(axis=1) / power[:, hz > 0.5].sum(axis=1)).max())
