"""A line to an HTTP server that goes wrong in chosen ways, as networks, login pages and overfull archives do.

    with faulty_proxy("http://127.0.0.1:8042", lambda method: rng.choice(FAULTS)) as proxy: ... proxy.url ...

Every request asks `fault(method)` what goes wrong with it; None lets it through untouched.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

FAULTS = ("unavailable", "hang", "lost answer", "reset", "unauthorised", "login page", "failed 202", "conflict 409")
HANG_SECONDS = 3.0


@dataclass
class FaultyProxy:
    """A running proxy: its root, how many requests came, and what went wrong with how many of them."""

    url: str = ""
    requests: int = 0
    faults: Counter[str] = field(default_factory=Counter)


@contextmanager
def faulty_proxy(target: str, fault: Callable[[str], str | None]) -> Iterator[FaultyProxy]:
    """A proxy on a free port of this machine's loopback, in threads of this process."""
    host, lock, told = urlsplit(target), threading.Lock(), FaultyProxy()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def handle(self) -> None:
            with suppress(OSError):  # the client gave up, or we hung up on it
                super().handle()

        def do_GET(self) -> None:
            self.pass_on(b"")

        def do_POST(self) -> None:
            self.pass_on(self.body())

        def body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            pieces = []
            while size := int(self.rfile.readline() or b"0", 16):
                pieces.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(pieces)

        def pass_on(self, body: bytes) -> None:
            with lock:
                told.requests += 1
                wrong = fault(self.command)
                told.faults.update([wrong] if wrong else [])
            match wrong:
                case "hang":
                    time.sleep(HANG_SECONDS)
                    self.close_connection = True
                case "reset":
                    # SO_LINGER of zero: the connection ends with RST instead of FIN.
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    self.connection.close()
                    self.close_connection = True
                case "lost answer":
                    self.forwarded(body)
                    self.close_connection = True
                case "unavailable":
                    self.answer(503, "text/plain", b"busy")
                case "unauthorised":
                    self.answer(401, "text/plain", b"who are you")
                case "login page":
                    self.answer(200, "text/html", b"<html>please log in</html>")
                case "failed 202":
                    self.answer(202, "application/dicom+json", _failure(0x0122))
                case "conflict 409":
                    self.answer(409, "application/dicom+json", _failure(0x0110))
                case _:
                    self.answer(*self.forwarded(body))

        def forwarded(self, body: bytes) -> tuple[int, str, bytes]:
            assert host.hostname is not None
            connection = HTTPConnection(host.hostname, host.port or 80, timeout=30)
            kept = ("Authorization", "Content-Type", "Accept")
            headers = {name: self.headers[name] for name in kept if self.headers.get(name)}
            connection.request(self.command, host.path + self.path, body=body or None, headers=headers)
            response = connection.getresponse()
            content = response.read()
            connection.close()
            return response.status, response.headers.get("Content-Type", ""), content

        def answer(self, status: int, kind: str, content: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            pass  # connections are broken on purpose

    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    told.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield told
    finally:
        server.shutdown()
        server.server_close()


def _failure(reason: int) -> bytes:
    """A STOW-RS answer (PS3.18 10.5.3) by which nothing was taken; no instance is named."""
    item = {"00081197": {"vr": "US", "Value": [reason]}}
    return json.dumps({"00081198": {"vr": "SQ", "Value": [item]}}).encode()
