"""What is around the extension in its tests: the service in a process of its own, settings, time."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

from slicer_scene import load

from WetreadLib.client import ServiceClient
from WetreadLib.consent import Consent
from WetreadLib.transfers import upload

ROOT = Path(__file__).parents[2]
ENGINE = os.environ.get("WETREAD_PYTHON", str(ROOT / ".venv" / "bin" / "python"))
"""The Python in which the engine is installed."""


class Service:
    """The service over a folder; can be killed and started again on the same port."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder, self.options, self.address, self.process = folder, options, "", None
        self.start()

    def start(self) -> None:
        port = self.address.rpartition(":")[2] or "0"
        command = [ENGINE, str(Path(__file__).parent / "service.py"), "--archive", str(self.folder), "--port", port]
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "core")}
        self.process = subprocess.Popen(
            [*command, *self.options], stdout=subprocess.PIPE, text=True, env=environment
        )
        self.address = self.process.stdout.readline().strip()
        assert self.address.startswith("http"), "the service did not start"

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(20)


class Settings(dict):
    """As much of QSettings as is used."""

    def value(self, key):
        return self.get(key)

    def setValue(self, key, value):
        self[key] = value


def until(is_true, seconds: float = 30, often=lambda: None) -> None:
    """Wait, and do what a timer would do meanwhile."""
    ends = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < ends, "it did not come to pass"
        often()
        time.sleep(0.005)


def agreed(address: str, token: str = "") -> ServiceClient:
    """A client that may send."""
    consent = Consent(Settings())
    consent.give(address)
    return ServiceClient(address, token, consent)


def work(session):
    """What the timer does for a session."""

    def often() -> None:
        session.background.poll()
        session.decisions.tick()

    return often


def opened(session, series, folder: Path, **how):
    """A series in the archive and in the scene, and the session turned to it."""
    node = load(session.scene, series, folder, **how)
    upload(session.client, sorted(folder.glob("*.dcm")))
    session.open(node)
    until(lambda: session.planes, often=work(session))
    return node


def read(session, question: str = "Please segment liver in the given image.") -> None:
    """Ask, and wait until it is shown."""
    session.ask(question)
    until(lambda: session.phase == "failed" or session.screen.shown is not None, often=work(session))
    assert session.failure == ""


def sent(session) -> None:
    """Until the server has every decision."""
    until(lambda: not session.drafts.isWaiting(session.job), often=work(session))
