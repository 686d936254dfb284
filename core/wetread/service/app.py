"""The service as one ASGI application: page, reads, DICOMweb; loopback only unless told otherwise.

The service has no authentication yet, so it answers only requests that name this machine (`allowed_hosts`): a web
page elsewhere that points its own name at 127.0.0.1 gets 400. Cross-origin reading is not allowed either.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import FastAPI
from starlette.middleware.trustedhost import TrustedHostMiddleware

from wetread import __version__
from wetread.archive import open_archive
from wetread.archive.folder import FolderArchive
from wetread.service import errors
from wetread.service.browse import browse_router
from wetread.service.dicomweb import dicomweb_router
from wetread.service.jobs import JobStore
from wetread.service.page import page_router
from wetread.service.reads import reads_router
from wetread.service.stow import stow_router
from wetread.service.worker import ReadWorker

if TYPE_CHECKING:
    from wetread.archive import Archive
    from wetread.reading import Reader

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
DICOMWEB = "/dicom-web"


def create_app(
    archive: Archive | str | Path,
    reader: Reader | None = None,
    *,
    model: str | Path = "wetread-mini",
    seed: int = 0,
    allowed_hosts: Sequence[str] = LOOPBACK,
) -> FastAPI:
    """The service over one archive.

    Args:
        archive: an archive, a folder or a DICOMweb URL. A folder is also served over DICOMweb.
        reader: the reader to use; None makes one of `model`, whose weights load at the first read.
        model: shipped model's name or model folder.
        seed: of the reader.
        allowed_hosts: names by which clients may address the service; ``["*"]`` for any.

    Raises:
        ArchiveRefused: `archive` is neither folder nor URL.
        ModelUnavailable: no such model.
    """
    held = open_archive(archive) if isinstance(archive, (str, Path)) else archive
    reader = _default_reader(model, seed) if reader is None else reader
    jobs, worker = JobStore(), ReadWorker(held, reader)

    @asynccontextmanager
    async def running(app: FastAPI) -> AsyncIterator[None]:
        worker.start()
        yield
        worker.stop()

    app = FastAPI(title="Wetread", version=__version__, lifespan=running)
    app.state.jobs = jobs
    errors.install(app)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(allowed_hosts))
    app.include_router(page_router())
    app.include_router(browse_router(held))
    is_folder = isinstance(held, FolderArchive)
    app.include_router(reads_router(held, jobs, worker, reader.info, DICOMWEB if is_folder else None))
    if isinstance(held, FolderArchive):
        app.include_router(stow_router(held, DICOMWEB))
        app.include_router(dicomweb_router(held, DICOMWEB))
    return app


def _default_reader(model: str | Path, seed: int) -> Reader:
    from wetread.reading import Reader

    return Reader(model, seed)
