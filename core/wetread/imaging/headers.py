"""The header of an instance: everything but its bulk, so that hundreds of them cost little.

highdicom copies patient, study and reference attributes from these into SEG and SR, so nothing else is dropped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydicom import Dataset

_BULK = frozenset({
    0x7FE00008, 0x7FE00009, 0x7FE00010,  # Float, Double Float and Pixel Data
    0x7FE00001, 0x7FE00002,  # Extended Offset Table and its lengths
    0x54000100,  # Waveform Sequence
    0x00880200,  # Icon Image Sequence
})  # fmt: skip
_LARGE_PRIVATE_BYTES = 64 * 1024


def header_of(dataset: Dataset) -> Dataset:
    """A copy of an instance without pixel data, overlays, icon, waveforms and large private values."""
    from pydicom import Dataset as PlainDataset

    header = PlainDataset()
    implicit, little = dataset.original_encoding
    header.set_original_encoding(implicit, little, dataset.original_character_set)
    for tag in dataset.keys():  # noqa: SIM118 - iterating a Dataset converts every element
        if tag not in _BULK and not _is_overlay(tag) and not _is_unwanted_private(dataset, tag):
            header[tag] = dataset[tag]
    header.file_meta = dataset.file_meta
    return header


def _is_overlay(tag: int) -> bool:
    return 0x6000 <= tag >> 16 <= 0x60FF and tag & 0xFFFF == 0x3000


def _is_unwanted_private(dataset: Dataset, tag: int) -> bool:
    """True for private values that are large, or that cannot be read as what they claim to be."""
    if not (tag >> 16) % 2:
        return False
    value = dataset.get_item(tag).value
    if isinstance(value, bytes) and len(value) > _LARGE_PRIVATE_BYTES:
        return True
    try:
        return dataset[tag] is None
    except Exception:  # pydicom raises many types for damaged values
        return True
