"""Reads as the ledger keeps them, and back: everything needed to decide on a finding later, nothing about the patient.

A mask is kept plane by plane as a one-bit PNG under its hash, so that a corrected finding shares the planes that
nobody touched. `recalled_read(remembered(read))` is the read again, to the last number.
"""

from __future__ import annotations

import dataclasses
import io
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from wetread.findings import Box, BoxFrame, Finding, GroundingCheck, Interval, Mask, Provenance, Read
from wetread.review.ledger import blob_hash
from wetread.terminology import Concept, Laterality, Modality, Target, find_sided

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from wetread.imaging.sample import Sample
    from wetread.imaging.waveform import Waveform

LARGEST_MASK = 2**31
"""Most voxels of a mask that is recalled; an entry that promises more is not believed."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """What the ledger keeps: a JSON body and the blobs it names."""

    body: dict[str, Any]
    blobs: dict[str, bytes]


def remembered_read(read: Read, sample: Sample | Waveform) -> Remembered:
    """A read and where it comes from."""
    blobs: dict[str, bytes] = {}
    provenance = dataclasses.asdict(read.provenance)
    provenance["created"] = read.provenance.created.isoformat()
    body = {
        "uid": read.uid, "question": read.question, "reasoning": read.reasoning, "answer": read.answer,
        "diagnoses": list(read.diagnoses), "abstention": read.abstention, "remarks": list(read.remarks),
        "modality": sample.modality.value, "series": _series(sample),
        "findings": [finding_body(finding, blobs) for finding in read.findings],
        "provenance": provenance,
    }  # fmt: skip
    return Remembered(body, blobs)


def recalled_read(body: Mapping[str, Any], blob: Callable[[str], bytes]) -> Read:
    """The read that was remembered.

    Args:
        body: of a ledger entry of kind "read".
        blob: gives a blob by its hash, see `Ledger.blob`.

    Raises:
        ValueError: not the body of a read, or one that was damaged.
    """
    try:
        provenance = dict(body["provenance"])
        provenance["created"] = datetime.fromisoformat(provenance["created"])
        provenance["grounding"] = tuple(GroundingCheck(**check) for check in provenance.get("grounding", ()))
        known = {field.name for field in dataclasses.fields(Provenance)}
        return Read(
            uid=body["uid"], question=body["question"], reasoning=body["reasoning"], answer=body["answer"],
            diagnoses=tuple(body["diagnoses"]), abstention=body["abstention"], remarks=tuple(body["remarks"]),
            findings=tuple(recalled_finding(item, blob) for item in body["findings"]),
            provenance=Provenance(**{key: value for key, value in provenance.items() if key in known}),
        )  # fmt: skip
    except (KeyError, TypeError, AttributeError, OSError) as error:
        raise ValueError(f"This ledger entry is not a whole read ({type(error).__name__}).") from error


def finding_body(finding: Finding, blobs: dict[str, bytes]) -> dict[str, Any]:
    """A finding as JSON; its mask's planes are added to `blobs`."""
    return {
        "tracking_uid": finding.tracking_uid, "label": finding.label, "target": target_body(finding.target),
        "presence": finding.presence, "plane": finding.plane, "grounded": finding.grounded,
        "description": finding.description, "box": _corners(finding.box), "text_box": _corners(finding.text_box),
        "instances": [_corners(box) for box in finding.instances], "mask": mask_body(finding.mask, blobs),
        "interval": interval_body(finding.interval),
    }  # fmt: skip


def recalled_finding(body: Mapping[str, Any], blob: Callable[[str], bytes]) -> Finding:
    """The finding that was remembered."""
    return Finding(
        target=recalled_target(body["target"]), tracking_uid=body["tracking_uid"], presence=body["presence"],
        plane=body["plane"], box=recalled_box(body["box"]), mask=recalled_mask(body["mask"], blob),
        instances=tuple(box for box in map(recalled_box, body["instances"]) if box is not None),
        text_box=recalled_box(body["text_box"]), description=body["description"], grounded=body["grounded"],
        interval=recalled_interval(body.get("interval")),
    )  # fmt: skip


