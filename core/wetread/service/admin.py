"""For administrators: queue, outbox, audit, the ledger's soundness and export; and metrics for Prometheus."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import FileResponse, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.background import BackgroundTask

from wetread.archive.outbox import OutboxState
from wetread.service.access.audit import AuditLog
from wetread.service.access.people import person_of
from wetread.service.errors import Problem
from wetread.service.ledger_export import ExportForm, export, figures
from wetread.service.metrics import metrics
from wetread.service.reads import PREFIX

if TYPE_CHECKING:
    from wetread.service.backing import Backing
    from wetread.service.courier import Courier
    from wetread.service.jobs import Job

Limit = Annotated[int, Query(ge=1, le=1000)]


class QueueJob(BaseModel):
    """A job as an administrator sees it."""

    uid: str
    kind: str
    owner: str
    priority: int
    state: str
    stage: str
    progress: float
    attempts: int
    created: str
    started: str | None
    finished: str | None
    reason: str


class QueueView(BaseModel):
    """Everything that is to be done, or was."""

    counts: dict[str, int] = Field(description="UPS state -> jobs")
    jobs: list[QueueJob]


class OutboxItem(BaseModel):
    """An object on its way to the archive."""

    number: int
    kind: str
    study_uid: str
    sop_instance_uid: str
    state: OutboxState
    reason: str
    attempts: int
    not_before: str
    created: str
    finished: str | None


class OutboxView(BaseModel):
    """Objects on their way."""

    archive: str
    counts: dict[str, int]
    items: list[OutboxItem]


class RetryRequest(BaseModel):
    """Which object to try again now; all that wait or were refused when left out."""

    model_config = ConfigDict(extra="forbid")
    number: int | None = Field(None, ge=1, le=2**62)


class Retried(BaseModel):
    """How many objects will be tried again."""

    retried: int


class AuditView(BaseModel):
    """Who did what, or tried to."""

    number: int
    moment: str
    login: str
    action: str
    subject: str
    status: int


class BreakView(BaseModel):
    """A place where the ledger does not hold."""

    number: int
    reason: str


class LedgerCheck(BaseModel):
    """Whether the ledger is sound, and its end, to be noted elsewhere."""

    sound: bool
    breaks: list[BreakView]
    head: str = Field(description="NUMBER:HASH")


def admin_router(backing: Backing, courier: Courier) -> APIRouter:
    """Routes below ``/wetread/v1`` for administrators and ``/metrics``."""
    router = APIRouter(tags=["administration"], responses={400: {"model": Problem}})
    audit_log = AuditLog(backing.database)

    @router.get(f"{PREFIX}/queue")
    def queue(limit: Limit = 100) -> QueueView:
        counts: dict[str, int] = {}
        for (_, state), count in backing.queue.counts().items():
            counts[state] = counts.get(state, 0) + count
        return QueueView(counts=counts, jobs=[_job(job) for job in backing.queue.all(limit=limit)])

    @router.get(f"{PREFIX}/outbox")
    def outbox(state: OutboxState | None = None, limit: Limit = 100) -> OutboxView:
        items = backing.outbox.items(state=state, limit=limit)
        shown = [OutboxItem(**{key: value for key, value in asdict(item).items() if key in OutboxItem.model_fields})
                 for item in items]  # fmt: skip
        return OutboxView(archive=backing.archive.location, counts=backing.outbox.counts(), items=shown)

    @router.post(f"{PREFIX}/outbox/retry")
    def retry(body: RetryRequest) -> Retried:
        count = backing.outbox.retry(body.number)
        courier.wake()
        return Retried(retried=count)

    @router.get(f"{PREFIX}/audit")
    def audit(
        login: Annotated[str | None, Query(max_length=100)] = None,
        subject: Annotated[str | None, Query(max_length=64)] = None, limit: Limit = 100,
    ) -> list[AuditView]:  # fmt: skip
        return [AuditView(**asdict(entry)) for entry in audit_log.entries(login=login, subject=subject, limit=limit)]

    @router.get(f"{PREFIX}/ledger/check")
    def check() -> LedgerCheck:
        found = [BreakView(number=one.number, reason=one.reason) for one in backing.ledger.breaks()]
        return LedgerCheck(sound=not found, breaks=found, head="{}:{}".format(*backing.ledger.head()))

    @router.get(f"{PREFIX}/ledger/stats")
    def stats() -> dict[str, Any]:
        return figures(backing.ledger)

    @router.get(f"{PREFIX}/ledger/export", response_class=FileResponse,
                responses={200: {"content": {"application/zip": {}}}, 503: {"model": Problem}})  # fmt: skip
    def exported(
        request: Request, form: Annotated[ExportForm, Query(alias="format")] = ExportForm.JSONL
    ) -> FileResponse:
        """The ledger as a ZIP file."""
        folder = Path(tempfile.mkdtemp(prefix="wetread-export-"))
        try:
            export(backing.ledger, folder / "ledger", form, backing.archive, person_of(request).login)
            packed = shutil.make_archive(str(folder / "packed"), "zip", folder / "ledger")
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return FileResponse(packed, media_type="application/zip", filename=f"wetread-ledger-{form.value}.zip",
                            background=BackgroundTask(shutil.rmtree, folder, ignore_errors=True))  # fmt: skip

    @router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    def measured() -> Response:
        content, media_type = metrics(backing)
        return Response(content, media_type=media_type)

    return router


def _job(job: Job) -> QueueJob:
    return QueueJob(**{key: value for key, value in asdict(job).items() if key in QueueJob.model_fields})
