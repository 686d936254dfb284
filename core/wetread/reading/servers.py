"""Several servers of one model: the one with least to do is asked, a dead one is left alone for a while.

A server that fails is given time, more each time it fails again, and comes back by itself: the next request after
that time tries it. A request goes from server to server until one answers; only when every one has failed, twice, is
there an error.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from wetread.errors import RefusedInput

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

FIRST_REST_SECONDS, LONGEST_REST_SECONDS = 1.0, 30.0


@dataclass(slots=True, eq=False)
class Server:
    """One server.

    Args:
        host: name or address.
        port: TCP port.
        secure: TLS.
        path: what comes before ``/v1``.
        model: name under which it serves the model; asked for at the first use.
        in_flight: requests under way.
        failures: in a row.
        rests_until: not asked before, on the monotonic clock.
    """

    host: str
    port: int
    secure: bool
    path: str = ""
    model: str = ""
    in_flight: int = 0
    failures: int = 0
    rests_until: float = 0.0

    @property
    def name(self) -> str:
        """For messages: no path, no credentials."""
        return f"{self.host}:{self.port}"


def server_at(url: str) -> Server:
    """The server of an address like ``http://host:8000`` or ``https://host/v1``.

    Raises:
        RefusedInput: another scheme, no host, or a password in the address.
    """
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError as error:
        raise RefusedInput("not an address of a server", "--url", "give http://HOST:PORT") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise RefusedInput("not an http or https address", f"{parts.scheme or 'no scheme'}://{parts.hostname or ''}",
                           "give http://HOST:PORT") from None  # fmt: skip
    if parts.username or parts.password:
        raise RefusedInput("an address with a password in it", parts.hostname,
                           "take it out and put the token into the environment, see docs/engines.md")  # fmt: skip
    if parts.query or parts.fragment:
        raise RefusedInput("an address with a query", parts.hostname, "give http://HOST:PORT")
    secure = parts.scheme == "https"
    path = parts.path.rstrip("/").removesuffix("/v1")
    return Server(parts.hostname, port or (443 if secure else 80), secure, path)


class Servers:
    """The servers of one model; safe for any number of threads.

    Args:
        urls: their addresses; the same one twice counts once.
    """

    def __init__(self, urls: Sequence[str]) -> None:
        if not urls:
            raise RefusedInput("no address of a server", "--url", "give at least one, e.g. http://127.0.0.1:8000")
        found = [server_at(url) for url in urls]
        self.all = list({(s.host, s.port, s.path): s for s in found}.values())
        self._lock = threading.Lock()

    @property
    def names(self) -> str:
        """For messages."""
        return ", ".join(server.name for server in self.all)

    @contextmanager
    def borrowed(self, tried: Collection[Server]) -> Iterator[Server | None]:
        """A server that was not tried yet: one that is not resting, with least to do; None where all were tried."""
        with self._lock:
            now = time.monotonic()
            left = [server for server in self.all if server not in tried]
            chosen = min(left, key=lambda s: (max(s.rests_until - now, 0.0), s.in_flight), default=None)
            if chosen is not None:
                chosen.in_flight += 1
        try:
            yield chosen
        finally:
            if chosen is not None:
                with self._lock:
                    chosen.in_flight -= 1

    def failed(self, server: Server) -> None:
        """Leave it alone for a while."""
        with self._lock:
            server.failures += 1
            server.model = ""  # who comes back may be somebody else
            rest = min(FIRST_REST_SECONDS * 2 ** (server.failures - 1), LONGEST_REST_SECONDS)
            server.rests_until = time.monotonic() + rest

    def answered(self, server: Server) -> None:
        """It is well."""
        with self._lock:
            server.failures, server.rests_until = 0, 0.0
