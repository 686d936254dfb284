"""What a model may answer for: its modalities, and for each target the sizes of image it was taught on.

A network sees 256 x 256 pixels and cannot tell a vertebra close up from a whole abdomen; DICOM can. Where a plane's
geometry says that the image is much smaller or larger across than anything the target was learned on, a finding of
that target is set aside, and the read says why. Images without a known pixel spacing are not judged by size.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wetread.model.prompts import FIND_ALL, segment_question
from wetread.terminology import find_target

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wetread.imaging.sample import Sample
    from wetread.imaging.waveform import Waveform
    from wetread.model.checkpoint import ModelInfo
    from wetread.terminology import Target


def modality_gap(info: ModelInfo, sample: Sample | Waveform) -> str | None:
    """Why the model does not cover the Sample's modality, in words; None where it does."""
    if sample.modality in info.modalities:
        return None
    return f"{info.name} was not trained on {sample.modality.value}; its answer was set aside."


def label_gap(info: ModelInfo, target: Target | None) -> str | None:
    """The model was not taught the target that was asked for, in words; None where it was, or where none was named.

    The catalogue names far more than a model knows: to find nothing of what one cannot find is no finding.
    """
    if target is None or target.label in info.labels:
        return None
    return f"{info.name} was not trained to find {target.label}; its answer was set aside."


def is_learned_size(info: ModelInfo, target: Target, sample: Sample) -> bool:
    """True where the target was learned on images of this size, or either size is not known."""
    known, across = info.field_mm.get(target.label), field_mm(sample)
    return known is None or across is None or known[0] <= across <= known[1]


def size_gap(info: ModelInfo, targets: Sequence[Target], sample: Sample) -> str:
    """Why targets cannot be answered for on an image of this size, in one sentence without a full stop."""
    sizes: dict[tuple[float, float], list[str]] = {}
    for target in targets:
        sizes.setdefault(info.field_mm[target.label], []).append(target.label)
    learned = "; ".join(f"{', '.join(labels)} on images {least:.0f} to {most:.0f} mm across"
                        for (least, most), labels in sizes.items())  # fmt: skip
    return f"{info.name} learned {learned}, and this one is {field_mm(sample):.0f} mm across"


def narrowed(info: ModelInfo, sample: Sample, question: str) -> str:
    """The question to ask: an open one becomes the question for the only target that was learned at this size.

    Of two structures of one modality that look alike when scaled, the size of the image tells which can be meant; and
    a taught target has to be named (`ModelInfo.taught`).
    """
    possible = [t for t in map(find_target, info.labels) if t is not None and sample.modality in t.modalities]
    learned = [target for target in possible if is_learned_size(info, target, sample)]
    taught = learned[:1] if learned and learned[0].label in info.taught else []
    if question != FIND_ALL or len(learned) != 1 or (len(possible) == 1 and not taught):
        return question
    return segment_question(learned[0].label)


def field_mm(sample: Sample) -> float | None:
    """The longer side of the image in mm, from the first plane's geometry; None where spacing is not known."""
    geometry = sample.planes[0].geometry
    if geometry is None:
        return None
    _, rows, columns = sample.shape
    return max(rows * geometry.row_spacing, columns * geometry.column_spacing)
