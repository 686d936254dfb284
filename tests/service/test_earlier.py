"""What was done before the service started, here or elsewhere, is there from its first answer on."""

from __future__ import annotations

from fastapi.testclient import TestClient

from bright_pixel_reader import BrightPixelReader
from dicom_phantoms import ct_series
from wetread.archive import open_archive
from wetread.pipeline import read_series
from wetread.service.app import create_app
from wetread.service.backing import open_backing


def test_a_read_that_was_made_elsewhere_is_listed_completed_with_its_result(tmp_path):
    archive, outcome = open_archive(tmp_path / "archive"), read_series(ct_series(), reader=BrightPixelReader())
    backing = open_backing(archive)
    job = backing.keep_finished(outcome, owner="demo")
    backing.outbox.deliver()
    backing.close()
    with TestClient(create_app(archive, BrightPixelReader(), allowed_hosts=["*"])) as client:
        (listed,) = client.get("/wetread/v1/reads").json()
        assert (listed["uid"], listed["state"], listed["progress"]) == (job.uid, "COMPLETED", 1.0)
        assert [one["state"] for one in listed["stored"]] == ["stored", "stored"]
        assert client.get(f"/wetread/v1/reads/{job.uid}/result").json()["uid"] == outcome.read.uid
        assert client.get(f"/wetread/v1/reads/{job.uid}/overlay.png").content.startswith(b"\x89PNG")


def test_a_read_asked_for_before_a_restart_is_done_after_it(tmp_path):
    archive = open_archive(tmp_path / "archive")
    archive.store(ct_series()).require_complete()
    image = ct_series()[0]
    with TestClient(create_app(archive, BrightPixelReader(), workers=0, allowed_hosts=["*"])) as client:
        body = {"study_uid": image.StudyInstanceUID, "series_uid": image.SeriesInstanceUID}
        uid = client.post("/wetread/v1/reads", json=body).json()["uid"]
    with TestClient(create_app(archive, BrightPixelReader(), allowed_hosts=["*"])) as client:
        assert "COMPLETED" in client.get(f"/wetread/v1/reads/{uid}/events").text


def test_a_read_is_in_the_ledger_with_what_it_found_and_without_the_patient(tmp_path):
    archive, outcome = open_archive(tmp_path / "archive"), read_series(ct_series(), reader=BrightPixelReader())
    backing = open_backing(archive)
    backing.keep_finished(outcome)
    (entry,) = backing.ledger.entries(kind="read")
    assert (entry.read_uid, entry.study_uid) == (outcome.read.uid, outcome.sample.study_uid)
    assert [finding["label"] for finding in entry.body["findings"]] == ["liver"]
    assert {o["kind"] for o in entry.body["objects"]} == {"SEG", "SR"}
    assert str(outcome.sample.headers[0].PatientID) not in str(entry)
    assert backing.ledger.breaks() == []
