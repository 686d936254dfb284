"""The vocabulary of Wetread: Box, Mask, Interval, Finding, Read, Verdict.

All types are frozen values. A box carries its frame; a mask knows the planes of the Sample that it covers; a read
carries the provenance that is needed to say which weights said what. Nothing here knows DICOM files, models or HTTP.

Pixel convention, used everywhere: image coordinates are (x = column, y = row) measured on pixel *edges*: the
top-left corner of the top-left pixel is (0, 0) and the bottom-right corner of the image is (columns, rows), as in
DICOM PS3.3 C.18.6.1.1 (SCOORD). The centre of pixel (row r, column c) is therefore (c + 0.5, r + 0.5).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wetread.terminology import Target


class BoxFrame(StrEnum):
    """The 2-D frame in which a box's four numbers are meant."""

    MODEL = "model-0-1000"
    """Relative to the image, 0 to 1000 on both axes (Qwen3-VL)."""
    RESIZED = "resized-pixels"
    """Pixels of the resized picture the model was given (Qwen2.5-VL)."""
    IMAGE = "image-pixels"
    """Pixels of the source frame, on pixel edges."""


@dataclass(frozen=True, slots=True)
class Box:
    """An axis-parallel rectangle in one 2-D frame; corners, not centre and size.

    Raises:
        ValueError: corners reversed or not finite.
    """

    x_min: float
    y_min: float
    x_max: float
    y_max: float
    frame: BoxFrame

    def __post_init__(self) -> None:
        if not np.isfinite(self.corners).all():
            raise ValueError(f"Box corners must be finite numbers, found {self.corners}.")
        if self.x_max < self.x_min or self.y_max < self.y_min:
            raise ValueError(f"Box corners are reversed: {self.corners}; give (x_min, y_min, x_max, y_max).")

    @property
    def corners(self) -> tuple[float, float, float, float]:
        """(x_min, y_min, x_max, y_max) in the box's own frame."""
        return (self.x_min, self.y_min, self.x_max, self.y_max)

    @property
    def area(self) -> float:
        """Area in squared units of the frame."""
        return (self.x_max - self.x_min) * (self.y_max - self.y_min)

    def iou(self, other: Box) -> float:
        """Intersection over union with a box of the same frame, 0 to 1."""
        if other.frame != self.frame:
            raise ValueError(f"IoU of boxes in two frames: {self.frame} and {other.frame}; convert one first.")
        width = min(self.x_max, other.x_max) - max(self.x_min, other.x_min)
        height = min(self.y_max, other.y_max) - max(self.y_min, other.y_min)
        if width <= 0 or height <= 0:
            return 0.0
        intersection = width * height
        union = self.area + other.area - intersection
        return intersection / union if union > 0 else 0.0  # the product of two tiny sides can underflow to zero


@dataclass(frozen=True, slots=True)
class PatientBox:
    """A planar rectangle in the patient: four corners, millimetres, DICOM LPS.

    Corners run top-left, top-right, bottom-right, bottom-left as seen in the source frame.
    """

    corners: tuple[tuple[float, float, float], ...]
    frame_of_reference_uid: str

    def __post_init__(self) -> None:
        if len(self.corners) != 4:
            raise ValueError(f"A PatientBox has four corners, found {len(self.corners)}.")


@dataclass(frozen=True, slots=True, eq=False)
class Mask:
    """A binary mask over the planes of one Sample; only planes with at least one pixel are kept.

    Args:
        shape: (planes, rows, columns) of the Sample.
        planes: plane index -> bool array (rows, columns); arrays are made read-only.
    """

    shape: tuple[int, int, int]
    planes: dict[int, NDArray[np.bool_]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        kept = {}
        for index in sorted(self.planes):
            plane = np.ascontiguousarray(self.planes[index], dtype=bool)
            if not 0 <= index < self.shape[0] or plane.shape != self.shape[1:]:
                raise ValueError(f"Mask plane {index} of shape {plane.shape} does not fit a sample of {self.shape}.")
            if plane.any():
                plane.setflags(write=False)
                kept[index] = plane
        object.__setattr__(self, "planes", kept)

    @classmethod
    def from_dense(cls, array: NDArray[np.bool_]) -> Mask:
        """From a (planes, rows, columns) array; a (rows, columns) array counts as one plane."""
        dense = np.asarray(array, dtype=bool)
        if dense.ndim == 2:
            dense = dense[None]
        shape = (dense.shape[0], dense.shape[1], dense.shape[2])
        return cls(shape, {i: plane for i, plane in enumerate(dense) if plane.any()})

    def dense(self) -> NDArray[np.bool_]:
        """The whole mask as a new bool array (planes, rows, columns)."""
        array = np.zeros(self.shape, dtype=bool)
        for index, plane in self.planes.items():
            array[index] = plane
        return array

    @property
    def is_empty(self) -> bool:
        """True where no pixel is marked."""
        return not self.planes

    @property
    def pixels(self) -> int:
        """Number of marked pixels over all planes."""
        return sum(int(np.count_nonzero(plane)) for plane in self.planes.values())

    @property
    def key_plane(self) -> int:
        """Index of the plane with the most marked pixels; the first of equals."""
        if self.is_empty:
            raise ValueError("An empty mask has no key plane.")
        return max(self.planes, key=lambda i: (int(np.count_nonzero(self.planes[i])), -i))

    def box(self, plane: int) -> Box:
        """Tight box (IMAGE frame) around the marked pixels of one plane."""
        marked = self.planes[plane]
        rows, columns = np.flatnonzero(marked.any(axis=1)), np.flatnonzero(marked.any(axis=0))
        return Box(float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1), frame=BoxFrame.IMAGE)


