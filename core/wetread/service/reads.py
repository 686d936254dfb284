"""``/wetread/v1``: what the service can do, and reads as jobs with progress, live text and results."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Header, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import BaseModel, Field

from wetread import __version__
from wetread.archive.protocol import checked_uid
from wetread.errors import RefusedInput
from wetread.service.errors import Problem
from wetread.service.jobs import Job, JobEvent, JobState, JobStore, StoredObject

if TYPE_CHECKING:
    from wetread.archive import Archive
    from wetread.model.checkpoint import ModelInfo
    from wetread.service.worker import ReadWorker

PREFIX = "/wetread/v1"
DISCLAIMER = "Preliminary - not for diagnosis until verified"
MAXIMUM_WAITING = 50
_KEEP_ALIVE_SECONDS = 15.0


class ReadRequest(BaseModel):
    """A series to read, and what is asked about it."""

    study_uid: str = Field(description="Study Instance UID in the archive", max_length=64)
    series_uid: str = Field(description="Series Instance UID in the archive", max_length=64)
    question: str | None = Field(
        None, description="in words; everything the model covers when left out", max_length=2000
    )


class JobView(BaseModel):
    """A read as a job in UPS states."""

    uid: str
    state: JobState
    stage: str
    progress: float = Field(ge=0.0, le=1.0)
    reason: str = Field(description="why CANCELED; empty otherwise")
    study_uid: str
    series_uid: str
    question: str | None
    created: datetime
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
    archive: Archive, jobs: JobStore, worker: ReadWorker, info: ModelInfo, dicomweb: str | None
) -> APIRouter:
    """The routes below ``/wetread/v1``."""
    router = APIRouter(prefix=PREFIX, tags=["reads"], responses={400: {"model": Problem}, 404: {"model": Problem}})

    @router.get("/capabilities")
    async def capabilities() -> Capabilities:
        return Capabilities(version=__version__, archive=archive.location, dicomweb=dicomweb, model=_model_view(info))

    @router.get("/health")
    async def health() -> Health:
        return Health(waiting=jobs.waiting())

    @router.post("/reads", status_code=202)
    async def submit(request: ReadRequest, response: Response) -> JobView:
        if jobs.waiting() >= MAXIMUM_WAITING:
            raise RefusedInput(f"{MAXIMUM_WAITING} reads are waiting", "reads", "try again when some are done")
        job = Job(
            checked_uid(request.study_uid, "study_uid"),
            checked_uid(request.series_uid, "series_uid"),
            (request.question or "").strip() or None,
        )
        jobs.add(job)
        worker.submit(job)
        response.headers["Location"] = f"{PREFIX}/reads/{job.uid}"
        return _view(job)

    @router.get("/reads")
    async def listed() -> list[JobView]:
        return [_view(job) for job in jobs.all()]

    @router.get("/reads/{uid}")
    async def one(uid: str) -> JobView:
        return _view(jobs.get(uid))

    @router.delete("/reads/{uid}")
    async def cancel(uid: str) -> JobView:
        job = jobs.get(uid)
        job.give_up("cancelled")
        return _view(job)

    @router.get("/reads/{uid}/result", responses={409: {"model": Problem}})
    async def result(uid: str) -> JSONResponse:
        return JSONResponse(jobs.get(uid).finished().document)

    @router.get("/reads/{uid}/overlay.png", response_class=Response, responses={200: {"content": {"image/png": {}}}})
    async def overlay(uid: str) -> Response:
        return Response(jobs.get(uid).finished().overlay, media_type="image/png")

    @router.get("/reads/{uid}/events", response_class=StreamingResponse)
    async def events(
        request: Request, uid: str, last_event_id: Annotated[str | None, Header()] = None
    ) -> StreamingResponse:
        start = int(last_event_id) if last_event_id and last_event_id.isascii() and last_event_id.isdigit() else 0
        return StreamingResponse(
            _event_stream(jobs.get(uid), start, request),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"},
        )

    return router


async def _event_stream(job: Job, position: int, request: Request) -> AsyncIterator[str]:
    """Server-sent events: all after `position`, then each as it comes, until the job is over."""
    changed, loop = asyncio.Event(), asyncio.get_running_loop()

    def wake() -> None:
        # The loop may be closing while the working thread still talks.
        if not loop.is_closed():
            loop.call_soon_threadsafe(changed.set)

    with job.listening(wake):
        while not await request.is_disconnected():
            changed.clear()
            events, is_over = job.events_after(position)
            for event in events:
                position = event.number
                yield _event_text(event)
            if is_over:
                return
            try:
                await asyncio.wait_for(changed.wait(), _KEEP_ALIVE_SECONDS)
            except TimeoutError:
                yield ": still here\n\n"


def _event_text(event: JobEvent) -> str:
    return f"id: {event.number}\nevent: {event.kind}\ndata: {json.dumps(event.data, ensure_ascii=False)}\n\n"


def _view(job: Job) -> JobView:
    return JobView(
        uid=job.uid, state=job.state, stage=job.stage, progress=job.progress, reason=job.reason,
        study_uid=job.study_uid, series_uid=job.series_uid, question=job.question, created=job.created,
        text=job.text, stored=[] if job.result is None else list(job.result.stored),
    )  # fmt: skip


def _model_view(info: ModelInfo) -> ModelView:
    return ModelView(
        name=info.name,
        version=info.version,
        modalities=[str(modality) for modality in info.modalities],
        labels=list(info.labels),
        licence=info.licence,
        device_uid=info.device_uid,
    )
