"""Errors as the service says them: JSON {what, where, remedy}; never a traceback, never patient data."""

from __future__ import annotations

import logging
import traceback
from typing import TYPE_CHECKING

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from wetread.archive.protocol import NotInArchive, NotUid
from wetread.errors import ArchiveRefused, ModelUnavailable, RefusedInput
from wetread.records.database import NotRecorded

if TYPE_CHECKING:
    from fastapi import FastAPI, Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

logger = logging.getLogger("wetread.service")


class Problem(BaseModel):
    """A refusal in three parts."""

    what: str
    where: str
    remedy: str


class NotAcceptable(RefusedInput):
    """Nothing that the client accepts can be given."""


class TooLarge(RefusedInput):
    """More than the service takes or renders."""


class Unsupported(RefusedInput):
    """A media type the service does not take."""


class NoSuchJob(RefusedInput):
    """A read that this service does not know."""


class Conflict(RefusedInput):
    """What is there already is something else."""


class Busy(RefusedInput):
    """More waits than is taken."""


class NotYet(RefusedInput):
    """A result that is not there (yet, or any more)."""


_STATUS: tuple[tuple[type[RefusedInput], int], ...] = (
    (NotUid, 400),
    (NotInArchive, 404),
    (NoSuchJob, 404),
    (NotAcceptable, 406),
    (NotYet, 409),
    (Conflict, 409),
    (Busy, 503),
    (TooLarge, 413),
    (Unsupported, 415),
    (ArchiveRefused, 503),
    (NotRecorded, 503),
    (ModelUnavailable, 503),
    (RefusedInput, 400),
)


def describe(error: BaseException) -> str:
    """An unexpected error for the log: its type and place in the code, not its text, which may hold patient data."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "unknown place"
    return f"{type(error).__name__} at {place}"


def install(app: FastAPI) -> None:
    """Make `app` answer every error in the form of `Problem`."""

    @app.exception_handler(RefusedInput)
    async def refused(request: Request, error: RefusedInput) -> JSONResponse:
        status = next(status for kind, status in _STATUS if isinstance(error, kind))
        return _answer(status, error.what, error.where, error.remedy)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        return _answer(422, str(first["msg"]), ".".join(str(part) for part in first["loc"]), "see /openapi.json")

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> JSONResponse:
        return _answer(error.status_code, str(error.detail), request.url.path, "see /openapi.json")

    app.add_middleware(_Unexpected)


class _Unexpected:
    """Turns what nobody expected into a 500 and one line of log.

    Not an exception handler: for those the framework raises the error again, and the server then logs a traceback
    with the error's text.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request (ASGI)."""
        has_begun = False

        async def noting(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except Exception as error:
            logger.error("unexpected: %s", describe(error))
            if scope["type"] == "http" and not has_begun:
                answer = _answer(500, "internal error", scope["path"], "the service's log names the place; report it")
                await answer(scope, receive, send)


def _answer(status: int, what: str, where: str, remedy: str) -> JSONResponse:
    return JSONResponse(Problem(what=what, where=where, remedy=remedy).model_dump(), status_code=status)