def mask_body(mask: Mask | None, blobs: dict[str, bytes]) -> dict[str, Any] | None:
    """A mask as JSON: shape and the hash of each marked plane's PNG, which is added to `blobs`."""
    if mask is None:
        return None
    names = {}
    for index, plane in mask.planes.items():
        content = _png(plane)
        names[str(index)] = blob_hash(content)
        blobs[names[str(index)]] = content
    return {"shape": list(mask.shape), "blobs": names}


def interval_body(interval: Interval | None) -> dict[str, Any] | None:
    """An interval as JSON."""
    return None if interval is None else {"start": interval.start, "end": interval.end, "leads": list(interval.leads)}


def recalled_interval(body: Mapping[str, Any] | None) -> Interval | None:
    """The interval that was remembered."""
    return None if body is None else Interval(body["start"], body["end"], tuple(body["leads"]))


def recalled_mask(body: Mapping[str, Any] | None, blob: Callable[[str], bytes]) -> Mask | None:
    """The mask that was remembered.

    Raises:
        ValueError: planes that do not fit the shape.
    """
    if body is None:
        return None
    planes, rows, columns = (int(number) for number in body["shape"])
    if planes * rows * columns > LARGEST_MASK:
        raise ValueError(f"A mask of {planes} x {rows} x {columns} is larger than any that is kept.")
    return Mask(
        (planes, rows, columns), {int(i): _from_png(blob(name), rows, columns) for i, name in body["blobs"].items()}
    )


def _series(sample: Sample | Waveform) -> dict[str, Any]:
    first = sample.headers[0]
    return {
        "study_uid": str(sample.study_uid),
        "series_uid": str(first.SeriesInstanceUID),
        "instances": [str(header.SOPInstanceUID) for header in sample.headers],
    }


_CODED = ("type", "category", "site")


def target_body(target: Target) -> dict[str, Any]:
    """What was meant, in codes: a label of today may mean something else in a later table."""
    return {
        "label": target.label, "laterality": target.laterality.value, "countable": target.countable,
        "colour": list(target.colour), "modalities": sorted(target.modalities),
        "modifiers": [dataclasses.asdict(concept) for concept in target.modifiers],
        **{name: dataclasses.asdict(getattr(target, name)) for name in _CODED},
    }  # fmt: skip


def recalled_target(body: Mapping[str, Any]) -> Target:
    """The target of today's table where it still means the same, else the one that was recorded."""
    known = _in_table(body["label"])
    if known is not None and target_body(known) == dict(body):
        return known
    return Target(
        label=body["label"], type=Concept(**body["type"]), category=Concept(**body["category"]),
        site=Concept(**body["site"]), modalities=frozenset(map(Modality, body["modalities"])),
        countable=body["countable"], colour=tuple(body["colour"]), laterality=Laterality(body["laterality"]),
        modifiers=tuple(Concept(**concept) for concept in body["modifiers"]),
    )  # fmt: skip


def _in_table(label: str) -> Target | None:
    found = find_sided(label)
    if found is None:
        return None
    target, side = found
    return target.on(side) if target.laterality is Laterality.PAIRED and side is not Laterality.PAIRED else target


def _corners(box: Box | None) -> list[float] | None:
    return None if box is None else list(box.corners)


def recalled_box(corners: list[float] | None) -> Box | None:
    """The box that was remembered; IMAGE frame."""
    if corners is None:
        return None
    x_min, y_min, x_max, y_max = corners
    return Box(x_min, y_min, x_max, y_max, BoxFrame.IMAGE)


def _png(plane: NDArray[np.bool_]) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(plane).convert("1").save(buffer, "PNG", optimize=False)
    return buffer.getvalue()


def _from_png(content: bytes, rows: int, columns: int) -> NDArray[np.bool_]:
    from PIL import Image

    with Image.open(io.BytesIO(content), formats=["PNG"]) as picture:
        if picture.size != (columns, rows):
            raise ValueError(
                f"A plane of {picture.size[1]} x {picture.size[0]} does not fit a mask of {rows} x {columns}."
            )
        return np.array(picture.convert("1"), dtype=bool)
