"""A stock MONAI Label server with Wetread's app, on a free port of this machine's loopback."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

APP = Path(__file__).parents[2] / "monailabel_app"
START_SECONDS = 240


@contextmanager
def monailabel_server(studies: Path | str, work: Path, **conf: str) -> Iterator[str]:
    """Its address; `conf` are the app's options."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "monailabel.main", "start_server", "--app", str(APP), "--studies", str(studies)]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    for name, value in conf.items():
        command += ["--conf", name, value]
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "MONAI_LABEL_SESSION_PATH": str(work / "sessions"),
    }
    log = work / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=work, env=environment, stdout=output, stderr=subprocess.STDOUT)
    url, started = f"http://127.0.0.1:{port}", time.monotonic()
    try:
        while not _answers(url):
            if process.poll() is not None or time.monotonic() - started > START_SECONDS:
                raise RuntimeError(f"The server did not start:\n{log.read_text()[-3000:]}")
            time.sleep(0.5)
        yield url
    finally:
        process.terminate()
        process.wait(30)


def _answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/info/", timeout=30).status_code in (200, 401)
    except requests.ConnectionError:
        return False
