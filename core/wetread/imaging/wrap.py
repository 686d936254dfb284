"""Which writer wraps a file that is not DICOM."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wetread.errors import RefusedInput
from wetread.imaging.waveform_files import WAVEFORM_SUFFIXES, wrap_waveform_file
from wetread.imaging.wrap_picture import read_pages, wrap_picture
from wetread.imaging.wrap_volume import read_volume, wrap_stack, wrap_volume
from wetread.terminology import Modality

if TYPE_CHECKING:
    from pathlib import Path

    from pydicom import Dataset


def wrap_file(path: Path, modality: Modality | None) -> list[Dataset]:
    """A picture, volume or ECG file as the instances of one new series.

    Raises:
        RefusedInput: the file cannot be read, or its content does not fit the modality.
    """
    suffix = path.suffix.lower()
    if suffix in WAVEFORM_SUFFIXES or (suffix == ".npy" and modality is Modality.ECG):
        if modality not in (None, Modality.ECG):
            raise RefusedInput(f"an ECG file read as {modality.value}", path, "leave the modality out, or say ECG.")
        return [wrap_waveform_file(path)]
    if path.name.lower().endswith((".nii", ".nii.gz")):
        return wrap_volume(*read_volume(path), modality=modality, where=path)
    pages = read_pages(path)
    if len(pages) == 1:
        return [wrap_picture(pages[0], modality, where=path)]
    return wrap_stack(pages, modality, where=path)
