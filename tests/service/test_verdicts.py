"""Accept, correct, reject, add, take back, sign: and what stands in the archive afterwards."""

from __future__ import annotations

import base64
import io
import time

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image
from sqlalchemy import event

from bright_pixel_reader import BrightPixelReader
from dicom_phantoms import ct_series
from validators import dciodvfy_errors
from wetread.archive import open_archive
from wetread.service.access.people import Role
from wetread.service.access.token_file import TokenFile, add_token
from wetread.service.app import create_app

API = "/wetread/v1"
CT = ct_series()
SHAPE = (CT[0].Rows, CT[0].Columns)


@pytest.fixture
def archive(tmp_path):
    archive = open_archive(tmp_path / "archive")
    archive.store(CT).require_complete()
    return archive


@pytest.fixture
def client(archive):
    with TestClient(create_app(archive, BrightPixelReader(), allowed_hosts=["*"])) as running:
        yield running


@pytest.fixture
def job(client):
    return read(client)


def read(client, headers=None):
    body = {"study_uid": CT[0].StudyInstanceUID, "series_uid": CT[0].SeriesInstanceUID}
    uid = client.post(f"{API}/reads", json=body, headers=headers).json()["uid"]
    client.get(f"{API}/reads/{uid}/events", headers=headers)
    return uid


def decide(client, job, *verdicts, headers=None):
    return client.post(f"{API}/reads/{job}/verdicts", json=list(verdicts), headers=headers)


def only_finding(client, job):
    return client.get(f"{API}/reads/{job}/verdicts").json()["findings"][0]["tracking_uid"]


def png(mask):
    buffer = io.BytesIO()
    Image.fromarray(mask.astype(np.uint8) * 255).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def square():
    mask = np.zeros(SHAPE, dtype=bool)
    mask[8:16, 10:20] = True
    return mask


def signed(client, archive, job, headers=None):
    """Sign, wait for the archive, and give the objects it now holds, by kind."""
    answer = client.post(f"{API}/reads/{job}/signature", headers=headers)
    assert answer.status_code == 200, answer.text
    deadline = time.monotonic() + 30
    while True:
        view = client.get(f"{API}/reads/{job}/verdicts", headers=headers).json()
        (mine,) = [s for s in view["signatures"] if s["uid"] == answer.json()["uid"]]
        if all(o["state"] == "stored" for o in mine["stored"]):
            break
        assert time.monotonic() < deadline, mine
        time.sleep(0.05)
    return {o["kind"]: archive.retrieve_instance(CT[0].StudyInstanceUID, o["series_uid"], o["sop_instance_uid"])
            for o in mine["stored"]}  # fmt: skip


def test_a_new_read_is_undecided(client, job):
    view = client.get(f"{API}/reads/{job}/verdicts").json()
    assert [(f["label"], f["state"]) for f in view["findings"]] == [("liver", "undecided")]
    assert (view["is_complete"], view["is_signed"], view["signatures"]) == (False, False, [])


def test_accepted_and_signed_is_verified_in_the_archive(client, archive, job, tmp_path):
    view = decide(client, job, {"tracking_uid": only_finding(client, job), "decision": "accept"}).json()
    assert (view["findings"][0]["state"], view["is_complete"]) == ("accepted", True)
    objects = signed(client, archive, job)
    assert set(objects) == {"SR"}, "the algorithm's SEG stays as it is"
    sr = objects["SR"]
    assert (sr.VerificationFlag, sr.PreliminaryFlag) == ("VERIFIED", "FINAL")
    predecessor = sr.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence[0]
    unreviewed = {o["sop_instance_uid"] for o in client.get(f"{API}/reads/{job}").json()["stored"]}
    assert predecessor.ReferencedSOPInstanceUID in unreviewed
    sr.save_as(tmp_path / "sr.dcm", enforce_file_format=True)
    assert dciodvfy_errors(tmp_path / "sr.dcm") == []


def test_a_corrected_mask_is_in_the_archive_pixel_for_pixel(client, archive, job):
    uid = only_finding(client, job)
    verdict = {"tracking_uid": uid, "decision": "correct", "mask": {"2": png(square())}}
    assert decide(client, job, verdict).json()["findings"][0]["box"] == [10, 8, 20, 16]
    seg = signed(client, archive, job)["SEG"]
    assert seg.SegmentSequence[0].SegmentAlgorithmType == "SEMIAUTOMATIC"
    assert seg.SegmentSequence[0].TrackingUID == uid
    pixels = seg.pixel_array
    assert np.array_equal(pixels.reshape(-1, *SHAPE).any(axis=0), square())


