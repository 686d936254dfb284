"""What an integrator tries first against a PACS: signing thrice at once, a UID that is taken, headers with gaps."""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from pydicom import Dataset

import validators
from bright_pixel_reader import BrightPixelReader
from dicom_phantoms import ct_series
from faulty_proxy import faulty_proxy
from orthanc import OrthancServer, orthanc_server, why_not
from wetread.archive.dicomweb import DicomwebArchive
from wetread.archive.outbox import OutboxState
from wetread.service.app import create_app

pytestmark = pytest.mark.orthanc
API = "/wetread/v1"


@pytest.fixture
def orthanc(tmp_path: Path) -> Iterator[OrthancServer]:
    """An empty one for each test: the reader of these tests counts its UIDs anew in every service."""
    if reason := why_not():
        pytest.skip(reason)
    with orthanc_server(tmp_path / "orthanc") as server:
        yield server


def pacs_of(orthanc: OrthancServer, root: str = "") -> DicomwebArchive:
    url = f"{root or orthanc.root}/dicom-web"
    return DicomwebArchive(url, user=orthanc.user, password=orthanc.password, timeout=(5.0, 10.0))


def client_of(archive: DicomwebArchive, folder: Path) -> TestClient:
    app = create_app(archive, BrightPixelReader(), database=folder / "records.sqlite", allowed_hosts=["*"])
    return TestClient(app)


def study(name: str) -> list[Dataset]:
    return ct_series(3, name=name)


def read(client: TestClient, images: list[Dataset]) -> str:
    body = {"study_uid": images[0].StudyInstanceUID, "series_uid": images[0].SeriesInstanceUID}
    uid = client.post(f"{API}/reads", json=body).json()["uid"]
    client.get(f"{API}/reads/{uid}/events")
    view = client.get(f"{API}/reads/{uid}").json()
    assert view["state"] == "COMPLETED", view["reason"]
    return uid


def settled(client: TestClient, seconds: float = 60.0) -> dict[str, int]:
    """The outbox's counts when nothing waits any more, or the time is over."""
    deadline = time.monotonic() + seconds
    while True:
        counts = client.get(f"{API}/outbox").json()["counts"]
        if not counts["waiting"] or time.monotonic() > deadline:
            return counts
        time.sleep(0.1)


def test_signing_three_times_at_once_gives_one_set_of_objects(orthanc: OrthancServer, tmp_path: Path) -> None:
    images, pacs = study("thrice"), pacs_of(orthanc)
    pacs.store(images).require_complete()
    with client_of(pacs, tmp_path) as client:
        job = read(client, images)
        finding = client.get(f"{API}/reads/{job}/verdicts").json()["findings"][0]["tracking_uid"]
        accept = [{"tracking_uid": finding, "decision": "accept"}]
        assert client.post(f"{API}/reads/{job}/verdicts", json=accept).status_code == 200
        answers: list[dict] = []
        threads = [
            threading.Thread(target=lambda: answers.append(client.post(f"{API}/reads/{job}/signature").json()))
            for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len({answer["uid"] for answer in answers}) == 1
        assert settled(client)["stored"] == 3, "SEG and SR of the read, SR of the signature"
        client.post(f"{API}/reads/{job}/signature")
        settled(client)
    held = pacs.search_instances(images[0].StudyInstanceUID)
    assert len(held) == len(images) + 3


def test_other_content_under_the_uid_is_a_conflict_and_is_shown(orthanc: OrthancServer, tmp_path: Path) -> None:
    images, pacs = study("taken"), pacs_of(orthanc)
    pacs.store(images).require_complete()
    with client_of(pacs, tmp_path) as client:
        outbox = client.app.state.backing.outbox  # type: ignore[attr-defined]
        first = copy.deepcopy(images[0])
        first.SOPInstanceUID = first.file_meta.MediaStorageSOPInstanceUID = "2.25.4242"
        pacs.store([first]).require_complete()
        second = copy.deepcopy(first)
        second.WindowWidth = 17
        outbox.put("2.25.1", [("image", second)])
        settled(client)
        (shown,) = client.get(f"{API}/outbox").json()["items"]
        assert shown["state"] == OutboxState.CONFLICT
        assert "WindowWidth" in shown["reason"]
        assert client.post(f"{API}/outbox/retry", json={}).json() == {"retried": 0}
    kept = pacs.retrieve_instance(first.StudyInstanceUID, first.SeriesInstanceUID, "2.25.4242")
    assert kept.WindowWidth == first.WindowWidth


def test_a_study_with_gaps_in_its_header_comes_back_valid(orthanc: OrthancServer, tmp_path: Path) -> None:
    images, pacs = study("gaps"), pacs_of(orthanc)
    for image in images:
        for keyword in ("StudyID", "AccessionNumber", "PatientBirthDate", "PatientSex", "StudyTime"):
            image.pop(keyword, None)
    pacs.store(images).require_complete()
    with client_of(pacs, tmp_path) as client:
        job = read(client, images)
        assert settled(client)["stored"] == 2
        for one in client.get(f"{API}/reads/{job}").json()["stored"]:
            held = pacs.retrieve_instance(images[0].StudyInstanceUID, one["series_uid"], one["sop_instance_uid"])
            held.save_as(tmp_path / f"{one['kind']}.dcm", enforce_file_format=True)
            assert validators.dciodvfy_errors(tmp_path / f"{one['kind']}.dcm") == []


@pytest.mark.parametrize("fault", ["failed 202", "conflict 409", "login page", "unavailable"])
def test_what_the_archive_does_not_take_is_shown_as_not_stored_and_kept(
    orthanc: OrthancServer, tmp_path: Path, fault: str
) -> None:
    """The read and the reader's work stay on disk, nothing says stored, and it arrives once the archive takes it."""
    images, wrong = study(fault), [True]
    pacs_of(orthanc).store(images).require_complete()
    told = lambda method: fault if wrong[0] and method == "POST" else None  # noqa: E731
    with faulty_proxy(orthanc.root, told) as proxy, client_of(pacs_of(orthanc, proxy.url), tmp_path) as client:
        job = read(client, images)
        deadline = time.monotonic() + 20
        while not any(one["reason"] for one in client.get(f"{API}/reads/{job}").json()["stored"]):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        view = client.get(f"{API}/reads/{job}").json()
        assert {one["state"] for one in view["stored"]} <= {"waiting", "refused"}
        assert client.get(f"{API}/reads/{job}/result").status_code == 200
        assert client.get(f"{API}/reads/{job}/files/seg.dcm").content[128:132] == b"DICM"
        wrong[0] = False
        client.post(f"{API}/outbox/retry", json={})
        assert settled(client)["stored"] == 2
