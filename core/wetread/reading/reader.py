"""Reader: the one way from a Sample and a question to a Read.

The model writes its answer about one plane (of a volume: the first of a few candidates on which it finds something),
and that answer is grounded on every plane by one prefill each. The reported box is the mask's; the box the language
model wrote is kept beside it. A modality that the model was not trained on is abstained on, in the model's own words;
should the network answer all the same, its findings are set aside and the read says so.
"""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from wetread import __version__
from wetread.findings import Box, BoxFrame, Finding, Mask, Provenance, Read
from wetread.geometry import Resize, clip_to_image
from wetread.model.answers import Answer, parse_answer
from wetread.model.checkpoint import ModelInfo, read_info
from wetread.model.prompts import FIND_ALL, user_text
from wetread.reading.coverage import is_learned_size, modality_gap, size_gap
from wetread.reading.planes import fitted, ground_planes
from wetread.regions.description import component_boxes, measure, sentence
from wetread.terminology import find_target

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable
    from pathlib import Path

    from wetread.imaging.sample import Sample
    from wetread.reading.engine import InProcessEngine, Written
    from wetread.terminology import Target

CANDIDATE_PLANES = 5
LEAST_INSTANCE, LEAST_REGION = 2e-4, 1e-3
"""Least share of the picture that one object, or a whole region on its key plane, must have to be reported."""
Named = tuple[int, "Target", "Box | None"]
"""Index of an object's `<seg>`, its target, and the box in the text."""
_NAMESPACE = uuid.UUID("0d6c6c0e-3f0b-5f2c-8a9d-7a6f1f5b9f42")


@dataclass(frozen=True, slots=True)
class ReadEvent:
    """Something that happened while a read was made.

    Args:
        stage: "loading" (first read only), "looking" (a plane; words written before it are void), "writing",
            "grounding" or "done".
        progress: 0 to 1 over the whole read.
        text: the new piece of the answer in "writing", else a remark or "".
    """

    stage: str
    progress: float
    text: str = ""


