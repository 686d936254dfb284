"""The worklist: who gets which case, what is read ahead, what happened to a study, and how often a model is right."""

from __future__ import annotations

import threading
import time

import pytest
from fastapi.testclient import TestClient

from bright_pixel_reader import BrightPixelReader
from dicom_phantoms import PATIENT_ID, PATIENT_NAME, ct_series
from wetread.archive import open_archive
from wetread.errors import RefusedInput
from wetread.review.accept_rates import wilson
from wetread.review.standing import CaseState
from wetread.service.app import create_app
from wetread.service.backing import open_backing
from wetread.service.jobs import Priority
from wetread.service.worklist import ORDERS, Worklist

API = "/wetread/v1"
NAMES = ("a", "b", "c", "d")


@pytest.fixture
def archive(tmp_path):
    opened = open_archive(tmp_path / "archive")
    for number, name in enumerate(NAMES):
        series = ct_series(2, name=name)
        for dataset in series:
            dataset.StudyInstanceUID = f"2.25.9{number}"
            dataset.StudyDate = f"2024010{number + 1}"
        opened.store(series).require_complete()
    return opened


@pytest.fixture
def app(archive):
    return create_app(archive, BrightPixelReader(), allowed_hosts=["*"])


@pytest.fixture
def client(app):
    with TestClient(app) as running:
        yield running


@pytest.fixture
def worklist(archive, database):
    return Worklist(open_backing(archive, database), BrightPixelReader())


def prepared(client: TestClient, **body) -> list[str]:
    jobs = client.post(f"{API}/worklist/prepare", json=body).json()["jobs"]
    deadline = time.monotonic() + 30
    while any(client.get(f"{API}/reads/{uid}").json()["state"] != "COMPLETED" for uid in jobs):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return jobs


def test_cases_come_by_the_date_of_their_study(worklist):
    oldest = [case.date for case in worklist.cases("oldest")]
    assert oldest == ["20240101", "20240102", "20240103", "20240104"]
    assert [case.date for case in worklist.cases("newest")] == oldest[::-1]


@pytest.mark.parametrize("strategy", ORDERS)
def test_every_strategy_gives_every_case_once_and_the_same_order_again(worklist, strategy):
    first = worklist.cases(strategy, seed=3)
    assert first == worklist.cases(strategy, seed=3)
    assert {case.series_uid for case in first} == {case.series_uid for case in worklist.cases()}


def test_a_strategy_that_nobody_knows_is_refused(worklist):
    with pytest.raises(RefusedInput, match="no strategy"):
        worklist.cases("alphabetical")


