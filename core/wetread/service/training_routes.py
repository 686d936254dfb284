"""Training and model versions over HTTP: start, progress, stop; list, promote, roll back; describe cases."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from wetread.records.times import moment
from wetread.review import model_history
from wetread.review.descriptors import descriptors, keep_descriptor
from wetread.service.access.people import person_of
from wetread.service.errors import Problem
from wetread.service.jobs import JobState
from wetread.service.reads import PREFIX
from wetread.service.training import Training, TrainingRequest

if TYPE_CHECKING:
    from wetread.review.ledger import Entry
    from wetread.service.backing import Backing
    from wetread.service.model_switch import SwitchingReader
    from wetread.service.training import TrainingRun

BASE = "base"


class TrainingBody(BaseModel):
    """What to learn from the ledger."""

    model_config = ConfigDict(extra="forbid")
    kind: Literal["head", "sft", "drpo"] = Field("head", description="grounding head, words and pixels, or by rewards")
    steps: int = Field(100, ge=1, le=100_000)
    batch: int = Field(4, ge=1, le=256, description="lessons a step")
    learning_rate: float | None = Field(None, gt=0, le=1, allow_inf_nan=False)
    seed: int = Field(0, ge=0, le=2**32 - 1)
    promote: bool = Field(True, description="let the gate promote what is not worse")


class TrainingView(BaseModel):
    """A training run."""

    uid: str
    login: str
    kind: str
    state: JobState
    stage: str = Field(description="starting, collecting, training, gate or done")
    step: int
    steps: int
    progress: float = Field(ge=0.0, le=1.0)
    loss: dict[str, float]
    started: datetime
    finished: datetime | None
    reason: str
    result: dict[str, Any] | None = Field(description="version, ruling, reason and figures of the gate")


class VersionView(BaseModel):
    """A version of the model."""

    name: str = Field(description=f"what promotion takes; {BASE!r} for the one the service was started with")
    model: str
    version: str
    device_uid: str
    reads: bool = Field(description="it is the one that reads now")


class HistoryView(BaseModel):
    """What happened to a model."""

    event: str = Field(description="trained, promoted, refused or rolled back")
    version: str
    device_uid: str
    by: str
    moment: datetime
    reason: str


class VersionsView(BaseModel):
    """Versions and their history."""

    versions: list[VersionView]
    history: list[HistoryView]


class ReasonBody(BaseModel):
    """Why."""

    model_config = ConfigDict(extra="forbid")
    reason: str = Field("", max_length=1000, description="kept in the ledger")


class DescribeBody(BaseModel):
    """How many series at most."""

    model_config = ConfigDict(extra="forbid")
    limit: int = Field(50, ge=1, le=1000)


class Described(BaseModel):
    """How many series have a descriptor now, and how many were made."""

    made: int
    left_out: int = Field(description="series that cannot be read")


Name = Annotated[str, Path(max_length=64)]


def training_router(backing: Backing, reader: SwitchingReader, training: Training) -> APIRouter:
    """Routes below ``/wetread/v1``: training, models, descriptors."""
    router = APIRouter(prefix=PREFIX, tags=["training"], responses={400: {"model": Problem}})
    busy: dict[int | str, dict[str, Any]] = {409: {"model": Problem}}

    @router.post("/training", status_code=202, responses=busy)
    def start(body: TrainingBody, request: Request, response: Response) -> TrainingView:
        run = training.start(TrainingRequest(**body.model_dump()), person_of(request).login)
        response.headers["Location"] = f"{PREFIX}/training/{run.uid}"
        return _run_view(run)

    @router.get("/training")
    def listed() -> list[TrainingView]:
        return [_run_view(run) for run in training.runs()]

    @router.get("/training/{uid}", responses=busy)
    def one(uid: Name) -> TrainingView:
        return _run_view(training.get(uid))

    @router.delete("/training/{uid}", responses=busy)
    def stop(uid: Name) -> TrainingView:
        return _run_view(training.stop(uid))

    @router.get("/models")
    def versions() -> VersionsView:
        return _versions_view(backing, reader)

    @router.post("/models/rollback")
    def roll_back(request: Request, body: ReasonBody) -> VersionsView:
        model_history.roll_back(reader.versions, backing.ledger, person_of(request).login, body.reason)
        reader.follow()
        return _versions_view(backing, reader)

    @router.post("/models/{name}/promote")
    def promote(name: Name, request: Request, body: ReasonBody) -> VersionsView:
        version = "" if name == BASE else name
        model_history.promote(reader.versions, backing.ledger, version, person_of(request).login, body.reason)
        reader.follow()
        return _versions_view(backing, reader)

    @router.post("/descriptors")
    def describe(body: DescribeBody) -> Described:
        return _describe(backing, reader, body.limit)

    return router


def _run_view(run: TrainingRun) -> TrainingView:
    return TrainingView(
        uid=run.uid, login=run.login, kind=run.request.kind, state=run.state, stage=run.stage, step=run.step,
        steps=run.steps, progress=run.progress, loss=dict(run.loss), started=moment(run.started),
        finished=None if run.finished is None else moment(run.finished), reason=run.reason,
        result=None if run.result is None else dict(run.result),
    )  # fmt: skip


def _versions_view(backing: Backing, reader: SwitchingReader) -> VersionsView:
    current = reader.versions.standing().current
    versions = []
    for name in ("", *reader.versions.names()):
        info = reader.versions.info(name)
        versions.append(VersionView(name=name or BASE, model=info.name, version=info.version,
                                    device_uid=info.device_uid, reads=name == current))  # fmt: skip
    return VersionsView(
        versions=versions, history=[_history_view(entry) for entry in model_history.history(backing.ledger)]
    )


def _history_view(entry: Entry) -> HistoryView:
    body = entry.body
    return HistoryView(event=body["event"], version=body["version"], device_uid=body["device_uid"], by=entry.actor,
                       moment=moment(entry.recorded), reason=str(body.get("reason", "")))  # fmt: skip


def _describe(backing: Backing, reader: SwitchingReader, limit: int) -> Described:
    """Describe series that were read and have no descriptor of the model that reads now."""
    from wetread.errors import WetreadError
    from wetread.imaging import to_sample
    from wetread.imaging.waveform import Waveform
    from wetread.reading.descriptor import describe_sample

    with reader.using() as using:
        device, made, left_out = using.info.device_uid, 0, 0
        known = set(descriptors(backing.ledger, device))
        series = {entry.body["series"]["series_uid"]: entry.study_uid for entry in backing.ledger.entries(kind="read")}
        for series_uid, study_uid in series.items():
            if series_uid in known or made >= limit:
                continue
            try:
                sample = to_sample(backing.archive.retrieve_series(study_uid, series_uid))
            except WetreadError:
                left_out += 1
                continue
            if isinstance(sample, Waveform):
                left_out += 1
                continue
            keep_descriptor(backing.ledger, series_uid, device, describe_sample(using.engine.model(), sample))
            made += 1
    return Described(made=made, left_out=left_out)
