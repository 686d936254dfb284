"""``/wetread/v1``: what the service can do, and reads as jobs with progress, live text and results."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import BaseModel, Field

from wetread import __version__
from wetread.records.times import moment
from wetread.service.access.people import person_of
from wetread.service.backing import READ
from wetread.service.errors import Busy, NoSuchJob, NotYet, Problem
from wetread.service.jobs import Job, JobEvent, JobState
from wetread.service.mask_files import MEDIA_TYPES, mask_file
from wetread.service.planes import PlaneView, plane_views
from wetread.service.read_requests import PRIORITIES, PromptsView, ReadRequest, checked_request, refuse_other
from wetread.service.sources import sample_of

if TYPE_CHECKING:
    from wetread.model.checkpoint import ModelInfo
    from wetread.reading import Reader
    from wetread.service.backing import Backing
    from wetread.service.changes import Changes
    from wetread.service.queue import Queue
    from wetread.service.worker import ReadWorkers

PREFIX = "/wetread/v1"
DISCLAIMER = "Preliminary - not for diagnosis until verified"
MAXIMUM_WAITING = 1000
_KEEP_ALIVE_SECONDS = 15.0
_LOOK_SECONDS = 0.5
_LONGEST_LOOK_SECONDS = 2.0


class MaskForm(StrEnum):
    """File formats of masks."""

    NRRD = "nrrd"
    NIFTI = "nii.gz"


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
    owner: str = Field(description="login of who asked")
    position: int = Field(description="reads that will be started before this one; 0 once it is under way")
    stage: str
    progress: float = Field(ge=0.0, le=1.0)
    reason: str = Field(description="why CANCELED; empty otherwise")
    study_uid: str
    series_uid: str
    question: str | None
    priority: str = Field(description="person, ahead or batch")
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
    prompts: PromptsView = PromptsView()
    notice: str = DISCLAIMER


class Health(BaseModel):
    """Whether the service answers, and how much it has to do."""

    status: str = "ok"
    waiting: int


def reads_router(
    backing: Backing, workers: ReadWorkers, changes: Changes, reader: Reader, dicomweb: str | None
) -> APIRouter:
    """The routes below ``/wetread/v1``."""
    queue, signs_of_life = backing.queue, ThreadPoolExecutor(1, "wetread-health")
    router = APIRouter(prefix=PREFIX, tags=["reads"], responses={400: {"model": Problem}, 404: {"model": Problem}})

    @router.get("/capabilities")
    async def capabilities() -> Capabilities:
        return Capabilities(
            version=__version__, archive=backing.archive.location, dicomweb=dicomweb, model=model_view(reader.info)
        )

    @router.get("/health")
    async def health() -> Health:
        # A thread of its own: those of the event streams may all be busy.
        return Health(waiting=await asyncio.get_running_loop().run_in_executor(signs_of_life, queue.waiting))

    @router.post("/reads", status_code=202)
    def submit(body: ReadRequest, request: Request, response: Response) -> JobView:
        if queue.waiting() >= MAXIMUM_WAITING:
            raise Busy(f"{MAXIMUM_WAITING} reads are waiting", "reads", "try again when some are done")
        asked, owner = checked_request(body, reader.info), person_of(request).login
        job = queue.submit(READ, asked, owner=owner, priority=PRIORITIES[body.priority], uid=body.uid)
        refuse_other(job, asked, owner)
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
        return JSONResponse(finished(queue.get(uid))["document"])

    @router.get("/reads/{uid}/planes", responses={409: {"model": Problem}})
    def planes(uid: str) -> list[PlaneView]:
        """Where each plane that was read lies, in order; none for an ECG."""
        job = queue.get(uid)
        kept = finished(job).get("planes")
        # A read that an earlier version of the service made left none.
        return plane_views(sample_of(backing.archive, job.request)) if kept is None else [PlaneView(**p) for p in kept]

    @router.get("/reads/{uid}/overlay.png", response_class=Response, responses={200: {"content": {"image/png": {}}}})
    def overlay(uid: str) -> Response:
        finished(queue.get(uid))
        return Response(queue.file(uid, "overlay.png"), media_type="image/png")

    @router.get("/reads/{uid}/files/{name}", response_class=Response, responses={409: {"model": Problem}})
    def file(uid: str, name: str) -> Response:
        finished(queue.get(uid))
        content = queue.file(uid, name)
        if content is None:
            raise NoSuchJob("no such file of this read", "files", "take seg.dcm (where something is marked), sr.dcm or "
                            "overlay.png")  # fmt: skip
        media_type = "image/png" if name.endswith(".png") else "application/dicom"
        return Response(content, media_type=media_type, headers=_named(name))

    @router.get("/reads/{uid}/masks.{form}", response_class=Response, responses={409: {"model": Problem}})
    def masks(
        uid: str, form: MaskForm,
        finding: Annotated[str | None, Query(max_length=64, description="tracking UID of one finding")] = None,
    ) -> Response:  # fmt: skip
        job = queue.get(uid)
        read, _ = backing.desk.read(str(finished(job)["document"]["uid"]))
        chosen = [one for one in read.findings if finding in (None, one.tracking_uid)]
        made = mask_file(chosen, sample_of(backing.archive, job.request), form.value)
        headers = _named(f"masks.{form.value}") | {"Wetread-Labels": json.dumps(made.labels)}
        headers |= {"Wetread-Remark": made.remark} if made.remark else {}
        return Response(made.content, media_type=MEDIA_TYPES[form.value], headers=headers)

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
    quiet, pause = 0.0, _LOOK_SECONDS
    ahead = None
    with changes.listening(uid) as changed:
        while not (changes.are_over or await request.is_disconnected()):
            changed.clear()
            events, is_over, waits = await asyncio.to_thread(_look, queue, uid, position)
            for event in events:
                position = event.number
                yield _event_text(event)
            if is_over:
                return
            if waits is not None and waits != ahead:
                # Not kept, hence without a number: it is true of this moment alone.
                ahead = waits
                yield f"event: position\ndata: {json.dumps({'position': ahead})}\n\n"
            # Another process may be at work on it, and tells nobody here: look now and then, ever less often.
            pause = _LOOK_SECONDS if events else min(2 * pause, _LONGEST_LOOK_SECONDS)
            quiet = 0.0 if await _within(changed, pause) or events else quiet + pause
            if quiet >= _KEEP_ALIVE_SECONDS:
                quiet = 0.0
                yield ": still here\n\n"
    yield f"event: pause\ndata: {json.dumps({'reason': 'the service stopped'})}\n\n"


def _look(queue: Queue, uid: str, number: int) -> tuple[list[JobEvent], bool, int | None]:
    """New events, whether these are the last, and while the job waits, behind how many."""
    events, is_over = queue.events_after(uid, number)
    waits = None if is_over or queue.get(uid).state is not JobState.SCHEDULED else queue.position(uid)
    return events, is_over, waits


async def _within(changed: asyncio.Event, seconds: float) -> bool:
    try:
        await asyncio.wait_for(changed.wait(), seconds)
    except TimeoutError:
        return False
    return True


def _event_text(event: JobEvent) -> str:
    return f"id: {event.number}\nevent: {event.kind}\ndata: {json.dumps(event.data, ensure_ascii=False)}\n\n"


_PRIORITY_NAMES = {int(number): name for name, number in PRIORITIES.items()}


def _named(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"'}


def finished(job: Job) -> dict[str, Any]:
    """The result of a job.

    Raises:
        NotYet: it has none.
    """
    if job.result is None:
        what = f"no result: {job.state}" + (f", {job.reason}" if job.reason else "")
        raise NotYet(what, job.uid, "submit a new read" if job.is_over else "wait until COMPLETED")
    return job.result


def _view(job: Job, backing: Backing) -> JobView:
    request = job.request
    position = backing.queue.position(job.uid) if job.state is JobState.SCHEDULED else 0
    return JobView(
        uid=job.uid, state=job.state, owner=job.owner, priority=_PRIORITY_NAMES.get(job.priority, str(job.priority)),
        position=position, stage=job.stage, progress=job.progress,
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


def model_view(info: ModelInfo) -> ModelView:
    """A model as the service tells of it."""
    return ModelView(
        name=info.name,
        version=info.version,
        modalities=[str(modality) for modality in info.modalities],
        labels=list(info.labels),
        licence=info.licence,
        device_uid=info.device_uid,
    )
