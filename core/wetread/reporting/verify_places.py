"""Does every frame of a Segmentation lie where the image lies that it was drawn on?

A frame that names one source image must share its position, orientation and spacing, else the mask is shown on
another slice than it was drawn on. Frames that derive from several images (resampled ones) and tiles of slides are
left out: their places need not be those of a source.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wetread.imaging.frames import Frame

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydicom import Dataset

Words = tuple[str, str]

_TOLERANCES = {"ImagePositionPatient": 0.01, "ImageOrientationPatient": 1e-3, "PixelSpacing": 1e-3}


def place_defects(seg: Dataset, sources: dict[str, Dataset]) -> Iterator[Words]:
    """Defects of a Segmentation's frames against the headers of their sources, each kind told once."""
    wrong: dict[str, int] = {}
    for index in range(int(seg.NumberOfFrames)):
        reference = _only_source(Frame(seg, index))
        source = None if reference is None else sources.get(str(reference.ReferencedSOPInstanceUID))
        if reference is None or source is None or "ImageOrientationSlide" in source:
            continue
        if str(reference.ReferencedSOPClassUID) != str(source.SOPClassUID):
            wrong["SOP class"] = wrong.get("SOP class", 0) + 1
        number = int(reference.get("ReferencedFrameNumber") or 1)
        theirs = Frame(source, number - 1)
        for keyword, tolerance in _TOLERANCES.items():
            if _differ(Frame(seg, index).attribute(keyword), theirs.attribute(keyword), tolerance):
                wrong[keyword] = wrong.get(keyword, 0) + 1
    for what, count in wrong.items():
        yield f"{what} of {count} frame(s) is not that of the source image they name", "write frames on their sources."


def _only_source(frame: Frame) -> Dataset | None:
    per_frame, shared = (
        (frame.dataset.get(keyword) or [])[place : place + 1]
        for keyword, place in (
            ("PerFrameFunctionalGroupsSequence", frame.index or 0), ("SharedFunctionalGroupsSequence", 0),
        )
    )  # fmt: skip
    derivations = [d for groups in (*per_frame, *shared) for d in groups.get("DerivationImageSequence", [])]
    images = [image for derivation in derivations for image in derivation.get("SourceImageSequence", [])]
    return images[0] if len(images) == 1 and isinstance(images[0].get("ReferencedFrameNumber") or 1, int) else None


def _differ(ours: object, theirs: object, tolerance: float) -> bool:
    if not ours or not theirs:
        return False
    first, second = np.asarray(ours, dtype=float), np.asarray(theirs, dtype=float)
    return first.shape != second.shape or bool(np.abs(first - second).max() > tolerance)
