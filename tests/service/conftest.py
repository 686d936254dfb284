"""A service over a fresh folder archive, on a real socket of this machine's loopback."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn
from dicomweb_client import DICOMwebClient
from fastapi import FastAPI

from bright_pixel_reader import BrightPixelReader
from wetread.archive.folder import FolderArchive
from wetread.service.app import create_app
from wetread.service.serving import open_listener


@contextmanager
def running(app: FastAPI) -> Iterator[str]:
    """The app on a free port of 127.0.0.1; yields its address."""
    listener = open_listener("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=2))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(20)
        listener.close()


@pytest.fixture
def archive(tmp_path: Path) -> FolderArchive:
    return FolderArchive(tmp_path / "archive")


@pytest.fixture
def serving() -> Callable[[FastAPI], object]:
    return running


@pytest.fixture
def address(archive: FolderArchive) -> Iterator[str]:
    with running(create_app(archive, BrightPixelReader())) as url:
        yield url


@pytest.fixture
def client(address: str) -> DICOMwebClient:
    return DICOMwebClient(f"{address}/dicom-web")
