"""From a written answer to findings: what can be coded, what the model may answer for, what is tied to pixels.

The first object of each label becomes a finding. With a grounding head the mask decides, on every plane, and the box
is the mask's; without one the box of the words is all there is. Every finding is checked against a blank picture
(`groundedness`). What is left out is said in a remark.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from wetread.findings import Finding, Mask
from wetread.imaging.sample import SampleKind
from wetread.model.answers import parse_answer
from wetread.model.prompts import asked_label
from wetread.reading.coverage import is_learned_size, label_gap, modality_gap, size_gap
from wetread.reading.groundedness import check_box, check_mask, check_region
from wetread.reading.planes import ground_planes
from wetread.reading.request import ReadEvent
from wetread.regions.description import measure, sentence, without_specks
from wetread.regions.instances import instance_boxes
from wetread.regions.islands import planes_without_islands
from wetread.terminology import find_target

if TYPE_CHECKING:
    from wetread.findings import Box, GroundingCheck
    from wetread.imaging.sample import Sample
    from wetread.reading.answering import Told
    from wetread.reading.groundedness import Blanked
    from wetread.reading.planes import PlaneMasks
    from wetread.reading.request import Request
    from wetread.terminology import Target

LEAST_SPECK, LEAST_CELLS, LEAST_REGION = 5e-5, 2e-4, 1e-3
"""Least share of the picture: of one object of a countable target, of all its objects, of another target's region."""
ANATOMY = "91723000"
"""SNOMED CT: Anatomical Structure; of one organ a network's islands are errors, of lesions they are satellites."""
UNJUDGED_PRESENCE = 0.5
"""Of a box without a grounding head, which alone judges presence."""
MORE_TOKENS = 16
"""How much longer than the answer the answer about the blank may be."""


@dataclass(frozen=True, slots=True)
class Named:
    """An object of the answer: index of its `<seg>`, its target, and the box in the text."""

    index: int
    target: Target
    box: Box | None


@dataclass(frozen=True, slots=True, eq=False)
class Interpretation:
    """What an answer comes to.

    Args:
        findings: without tracking UIDs.
        abstention: why the answer was set aside; None where it was taken.
        remarks: what was left out, and why.
        checks: of each finding, in their order.
    """

    findings: tuple[Finding, ...]
    abstention: str | None = None
    remarks: tuple[str, ...] = ()
    checks: tuple[GroundingCheck, ...] = ()


def interpret(request: Request, told: Told, blanked: Blanked) -> Interpretation:
    """Findings, or the reason why the answer was set aside; and what is to be said about it.

    Args:
        request: the read.
        told: its answer.
        blanked: what the check of groundedness blanks.
    """
    wanted = find_target(asked_label(request.question) or "")
    uncovered = modality_gap(request.info, request.sample) or label_gap(request.info, wanted)
    if uncovered:
        return Interpretation((), uncovered)
    named, gap, remarks = _named(request, told, wanted)
    if gap and not named:
        return Interpretation((), f"{gap}; its answer was set aside.", tuple(remarks))
    found = _with_masks(request, told, named, blanked) if request.info.grounds else _with_boxes(request, told, named)
    left_out = [f"{gap}; they were left out"] if gap else []
    silent = [f"{check.label}: nothing changed when the image was blanked; it is not tied to the image"
              for check in found.checks if not check.grounded]  # fmt: skip
    return replace(found, remarks=(*remarks, *left_out, *found.remarks, *silent))


def _named(request: Request, told: Told, asked: Target | None) -> tuple[list[Named], str | None, list[str]]:
    """Objects that can be coded and answered for (the first of equal labels), the size gap, other remarks."""
    sample, info = request.sample, request.info
    named: list[Named] = []
    unlearned: list[Target] = []
    remarks = []
    for index, item in enumerate(told.answer.objects):
        target = find_target(item.label)
        if asked is not None and target != asked:
            continue  # seen, but not what was asked for
        if target is None:
            remarks.append(f"the model named {item.label!r}, which has no code here; it was left out")
        elif label_gap(info, target):
            remarks.append(f"{info.name} was not trained to find {target.label}; it was left out")
        elif sample.modality not in target.modalities:
            remarks.append(f"{target.label} does not appear on {sample.modality.value}; it was left out")
        elif not is_learned_size(info, target, sample):
            unlearned.append(target)
        elif target not in [other.target for other in named]:
            named.append(Named(index, target, item.box))
    return named, size_gap(info, unlearned, sample) if unlearned else None, remarks


