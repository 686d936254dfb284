"""A service over a fresh folder archive, on a real socket of this machine's loopback."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from dicomweb_client import DICOMwebClient
from fastapi import FastAPI

from bright_pixel_reader import BrightPixelReader
from running_service import running
from wetread.archive.folder import FolderArchive
from wetread.service.app import create_app


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
