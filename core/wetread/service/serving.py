"""Starting the service: loopback unless somebody says otherwise in so many words."""

from __future__ import annotations

import ipaddress
import logging
import socket
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from wetread.errors import RefusedInput

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from wetread.archive import Archive
    from wetread.reading import Reader
    from wetread.records.database import Database
    from wetread.service.access.people import Access
    from wetread.service.model_switch import SwitchingReader

logger = logging.getLogger(__name__)
SWITCH_SECONDS = 0.0005


def serve(
    archive: Archive,
    host: str,
    port: int,
    *,
    reader: Reader | SwitchingReader,
    allow_remote: bool = False,
    announce: Callable[[str], None] = logger.info,
    database: Database | str | Path | None = None,
    workers: int = 1,
    access: Access | None = None,
    time_limit: float | None = None,
    cors_origins: Sequence[str] = (),
    viewer: Path | None = None,
) -> None:
    """Serve until interrupted.

    Args:
        archive: see `create_app`.
        host: address to listen on.
        port: TCP port; 0 takes a free one.
        reader: see `create_app`.
        allow_remote: must be True for an address that other machines can reach, where there is no `access`.
        announce: told the address once it listens.
        database: see `create_app`.
        workers: see `create_app`.
        access: see `create_app`; with it, other machines may reach the service, without it they may not unless
            `allow_remote`.
        time_limit: see `create_app`.
        cors_origins: see `create_app`.
        viewer: see `create_app`.

    Raises:
        RefusedInput: a host that is not loopback without `allow_remote`, or an address that cannot be used.
    """
    check_host(host, allow_remote or access is not None)
    import warnings

    import uvicorn

    from wetread.service.app import LOOPBACK, create_app

    # pydicom's warnings quote values, and access logs hold queries with patient names: neither is written.
    warnings.filterwarnings("ignore", module=r"pydicom(\..*)?")
    logging.getLogger("dicomweb_client").setLevel(logging.WARNING)
    hosts = ["*"] if allow_remote or access is not None else [*LOOPBACK, host]
    # A model that computes in this process keeps the interpreter so long before others get a turn, and a request needs
    # several turns (benchmarks/service_load.py).
    sys.setswitchinterval(SWITCH_SECONDS)
    app = create_app(archive, reader, database=database, workers=workers, allowed_hosts=hosts, access=access,
                     time_limit=time_limit, cors_origins=cors_origins, viewer=viewer)  # fmt: skip
    listener = open_listener(host, port)
    address = f"[{host}]" if ":" in host else host
    announce(f"Wetread serves http://{address}:{listener.getsockname()[1]}/  (Ctrl-C stops)")
    configuration = uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=3)
    logging.getLogger("uvicorn.error").addFilter(_without_traceback)

    class Server(uvicorn.Server):
        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            # Streams of events last as long as their reads: end these first, or leaving waits for them.
            app.state.changes.end()
            await super().shutdown(sockets)

    with suppress(KeyboardInterrupt):  # raised again by uvicorn once it has left; leaving was the wish
        Server(configuration).run(sockets=[listener])


def _without_traceback(record: logging.LogRecord) -> bool:
    """Keep a record's message and drop the traceback, whose texts may hold patient data."""
    record.exc_info = None
    record.exc_text = None
    return True


def check_host(host: str, allow_remote: bool) -> None:
    """Refuse an address that other machines can reach, unless that is wanted.

    Raises:
        RefusedInput: not loopback, and `allow_remote` is False.
    """
    if allow_remote or host == "localhost":
        return
    try:
        is_loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback:
        raise RefusedInput(
            "other machines could reach this address, and nobody is asked who he is",
            host,
            "use 127.0.0.1, or give --tokens or --oidc-issuer, or --allow-remote behind a proxy that asks",
        )


def open_listener(host: str, port: int) -> socket.socket:
    """A listening TCP socket; port 0 takes a free one.

    Raises:
        RefusedInput: the address cannot be used.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named because asyncio switches Nagle's algorithm off only on sockets that say they are TCP; with
    # it, every small answer on a kept connection waits 40 ms for the client's delayed acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise RefusedInput(
            f"cannot listen ({error.strerror or type(error).__name__})", f"{host}:{port}", "choose another port"
        ) from None
    return listener
