"""Reader: the one way from a Sample and a question to a Read.

The model writes its answer (`answering`), the answer becomes findings whose masks decide (`interpretation`), and every
finding is checked against a blank picture (`groundedness`). A modality that the model was not trained on is abstained
on, in the model's own words; should the network answer all the same, its findings are set aside and the read says so.
"""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from wetread import DEFAULT_MODEL, __version__, uids
from wetread.errors import RefusedInput
from wetread.findings import Provenance, Read
from wetread.imaging.waveform import Waveform
from wetread.model.answers import NOTHING_FOUND
from wetread.model.checkpoint import ModelInfo, read_info
from wetread.model.families import PromptVariant
from wetread.model.prompts import FIND_ALL
from wetread.reading.answering import tell
from wetread.reading.beside import check_one_patient
from wetread.reading.coverage import narrowed
from wetread.reading.interpretation import Interpretation, interpret
from wetread.reading.making import checked_engine, make_engine
from wetread.reading.pictures import pictures
from wetread.reading.request import ReadEvent, Request
from wetread.reading.second_look import MOST_ROUNDS, look_again
from wetread.reading.waveforms import read_waveform

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from wetread.imaging.sample import Sample
    from wetread.model.answers import Answer
    from wetread.model.options import ModelOptions
    from wetread.pointing import Pointing
    from wetread.reading.answering import Told
    from wetread.reading.groundedness import Blanked
    from wetread.reading.interface import ReadEngine

__all__ = ["ReadEvent", "Reader"]

LEAST_SIDE = 4
"""Rows and columns of an image that is worth a look."""


class Reader:
    """Reads Samples with one model. Weights load at the first read; reads of several threads are served together.

    Args:
        model: a shipped model's name or a model folder.
        seed: kept in the provenance; decoding is greedy, so equal input gives an equal read.
        engine: "local" runs the model in this process; "vllm" lets servers write and grounds here.
        urls: addresses of servers that speak the OpenAI protocol, for "vllm".
        blanked: what the check of groundedness blanks: the "picture", or more strictly the marked "region".
        second_look: rounds in which the model is shown its own overlay and may correct itself, 0 to 2.
        adapter: folder of a LoRA adapter that was trained on this model.
        options: device, number format, attention and quantisation; chosen from the hardware when None.
    """

    def __init__(
        self, model: str | Path = DEFAULT_MODEL, seed: int = 0, engine: str = "local", urls: Sequence[str] = (), *,
        blanked: Blanked = "picture", second_look: int = 0, adapter: str | Path | None = None,
        options: ModelOptions | None = None,
    ) -> None:  # fmt: skip
        if not 0 <= second_look <= MOST_ROUNDS:
            raise RefusedInput(f"{second_look} rounds of a second look", "second_look", f"give 0 to {MOST_ROUNDS}")
        self.info: ModelInfo = read_info(model, adapter, options)
        self.seed, self.blanked, self.second_look = seed, blanked, second_look
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
        sample: Sample | Waveform,
        question: str | None = None,
        *,
        beside: Sequence[Sample | Waveform] = (),
        pointing: Pointing | None = None,
        on_event: Callable[[ReadEvent], None] | None = None,
        cancel: threading.Event | None = None,
    ) -> Read:
        """Read a Sample, or an ECG (see `waveforms`).

        Args:
            sample: what to look at; findings are about it.
            question: "Please segment liver in the given image." or free words; all targets when None.
            beside: further images of the same patient, shown beside it in order (a prior, another view).
            pointing: which part of the sample is meant: findings are held to it.
            on_event: progress and the answer as it is written.
            cancel: set it to stop; checked at every token and every group of planes.

        Raises:
            ReadCancelled: `cancel` was set.
            ModelUnavailable: the weights do not load.
            RefusedInput: images of several patients, an ECG among several inputs, an image of hardly a pixel, or
                pointing outside the image or at an ECG.
        """
        listener = on_event or _nothing
        images = [other for other in beside if not isinstance(other, Waveform)]
        if len(images) < len(beside) or (beside and isinstance(sample, Waveform)):
            raise RefusedInput("an ECG among several inputs", "the inputs", "give the ECG alone.")
        if isinstance(sample, Waveform):
            if pointing is not None:
                raise RefusedInput("boxes, points or a mask for an ECG", "prompts", "say in words what to look for")
            return read_waveform(self.info, lambda: self.engine.model(), self.seed, sample, question,
                                 lambda *said: listener(ReadEvent(*said)), cancel)  # fmt: skip
        check_one_patient([header for each in (sample, *images) for header in each.headers[:1]])
        for each in (sample, *images):
            _check_size(each)
        if pointing is not None:
            pointing.check(sample.shape)
        began = time.monotonic()
        if not self.engine.is_loaded:
            listener(ReadEvent("loading", 0.0))
        self.engine.load()
        asked = narrowed(self.info, sample, (question or "").strip() or FIND_ALL)
        request = Request(self.engine, sample, pictures(sample), tuple(images), asked, listener, cancel,
                          pointing)  # fmt: skip
        told = tell(request)
        found = Interpretation((), told.answer.reasoning)
        if not told.answer.abstained:
            found = interpret(request, told, self.blanked)
            if self.second_look and found.findings and not told.written.dictated:
                told, found = look_again(request, told, found, self.blanked, self.second_look)
        listener(ReadEvent("done", 1.0))
        return self._read(request, told, found, began)

    def _read(self, request: Request, told: Told, found: Interpretation, began: float) -> Read:
        """The read of an answer that was interpreted."""
        created = datetime.now(UTC)
        uid = self._uid(request, created)
        tracked = (uids.derived(uids.READS, f"{uid}|{number}") for number in range(len(found.findings)))
        return Read(
            uid=uid,
            question=request.question,
            # Words about what the model cannot answer for belong in no report; `answer` keeps them.
            reasoning="" if found.abstention and not told.answer.abstained else _reasoning(told, found),
            findings=tuple(replace(f, tracking_uid=t) for f, t in zip(found.findings, tracked, strict=True)),
            diagnoses=() if found.abstention else self._diagnoses(told.answer, found),
            abstention=found.abstention,
            answer=told.written.text,
            provenance=Provenance(
                model=self.info.name,
                model_version=self.info.version,
                weights_sha256=self.info.weights_sha256,
                device_uid=self.info.device_uid,
                wetread_version=__version__,
                seed=self.seed,
                prompt_tokens=len(told.written.prompt),
                answer_tokens=len(told.written.answer),
                seconds=time.monotonic() - began,
                created=created,
                grounding=found.checks,
            ),
            remarks=tuple(_remarks(request, told, found)),
        )

    def _diagnoses(self, answer: Answer, found: Interpretation) -> tuple[str, ...]:
        """What the read diagnoses: of a model that only finds, what it found; else what it boxed as its answer."""
        if self.info.prompt is PromptVariant.MINI:
            return tuple(dict.fromkeys(finding.label for finding in found.findings))
        return tuple(dict.fromkeys(name for name in answer.diagnoses if name.lower() != NOTHING_FOUND))

    def _uid(self, request: Request, created: datetime) -> str:
        """A new UID for every read: device, pixels, question and moment."""
        planes = [plane for sample in (request.sample, *request.beside) for plane in sample.planes]
        sources = ",".join(f"{p.source.sop_instance_uid}#{p.source.frame_number}" for p in planes)
        parts = (self.info.device_uid, sources, request.question, str(self.seed), created.isoformat())
        return uids.derived(uids.READS, "|".join(parts))