def test_a_corrected_box_is_in_the_report(client, archive, job):
    verdict = {"tracking_uid": only_finding(client, job), "decision": "correct", "box": [3, 4, 20.5, 30], "plane": 1}
    decide(client, job, verdict)
    objects = signed(client, archive, job)
    assert "20.5" in objects["SR"].to_json()
    assert "SEG" not in objects


def test_a_finding_can_be_added(client, archive, job):
    own = {"tracking_uid": "2.25.99", "decision": "add", "target": "left kidney", "mask": {"1": png(square())}}
    view = decide(client, job, {"tracking_uid": only_finding(client, job), "decision": "accept"}, own).json()
    assert [(f["label"], f["state"]) for f in view["findings"]] == [("liver", "accepted"), ("left kidney", "added")]
    seg = signed(client, archive, job)["SEG"]
    assert [s.SegmentAlgorithmType for s in seg.SegmentSequence] == ["AUTOMATIC", "MANUAL"]


def test_what_is_rejected_is_recorded_and_not_sent(client, archive, job):
    rejection = {"tracking_uid": only_finding(client, job), "decision": "reject", "reason": "motion"}
    assert decide(client, job, rejection).json()["findings"][0]["state"] == "rejected"
    refusal = client.post(f"{API}/reads/{job}/signature")
    assert refusal.status_code == 400
    assert "rejected" in refusal.json()["what"]
    assert all(d.VerificationFlag == "UNVERIFIED" for d in reports(archive))
    ledger = client.app.state.backing.ledger
    (entry,) = ledger.entries(kind="verdict")
    assert (entry.body["reason"], entry.body["before"]["label"]) == ("motion", "liver")


def reports(archive):
    return [archive.retrieve_instance(d.StudyInstanceUID, d.SeriesInstanceUID, d.SOPInstanceUID)
            for d in archive.search_instances(filters={"Modality": "SR"})]  # fmt: skip


def test_a_verdict_can_be_taken_back(client, job):
    uid = only_finding(client, job)
    decide(client, job, {"tracking_uid": uid, "decision": "accept"})
    view = decide(client, job, {"tracking_uid": uid, "decision": "withdraw"}).json()
    assert view["findings"][0]["state"] == "undecided"
    assert client.post(f"{API}/reads/{job}/signature").status_code == 400


def test_signing_twice_is_signing_once(client, archive, job):
    decide(client, job, {"tracking_uid": only_finding(client, job), "decision": "accept"})
    first, second = (client.post(f"{API}/reads/{job}/signature").json() for _ in range(2))
    assert first["uid"] == second["uid"]
    signed(client, archive, job)
    assert len(reports(archive)) == 2


def test_signing_again_after_a_change_supersedes_the_first_signature(client, archive, job):
    uid = only_finding(client, job)
    decide(client, job, {"tracking_uid": uid, "decision": "accept"})
    first = signed(client, archive, job)["SR"]
    decide(client, job, {"tracking_uid": uid, "decision": "correct", "mask": {"2": png(square())}})
    assert not client.get(f"{API}/reads/{job}/verdicts").json()["is_signed"]
    second = signed(client, archive, job)["SR"]
    predecessor = second.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence[0]
    assert predecessor.ReferencedSOPInstanceUID == first.SOPInstanceUID


def test_two_readers_of_one_study_keep_both(archive, tmp_path):
    tokens = tmp_path / "tokens.json"
    people = {login: {"Authorization": f"Bearer {add_token(tokens, login, Role.REVIEWER, name=name)}"}
              for login, name in (("ada", "Lovelace^Ada"), ("bo", "Carr^Bo"))}  # fmt: skip
    app = create_app(archive, BrightPixelReader(), allowed_hosts=["*"], access=TokenFile(tokens))
    with TestClient(app) as client:
        job = read(client, people["ada"])
        (finding,) = client.get(f"{API}/reads/{job}/verdicts", headers=people["ada"]).json()["findings"]
        for login, verdict in (("ada", {"decision": "accept"}), ("bo", {"decision": "reject", "reason": "bowel"})):
            decide(client, job, verdict | {"tracking_uid": finding["tracking_uid"]}, headers=people[login])
        view = client.get(f"{API}/reads/{job}/verdicts", headers=people["bo"]).json()
        assert (view["findings"][0]["state"], view["others"]) == ("rejected", ["ada"])
        sr = signed(client, archive, job, people["ada"])["SR"]
        assert sr.VerifyingObserverSequence[0].VerifyingObserverName == "Lovelace^Ada"


