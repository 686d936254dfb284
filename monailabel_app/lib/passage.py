"""The way from the stock server to Wetread's own service: reads as jobs, and DICOMweb for a folder archive.

The service stays an application of its own, with its own error answers and its own check of the Host header; the
stock server only hands over the paths that belong to it. Routers included into the stock application would get
neither, because its middleware is complete by the time an app is built. The stock server lets every origin read with
credentials (CORS), so requests that a web page elsewhere made are refused here.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Match, NoMatchFound

from wetread.service.dicomweb import DICOMWEB
from wetread.service.reads import PREFIX

if TYPE_CHECKING:
    from collections.abc import Collection

    from fastapi import FastAPI
    from starlette.datastructures import URLPath
    from starlette.types import Receive, Scope, Send

PREFIXES = (f"{PREFIX}/", f"{DICOMWEB}/")


class Passage(BaseRoute):
    """A route of the stock server behind which the service answers.

    Args:
        service: Wetread's application.
        origins: whose pages may call it, besides its own, e.g. ``https://viewer.example``.
    """

    def __init__(self, service: FastAPI, origins: Collection[str]) -> None:
        self.service = service
        self.origins = frozenset(origin.rstrip("/") for origin in origins)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """The service's paths, and nothing else."""
        wanted = scope["type"] == "http" and scope["path"].startswith(PREFIXES)
        return (Match.FULL if wanted else Match.NONE), {}

    def url_path_for(self, name: str, /, **path_params: object) -> URLPath:
        """No names lead here."""
        raise NoMatchFound(name, path_params)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request over, or refuse it."""
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        own = f"{scope['scheme']}://{headers.get('host', '')}"
        if origin is not None and origin != own and origin not in self.origins:
            said = {"what": "page of another origin", "where": origin, "remedy": "set MONAI_LABEL_CORS_ORIGINS"}
            await JSONResponse(said, status_code=403)(scope, receive, send)
            return
        await self.service(scope, receive, send)


async def keep_running(service: FastAPI) -> None:
    """Start the service's worker, and stop it when the server ends and cancels this task."""
    async with service.router.lifespan_context(service):
        await asyncio.Event().wait()