def _with_masks(request: Request, told: Told, named: list[Named], blanked: Blanked) -> Interpretation:
    """Findings with masks over all planes, and what could not be tied to pixels."""
    remarks: list[str] = []
    count = request.engine.segs(told.written)
    if not named or not count:
        return Interpretation((), None, tuple(f"{n.target.label}: no mask, the answer did not mark it" for n in named))
    targets = {item.index: item.target for item in named if item.index < count}
    close = [k in targets and targets[k].countable for k in range(count)]
    grounded = ground_planes(request, told.written, told.plane, close,
                             lambda share: request.tell(ReadEvent("grounding", 0.5 + 0.5 * share)))  # fmt: skip
    findings, checks = [], []
    for item in named:
        if item.index >= count:
            remarks.append(f"{item.target.label}: no mask, the answer did not mark it")
            continue
        mask = _mask(request.sample, item.target, grounded[item.index])
        if request.pointing is not None:
            mask = request.pointing.kept(mask)
            if mask.is_empty:
                remarks.append(f"{item.target.label}: nothing of it where it was pointed at; it was left out")
                continue
        least = LEAST_CELLS if item.target.countable else LEAST_REGION
        small = request.pointing is None and not mask.is_empty and mask.planes[mask.key_plane].mean() < least
        if mask.is_empty or small:
            remarks.append(f"{item.target.label} was named, but hardly a pixel could be tied to it; it was left out")
            continue
        finding = _finding(request.sample, item.target, mask, grounded[item.index].presence,
                           told.in_image(item.box, request.sample))  # fmt: skip
        if blanked == "picture":
            check = check_mask(item.target.label, mask.key_plane, grounded[item.index])
        else:
            presence = float(grounded[item.index].on_planes[mask.key_plane])
            check = check_region(request, told.written, item.index, finding, presence)
        findings.append(replace(finding, grounded=check.grounded))
        checks.append(check)
    return Interpretation(tuple(findings), None, tuple(remarks), tuple(checks))


def _with_boxes(request: Request, told: Told, named: list[Named]) -> Interpretation:
    """Findings whose boxes are the words', checked by asking again about the blank picture."""
    boxed = [(item, told.in_image(item.box, request.sample)) for item in named]
    remarks = [f"{item.target.label} was named without a usable box; it was left out"
               for item, box in boxed if box is None]  # fmt: skip
    kept = [(item, box) for item, box in boxed if box is not None]
    if request.pointing is not None:
        meant = [(item, box) for item, box in kept if request.pointing.meets(told.plane, box)]
        remarks += [f"{item.target.label}: its box is not where it was pointed at; it was left out"
                    for item, box in kept if (item, box) not in meant]  # fmt: skip
        kept = meant
    if not kept:
        return Interpretation((), None, tuple(remarks))
    request.tell(ReadEvent("grounding", 0.5))
    again = request.engine.write(request.engine.encode([request.blank(told.plane)]), told.text, None, request.cancel,
                                 len(told.written.answer) + MORE_TOKENS)  # fmt: skip
    blank = []
    for said in parse_answer(again.text, request.info.box_frame).objects:
        target = find_target(said.label)
        if target is not None:
            blank.append((target.label, told.in_image(said.box, request.sample)))
    findings, checks = [], []
    for item, box in kept:
        check = check_box(item.target.label, box, blank)
        findings.append(Finding(item.target, "", UNJUDGED_PRESENCE, told.plane, box=box, text_box=box,
                                grounded=check.grounded))  # fmt: skip
        checks.append(check)
    remarks.append(f"{request.info.name} has no grounding head: boxes are those of its words, presence is not judged")
    return Interpretation(tuple(findings), None, tuple(remarks), tuple(checks))


def _mask(sample: Sample, target: Target, grounded: PlaneMasks) -> Mask:
    planes = grounded.planes
    if target.countable:
        speck = max(int(LEAST_SPECK * sample.shape[1] * sample.shape[2]), 4)
        planes = {plane: without_specks(marked, speck) for plane, marked in planes.items()}
    elif sample.kind is SampleKind.VOLUME and target.category.code == ANATOMY:
        planes = planes_without_islands(planes)
    return Mask(sample.shape, planes)


def _finding(sample: Sample, target: Target, mask: Mask, presence: float, text_box: Box | None) -> Finding:
    plane = mask.key_plane
    marked = mask.planes[plane]
    description = sentence(target.label, measure(marked, sample.planes[plane].picture()), target.countable)
    return Finding(
        target=target,
        tracking_uid="",
        presence=min(max(presence, 0.0), 1.0),
        plane=plane,
        box=mask.box(plane),
        mask=mask,
        instances=instance_boxes(marked) if target.countable else (),
        text_box=text_box,
        description=description,
    )
