"""The service as one ASGI application: page, reads, DICOMweb; loopback only unless told otherwise.

Without access control it answers only requests that name this machine (`allowed_hosts`): a web page elsewhere that
points its own name at 127.0.0.1 gets 400. With it (`access`), every request needs a token, see `access.guard`.
Pages of other origins may ask only where they are named (`cors_origins`).
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

from wetread import __version__
from wetread.archive.dicomweb import DicomwebArchive
from wetread.archive.folder import FolderArchive
from wetread.errors import RefusedInput
from wetread.service import errors
from wetread.service.access.audit import AuditLog
from wetread.service.access.guard import Guard
from wetread.service.admin import admin_router
from wetread.service.backing import open_backing
from wetread.service.browse import browse_router
from wetread.service.cases import cases_router
from wetread.service.changes import Changes
from wetread.service.courier import Courier
from wetread.service.decided_masks import decided_masks_router
from wetread.service.dicomweb import DICOMWEB, dicomweb_router
from wetread.service.model_switch import SwitchingReader
from wetread.service.page import page_router
from wetread.service.passage import passage_router
from wetread.service.reads import reads_router
from wetread.service.reports import reports_router
from wetread.service.stow import stow_router
from wetread.service.training import Training
from wetread.service.training_routes import training_router
from wetread.service.verdicts import verdicts_router
from wetread.service.viewer import viewer_router
from wetread.service.worker import ReadWorkers
from wetread.service.worklist import Worklist

if TYPE_CHECKING:
    from pathlib import Path

    from wetread.archive import Archive
    from wetread.reading import Reader
    from wetread.records.database import Database
    from wetread.service.access.people import Access

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


def create_app(
    archive: Archive,
    reader: Reader | SwitchingReader,
    *,
    database: Database | str | Path | None = None,
    workers: int = 1,
    allowed_hosts: Sequence[str] = LOOPBACK,
    access: Access | None = None,
    time_limit: float | None = None,
    cors_origins: Sequence[str] = (),
    viewer: Path | None = None,
) -> FastAPI:
    """The service over one archive.

    Args:
        archive: where studies come from and objects go to; a folder is also served over DICOMweb.
        reader: its weights load at the first read; one that switches between versions is also trained over HTTP.
        database: what outlives the service, see `backing.open_backing`.
        workers: reads at once in this process; 0 where other processes work on the same database.
        allowed_hosts: names by which clients may address the service; ``["*"]`` for any.
        access: who may come in; None lets everybody in, for this machine alone.
        time_limit: seconds that one read may take; None for any.
        cors_origins: other origins whose pages may ask, e.g. ``https://viewer.example``; nobody when empty.
        viewer: folder of an unpacked OHIF to be served on this origin, see `viewer`.

    Raises:
        RefusedInput: the database does not open, an origin that is none, or no viewer in the folder.
    """
    backing, changes = open_backing(archive, database), Changes()
    worklist = Worklist(backing, cast("Reader", reader))
    courier = Courier(backing.outbox)

    def changed(uid: str) -> None:
        changes.tell(uid)
        courier.wake()

    readers = ReadWorkers(backing, cast("Reader", reader), workers, changed, time_limit=time_limit)

    training = Training(backing, reader) if isinstance(reader, SwitchingReader) else None

    @asynccontextmanager
    async def running(app: FastAPI) -> AsyncIterator[None]:
        readers.start()
        courier.start()
        yield
        changes.end()
        if training is not None:
            training.close()
        readers.stop()
        courier.stop()
        backing.close()

    # The pages that FastAPI offers at /docs run scripts from elsewhere beside patient data; the description is enough.
    app = FastAPI(title="Wetread", version=__version__, lifespan=running, docs_url=None, redoc_url=None)
    app.state.backing, app.state.changes = backing, changes
    errors.install(app)
    app.add_middleware(Guard, access=access, note=AuditLog(backing.database).note)
    if cors_origins:
        # Outside the guard: a browser asks beforehand (OPTIONS), and then without its token.
        app.add_middleware(CORSMiddleware, **cors_options(cors_origins))
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(allowed_hosts))
    app.include_router(page_router())
    app.include_router(browse_router(archive, cast("Reader", reader)))
    is_folder = isinstance(archive, FolderArchive)
    app.include_router(reads_router(backing, readers, changes, cast("Reader", reader), DICOMWEB if is_folder else None))
    app.include_router(reports_router(backing))
    app.include_router(verdicts_router(backing, courier))
    app.include_router(decided_masks_router(backing))
    app.include_router(admin_router(backing, courier))
    app.include_router(cases_router(backing, readers, worklist))
    if isinstance(reader, SwitchingReader) and training is not None:
        app.include_router(training_router(backing, reader, training))
    if isinstance(archive, FolderArchive):
        app.include_router(stow_router(archive))
        app.include_router(dicomweb_router(archive))
    if isinstance(archive, DicomwebArchive):
        app.include_router(passage_router(archive))
    if viewer is not None:
        app.include_router(viewer_router(viewer, DICOMWEB))
    return app


def cors_options(origins: Sequence[str]) -> dict[str, Any]:
    """What pages of these origins may do; they send their token themselves, no cookie.

    Raises:
        RefusedInput: ``*``, ``null`` or anything that is not scheme, host and port alone.
    """
    for origin in origins:
        if (
            re.fullmatch(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?|https?://\[[0-9A-Fa-f:]+\](:[0-9]{1,5})?", origin)
            is None
        ):
            raise RefusedInput("not an origin", origin[:100], "give scheme, host and port: https://viewer.example")
    return {
        "allow_origins": list(origins), "allow_methods": ["GET", "POST", "DELETE"], "allow_credentials": False,
        "allow_headers": ["Authorization", "Content-Type", "Last-Event-ID", "Accept"],
        "expose_headers": ["Location", "Wetread-Labels", "Wetread-Remark"], "max_age": 600,
    }  # fmt: skip
