"""How the answer is written: about which plane, with which pictures, in how many passes.

A model that learned one picture is asked about a few candidate planes until it finds something or abstains; images
beside are each shown to it by themselves. A model that learned several pictures sees them together, and a volume or
cine in two passes (`overview`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wetread.findings import Box, BoxFrame
from wetread.geometry import Resize, clip_to_image
from wetread.model.answers import NOTHING_FOUND, Answer, dictated_answer, parse_answer
from wetread.model.families import family_named
from wetread.model.prompts import asked_label, words_for
from wetread.reading.beside import beside_words, middle, relation
from wetread.reading.caches import plane_key
from wetread.reading.coverage import modality_gap, narrowed
from wetread.reading.overview import (
    MOST_KEY,
    chosen_planes,
    overview_text,
    plan_key_slices,
    plan_overview,
    reduced,
    times_of,
)
from wetread.reading.pictures import pictures
from wetread.reading.request import ReadEvent

if TYPE_CHECKING:
    from wetread.imaging.sample import Sample
    from wetread.model.families import Family
    from wetread.reading.request import Request
    from wetread.reading.written import Written

CANDIDATE_PLANES = 5
LONGEST_SMALL, LONGEST_LARGE, LONGEST_CHOICE = 320, 1024, 512
"""Most new tokens: of wetread-mini's answer, of a larger model that reasons, and of a choice of key slices."""


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """A written answer and what it is about.

    Args:
        written: as the engine gave it.
        answer: parsed.
        plane: index of the plane that its boxes lie on.
        seen: (rows, columns) at which the model saw that plane; the frame of boxes in resized pixels.
        text: the words that were asked.
        remarks: what is to be said about how it came about.
    """

    written: Written
    answer: Answer
    plane: int
    seen: tuple[int, int]
    text: str
    remarks: tuple[str, ...]

    def in_image(self, box: Box | None, sample: Sample) -> Box | None:
        """A box of the answer on the plane, within the image; None where there is none."""
        if box is None:
            return None
        size = sample.shape[1:]
        return clip_to_image(Resize(size, self.seen).convert(box, BoxFrame.IMAGE), *size)


def tell(request: Request) -> Told:
    """Write the answer to a request; each further try starts with "looking"."""
    if asked_label(request.question) in request.info.taught:
        return _dictated(request)
    if request.info.images < 2:
        return _one_picture_at_a_time(request)
    if len(request.sample.planes) > 1:
        return _two_passes(request)
    return _together(request)


def _dictated(request: Request) -> Told:
    """What a site taught by corrections has a name that the model cannot write: the question names it for the model.

    The answer is the same for every picture, so it claims nothing: whether the target is there, and where, is the
    head's to say (`ModelInfo.taught`).
    """
    plane = candidate_planes(len(request.sample.planes))[0]
    label, modality = str(asked_label(request.question)), request.sample.modality
    text = words_for(request.info, modality, request.question)
    written = request.engine.dictate(request.encode([plane]), text, dictated_answer(modality, label))
    patients = request.info.taught[label]
    remark = (f"{label}: learned here from the corrections on {patients} patients; found by the mask alone, the words "
              "are measured on it")  # fmt: skip
    return Told(written, parse_answer(written.text, request.info.box_frame), plane, _seen(request, plane), text,
                (remark,))  # fmt: skip


def candidate_planes(count: int) -> list[int]:
    """Planes on which the answer is tried: the middle one first, then evenly around it."""
    if count <= CANDIDATE_PLANES:
        return sorted(range(count), key=lambda i: abs(i - (count - 1) / 2))
    shares = (0.5, 0.35, 0.65, 0.2, 0.8)
    return list(dict.fromkeys(int(share * (count - 1) + 0.5) for share in shares))


def _one_picture_at_a_time(request: Request) -> Told:
    pointed = request.pointing.planes() if request.pointing else ()
    planes = list(pointed[:CANDIDATE_PLANES]) or candidate_planes(len(request.sample.planes))
    text = words_for(request.info, request.sample.modality, request.question)
    for tries, plane in enumerate(planes, start=1):
        request.tell(ReadEvent("looking", 0.5 * (tries - 1) / len(planes)))
        written = request.engine.write(
            request.encode([plane]), text, request.writing(tries / len(planes)), request.cancel, LONGEST_SMALL
        )
        answer = parse_answer(written.text, request.info.box_frame)
        if answer.objects or answer.abstained:
            break
    remarks = [_by_itself(request, number, other) for number, other in enumerate(request.beside, start=2)]
    return Told(written, answer, plane, _seen(request, plane), text, tuple(remarks))


def _by_itself(request: Request, number: int, other: Sample) -> str:
    """What the model says of an image beside, shown to it alone, in one remark."""
    said = f"image {number}, {relation(request.sample, other)}, was looked at by itself: "
    gap = modality_gap(request.info, other)
    if gap:
        return said + f"{request.info.name} was not trained on {other.modality.value}"
    plane, question = middle(other), narrowed(request.info, other, request.question)
    picture = request.fit(pictures(other)(plane))
    encoded = request.engine.encode([picture], [plane_key(other.planes[plane])])
    text = words_for(request.info, other.modality, question)
    written = request.engine.write(encoded, text, None, request.cancel, LONGEST_SMALL)
    answer = parse_answer(written.text, request.info.box_frame)
    if answer.abstained:
        return said + f"the model abstains ({answer.reasoning})"
    found = ", ".join(name for name in answer.diagnoses if name != NOTHING_FOUND)
    return said + (f"the model names {found}; nothing was marked there" if found else "the model names nothing")