@dataclass(frozen=True, slots=True)
class Interval:
    """A stretch of time on some leads of a waveform.

    Args:
        start: seconds from the start of the recording.
        end: seconds from the start of the recording, after `start`.
        leads: names of the leads it is marked on, e.g. ``("II", "V1")``; at least one.

    Raises:
        ValueError: times that are no stretch of a recording, or no lead.
    """

    start: float
    end: float
    leads: tuple[str, ...]

    def __post_init__(self) -> None:
        if not (np.isfinite((self.start, self.end)).all() and 0.0 <= self.start < self.end):
            raise ValueError(f"An interval runs from 0 s onwards, found {self.start} to {self.end} s.")
        if not self.leads:
            raise ValueError("An interval is marked on at least one lead.")

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found in a Sample.

    Args:
        target: coded meaning (label, SNOMED CT codes, colour).
        tracking_uid: stays the same for the life of the finding, through every correction.
        presence: the model's probability that the target is there, 0 to 1.
        plane: index of the Sample's plane on which `box` lies (the key plane).
        box: IMAGE frame, drawn on `plane`; from the mask where there is one.
        mask: pixels that carry the finding, or None where the model gave only a box.
        instances: boxes (IMAGE frame, on `plane`) of the separate objects, where the target is countable.
        text_box: the box the language model wrote, converted to the IMAGE frame.
        description: one sentence of region description, true of the mask.
        grounded: False where mask or box could not be tied to the pixels.
        interval: stretch of time and leads on a waveform, which has neither plane, box nor mask.
    """

    target: Target
    tracking_uid: str
    presence: float
    plane: int
    box: Box | None = None
    mask: Mask | None = None
    instances: tuple[Box, ...] = ()
    text_box: Box | None = None
    description: str = ""
    grounded: bool = True
    interval: Interval | None = None

    def __post_init__(self) -> None:
        for box in (self.box, self.text_box, *self.instances):
            if box is not None and box.frame is not BoxFrame.IMAGE:
                raise ValueError(f"A finding keeps boxes in {BoxFrame.IMAGE}, found {box.frame}; convert it first.")
        if not 0.0 <= self.presence <= 1.0:
            raise ValueError(f"Presence is a probability, found {self.presence}.")

    @property
    def label(self) -> str:
        """The target's name in words, e.g. ``nuclei``."""
        return self.target.label


@dataclass(frozen=True, slots=True)
class GroundingCheck:
    """What became of a finding when its picture was blanked: "grounded or silent".

    Args:
        label: of the finding.
        blanked: "picture" (all of it, to its mean colour), "region" (the marked pixels), or "box" (the model was
            asked again about the blank picture).
        overlap: IoU of the mask, or box, with what is given on the blank.
        presence: on the picture; None for boxes.
        presence_blank: on the blank; None for boxes.
        grounded: False where neither mask nor presence changed, or the same box came back.
    """

    label: str
    blanked: str
    overlap: float
    presence: float | None
    presence_blank: float | None
    grounded: bool


@dataclass(frozen=True, slots=True)
class Provenance:
    """What produced a read: enough to reproduce it and to identify the device in DICOM (TID 1004, TID 4019).

    `grounding` holds one check for each finding that was checked, in the order of the findings.
    """

    model: str
    model_version: str
    weights_sha256: str
    device_uid: str
    wetread_version: str
    seed: int
    prompt_tokens: int
    answer_tokens: int
    seconds: float
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    grounding: tuple[GroundingCheck, ...] = ()


@dataclass(frozen=True, slots=True)
class Read:
    """One preliminary interpretation of one Sample.

    Args:
        uid: DICOM UID of the read; the UIDs of the SR and SEG derive from it.
        question: what was asked, in words.
        reasoning: the text the model wrote between ``<think>`` and ``</think>``; empty where its answer was set
            aside because the model does not cover the image.
        findings: what was found, in the model's order.
        diagnoses: the labels the model boxed as its answer.
        abstention: the reason, in words, why the model gives no findings; None where it read.
        answer: the model's whole raw answer, special tokens removed.
        remarks: what the engine has to say about the read (an unreadable box); what was found while loading is in
            `Sample.remarks`.
    """

    uid: str
    question: str
    reasoning: str
    findings: tuple[Finding, ...]
    diagnoses: tuple[str, ...]
    abstention: str | None
    answer: str
    provenance: Provenance
    remarks: tuple[str, ...] = ()


class Decision(StrEnum):
    """What a person decided on a finding."""

    ACCEPT = "accept"
    CORRECT = "correct"
    REJECT = "reject"
    ADD = "add"
    WITHDRAW = "withdraw"
    """Take the last decision back: the finding is undecided again, an added one gone."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A person's decision on one finding of one read.

    Args:
        read_uid: the read.
        tracking_uid: the finding; a new UID for one that is added.
        decision: what was decided.
        person: login of who decided.
        reason: in words; needed for a rejection.
        box: IMAGE frame, replaces the model's; on `plane`.
        mask: replaces the model's, and its box with it.
        plane: of `box`; the finding's own where None.
        target: what it is, where that was corrected or the finding is added.
        interval: replaces the model's, on a waveform.
        decided: when.
    """

    read_uid: str
    tracking_uid: str
    decision: Decision
    person: str
    reason: str = ""
    box: Box | None = None
    mask: Mask | None = None
    plane: int | None = None
    target: Target | None = None
    interval: Interval | None = None
    decided: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __post_init__(self) -> None:
        if self.box is not None and self.box.frame is not BoxFrame.IMAGE:
            raise ValueError(f"A verdict keeps its box in {BoxFrame.IMAGE}, found {self.box.frame}; convert it first.")
