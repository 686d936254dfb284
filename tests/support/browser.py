"""A headless Chromium, driven by its own protocol (Chrome DevTools) over a WebSocket (RFC 6455) of the least kind."""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
)


class Page:
    """One page of the browser."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        self._socket = socket.create_connection((parts.hostname, parts.port), 60)
        key = base64.b64encode(os.urandom(16)).decode()
        asked = (
            f"GET {parts.path} HTTP/1.1", f"Host: {parts.netloc}", "Upgrade: websocket", "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", "", "",
        )  # fmt: skip
        self._socket.sendall("\r\n".join(asked).encode())
        self._stream = self._socket.makefile("rb")
        assert b"101" in self._stream.readline()
        while self._stream.readline().strip():
            pass
        self._number = 0

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the protocol and its result."""
        self._number += 1
        self._send(json.dumps({"id": self._number, "method": method, "params": parameters}).encode())
        while True:
            answer = json.loads(self._receive())
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]

    def open(self, address: str) -> None:
        """Go to an address."""
        self.call("Page.navigate", url=address)

    def run(self, script: str) -> Any:
        """The value of a script."""
        answer = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait(self, script: str, seconds: float = 30.0) -> None:
        """Until a script is true."""
        deadline = time.monotonic() + seconds
        # What is not there yet is not true yet.
        while not self.run(f"(() => {{ try {{ return Boolean({script}) }} catch {{ return false }} }})()"):
            assert time.monotonic() < deadline, f"never: {script}\n{self.run('document.body.innerText')}"
            time.sleep(0.1)

    def press_enter(self) -> None:
        """Press and let go of the key."""
        for kind in ("keyDown", "keyUp"):
            self.call(
                "Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", text="\r", windowsVirtualKeyCode=13
            )

    def close(self) -> None:
        """Leave."""
        self._stream.close()
        self._socket.close()

    def _send(self, content: bytes) -> None:
        mask, length = os.urandom(4), len(content)
        head = struct.pack("!BB", 0x81, 0x80 | length) if length < 126 else struct.pack("!BBH", 0x81, 0xFE, length)
        masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(content))
        self._socket.sendall(head + mask + masked)

    def _receive(self) -> bytes:
        found = b""
        while True:
            first, second = self._stream.read(2)
            length = second & 0x7F
            if length == 126:
                (length,) = struct.unpack("!H", self._stream.read(2))
            elif length == 127:
                (length,) = struct.unpack("!Q", self._stream.read(8))
            content = self._stream.read(length)
            if first & 0x0F in (0, 1):
                found += content
                if first & 0x80:
                    return found


@contextmanager
def browser() -> Iterator[Page]:
    """A fresh browser with one page."""
    with tempfile.TemporaryDirectory(prefix="wetread-browser-", ignore_cleanup_errors=True) as folder:
        process = subprocess.Popen(
            [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0",
             "--remote-allow-origins=*", f"--user-data-dir={folder}", "about:blank"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            told = Path(folder) / "DevToolsActivePort"
            deadline = time.monotonic() + 60
            while not (told.is_file() and told.read_text().count("\n")):
                assert time.monotonic() < deadline, "the browser does not start"
                time.sleep(0.1)
            port = told.read_text().split()[0]
            pages = requests.get(f"http://127.0.0.1:{port}/json/list", timeout=30).json()
            page = Page(next(one["webSocketDebuggerUrl"] for one in pages if one["type"] == "page"))
            yield page
            page.close()
        finally:
            process.terminate()
            process.wait(30)