def _reasoning(told: Told, found: Interpretation) -> str:
    """The model's words; of a dictated answer, which says nothing, those that are measured on the masks."""
    if not told.written.dictated:
        return told.answer.reasoning
    named = " or ".join(item.label for item in told.answer.objects)
    return " ".join(finding.description for finding in found.findings) or f"No {named} seen."


def _remarks(request: Request, told: Told, found: Interpretation) -> list[str]:
    """Everything the engine has to say about a read."""
    remarks = list(told.answer.defects)
    if not told.written.finished:
        remarks.append("the answer ran into its length limit")
    if request.pointing is not None:
        remarks.append(f"held to what was pointed at: {request.pointing.words()}")
    remarks += [*told.remarks, *found.remarks]
    planes = len(request.sample.planes)
    if told.written.dictated:
        return remarks
    if planes > 1:
        return [*remarks, f"the words are about plane {told.plane + 1} of {planes}"]
    return remarks + [
        f"{finding.label}: measured on its mask, the words should be: {finding.description}"
        for finding in found.findings
        if finding.description not in told.answer.reasoning
    ]


def _check_size(sample: Sample) -> None:
    """Refuse what is no picture: nothing can be seen on it, and everything would be found.

    Raises:
        RefusedInput: fewer than `LEAST_SIDE` rows or columns.
    """
    _, rows, columns = sample.shape
    if min(rows, columns) < LEAST_SIDE:
        raise RefusedInput(f"an image of {rows} x {columns} pixels", sample.planes[0].source.sop_instance_uid,
                           f"give an image of at least {LEAST_SIDE} x {LEAST_SIDE} pixels.")  # fmt: skip


def _nothing(event: ReadEvent) -> None:
    """For callers who do not listen."""
