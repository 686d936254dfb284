"""The gate before MONAI Label's own routes: who may use them, from where, and which are closed.

Stock MONAI Label 0.8.5 asks nobody who he is, lets every web page read with credentials, writes labels to
`tag=../..`, reloads the app and replaces weights for whoever asks, and hands a PACS's whole answer on. Here the same
access control holds as for Wetread's routes; a page of another origin and a foreign Host are refused; names that
clients give must be names; `/reload`, `/model` and the DICOMweb proxy are closed (the proxy can be opened).
"""

from __future__ import annotations

import re
from contextvars import ContextVar
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from starlette.datastructures import Headers
from starlette.responses import JSONResponse

from lib.passage import PREFIXES
from wetread.service.access.guard import Guard, Rule
from wetread.service.access.people import EVERYBODY, Person, Role

if TYPE_CHECKING:
    from collections.abc import Collection

    from starlette.types import ASGIApp, Receive, Scope, Send

    from wetread.service.access.people import Access

_GET, _ANY = ("GET", "HEAD", "OPTIONS"), ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")
STOCK_RULES = (
    Rule(_GET, r"/|/favicon\.ico|/static/.*|/ohif(/.*)?|/auth/?", None),
    Rule(_GET, r"/(info|datastore|train|scoring|batch/infer|session)(/.*)?|/openapi\.json|/docs", Role.READER),
    Rule(("POST",), r"/(infer|activelearning)/.*", Role.READER),
    Rule(("PUT", "DELETE"), r"/session/.*", Role.READER),
    Rule(("PUT",), r"/datastore(/image|/image/info|/label|/label/info)?/?", Role.REVIEWER),
    Rule(("POST",), r"/scoring/.*", Role.REVIEWER),
)
"""What is in none of them (training, batches, deleting, logs) needs an administrator."""
CLOSED = re.compile(r"/reload/?|/model(/.*)?|/infer/wsi(_v2)?(/.*)?")
PROXY = re.compile(r"/proxy(/.*)?")
_NAME = re.compile(r"[^/\\\x00-\x1f]{1,200}")
NAMES = ("tag", "id", "label", "image", "session_id")
"""Query parameters that become names of files. `image` of an inference may be a path, which `admission` judges."""
MOST_BYTES = 2 * 1024**3

asking: ContextVar[Person] = ContextVar("asking", default=EVERYBODY)
"""Who made the request that is being answered."""


class Gate:
    """ASGI application around MONAI Label's.

    Args:
        stock: MONAI Label's application with all its middleware.
        access: who is who; None lets everybody in.
        hosts: names by which clients may address the server; any where there is `access`.
        origins: whose pages may ask, besides the server's own.
        proxy: the DICOMweb proxy is open.
    """

    def __init__(
        self, stock: ASGIApp, access: Access | None, hosts: Collection[str], origins: Collection[str], proxy: bool
    ) -> None:
        self._stock, self._proxy = stock, proxy
        self._hosts = None if access is not None else frozenset(hosts)
        self._origins = frozenset(origin.rstrip("/") for origin in origins)
        self._guarded = Guard(self._named, access, most_bytes=MOST_BYTES, rules=STOCK_RULES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request (ASGI); Wetread's own routes have a guard of their own."""
        if scope["type"] != "http" or scope["path"].startswith(PREFIXES):
            await self._stock(scope, receive, send)
            return
        refusal = self._refusal(scope)
        await (refusal or self._guarded)(scope, receive, send)

    def _refusal(self, scope: Scope) -> JSONResponse | None:
        headers, path = Headers(scope=scope), scope["path"]
        host = headers.get("host", "")
        if self._hosts is not None and re.sub(r":\d+$", "", host) not in self._hosts:
            return _refused(400, "not a name of this server", host, "set the app's option hosts")
        origin = headers.get("origin")
        if origin is not None and origin != f"{scope['scheme']}://{host}" and origin not in self._origins:
            return _refused(403, "page of another origin", origin, "set MONAI_LABEL_CORS_ORIGINS")
        if CLOSED.fullmatch(path) or (PROXY.fullmatch(path) and not self._proxy):
            return _refused(403, "this route is closed", path, "see docs/monai-label.md")
        for name, value in parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True):
            is_path = name == "image" and path.startswith("/infer/")
            if name in NAMES and value and not is_path and not is_name(value):
                return _refused(400, "not a name", name, "give a name without folders")
        return None

    async def _named(self, scope: Scope, receive: Receive, send: Send) -> None:
        token = asking.set(scope["state"]["person"] or EVERYBODY)
        try:
            await self._stock(scope, receive, send)
        finally:
            asking.reset(token)


def is_name(text: str) -> bool:
    """True for what may become the name of a file in a folder."""
    return _NAME.fullmatch(text) is not None and not text.startswith(".")


def _refused(status: int, what: str, where: str, remedy: str) -> JSONResponse:
    return JSONResponse({"what": what, "where": where[:200], "remedy": remedy}, status_code=status)
