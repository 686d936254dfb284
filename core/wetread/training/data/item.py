"""One training item, whichever data set it comes from, and the report of what could not be used.

A `TrainingItem` is a question with its true answer and the evidence that belongs to it. Pictures, videos, waveforms
and the mask stay where they lie until they are asked for: an item of a path is some hundred bytes, so an index of
millions of lines is cheap. `loaded()` turns all of them into arrays at once and refuses in one line what is broken;
`wetread.training.data.stream` counts such a refusal in a `Faults` report and goes on with the next item.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wetread.errors import RefusedInput

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wetread.findings import Box

PictureSource = Path | Callable[[], Any] | np.ndarray
"""A picture file, (rows, columns[, 3]) uint8, or a function without arguments that returns such an array."""
MaskSource = Path | Callable[[], Any] | np.ndarray
"""A mask file whose non-zero pixels are marked, a bool (rows, columns) array, or a function that returns one."""
WaveformSource = Path | Callable[[], Any] | np.ndarray
"""A `.pt`, `.npy` or WFDB file, (leads, samples) float32, or a function that returns such an array."""

KEPT_EXAMPLES = 20
"""Faults of one kind that are kept in words; the rest is counted."""


@dataclass(frozen=True, slots=True, eq=False)
class TrainingItem:
    """A question, its answer and the evidence.

    Args:
        id: unique within the data set, the same on every machine.
        question: without placeholders; every option that may be answered stands in it.
        answer: as the data set writes it, e.g. ``"Edema, Pneumonia"``.
        domain: kind of evidence, e.g. ``"chest_xray"``; DRPO may scale by it.
        dataset: name of the data set, e.g. ``"vindr"``; unique only together with `domain`.
        group: the patient, or what stands for one; never split across parts.
        images: pictures in the order of the question.
        videos: video files, shown as evenly spaced frames after the images.
        waveforms: ECGs, (leads, samples).
        mask: of the first image, in that image's own pixels; None where there is no pixel truth.
        boxes: truth boxes on the first image; each box carries its frame (IMAGE = the file's own pixels).
        label_set: the answers that the question allows, as it writes them; empty for a free answer.
        demographics: lower-case name -> value, as written (``{"sex": "Male", "age": "68"}``).
        extra: further facts of the line that a task needs (``{"question_type": "3"}``).
        location: where the item was read, ``file:line``, for reports; without patient data.
    """

    id: str
    question: str
    answer: str
    domain: str
    dataset: str
    group: str
    images: tuple[PictureSource, ...] = ()
    videos: tuple[Path, ...] = ()
    waveforms: tuple[WaveformSource, ...] = ()
    mask: MaskSource | None = None
    boxes: tuple[Box, ...] = ()
    label_set: tuple[str, ...] = ()
    demographics: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, str] = field(default_factory=dict)
    location: str = ""

    @property
    def labels(self) -> tuple[str, ...]:
        """The answer as separate labels, in its order, by the label set where there is one."""
        from wetread.training.data.label_sets import split_answer

        return split_answer(self.answer, self.label_set)

    @property
    def is_loaded(self) -> bool:
        """True where nothing has to be read from a file any more."""
        sources = (*self.images, *self.waveforms, *(() if self.mask is None else (self.mask,)))
        return not self.videos and all(isinstance(source, np.ndarray) for source in sources)

    def pictures(self, *, frames: int = 4) -> tuple[NDArray[np.uint8], ...]:
        """Every image, then `frames` evenly spaced frames of every video: (rows, columns, 3) uint8, original size.

        Raises:
            RefusedInput: a file is missing or unreadable.
        """
        from wetread.training.data.media import read_picture, read_video

        stills = [read_picture(source) for source in self.images]
        return (*stills, *(picture for video in self.videos for picture in read_video(video, frames)))

    def load_waveforms(self) -> tuple[NDArray[np.float32], ...]:
        """Every waveform as (leads, samples) float32, in the file's own units and rate.

        Raises:
            RefusedInput: a file is missing, unreadable, or not a plain tensor.
        """
        from wetread.training.data.media import read_waveform

        return tuple(read_waveform(source) for source in self.waveforms)

    def load_mask(self) -> NDArray[np.bool_] | None:
        """The mask as bool (rows, columns) in the first image's own pixels; None where there is none.

        Raises:
            RefusedInput: the file is missing or unreadable.
        """
        from wetread.training.data.media import read_mask

        return None if self.mask is None else read_mask(self.mask)

    def loaded(self, *, frames: int = 4) -> TrainingItem:
        """The same item with arrays in place of files; a video becomes `frames` images.

        Raises:
            RefusedInput: a file is missing or unreadable, or the mask has another size than its image.
        """
        pictures, mask = self.pictures(frames=frames), self.load_mask()
        if mask is not None and pictures and mask.shape != pictures[0].shape[:2]:
            raise RefusedInput(f"mask of {mask.shape} on a picture of {pictures[0].shape[:2]}",
                               self.location, "give the mask in the picture's own size")  # fmt: skip
        return replace(self, images=pictures, videos=(), waveforms=self.load_waveforms(), mask=mask)


@dataclass(frozen=True, slots=True)
class Fault:
    """One line or file that was left out.

    Args:
        kind: a few words that group faults, e.g. ``"missing image"``.
        where: file and line.
        why: what was found.
    """

    kind: str
    where: str
    why: str


@dataclass(slots=True)
class Faults:
    """What was left out, counted by kind; the first of each kind are kept in words. Never fatal."""

    counts: Counter[str] = field(default_factory=Counter)
    examples: list[Fault] = field(default_factory=list)

    @property
    def total(self) -> int:
        """Number of faults of all kinds."""
        return self.counts.total()

    def add(self, kind: str, where: object, why: str = "") -> None:
        """Count one fault."""
        self.counts[kind] += 1
        if self.counts[kind] <= KEPT_EXAMPLES:
            self.examples.append(Fault(kind, str(where), why))

    def merge(self, other: Faults) -> None:
        """Take the faults of another report in."""
        kept = Counter(fault.kind for fault in self.examples)
        for fault in other.examples:
            if kept[fault.kind] < KEPT_EXAMPLES:
                kept[fault.kind] += 1
                self.examples.append(fault)
        self.counts.update(other.counts)

    def lines(self) -> list[str]:
        """For people: a line for each kind, with the first place where it was found."""
        first: dict[str, Fault] = {}
        for fault in self.examples:
            first.setdefault(fault.kind, fault)
        return [
            f"{count} x {kind}" + (f", first: {first[kind].where} {first[kind].why}".rstrip() if kind in first else "")
            for kind, count in self.counts.most_common()
        ]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        examples = [{"kind": f.kind, "where": f.where, "why": f.why} for f in self.examples]
        return {"total": self.total, "counts": dict(self.counts), "examples": examples}
