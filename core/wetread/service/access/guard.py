"""The guard before every route: who is it, may he, how much, how often. Nothing is reachable that is not listed here.

A request without a valid token gets nothing but the page itself and the sign of life; a wrong token is refused even
there. What a role may do is one table, longest path first; a path that is in none needs the highest role, so that a
route somebody forgets is closed, not open.
"""

from __future__ import annotations

import asyncio
import re
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.responses import JSONResponse

from wetread.errors import WetreadError
from wetread.service.access.people import EVERYBODY, Access, NotLetIn, Person, Role

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_READ, _WRITE = ("GET", "HEAD", "OPTIONS"), ("POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True, slots=True)
class Rule:
    """Requests of some methods to a path (a whole regular expression) need a role; None for nobody's."""

    methods: tuple[str, ...]
    path: str
    role: Role | None


RULES = (
    Rule(_READ, r"/|/admin|/static/[^/]+|/favicon\.ico", None),
    Rule(_READ, r"/wetread/v1/health", None),
    Rule(
        _READ, r"/wetread/v1/(capabilities|me|worklist.*|history.*|models|accept-rates|studies.*|reads.*)", Role.READER
    ),
    Rule(_READ, r"/openapi\.json|/dicom-web/.*", Role.READER),
    Rule(_WRITE, r"/wetread/v1/reads(/[^/]+)?|/wetread/v1/worklist/next", Role.READER),
    Rule(
        _WRITE, r"/wetread/v1/(reads/[^/]+/(verdicts|signature).*|worklist/prepare)|/dicom-web/studies.*", Role.REVIEWER
    ),
    # A viewer's own files, which say nothing of anybody; what it shows it asks for with a token.
    Rule(_READ, r"/(wetread|viewer|segmentation)|/plugins/wetread-(extension|mode)\.mjs", None),
    Rule(_READ, r"/(assets/(images/)?)?[^/]+\.(css|html|ico|js|json|png|svg|wasm|webapp|woff2|xml)", None),
)
"""The first rule that fits holds; where none does, an administrator is asked for."""


class Guard:
    """ASGI middleware; puts the person into ``scope["state"]["person"]``.

    Args:
        app: what is guarded.
        access: who is who; None lets everybody in as the local user.
        most_bytes: larger bodies are refused with 413, DICOMweb's aside, which has its own limit.
        per_minute: requests of one person within a minute; more are refused with 429.
        rules: what each route needs.
        note: told (person, method, path, status) of everything that was let in, for the audit log.
    """

    def __init__(
        self, app: ASGIApp, access: Access | None = None, most_bytes: int = 64 * 1024**2, per_minute: int = 3000,
        note: Callable[[Person, str, str, int], None] | None = None, rules: Sequence[Rule] = RULES,
    ) -> None:  # fmt: skip
        self._app, self._access, self._most_bytes, self._note = app, access, most_bytes, note
        self._pace, self._rules = Pace(per_minute), rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request (ASGI)."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal, person = await self._judge(scope)
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        scope.setdefault("state", {})["person"] = person
        status = 500

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, self._limited(scope, receive), noting)
        finally:
            if self._note is not None and person is not None:
                self._note(person, scope["method"], scope["path"], status)

    async def _judge(self, scope: Scope) -> tuple[JSONResponse | None, Person | None]:
        headers, path, method = Headers(scope=scope), scope["path"], scope["method"]
        needed = needed_role(method, path, self._rules)
        person: Person | None = EVERYBODY
        if self._access is not None and not _is_local_scrape(scope, headers):
            person = None
            given = headers.get("authorization")
            if given is not None:
                scheme, _, token = given.partition(" ")
                try:
                    if scheme.lower() != "bearer":
                        raise NotLetIn("only bearer tokens are taken")
                    # In a thread: an identity provider may have to be asked for its keys.
                    person = await asyncio.to_thread(self._access.person, token.strip())
                except WetreadError as error:
                    return _refused(401, str(error), path, "sign in again"), None
            if person is None and needed is not None:
                return _refused(401, "no token", path, "sign in"), None
        if needed is not None and person is not None and not person.may(needed):
            return _refused(403, f"this needs the role {needed.name.lower()}", path, "ask an administrator"), None
        # Nobody is counted who has no name of his own, nor for what anybody may see (a monitor's sign of life).
        counted = self._access is not None and needed is not None
        if counted and person is not None and not self._pace.allows(person.login):
            return _refused(429, "too many requests", path, "wait a minute"), None
        length = headers.get("content-length", "")
        if length.isascii() and length.isdigit() and int(length) > self._most(path):
            return _refused(413, "request too large", path, f"send at most {self._most(path) // 1024**2} MiB"), None
        return None, person

    def _most(self, path: str) -> int:
        from wetread.service.stow import MAXIMUM_BYTES

        return MAXIMUM_BYTES if path.startswith("/dicom-web/") else self._most_bytes

    def _limited(self, scope: Scope, receive: Receive) -> Receive:
        """A body without a length, or with a false one, ends where it grows too large."""
        seen, most = 0, self._most(scope["path"])

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            return {"type": "http.disconnect"} if seen > most else message

        return counted


def _is_local_scrape(scope: Scope, headers: Headers) -> bool:
    """Prometheus on this machine, asking directly: what comes through a proxy says whom it is from."""
    client = scope.get("client")
    passed_on = any(name in headers for name in ("forwarded", "x-forwarded-for", "x-real-ip", "via"))
    return (
        scope["path"] == "/metrics" and scope["method"] == "GET" and not passed_on and "authorization" not in headers
        and client is not None and client[0] in ("127.0.0.1", "::1")
    )  # fmt: skip


def needed_role(method: str, path: str, rules: Sequence[Rule] = RULES) -> Role | None:
    """What a request needs; None where anybody may."""
    for rule in rules:
        if method in rule.methods and re.fullmatch(rule.path, path):
            return rule.role
    return Role.ADMIN


class Pace:
    """Counts requests of each login in a sliding minute (two halves of fixed windows weighted by time)."""

    def __init__(self, per_minute: int) -> None:
        self._most = per_minute
        self._lock = threading.Lock()
        self._counts: dict[str, tuple[int, int, int]] = {}

    def allows(self, login: str) -> bool:
        """Count one request; False where it is one too many."""
        now = time.monotonic()
        minute, share = int(now // 60), now % 60 / 60
        with self._lock:
            last, before, current = self._counts.get(login, (minute, 0, 0))
            if minute != last:
                before, current = (current, 0) if minute == last + 1 else (0, 0)
            allowed = before * (1 - share) + current < self._most
            self._counts[login] = (minute, before, current + allowed)
            return allowed


def _refused(status: int, what: str, where: str, remedy: str) -> JSONResponse:
    headers = {"WWW-Authenticate": 'Bearer realm="wetread"'} if status == 401 else {}
    body = {"what": what, "where": where[:200], "remedy": remedy}
    return JSONResponse(body, status_code=status, headers=headers)
