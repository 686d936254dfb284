"""The door for waveforms: the one place that decides what happens with an ECG."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from wetread.errors import RefusedInput

if TYPE_CHECKING:
    from pydicom import Dataset


def open_waveform(dataset: Dataset, where: object) -> NoReturn:
    """Refuse an ECG waveform in words; this version reads images only.

    Raises:
        RefusedInput: always.
    """
    channels = sum(int(group.get("NumberOfWaveformChannels", 0)) for group in dataset.get("WaveformSequence") or [])
    raise RefusedInput(
        f"ECG waveform with {channels} channels", where, "ECG waveforms come with a later version; give images."
    )
