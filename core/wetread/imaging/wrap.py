"""Which writer wraps a file that is not DICOM."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wetread.imaging.wrap_picture import read_pages, wrap_picture
from wetread.imaging.wrap_volume import read_volume, wrap_stack, wrap_volume

if TYPE_CHECKING:
    from pathlib import Path

    from pydicom import Dataset

    from wetread.terminology import Modality


def wrap_file(path: Path, modality: Modality | None) -> list[Dataset]:
    """A picture or volume file as the instances of one new series.

    Raises:
        RefusedInput: the file cannot be read, or its pixels do not fit the modality.
    """
    if path.name.lower().endswith((".nii", ".nii.gz")):
        return wrap_volume(*read_volume(path), modality=modality, where=path)
    pages = read_pages(path)
    if len(pages) == 1:
        return [wrap_picture(pages[0], modality, where=path)]
    return wrap_stack(pages, modality, where=path)
