"""From a Waveform to what the ECG encoder takes: eight leads or fewer, ten seconds at 250 Hz, normalised as it learned.

The published recipes disagree about normalisation and a checkpoint knows only its own, so it is a setting of the
model (`ecg` in `wetread.json`): ECG-JEPA's own pre-training takes millivolts as they are, EasyR1's preparation of
QoQ-Med a z-score per lead, CLIMB's of MIMIC-IV a band-pass of 0.5 to 45 Hz before it. Resampling is Fourier's, as in
ECG-JEPA's preparation of its data. What is missing at the end of a short recording is zeros, after normalisation.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from wetread.imaging.leads import INDEPENDENT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wetread.imaging.waveform import Waveform

RATE_HZ = 250
SAMPLES = 2500
BAND_HZ = (0.5, 45.0)
_ORDER = 3


class Normalisation(StrEnum):
    """What is done to the millivolts of every lead."""

    NONE = "none"
    Z_SCORE = "z-score"
    BAND_PASS_Z_SCORE = "band-pass-z-score"


def encoder_input(
    waveform: Waveform, normalisation: Normalisation = Normalisation.NONE
) -> tuple[NDArray[np.float32], tuple[int, ...]]:
    """The leads an encoder can be given.

    Args:
        waveform: at most ten seconds.
        normalisation: of the checkpoint.

    Returns:
        (leads, 2500) float32 and the index of each row in I, II, V1 to V6; missing leads are left out.
    """
    rows, leads = [], []
    for index, name in enumerate(INDEPENDENT):
        signal = waveform.lead(name)
        if signal is not None:
            rows.append(resampled(signal, waveform.rate_hz))
            leads.append(index)
    signals = normalised(np.stack(rows), normalisation)
    padded = np.zeros((len(rows), SAMPLES), dtype=np.float32)
    padded[:, : signals.shape[1]] = signals[:, :SAMPLES]
    return padded, tuple(leads)


def resampled(signal: NDArray[np.floating], rate_hz: float) -> NDArray[np.float64]:
    """(samples,) at `rate_hz` to 250 Hz; a signal at 250 Hz is returned as it is."""
    from scipy.signal import resample

    values = np.asarray(signal, dtype=np.float64)
    wanted = round(len(values) * RATE_HZ / rate_hz)
    return values if wanted == len(values) else np.asarray(resample(values, wanted), dtype=np.float64)


def normalised(signals: NDArray[np.float64], normalisation: Normalisation) -> NDArray[np.float64]:
    """(leads, samples) at 250 Hz as the checkpoint was taught; a lead without variation is only centred."""
    if normalisation is Normalisation.NONE:
        return signals
    if normalisation is Normalisation.BAND_PASS_Z_SCORE:
        from scipy.signal import butter, sosfiltfilt

        signals = sosfiltfilt(butter(_ORDER, BAND_HZ, btype="bandpass", fs=RATE_HZ, output="sos"), signals, axis=1)
    spread = signals.std(axis=1, keepdims=True)
    return np.asarray((signals - signals.mean(axis=1, keepdims=True)) / np.where(spread > 0, spread, 1.0))
