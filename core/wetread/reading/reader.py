"""Reader: the one way from a Sample and a question to a Read.

The model writes its answer about one plane (of a volume: the first of a few candidates on which it finds something),
and that answer is grounded on every plane by one prefill each. The reported box is the mask's; the box the language
model wrote is kept beside it. A modality that the model was not trained on is abstained on, in the model's own words;
should the network answer all the same, its findings are set aside and the read says so.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from wetread import DEFAULT_MODEL, __version__, uids
from wetread.findings import Box, BoxFrame, Finding, Mask, Provenance, Read
from wetread.geometry import Resize, clip_to_image
from wetread.model.answers import Answer, parse_answer
from wetread.model.checkpoint import ModelInfo, read_info
from wetread.model.prompts import FIND_ALL, asked_label, user_text
from wetread.reading.caches import plane_key
from wetread.reading.coverage import is_learned_size, label_gap, modality_gap, narrowed, size_gap
from wetread.reading.making import checked_engine, make_engine
from wetread.reading.pictures import fitted, pictures
from wetread.reading.planes import ground_planes
from wetread.regions.description import component_boxes, measure, sentence, without_specks
from wetread.terminology import find_target

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from wetread.imaging.sample import Sample
    from wetread.reading.interface import ReadEngine
    from wetread.reading.pictures import Shown
    from wetread.reading.written import Written
    from wetread.terminology import Target

CANDIDATE_PLANES = 5
LEAST_SPECK, LEAST_CELLS, LEAST_REGION = 5e-5, 2e-4, 1e-3
"""Least share of the picture: of one object of a countable target, of all its objects, of another target's region."""
Named = tuple[int, "Target", "Box | None"]
"""Index of an object's `<seg>`, its target, and the box in the text."""


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
    """Reads Samples with one model. Weights load at the first read; reads of several threads are served together.

    Args:
        model: a shipped model's name or a model folder.
        seed: kept in the provenance; decoding is greedy, so equal input gives an equal read.
        engine: "local" runs the model in this process; "vllm" lets servers write and grounds here.
        urls: addresses of servers that speak the OpenAI protocol, for "vllm".
    """

    def __init__(
        self, model: str | Path = DEFAULT_MODEL, seed: int = 0, engine: str = "local", urls: Sequence[str] = ()
    ) -> None:
        self.info: ModelInfo = read_info(model)
        self.seed = seed
        self._where = checked_engine(engine, urls)
        self._engine: ReadEngine | None = None
        self._making = threading.Lock()

    @property
    def engine(self) -> ReadEngine:
        """The engine; torch is imported when it is first asked for."""
        with self._making:
            if self._engine is None:
                self._engine = make_engine(self.info, self._where)
            return self._engine

    def close(self) -> None:
        """Let go of the model; reads under way end as cancelled."""
        with self._making:
            if self._engine is not None:
                self._engine.close()

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
        return self._read(sample, (question or "").strip() or FIND_ALL, on_event or _nothing, cancel)

    def _read(
        self, sample: Sample, asked: str, tell: Callable[[ReadEvent], None], cancel: threading.Event | None
    ) -> Read:
        began = time.monotonic()
        if not self.engine.is_loaded:
            tell(ReadEvent("loading", 0.0))
        self.engine.load()
        asked = narrowed(self.info, sample, asked)
        shown = pictures(sample)
        written, answer, plane = self._write(sample, shown, asked, tell, cancel)
        remarks = list(answer.defects)
        if not written.finished:
            remarks.append("the answer ran into its length limit")
        findings: tuple[Finding, ...] = ()
        reasoning, abstention = answer.reasoning, answer.reasoning if answer.abstained else None
        if not answer.abstained:
            findings, abstention, more = self._interpret(sample, shown, asked, written, answer, tell, cancel)
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
        tracked = (uids.derived(uids.READS, f"{uid}|{number}") for number in range(len(findings)))
        return Read(
            uid=uid,
            question=asked,
            reasoning=reasoning,
            findings=tuple(replace(f, tracking_uid=t) for f, t in zip(findings, tracked, strict=True)),
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
        self,
        sample: Sample,
        shown: Shown,
        question: str,
        tell: Callable[[ReadEvent], None],
        cancel: threading.Event | None,
    ) -> tuple[Written, Answer, int]:
        """The answer, and the plane it is about; each further try starts with "looking"."""
        planes = candidate_planes(len(sample.planes))
        text = user_text(sample.modality, question)
        for tries, plane in enumerate(planes, start=1):
            tell(ReadEvent("looking", 0.5 * (tries - 1) / len(planes)))
            picture = fitted(shown(plane), self.info.side)
            encoded = self.engine.encode([picture], plane_key(sample.planes[plane]))
            written = self.engine.write(encoded, text, _writing(tell, tries / len(planes)), cancel)
            answer = parse_answer(written.text, self.info.box_frame)
            if answer.objects or answer.abstained:
                break
        return written, answer, plane

    def _interpret(
        self, sample: Sample, shown: Shown, question: str, written: Written, answer: Answer,
        tell: Callable[[ReadEvent], None], cancel: threading.Event | None,
    ) -> tuple[tuple[Finding, ...], str | None, list[str]]:  # fmt: skip
        """Findings, or the reason why the answer was set aside; and what is to be said about it."""
        wanted = find_target(asked_label(question) or "")
        uncovered = modality_gap(self.info, sample) or label_gap(self.info, wanted)
        if uncovered:
            return (), uncovered, []
        named, gap, remarks = self._named(answer, sample, wanted)
        if gap and not named:
            return (), f"{gap}; its answer was set aside.", remarks
        findings, lost = self._findings(sample, shown, written, named, tell, cancel)
        return findings, None, [*remarks, *([f"{gap}; they were left out"] if gap else []), *lost]

    def _named(self, answer: Answer, sample: Sample, asked: Target | None) -> tuple[list[Named], str | None, list[str]]:
        """Objects that can be coded and answered for (the first of equal labels), the size gap, other remarks."""
        named: list[Named] = []
        unlearned: list[Target] = []
        remarks = []
        for index, item in enumerate(answer.objects):
            target = find_target(item.label)
            if asked is not None and target != asked:
                continue  # seen, but not what was asked for
            if target is None:
                remarks.append(f"the model named {item.label!r}, which has no code here; it was left out")
            elif label_gap(self.info, target):
                remarks.append(f"{self.info.name} was not trained to find {target.label}; it was left out")
            elif sample.modality not in target.modalities:
                remarks.append(f"{target.label} does not appear on {sample.modality.value}; it was left out")
            elif not is_learned_size(self.info, target, sample):
                unlearned.append(target)
            elif target not in [t for _, t, _ in named]:
                named.append((index, target, item.box))
        return named, size_gap(self.info, unlearned, sample) if unlearned else None, remarks

    def _findings(
        self, sample: Sample, shown: Shown, written: Written, named: list[Named], tell: Callable[[ReadEvent], None],
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
        grounded = ground_planes(self.engine, sample, shown, written, close,
                                 lambda share: tell(ReadEvent("grounding", 0.5 + 0.5 * share)), cancel)  # fmt: skip
        findings = []
        for index, target, text_box in named:
            if index >= count:
                remarks.append(f"{target.label}: no mask, the answer did not mark it")
                continue
            planes = grounded[index].planes
            if target.countable:
                speck = max(int(LEAST_SPECK * sample.shape[1] * sample.shape[2]), 4)
                planes = {plane: without_specks(marked, speck) for plane, marked in planes.items()}
            mask = Mask(sample.shape, planes)
            least = LEAST_CELLS if target.countable else LEAST_REGION
            if mask.is_empty or mask.planes[mask.key_plane].mean() < least:
                remarks.append(f"{target.label} was named, but hardly a pixel could be tied to it; it was left out")
                continue
            frame = Resize(sample.shape[1:], (self.info.side, self.info.side))
            findings.append(_finding(sample, target, mask, grounded[index].presence, _in_image(text_box, frame)))
        return tuple(findings), remarks

    def _uid(self, sample: Sample, question: str, created: datetime) -> str:
        """A new UID for every read: device, pixels, question and moment."""
        sources = ",".join(f"{p.source.sop_instance_uid}#{p.source.frame_number}" for p in sample.planes)
        parts = (self.info.device_uid, sources, question, str(self.seed), created.isoformat())
        return uids.derived(uids.READS, "|".join(parts))


def _nothing(event: ReadEvent) -> None:
    """For callers who do not listen."""


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
    marked = mask.planes[plane]
    description = sentence(target.label, measure(marked, sample.planes[plane].picture()), target.countable)
    return Finding(
        target=target,
        tracking_uid="",
        presence=min(max(presence, 0.0), 1.0),
        plane=plane,
        box=mask.box(plane),
        mask=mask,
        instances=component_boxes(marked) if target.countable else (),
        text_box=text_box,
        description=description,
    )


def _in_image(box: Box | None, resize: Resize) -> Box | None:
    if box is None:
        return None
    return clip_to_image(resize.convert(box, BoxFrame.IMAGE), *resize.image)
