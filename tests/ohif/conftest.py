"""A viewer for each release, and services over archives with one study in them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset

from ohif import Viewer, chromium, folder_of, plugin, viewer
from orthanc import orthanc
from running_service import running
from wetread.archive.folder import FolderArchive
from wetread.commands.viewer import DEFAULT_RELEASE
from wetread.imaging.wrap_picture import wrap_picture
from wetread.terminology import Modality
from wetread.training.phantoms import drawn_nuclei

__all__ = ["chromium", "orthanc", "plugin"]


@pytest.fixture
def release() -> Path:
    """The folder of the default OHIF."""
    return folder_of(DEFAULT_RELEASE)


@pytest.fixture
def tab(chromium: Any) -> Iterator[Viewer]:
    with viewer(chromium) as opened:
        yield opened
        assert opened.own_errors() == [], "the plugin adds no error to the console"


@pytest.fixture
def archive(tmp_path: Path) -> FolderArchive:
    return FolderArchive(tmp_path / "archive")


@pytest.fixture
def serving() -> Any:
    return running


@pytest.fixture(scope="session")
def tissue() -> Dataset:
    """A drawn picture of stained nuclei, which the shipped model reads."""
    dataset = wrap_picture(drawn_nuclei(np.random.default_rng(7))[0], Modality.PATHOLOGY)
    dataset.PatientName = "Müller^Änne"
    return dataset
