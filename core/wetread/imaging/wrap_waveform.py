"""An electrocardiogram that is not DICOM -> one DICOM waveform instance, so that a report can refer to its leads.

The class follows what the recording is (PS3.3 A.34.3 to A.34.5): 12-Lead ECG for all twelve leads at 200 to 1000 Hz,
General ECG for fewer, Ambulatory ECG below 200 Hz. Samples are 16 bit integers at the finest of a few round
sensitivities that holds them. Attributes that DICOM requires and the file does not know (when it was recorded) are
filled with a value that nobody takes for real, and a remark says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wetread.errors import RefusedInput
from wetread.imaging.kinds import sop_class
from wetread.imaging.leads import STANDARD, code_of
from wetread.imaging.waveform import MOST_MV, Recording, windowed, without_ends
from wetread.imaging.wrapped import ONLY_FIRST_MINUTE, RESAMPLED, TIME_UNKNOWN
from wetread.imaging.wrapped_instance import content_hash, new_instance

if TYPE_CHECKING:
    from pydicom import Dataset

LONGEST_S = 60.0
"""Seconds that are wrapped; ten of them are read."""
_SENSITIVITIES_UV = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_MOST_RATE_HZ = 1000.0
_TWELVE_LEAD, _GENERAL, _AMBULATORY = sop_class("9.1.1"), sop_class("9.1.2"), sop_class("9.1.3")
_LEAST_RATE_HZ, _MOST_SAMPLES = 200.0, 16_384
_NO_TIME = "19000101000000"


def wrap_recording(recording: Recording, where: object = "recording", started: str | None = None) -> Dataset:
    """One recording as one DICOM instance with a study and series of its own.

    Args:
        recording: standard leads, millivolts; at least one.
        where: the file, for messages.
        started: when it was recorded, ``YYYYMMDDHHMMSS``; None where nobody knows.

    Raises:
        RefusedInput: no lead, an absurd rate, values that are no millivolts or no numbers.
    """
    windowed(recording, 0.0, where)  # what would be refused when it is read is refused here, under the file's name
    recording = _within_dicom(recording, where)
    leads = tuple(lead for lead in STANDARD if lead in recording.signals)
    signals = np.stack([recording.signals[lead] for lead in leads], axis=1)
    _refuse_values(signals, leads, where)
    peak = 1000.0 * float(np.abs(signals).max())
    sensitivity = next((s for s in _SENSITIVITIES_UV if peak <= 32_000 * s), _SENSITIVITIES_UV[-1])
    stored = np.round(signals * (1000.0 / sensitivity)).astype("<i2")
    said = tuple(recording.remarks) if started else (*recording.remarks, TIME_UNKNOWN)
    rate = recording.rate_hz
    if rate < _LEAST_RATE_HZ:
        class_uid = _AMBULATORY
    else:
        twelve = leads == STANDARD and len(stored) <= _MOST_SAMPLES
        class_uid = _TWELVE_LEAD if twelve else _GENERAL
    content = content_hash(stored, leads, rate, sensitivity, started)
    dataset = new_instance(class_uid, "ECG", content, 1, said)
    del dataset.ImageType, dataset.Laterality
    dataset.StudyDescription, dataset.SeriesDescription = "Wrapped ECG", "ECG"
    moment = started or _NO_TIME
    dataset.AcquisitionDateTime = moment
    dataset.ContentDate, dataset.ContentTime = moment[:8], moment[8:14]
    dataset.AcquisitionContextSequence = []
    dataset.WaveformSequence = [_group(stored, leads, rate, sensitivity)]
    return dataset


def _within_dicom(recording: Recording, where: object) -> Recording:
    """At most a minute at 1000 Hz, which is what the ECG classes hold."""
    from fractions import Fraction

    from scipy.signal import resample_poly

    signals, _ = without_ends({k: v for k, v in recording.signals.items() if np.isfinite(v).any()})
    rate, remarks = recording.rate_hz, list(recording.remarks)
    if recording.seconds > LONGEST_S:
        signals = {lead: signal[: round(LONGEST_S * rate)] for lead, signal in signals.items()}
        remarks.append(ONLY_FIRST_MINUTE)
    if rate > _MOST_RATE_HZ:
        _refuse_values(np.stack(list(signals.values()), axis=1), tuple(signals), where)
        step = Fraction(_MOST_RATE_HZ / rate).limit_denominator(1000)
        signals = {
            lead: resample_poly(signal, step.numerator, step.denominator, padtype="line")
            for lead, signal in signals.items()
        }
        rate *= step.numerator / step.denominator
        remarks.append(RESAMPLED)
    return Recording(signals, rate, tuple(remarks))


def _refuse_values(signals: np.ndarray, leads: tuple[str, ...], where: object) -> None:
    bad = (~np.isfinite(signals)).sum(axis=0)
    if bad.any():
        worst = int(bad.argmax())
        raise RefusedInput(f"{int(bad[worst])} samples of lead {leads[worst]} are not numbers", where,
                           "mend the recording, or give it without that lead.")  # fmt: skip
    peak = float(np.abs(signals).max())
    if peak > 6 * MOST_MV or float(np.percentile(np.abs(signals - np.median(signals, axis=0)), 99)) > MOST_MV:
        raise RefusedInput(f"values of up to {peak:.4g} mV", where,
                           "no ECG is so large: give millivolts, or say the unit, as in 'II (uV)'.")  # fmt: skip


def _group(stored: np.ndarray, leads: tuple[str, ...], rate: float, sensitivity: float) -> Dataset:
    """The one multiplex group."""
    from pydicom import Dataset

    group = Dataset()
    group.WaveformOriginality = "ORIGINAL"
    group.NumberOfWaveformChannels, group.NumberOfWaveformSamples = len(leads), len(stored)
    group.SamplingFrequency = float(f"{rate:.10g}")
    group.MultiplexGroupLabel = "RHYTHM"
    group.ChannelDefinitionSequence = [_channel(lead, sensitivity) for lead in leads]
    group.WaveformBitsAllocated, group.WaveformSampleInterpretation = 16, "SS"
    group.WaveformData = stored.tobytes()
    group["WaveformData"].VR = "OW"
    return group


def _channel(lead: str, sensitivity: float) -> Dataset:
    from pydicom import Dataset

    channel = Dataset()
    channel.ChannelLabel = lead
    channel.ChannelSourceSequence = [_code(*code_of(lead))]
    channel.ChannelSensitivity = sensitivity
    channel.ChannelSensitivityUnitsSequence = [_code("uV", "UCUM", "microvolt")]
    channel.ChannelSensitivityCorrectionFactor = 1.0
    channel.ChannelBaseline = 0.0
    channel.ChannelSampleSkew = 0.0
    channel.WaveformBitsStored = 16
    return channel


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    from pydicom import Dataset

    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, scheme, meaning
    return code