@pytest.mark.parametrize(("change", "status", "word"), [
    ({"tracking_uid": "2.25.404"}, 400, "no such finding"),
    ({"tracking_uid": "../../etc"}, 400, "UID"),
    ({"decision": "burn"}, 422, ""),
    ({"decision": "correct"}, 400, "changes nothing"),
    ({"decision": "reject"}, 400, "without a reason"),
    ({"decision": "correct", "box": [0, 0, 10_000, 5]}, 400, "outside the image"),
    ({"decision": "correct", "box": [9, 9, 2, 2]}, 400, "box"),
    ({"decision": "correct", "box": [1, 2, 3]}, 422, ""),
    ({"decision": "correct", "mask": {"99": "x"}}, 400, "no plane 99"),
    ({"decision": "correct", "mask": {"0": "not base64!"}}, 400, "not a PNG"),
    ({"decision": "correct", "mask": {"0": png(np.ones((3, 3), bool))}}, 400, "3 x 3"),
    ({"decision": "correct", "mask": {"0": png(np.zeros(SHAPE, bool))}}, 400, "marks nothing"),
    ({"decision": "correct", "target": "unicorn"}, 400, "without a code"),
    ({"unknown": 1}, 422, ""),
])  # fmt: skip
def test_a_wrong_verdict_is_refused_in_words_and_nothing_is_recorded(client, job, change, status, word):
    uid = only_finding(client, job)
    answer = decide(
        client,
        job,
        {"tracking_uid": uid, "decision": "accept"} | {},
        {"tracking_uid": uid, "decision": "accept"} | change,
    )
    assert answer.status_code == status, answer.text
    assert word in answer.json()["what"]
    assert list(client.app.state.backing.ledger.entries(kind="verdict")) == []


def test_a_read_that_is_not_finished_cannot_be_decided_on(archive):
    with TestClient(create_app(archive, BrightPixelReader(), workers=0, allowed_hosts=["*"])) as client:
        body = {"study_uid": CT[0].StudyInstanceUID, "series_uid": CT[0].SeriesInstanceUID}
        uid = client.post(f"{API}/reads", json=body).json()["uid"]
        assert client.get(f"{API}/reads/{uid}/verdicts").status_code == 409


def test_verdicts_survive_a_restart(archive):
    with TestClient(create_app(archive, BrightPixelReader(), allowed_hosts=["*"])) as client:
        job = read(client)
        decide(client, job, {"tracking_uid": only_finding(client, job), "decision": "accept"})
    with TestClient(create_app(archive, BrightPixelReader(), allowed_hosts=["*"])) as client:
        assert client.get(f"{API}/reads/{job}/verdicts").json()["findings"][0]["state"] == "accepted"
        assert set(signed(client, archive, job)) == {"SR"}


@pytest.mark.parametrize(
    ("pragma", "said"), [("max_page_count=1", "disk is full"), ("query_only=1", "may not be written")]
)
def test_a_verdict_that_the_disk_does_not_take_is_not_said_to_be_kept(client, job, pragma, said):
    """A 503 in words, nothing half-kept, and the same again is taken once the disk is right; no thread has died."""
    finding, database = only_finding(client, job), client.app.state.backing.database

    def spoil(connection, *_):
        connection.execute(f"PRAGMA {pragma}")

    event.listen(database._engine, "checkout", spoil)
    verdict = {
        "tracking_uid": finding,
        "decision": "correct",
        "mask": {"2": png(np.random.default_rng(0).random(SHAPE) < 0.5)},
    }
    answers = [decide(client, job, verdict) for _ in range(20 if "page" in pragma else 1)]
    event.remove(database._engine, "checkout", spoil)
    database._engine.dispose()
    assert answers[-1].status_code == 503, answers[-1].text
    assert said in answers[-1].json()["what"]
    assert (
        decide(client, job, {"tracking_uid": finding, "decision": "accept"}).json()["findings"][0]["state"]
        == "accepted"
    )
    assert read(client) != job


def test_a_read_in_other_forms_is_made_when_it_is_asked_for(client, job):
    pdf = client.get(f"{API}/reads/{job}/report.pdf")
    assert (pdf.status_code, pdf.headers["content-type"]) == (200, "application/pdf")
    assert pdf.content.startswith(b"%PDF")
    for release, kinds in (("R5", {"ImagingSelection"}), ("R4", set())):
        answer = client.get(f"{API}/reads/{job}/report.fhir.json", params={"release": release})
        assert answer.headers["content-type"] == "application/fhir+json"
        found = {entry["resource"]["resourceType"] for entry in answer.json()["entry"]}
        assert found == kinds | {"DiagnosticReport", "Observation", "Device", "ImagingStudy"}
    assert client.get(f"{API}/reads/{job}/report.fhir.json?release=R3").status_code == 422
    assert client.get(f"{API}/reads/2.25.1/report.pdf").status_code == 404
