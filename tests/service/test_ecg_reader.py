"""An ECG through the whole service: no SEG, a report in the archive, the tracing as the picture."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
import requests
from fastapi import FastAPI
from PIL import Image

from ecg_phantoms import ecg
from tiny_ecg_models import build_ecg_model
from wetread.archive.folder import FolderArchive
from wetread.reading import Reader
from wetread.reading import waveforms as module
from wetread.service.app import create_app


@pytest.mark.parametrize("model", ["wetread-mini", "tiny"])
def test_an_ecg_is_read_stored_and_drawn(
    archive: FolderArchive,
    serving: Callable[[FastAPI], AbstractContextManager[str]],
    model: str,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "LONGEST_ANSWER", 12)
    reader = Reader(model if model != "tiny" else build_ecg_model("qwen2_5_vl", tmp_path_factory.mktemp("model")))
    recording = ecg(name="service")
    archive.store([recording]).require_complete()
    with serving(create_app(archive, reader)) as address:
        api = f"{address}/wetread/v1"
        body = {"study_uid": recording.StudyInstanceUID, "series_uid": recording.SeriesInstanceUID}
        job = requests.post(f"{api}/reads", json=body, timeout=10).json()["uid"]
        requests.get(f"{api}/reads/{job}/events", timeout=300)
        view = requests.get(f"{api}/reads/{job}", timeout=10).json()
        assert view["state"] == "COMPLETED", view["reason"]
        document = requests.get(f"{api}/reads/{job}/result", timeout=10).json()
        picture = requests.get(f"{api}/reads/{job}/overlay.png", timeout=30)
    assert document["kind"] == "waveform"
    assert document["abstention"] is None
    assert Image.open(io.BytesIO(picture.content)).width == 1608
    assert {link["kind"] for link in view["stored"]} == {"SR"}
