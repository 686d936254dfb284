"""``/wetread/v1``: what the service can do, and reads as jobs with progress, live text and results."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Header, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import BaseModel, Field

from wetread import __version__
from wetread.archive.protocol import checked_uid
from wetread.errors import RefusedInput
from wetread.records.times import moment
from wetread.service.backing import READ
from wetread.service.errors import NotYet, Problem
from wetread.service.jobs import Job, JobEvent, JobState

if TYPE_CHECKING:
    from wetread.model.checkpoint import ModelInfo
    from wetread.service.backing import Backing
    from wetread.service.changes import Changes
    from wetread.service.queue import Queue
    from wetread.service.worker import ReadWorkers

PREFIX = "/wetread/v1"
DISCLAIMER = "Preliminary - not for diagnosis until verified"
MAXIMUM_WAITING = 50
_KEEP_ALIVE_SECONDS = 15.0
_LOOK_SECONDS = 0.5


class ReadRequest(BaseModel):
    """A series to read, and what is asked about it."""

    study_uid: str = Field(description="Study Instance UID in the archive", max_length=64)
    series_uid: str = Field(description="Series Instance UID in the archive", max_length=64)
    question: str | None = Field(
        None, description="in words; everything the model covers when left out", max_length=2000
    )


class StoredObject(BaseModel):
    """SEG or SR of a finished read, on its way to the archive."""

    kind: str = Field(description="SEG or SR")
    series_uid: str
    sop_instance_uid: str
    state: str = Field(description="waiting, stored, conflict or refused")
    reason: str = Field(description="why it waits, conflicts or was refused; what the archive changed")


class JobView(BaseModel):
    """A read as a job in UPS states."""

    uid: str
    state: JobState
    position: int = Field(description="reads that will be started before this one; 0 once it is under way")
    stage: str
    progress: float = Field(ge=0.0, le=1.0)
    reason: str = Field(description="why CANCELED; empty otherwise")
    study_uid: str
    series_uid: str
    question: str | None
    created: datetime
    finished: datetime | None
    text: str = Field(description="the answer so far")
    stored: list[StoredObject]


class ModelView(BaseModel):
    """The model that reads."""

    name: str
    version: str
    modalities: list[str]
    labels: list[str]
    licence: str
    device_uid: str


class Capabilities(BaseModel):
    """What this service is and covers."""

    service: str = "wetread"
    version: str
    archive: str = Field(description="folder or URL of the archive")
    dicomweb: str | None = Field(description="path of this service's own DICOMweb, where the archive is a folder")
    model: ModelView
    notice: str = DISCLAIMER


class Health(BaseModel):
    """Whether the service answers, and how much it has to do."""

    status: str = "ok"
    waiting: int


def reads_router(
    backing: Backing, workers: ReadWorkers, changes: Changes, info: ModelInfo, dicomweb: str | None
) -> APIRouter:
    """The routes below ``/wetread/v1``."""
    queue = backing.queue
    router = APIRouter(prefix=PREFIX, tags=["reads"], responses={400: {"model": Problem}, 404: {"model": Problem}})

    @router.get("/capabilities")
    async def capabilities() -> Capabilities:
        return Capabilities(
            version=__version__, archive=backing.archive.location, dicomweb=dicomweb, model=_model_view(info)
        )

    @router.get("/health")
    async def health() -> Health:
        return Health(waiting=await asyncio.to_thread(queue.waiting))

    @router.post("/reads", status_code=202)
    def submit(request: ReadRequest, response: Response) -> JobView:
        if queue.waiting() >= MAXIMUM_WAITING:
            raise RefusedInput(f"{MAXIMUM_WAITING} reads are waiting", "reads", "try again when some are done")
        asked = {
            "study_uid": checked_uid(request.study_uid, "study_uid"),
            "series_uid": checked_uid(request.series_uid, "series_uid"),
            "question": (request.question or "").strip() or None,
        }
        job = queue.submit(READ, asked)
        workers.wake()
        response.headers["Location"] = f"{PREFIX}/reads/{job.uid}"
        return _view(job, backing)

    @router.get("/reads")
    def listed() -> list[JobView]:
        return [_view(job, backing) for job in queue.all(kind=READ)]

    @router.get("/reads/{uid}")
    def one(uid: str) -> JobView:
        return _view(queue.get(uid), backing)

    @router.delete("/reads/{uid}")
    def cancel(uid: str) -> JobView:
        job = queue.cancel(uid)
        workers.cancel(uid)
        changes.tell(uid)
        return _view(job, backing)

    @router.get("/reads/{uid}/result", responses={409: {"model": Problem}})
    def result(uid: str) -> JSONResponse:
        return JSONResponse(_finished(queue.get(uid))["document"])

    @router.get("/reads/{uid}/overlay.png", response_class=Response, responses={200: {"content": {"image/png": {}}}})
    def overlay(uid: str) -> Response:
        _finished(queue.get(uid))
        return Response(queue.file(uid, "overlay.png"), media_type="image/png")

    @router.get("/reads/{uid}/events", response_class=StreamingResponse)
    async def events(
        request: Request, uid: str, last_event_id: Annotated[str | None, Header()] = None
    ) -> StreamingResponse:
        start = int(last_event_id) if last_event_id and last_event_id.isascii() and last_event_id.isdigit() else 0
        await asyncio.to_thread(queue.get, uid)
        return StreamingResponse(
            _event_stream(uid, start, request, queue, changes),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"},
        )

    return router


async def _event_stream(
    uid: str, position: int, request: Request, queue: Queue, changes: Changes
) -> AsyncIterator[str]:
    """Server-sent events: all after `position`, then each as it comes, until the job is over or the service stops."""
    quiet = 0.0
    with changes.listening(uid) as changed:
        while not (changes.are_over or await request.is_disconnected()):
            changed.clear()
            events, is_over = await asyncio.to_thread(queue.events_after, uid, position)
            for event in events:
                position = event.number
                yield _event_text(event)
            if is_over:
                return
            # Another process may be at work on it, and tells nobody here: look now and then.
            quiet = 0.0 if events or await _within(changed, _LOOK_SECONDS) else quiet + _LOOK_SECONDS
            if quiet >= _KEEP_ALIVE_SECONDS:
                quiet = 0.0
                yield ": still here\n\n"
    yield f"event: pause\ndata: {json.dumps({'reason': 'the service stopped'})}\n\n"


async def _within(changed: asyncio.Event, seconds: float) -> bool:
    try:
        await asyncio.wait_for(changed.wait(), seconds)
    except TimeoutError:
        return False
    return True


def _event_text(event: JobEvent) -> str:
    return f"id: {event.number}\nevent: {event.kind}\ndata: {json.dumps(event.data, ensure_ascii=False)}\n\n"


def _finished(job: Job) -> dict[str, Any]:
    if job.result is None:
        what = f"no result: {job.state}" + (f", {job.reason}" if job.reason else "")
        raise NotYet(what, job.uid, "submit a new read" if job.is_over else "wait until COMPLETED")
    return job.result


def _view(job: Job, backing: Backing) -> JobView:
    request = job.request
    return JobView(
        uid=job.uid, state=job.state, position=backing.queue.position(job.uid), stage=job.stage, progress=job.progress,
        reason=job.reason, study_uid=request["study_uid"], series_uid=request["series_uid"],
        question=request.get("question"), created=moment(job.created),
        finished=None if job.finished is None else moment(job.finished), text=job.text, stored=_stored(job, backing),
    )  # fmt: skip


def _stored(job: Job, backing: Backing) -> list[StoredObject]:
    """The objects of a finished read with where each is on its way."""
    if job.result is None or not job.result["objects"]:
        return []
    items = {item.sop_instance_uid: item for item in backing.outbox.items(bundle=job.result["document"]["uid"])}
    ways = [(one, items[one["sop_instance_uid"]]) for one in job.result["objects"]]
    return [StoredObject(**one, state=item.state, reason=item.reason) for one, item in ways]


def _model_view(info: ModelInfo) -> ModelView:
    return ModelView(
        name=info.name,
        version=info.version,
        modalities=[str(modality) for modality in info.modalities],
        labels=list(info.labels),
        licence=info.licence,
        device_uid=info.device_uid,
    )
