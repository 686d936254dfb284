"""``/wetread/v1``: reads as jobs, with events, results, cancelling, and errors that a person can act on."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from io import BytesIO
from typing import Any

import pytest
import requests
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image
from pydicom import Dataset, dcmread

from bright_pixel_reader import BrightPixelReader
from dicom_phantoms import PATIENT_ID, PATIENT_NAME, ct_series
from wetread.archive.folder import FolderArchive
from wetread.errors import RefusedInput
from wetread.service.app import create_app
from wetread.service.serving import check_host

Serving = Callable[[FastAPI], AbstractContextManager[str]]


@pytest.fixture
def ct(archive: FolderArchive) -> Dataset:
    datasets = ct_series()
    archive.store(datasets).require_complete()
    return datasets[0]


@pytest.fixture
def api(address: str) -> str:
    return f"{address}/wetread/v1"


def submit(api: str, image: Dataset, question: str | None = None) -> dict[str, Any]:
    body = {"study_uid": image.StudyInstanceUID, "series_uid": image.SeriesInstanceUID, "question": question}
    response = requests.post(f"{api}/reads", json=body, timeout=10)
    assert response.status_code == 202, response.text
    assert response.headers["Location"].endswith(response.json()["uid"])
    return response.json()


def events(api: str, uid: str, after: int | None = None) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """Events until the service ends the stream."""
    headers = {} if after is None else {"Last-Event-ID": str(after)}
    with requests.get(f"{api}/reads/{uid}/events", headers=headers, stream=True, timeout=60) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        for block in response.text.split("\n\n"):
            fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
            if "id" in fields:  # what is true of a moment alone (position, pause) has none
                yield int(fields["id"]), fields["event"], json.loads(fields["data"])


def delivered(api: str, uid: str) -> dict[str, Any]:
    """A finished read, once none of its objects waits any more."""
    deadline = time.monotonic() + 30
    while True:
        view = requests.get(f"{api}/reads/{uid}", timeout=10).json()
        if view["stored"] and all(one["state"] != "waiting" for one in view["stored"]):
            return view
        assert time.monotonic() < deadline, view
        time.sleep(0.05)


def test_capabilities_say_what_reads_and_what_it_covers(api: str) -> None:
    said = requests.get(f"{api}/capabilities", timeout=10).json()
    assert said["model"]["name"] == "test-double"
    assert said["model"]["modalities"] == ["CT"]
    assert said["dicomweb"] == "/dicom-web"
    assert said["notice"] == "Preliminary - not for diagnosis until verified"


def test_a_read_runs_to_completed_and_its_objects_are_in_the_archive(
    api: str, ct: Dataset, archive: FolderArchive
) -> None:
    job = submit(api, ct, "Is there a liver?")
    assert job["state"] in ("SCHEDULED", "IN PROGRESS")
    seen = list(events(api, job["uid"]))
    states = [data["state"] for _, kind, data in seen if kind == "state"]
    assert states == ["SCHEDULED", "IN PROGRESS", "COMPLETED"]
    assert "".join(data["text"] for _, kind, data in seen if kind == "text") == (
        "I am a test double, I mark bright pixels."
    )
    shares = [data["progress"] for _, kind, data in seen if kind == "progress"]
    assert shares == sorted(shares)
    assert [number for number, _, _ in seen] == list(range(1, len(seen) + 1))

    view = delivered(api, job["uid"])
    assert (view["state"], view["progress"], view["reason"]) == ("COMPLETED", 1.0, "")
    document = requests.get(f"{api}/reads/{job['uid']}/result", timeout=10).json()
    assert document["question"] == "Is there a liver?"
    assert document["findings"][0]["label"] == "liver"
    overlay = requests.get(f"{api}/reads/{job['uid']}/overlay.png", timeout=10)
    assert Image.open(BytesIO(overlay.content)).format == "PNG"

    stored = {link["kind"]: link for link in view["stored"]}
    assert set(stored) == {"SEG", "SR"}
    for kind, link in stored.items():
        held = archive.retrieve_instance(ct.StudyInstanceUID, link["series_uid"], link["sop_instance_uid"])
        assert held.Modality == kind
        downloaded = requests.get(
            f"{api}/studies/{ct.StudyInstanceUID}/series/{link['series_uid']}/instances/{link['sop_instance_uid']}/file",
            timeout=10,
        )
        assert dcmread(BytesIO(downloaded.content)).SOPInstanceUID == link["sop_instance_uid"]


def test_a_listener_goes_on_where_it_stopped(api: str, ct: Dataset) -> None:
    job = submit(api, ct)
    everything = list(events(api, job["uid"]))
    assert list(events(api, job["uid"], after=3)) == everything[3:]


def test_the_service_answers_while_a_read_runs_and_cancels_it(
    archive: FolderArchive, ct: Dataset, serving: Serving
) -> None:
    gate = threading.Event()
    with serving(create_app(archive, BrightPixelReader(gate))) as address:
        api = f"{address}/wetread/v1"
        running, waiting = submit(api, ct), submit(api, ct)
        deadline = time.monotonic() + 10
        while requests.get(f"{api}/reads/{running['uid']}", timeout=5).json()["stage"] != "writing":
            assert time.monotonic() < deadline
            time.sleep(0.02)
        began = time.monotonic()
        assert requests.get(f"{api}/health", timeout=5).json() == {"status": "ok", "waiting": 2}
        assert time.monotonic() - began < 1.0
        assert requests.delete(f"{api}/reads/{waiting['uid']}", timeout=5).json()["state"] == "CANCELED"
        assert requests.delete(f"{api}/reads/{running['uid']}", timeout=5).json()["reason"] == "cancelled"
        assert [data["state"] for _, kind, data in events(api, waiting["uid"]) if kind == "state"] == [
            "SCHEDULED", "CANCELED"]  # fmt: skip
        gate.set()
        done = submit(api, ct)
        assert list(events(api, done["uid"]))[-1][2]["state"] == "COMPLETED"
        delivered(api, done["uid"])
        listed = requests.get(f"{api}/reads", timeout=5).json()
        assert [view["state"] for view in listed] == ["COMPLETED", "CANCELED", "CANCELED"]
    assert len(archive.search_series(filters={"Modality": "SR"})) == 1


def test_a_result_that_is_not_there_is_a_409_with_the_reason(api: str, archive: FolderArchive) -> None:
    image = ct_series()[0]
    archive.root.mkdir(exist_ok=True)
    job = submit(api, image)
    assert list(events(api, job["uid"]))[-1][2]["state"] == "CANCELED"
    response = requests.get(f"{api}/reads/{job['uid']}/result", timeout=10)
    assert response.status_code == 409
    assert "no such series" in response.json()["what"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/reads/unknown", None, 404),
        ("DELETE", "/reads/unknown", None, 404),
        ("GET", "/reads/unknown/events", None, 404),
        ("GET", "/nothing-here", None, 404),
        ("POST", "/reads", {"study_uid": "../../etc/passwd", "series_uid": "1.2"}, 400),
        ("POST", "/reads", {"study_uid": "1.2", "series_uid": "1" * 70}, 422),
        ("POST", "/reads", {"study_uid": "1.2"}, 422),
        ("POST", "/reads", {"study_uid": "1.2", "series_uid": "1.3", "question": "x" * 3000}, 422),
        ("GET", "/studies/..%2f..%2fetc/series", None, 404),
        ("GET", "/studies/1.2/series/1.3/picture", None, 404),
    ],
)
def test_errors_say_what_where_and_remedy(api: str, method: str, path: str, body: object, status: int) -> None:
    response = requests.request(method, api + path, json=body, timeout=10)
    assert response.status_code == status
    assert set(response.json()) == {"what", "where", "remedy"}
    assert "Traceback" not in response.text


def test_a_failure_inside_is_told_without_patient_data(
    archive: FolderArchive, ct: Dataset, serving: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    reader = BrightPixelReader(error=ValueError(f"something about {PATIENT_NAME} {PATIENT_ID}"))
    with serving(create_app(archive, reader)) as address:
        api = f"{address}/wetread/v1"
        requests.get(f"{address}/dicom-web/studies", params={"PatientName": PATIENT_NAME}, timeout=10)
        job = submit(api, ct)
        last = list(events(api, job["uid"]))[-1][2]
        requests.get(f"{api}/studies", timeout=10)
    assert last["state"] == "CANCELED"
    assert "internal error (ValueError)" in last["reason"]
    ours = "\n".join(r.getMessage() for r in caplog.records if not r.name.startswith(("urllib3", "dicomweb_client")))
    for secret in (PATIENT_NAME, PATIENT_ID, "Traceback"):
        assert secret not in last["reason"]
        assert secret not in ours
    assert "ValueError at" in ours


def test_an_unexpected_error_is_a_500_and_one_line_of_log(
    archive: FolderArchive,
    ct: Dataset,
    serving: Serving,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(*_: object) -> None:
        raise ValueError(f"found {PATIENT_NAME}")

    with serving(create_app(archive, BrightPixelReader())) as address:
        monkeypatch.setattr(archive, "query", broken)
        response = requests.get(f"{address}/dicom-web/studies", timeout=10)
    assert response.status_code == 500
    assert response.json()["what"] == "internal error"
    (record,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert "ValueError at" in record.getMessage()
    assert record.exc_info is None
    assert PATIENT_NAME not in response.text + caplog.text


def test_the_archive_is_listed_for_the_page(api: str, ct: Dataset) -> None:
    (study,) = requests.get(f"{api}/studies", timeout=10).json()
    assert (study["patient_name"], study["modalities"]) == (", ".join(PATIENT_NAME.split("^")), ["CT"])
    (series,) = requests.get(f"{api}/studies/{study['uid']}/series", timeout=10).json()
    assert series["has_picture"]
    picture = requests.get(f"{api}/studies/{study['uid']}/series/{series['uid']}/picture", timeout=10)
    assert Image.open(BytesIO(picture.content)).size == (ct.Columns, ct.Rows)


def test_the_page_is_all_from_this_machine(address: str) -> None:
    page = requests.get(address, timeout=10)
    assert "Preliminary - not for diagnosis until verified" in page.text
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]
    for name in ("wetread.css", "session.js", "wetread.js", "admin.js", "favicon.svg"):
        text = requests.get(f"{address}/static/{name}", timeout=10).text
        assert "http://" not in text.replace("http://www.w3.org/2000/svg", "")
        assert "https://" not in text
    assert "https://" not in page.text
    assert requests.get(f"{address}/static/..%2findex.html", timeout=10).status_code == 404


def test_a_request_under_another_name_is_refused(archive: FolderArchive) -> None:
    app = create_app(archive, BrightPixelReader())
    assert TestClient(app, base_url="http://rebound.example").get("/wetread/v1/health").status_code == 400
    assert TestClient(app, base_url="http://127.0.0.1").get("/wetread/v1/health").status_code == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
def test_only_loopback_unless_told_in_so_many_words(host: str) -> None:
    with pytest.raises(RefusedInput, match="other machines could reach"):
        check_host(host, allow_remote=False)
    check_host(host, allow_remote=True)
    for loopback in ("127.0.0.1", "::1", "localhost"):
        check_host(loopback, allow_remote=False)