def _together(request: Request) -> Told:
    """All pictures in one prompt, the one to be read first."""
    request.tell(ReadEvent("looking", 0.0))
    beside, left_out = request.beside[: request.info.images - 1], request.beside[request.info.images - 1 :]
    shown = [request.fit(request.shown(0)), *(request.fit(pictures(other)(middle(other))) for other in beside)]
    keys = [plane_key(request.sample.planes[0]), *(plane_key(other.planes[middle(other)]) for other in beside)]
    text = beside_words(request.sample, beside) + words_for(request.info, request.sample.modality, request.question)
    written = request.engine.write(
        request.engine.encode(shown, keys), text, request.writing(1.0), request.cancel, LONGEST_LARGE
    )
    answer = parse_answer(written.text, request.info.box_frame)
    return Told(written, answer, 0, _size(shown[0]), text, tuple(_told_of(beside, left_out, request)))


def _two_passes(request: Request) -> Told:
    """Overview, then key slices; the first key slice is the one that boxes lie on."""
    sample, family = request.sample, family_named(request.info.family, request.info.side)
    assert family is not None  # its weights are loaded
    first = plan_overview(family, sample.shape)
    request.tell(ReadEvent("looking", 0.0))
    small = [request.fit(reduced(request.shown(plane), first.side)) for plane in first.planes]
    times = times_of(sample, first.planes)
    encoded = request.engine.encode_video(small, times) if first.video else request.engine.encode(small)
    chosen = request.engine.write(encoded, overview_text(sample, first.planes, request.question), None,
                                  request.cancel, LONGEST_CHOICE)  # fmt: skip
    named = chosen_planes(chosen.text, first.planes)
    request.tell(ReadEvent("looking", 0.2))
    beside, left_out = _fitting(request, family)
    second = plan_key_slices(family, sample.shape, named[: MOST_KEY - len(beside)])
    own = next(plane for plane in named if plane in second.planes)
    order = [own, *(plane for plane in second.planes if plane != own)]
    large = [request.fit(reduced(request.shown(plane), second.side)) for plane in order]
    keys = [f"{plane_key(sample.planes[plane])}|{second.side}" for plane in order]
    large += [request.fit(reduced(pictures(other)(middle(other)), second.side)) for other in beside]
    keys += [f"{plane_key(other.planes[middle(other)])}|{second.side}" for other in beside]
    text = _key_words(sample, order, beside) + words_for(request.info, sample.modality, request.question)
    written = request.engine.write(
        request.engine.encode(large, keys), text, request.writing(1.0), request.cancel, LONGEST_LARGE
    )
    answer = parse_answer(written.text, request.info.box_frame)
    shown = ", ".join(str(plane + 1) for plane in sorted(order))
    remark = (f"looked at {len(first.planes)} of {len(sample.planes)} planes in overview ({first.tokens} visual "
              f"tokens), then at planes {shown} ({second.tokens})")  # fmt: skip
    return Told(written, answer, own, _size(large[0]), text, (remark, *_told_of(beside, left_out, request)))


def _key_words(sample: Sample, order: list[int], beside: tuple[Sample, ...]) -> str:
    """What the second pass says of its pictures."""
    places = ", ".join(str(plane + 1) for plane in order)
    words = f"Pictures 1 to {len(order)} are planes {places} of {len(sample.planes)}. "
    others = "; ".join(
        f"picture {len(order) + number} is {relation(sample, other)} ({other.modality.value})"
        for number, other in enumerate(beside, start=1)
    )
    return words + (f"{others[0].upper()}{others[1:]}. " if others else "") + "Give boxes on picture 1 only. "


def _fitting(request: Request, family: Family) -> tuple[tuple[Sample, ...], tuple[Sample, ...]]:
    """Images beside that a two-pass read has room for, and the others."""
    room = min(MOST_KEY, family.most_pictures, request.info.images) // 2
    return request.beside[:room], request.beside[room:]


def _told_of(beside: tuple[Sample, ...], left_out: tuple[Sample, ...], request: Request) -> list[str]:
    """One remark for each image beside."""
    said = [
        f"image {number}, {relation(request.sample, other)}, was shown beside it"
        + (f" (plane {middle(other) + 1} of {len(other.planes)})" if len(other.planes) > 1 else "")
        for number, other in enumerate(beside, start=2)
    ]
    if left_out:
        said.append(f"{len(left_out)} further image(s) were left out: {request.info.name} takes no more at once")
    return said


def _seen(request: Request, plane: int) -> tuple[int, int]:
    return _size(request.fit(request.shown(plane)))


def _size(picture: object) -> tuple[int, int]:
    rows, columns = picture.shape[:2]  # type: ignore[attr-defined]
    return int(rows), int(columns)