def test_many_people_at_once_never_get_the_same_case(worklist):
    given: dict[str, str | None] = {}

    def ask(login: str) -> None:
        case = worklist.next(login)
        given[login] = None if case is None else case.series_uid

    threads = [threading.Thread(target=ask, args=(f"reader {n}",)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    cases = [uid for uid in given.values() if uid is not None]
    assert len(cases) == len(set(cases)) == len(NAMES)
    assert list(given.values()).count(None) == 2


def test_asking_again_gives_the_same_case_and_another_one_on_wish(worklist):
    first = worklist.next("ada")
    assert worklist.next("ada").series_uid == first.series_uid
    second = worklist.next("ada", another=True)
    assert second.series_uid != first.series_uid
    assert worklist.next("bo").series_uid == first.series_uid


def test_a_case_that_is_given_back_or_left_too_long_is_for_others(archive, database):
    backing = open_backing(archive, database)
    brief = Worklist(backing, BrightPixelReader(), lease_seconds=-1)
    first = brief.next("ada")
    assert brief.next("bo").series_uid == first.series_uid
    patient = Worklist(backing, BrightPixelReader())
    held = patient.next("cy")
    patient.give_back("cy")
    assert patient.next("di").series_uid == held.series_uid


def test_reading_ahead_waits_behind_people_and_is_done_once(worklist):
    queue = worklist._backing.queue
    jobs = worklist.prepare("ada", limit=3)
    assert [job.priority for job in jobs] == [Priority.AHEAD] * 3
    assert [job.uid for job in worklist.prepare("ada", limit=4)][:1] != [jobs[0].uid], (
        "those under way are not asked again"
    )
    person = queue.submit("read", {}, owner="bo").uid
    assert queue.claim("w", ("read",)).uid == person
    assert len(queue.open("read")) == 5
    assert {case.state for case in worklist.cases()} == {CaseState.WAITING}


def test_a_case_whose_read_failed_is_prepared_again(worklist):
    (job,) = worklist.prepare("ada", limit=1)
    worklist._backing.queue.cancel(job.uid, "the archive was away")
    (again,) = worklist.prepare("ada", limit=1)
    assert again.uid != job.uid
    assert not again.is_over


def test_a_case_goes_from_unread_to_reviewed_and_leaves_the_list(client):
    assert [case["state"] for case in client.get(f"{API}/worklist").json()] == ["unread"] * 4
    (job,) = prepared(client, limit=1)
    case = client.post(f"{API}/worklist/next", json={}).json()
    assert (case["state"], case["job"], case["mine"]) == ("unreviewed", job, True)
    (finding,) = client.get(f"{API}/reads/{job}/result").json()["findings"]
    client.post(f"{API}/reads/{job}/verdicts", json=[{"tracking_uid": finding["tracking_uid"], "decision": "accept"}])
    assert client.post(f"{API}/worklist/next", json={}).json()["series_uid"] != case["series_uid"]
    assert len(client.get(f"{API}/worklist").json()) == 3
    assert len(client.get(f"{API}/worklist", params={"state": "reviewed"}).json()) == 1
    assert client.delete(f"{API}/worklist/next").status_code == 204


def test_when_nothing_is_left_the_answer_is_empty(client):
    for job in prepared(client):
        (finding,) = client.get(f"{API}/reads/{job}/result").json()["findings"]
        verdict = {"tracking_uid": finding["tracking_uid"], "decision": "reject", "reason": "vessel"}
        client.post(f"{API}/reads/{job}/verdicts", json=[verdict])
    assert client.post(f"{API}/worklist/next", json={}).status_code == 204


def test_the_history_of_a_study_tells_everything_in_order_and_nothing_of_the_patient(client):
    (job,) = prepared(client, limit=1)
    view = client.get(f"{API}/reads/{job}").json()
    (finding,) = client.get(f"{API}/reads/{job}/result").json()["findings"]
    verdict = {"tracking_uid": finding["tracking_uid"], "decision": "accept"}
    client.post(f"{API}/reads/{job}/verdicts", json=[verdict])
    client.post(f"{API}/reads/{job}/signature")
    answer = client.get(f"{API}/history/{view['study_uid']}")
    told = answer.json()
    assert [entry["kind"] for entry in told] == ["read", "verdict", "signature"]
    assert told[0]["what"]["job"] == job
    assert told[1]["what"]["label"] == "liver"
    assert told[1]["actor"] == "local"
    for secret in (PATIENT_NAME, PATIENT_ID, "patient"):
        assert secret not in answer.text
    assert client.get(f"{API}/history/1.2.3").json() == []
    assert client.get(f"{API}/history/..").status_code in (400, 404)


def test_accept_rates_count_the_last_decision_with_an_interval(client):
    decisions = [{"decision": "accept"}, {"decision": "accept"}, {"decision": "reject", "reason": "vessel"}]
    for job, decision in zip(prepared(client, limit=3), decisions, strict=True):
        (finding,) = client.get(f"{API}/reads/{job}/result").json()["findings"]
        for given in ({"decision": "reject", "reason": "first thought"}, decision):
            client.post(f"{API}/reads/{job}/verdicts", json=[{"tracking_uid": finding["tracking_uid"]} | given])
    (rate,) = client.get(f"{API}/accept-rates").json()
    assert (rate["model"], rate["version"]) == ("test-double", "0")
    assert (rate["accepted"], rate["rejected"], rate["rate"]) == (2, 1, pytest.approx(2 / 3))
    assert [rate["low"], rate["high"]] == pytest.approx(list(wilson(2, 3)))
    assert list(rate["months"].values()) == [[2, 3]]


def test_who_one_is(client):
    assert client.get(f"{API}/me").json() == {"login": "local", "name": "Local^User", "role": "admin"}


@pytest.mark.parametrize("origin", ["*", "null", "https://a.example/", "ftp://a", "https://a.example,https://b"])
def test_only_a_plain_origin_may_be_let_in(archive, origin):
    with pytest.raises(RefusedInput, match="not an origin"):
        create_app(archive, BrightPixelReader(), cors_origins=[origin])


def test_a_page_of_a_named_origin_may_ask_and_no_other(archive):
    app = create_app(archive, BrightPixelReader(), allowed_hosts=["*"], cors_origins=["https://viewer.example"])
    with TestClient(app) as client:
        asked = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
        for origin, allowed in (("https://viewer.example", True), ("https://other.example", False)):
            before = client.options(f"{API}/reads", headers=asked | {"Origin": origin})
            answer = client.get(f"{API}/health", headers={"Origin": origin})
            for one in (before, answer):
                assert ("access-control-allow-origin" in one.headers) is allowed
                assert "access-control-allow-credentials" not in one.headers