class Reader:
    """Reads Samples with one model. Weights load at the first read; one read at a time for each Reader.

    Args:
        model: a shipped model's name or a model folder.
        seed: kept in the provenance; decoding is greedy, so equal input gives an equal read.
    """

    def __init__(self, model: str | Path = "wetread-mini", seed: int = 0) -> None:
        self.info: ModelInfo = read_info(model)
        self.seed = seed
        self._engine: InProcessEngine | None = None

    @property
    def engine(self) -> InProcessEngine:
        """The engine; torch is imported when it is first asked for."""
        if self._engine is None:
            from wetread.reading.engine import InProcessEngine

            self._engine = InProcessEngine(self.info)
        return self._engine

    def read(
        self,
        sample: Sample,
        question: str | None = None,
        *,
        on_event: Callable[[ReadEvent], None] | None = None,
        cancel: threading.Event | None = None,
    ) -> Read:
        """Read a Sample.

        Args:
            sample: what to look at.
            question: "Please segment liver in the given image." or free words; all targets when None.
            on_event: progress and the answer as it is written.
            cancel: set it to stop; checked at every token and every group of planes.

        Raises:
            ReadCancelled: `cancel` was set.
            ModelUnavailable: the weights do not load.
        """
        tell = on_event or (lambda event: None)
        began = time.monotonic()
        asked = (question or "").strip() or FIND_ALL
        if not self.engine.is_loaded:
            tell(ReadEvent("loading", 0.0))
        self.engine.load()
        written, answer, plane = self._write(sample, asked, tell, cancel)
        remarks = list(answer.defects)
        if not written.finished:
            remarks.append("the answer ran into its length limit")
        findings: tuple[Finding, ...] = ()
        reasoning, abstention = answer.reasoning, answer.reasoning if answer.abstained else None
        if not answer.abstained:
            findings, abstention, more = self._interpret(sample, written, answer, tell, cancel)
            remarks += more
            # Words about what the model cannot answer for belong in no report; `answer` keeps them.
            reasoning = "" if abstention else reasoning
        if len(sample.planes) > 1:
            remarks.append(f"the words are about plane {plane + 1} of {len(sample.planes)}")
        else:
            remarks += [f"{f.label}: measured on its mask, the words should be: {f.description}"
                        for f in findings if f.description not in reasoning]  # fmt: skip
        tell(ReadEvent("done", 1.0))
        created = datetime.now(UTC)
        uid = self._uid(sample, asked, created)
        return Read(
            uid=uid,
            question=asked,
            reasoning=reasoning,
            findings=tuple(replace(f, tracking_uid=_uid(uid, str(i))) for i, f in enumerate(findings)),
            diagnoses=tuple(dict.fromkeys(f.label for f in findings)),
            abstention=abstention,
            answer=written.text,
            provenance=Provenance(
                model=self.info.name,
                model_version=self.info.version,
                weights_sha256=self.info.weights_sha256,
                device_uid=self.info.device_uid,
                wetread_version=__version__,
                seed=self.seed,
                prompt_tokens=len(written.prompt),
                answer_tokens=len(written.answer),
                seconds=time.monotonic() - began,
                created=created,
            ),
            remarks=tuple(remarks),
        )

    def _write(
        self, sample: Sample, question: str, tell: Callable[[ReadEvent], None], cancel: threading.Event | None
    ) -> tuple[Written, Answer, int]:
        """The answer, and the plane it is about; each further try starts with "looking"."""
        planes = candidate_planes(len(sample.planes))
        text = user_text(sample.modality, question)
        for tries, plane in enumerate(planes, start=1):
            tell(ReadEvent("looking", 0.5 * (tries - 1) / len(planes)))
            picture = fitted(sample.planes[plane].picture(), self.info.side)
            encoded = self.engine.encode(picture[None])
            written = self.engine.write(encoded, text, _writing(tell, tries / len(planes)), cancel)
            answer = parse_answer(written.text, self.info.box_frame)
            if answer.objects or answer.abstained:
                break
        return written, answer, plane

    def _interpret(
        self, sample: Sample, written: Written, answer: Answer, tell: Callable[[ReadEvent], None],
        cancel: threading.Event | None,
    ) -> tuple[tuple[Finding, ...], str | None, list[str]]:  # fmt: skip
        """Findings, or the reason why the answer was set aside; and what is to be said about it."""
        uncovered = modality_gap(self.info, sample)
        if uncovered:
            return (), uncovered, []
        named, gap, remarks = self._named(answer, sample)
        if gap and not named:
            return (), f"{gap}; its answer was set aside.", remarks
        findings, lost = self._findings(sample, written, named, tell, cancel)
        return findings, None, [*remarks, *([f"{gap}; they were left out"] if gap else []), *lost]

    def _named(self, answer: Answer, sample: Sample) -> tuple[list[Named], str | None, list[str]]:
        """Objects that can be coded and answered for (the first of equal labels), the size gap, other remarks."""
        named: list[Named] = []
        unlearned: list[Target] = []
        remarks = []
        for index, item in enumerate(answer.objects):
            target = find_target(item.label)
            if target is None:
                remarks.append(f"the model named {item.label!r}, which has no code here; it was left out")
            elif sample.modality not in target.modalities:
                remarks.append(f"{target.label} does not appear on {sample.modality.value}; it was left out")
            elif not is_learned_size(self.info, target, sample):
                unlearned.append(target)
            elif target not in [t for _, t, _ in named]:
                named.append((index, target, item.box))
        return named, size_gap(self.info, unlearned, sample) if unlearned else None, remarks

    def _findings(
        self, sample: Sample, written: Written, named: list[Named], tell: Callable[[ReadEvent], None],
        cancel: threading.Event | None,
    ) -> tuple[tuple[Finding, ...], list[str]]:  # fmt: skip
        """Findings with masks over all planes, and what could not be tied to pixels."""
        remarks: list[str] = []
        count = self.engine.segs(written)
        if not named or not count:
            remarks += [f"{target.label}: no mask, the answer did not mark it" for _, target, _ in named]
            return (), remarks
        targets = {index: target for index, target, _ in named if index < count}
        close = [k in targets and targets[k].countable for k in range(count)]
        grounded = ground_planes(self.engine, sample, written, close,
                                 lambda share: tell(ReadEvent("grounding", 0.5 + 0.5 * share)), cancel)  # fmt: skip
        findings = []
        for index, target, text_box in named:
            if index >= count:
                remarks.append(f"{target.label}: no mask, the answer did not mark it")
                continue
            mask = Mask(sample.shape, grounded[index].planes)
            least = LEAST_INSTANCE if target.countable else LEAST_REGION
            if mask.is_empty or mask.planes[mask.key_plane].mean() < least:
                remarks.append(f"{target.label} was named, but hardly a pixel could be tied to it; it was left out")
                continue
            frame = Resize(sample.shape[1:], (self.info.side, self.info.side))
            findings.append(_finding(sample, target, mask, grounded[index].presence, _in_image(text_box, frame)))
        return tuple(findings), remarks

    def _uid(self, sample: Sample, question: str, created: datetime) -> str:
        """A new UID for every read: device, pixels, question and moment."""
        sources = ",".join(f"{p.source.sop_instance_uid}#{p.source.frame_number}" for p in sample.planes)
        return _uid(self.info.device_uid, sources, question, str(self.seed), created.isoformat())


def _writing(tell: Callable[[ReadEvent], None], tried: float) -> Callable[[str], None]:
    return lambda piece: tell(ReadEvent("writing", 0.5 * tried, piece))


def candidate_planes(count: int) -> list[int]:
    """Planes on which the answer is tried: the middle one first, then evenly around it."""
    if count <= CANDIDATE_PLANES:
        order = sorted(range(count), key=lambda i: abs(i - (count - 1) / 2))
        return order
    shares = (0.5, 0.35, 0.65, 0.2, 0.8)
    return list(dict.fromkeys(int(share * (count - 1) + 0.5) for share in shares))


def _finding(sample: Sample, target: Target, mask: Mask, presence: float, text_box: Box | None) -> Finding:
    plane = mask.key_plane
    _, rows, columns = sample.shape
    marked = mask.planes[plane]
    description = sentence(target.label, measure(marked, sample.planes[plane].picture()), target.countable)
    least = max(int(LEAST_INSTANCE * rows * columns), 4)
    return Finding(
        target=target,
        tracking_uid="",
        presence=min(max(presence, 0.0), 1.0),
        plane=plane,
        box=mask.box(plane),
        mask=mask,
        instances=component_boxes(marked, least) if target.countable else (),
        text_box=text_box,
        description=description,
    )


def _in_image(box: Box | None, resize: Resize) -> Box | None:
    if box is None:
        return None
    return clip_to_image(resize.convert(box, BoxFrame.IMAGE), *resize.image)


def _uid(*parts: str) -> str:
    return f"2.25.{uuid.uuid5(_NAMESPACE, '|'.join(parts)).int}"
