"""One read by the shipped model through the whole service: archive, reader, SEG and SR, archive."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
import requests
from fastapi import FastAPI

from dicom_phantoms import visible_light
from wetread.archive.folder import FolderArchive
from wetread.errors import ModelUnavailable
from wetread.reading import Reader
from wetread.service.app import create_app


def test_the_shipped_model_reads_through_the_service(
    archive: FolderArchive, serving: Callable[[FastAPI], AbstractContextManager[str]]
) -> None:
    try:
        reader = Reader()
    except ModelUnavailable as missing:
        pytest.skip(f"the shipped model is not there: {missing}")
    (image,) = visible_light()
    archive.store([image]).require_complete()
    with serving(create_app(archive, reader)) as address:
        api = f"{address}/wetread/v1"
        body = {"study_uid": image.StudyInstanceUID, "series_uid": image.SeriesInstanceUID}
        job = requests.post(f"{api}/reads", json=body, timeout=10).json()["uid"]
        stream = requests.get(f"{api}/reads/{job}/events", timeout=300).text
        view = requests.get(f"{api}/reads/{job}", timeout=10).json()
        assert view["state"] == "COMPLETED", view["reason"]
        document = requests.get(f"{api}/reads/{job}/result", timeout=10).json()
    pieces = [json.loads(line[6:]) for line in stream.splitlines() if line.startswith("data: ")]
    assert "".join(piece.get("text", "") for piece in pieces) == view["text"]
    assert document["model"]["name"] == reader.info.name
    assert document["model"]["answer_tokens"] > 0
    kinds = {link["kind"] for link in view["stored"]}
    assert kinds == ({"SR"} if document["abstention"] else {"SEG", "SR"})
