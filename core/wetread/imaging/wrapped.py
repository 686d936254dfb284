"""What a wrapped file says about itself, and how a Sample repeats it.

The writer puts these fixed sentences into Derivation Description; the reader repeats only the sentences it knows, so
that free text of a file never reaches a remark.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydicom import Dataset

WRAPPED = "Wrapped from a file that is not DICOM"
SPACING_ASSUMED = "Voxel spacing not known, 1 mm assumed"
MODALITY_ASSUMED = "Modality assumed from the voxel values"
SCALED = "Values scaled to 16 bits"
TIME_UNKNOWN = "Time of recording not known, 1900-01-01 stands for it"
RATE_ASSUMED = "Sampling rate not given, ten seconds assumed"
RESAMPLED = "Resampled to 1000 Hz"
ONLY_FIRST_MINUTE = "Only the first minute kept"
LEFT_OUT = "Channels that are no standard lead left out"

_SENTENCES = (
    WRAPPED, SPACING_ASSUMED, MODALITY_ASSUMED, SCALED, TIME_UNKNOWN, RATE_ASSUMED, RESAMPLED, ONLY_FIRST_MINUTE,
    LEFT_OUT,
)  # fmt: skip


def wrapping_remarks(dataset: Dataset) -> tuple[str, ...]:
    """The known sentences that an instance carries, as remarks."""
    text = str(dataset.get("DerivationDescription") or "")
    if not text.startswith(WRAPPED):
        return ()
    return tuple(s[0].lower() + s[1:] for s in _SENTENCES if s in text)
