"""The service over a PACS: browse, read and store back through a real Orthanc."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from io import BytesIO
from pathlib import Path

import pytest
import requests
from fastapi import FastAPI
from PIL import Image

from bright_pixel_reader import BrightPixelReader
from dicom_phantoms import ct_series
from orthanc import OrthancServer, orthanc
from wetread.archive.dicomweb import DicomwebArchive
from wetread.service.app import create_app

__all__ = ["orthanc"]
pytestmark = pytest.mark.orthanc


def test_a_study_in_a_pacs_is_listed_read_and_answered_there(
    orthanc: OrthancServer,
    serving: Callable[[FastAPI], AbstractContextManager[str]],
    tmp_path: Path,
) -> None:
    pacs = DicomwebArchive(orthanc.url, user=orthanc.user, password=orthanc.password)
    image = ct_series()[0]
    pacs.store(ct_series()).require_complete()
    with serving(create_app(pacs, BrightPixelReader(), database=tmp_path / "records.sqlite")) as address:
        api = f"{address}/wetread/v1"
        capabilities = requests.get(f"{api}/capabilities", timeout=10).json()
        assert (capabilities["archive"], capabilities["dicomweb"]) == (orthanc.url, None)
        (study,) = requests.get(f"{api}/studies", timeout=30).json()
        (series,) = requests.get(f"{api}/studies/{study['uid']}/series", timeout=30).json()
        picture = requests.get(f"{api}/studies/{study['uid']}/series/{series['uid']}/picture", timeout=30)
        assert Image.open(BytesIO(picture.content)).size == (image.Columns, image.Rows)
        body = {"study_uid": study["uid"], "series_uid": series["uid"]}
        job = requests.post(f"{api}/reads", json=body, timeout=10).json()["uid"]
        requests.get(f"{api}/reads/{job}/events", timeout=120)
        deadline = time.monotonic() + 60
        view = requests.get(f"{api}/reads/{job}", timeout=10).json()
        while any(one["state"] == "waiting" for one in view["stored"]):
            assert time.monotonic() < deadline, view
            time.sleep(0.1)
            view = requests.get(f"{api}/reads/{job}", timeout=10).json()
    assert view["state"] == "COMPLETED", view["reason"]
    assert [link["state"] for link in view["stored"]] == ["stored", "stored"]
    for link in view["stored"]:
        held = pacs.retrieve_instance(study["uid"], link["series_uid"], link["sop_instance_uid"])
        assert held.Modality == link["kind"]
