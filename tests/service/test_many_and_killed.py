"""Many clients at once, several worker processes, and a server that is killed: every job ends once, nothing is lost."""

from __future__ import annotations

import collections
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import requests
from sqlalchemy import select

from bright_pixel_reader import BrightPixelReader
from dicom_phantoms import ct_series, dx_image
from waiting import until
from wetread.archive.folder import FolderArchive
from wetread.records.tables import JOB_EVENTS, JOBS
from wetread.service.app import create_app
from wetread.service.backing import open_backing

SUPPORT = Path(__file__).parents[1] / "support"
CLIENTS = 50
_SLOWLY = """
import sys, time
sys.path.insert(0, sys.argv[2])
from bright_pixel_reader import BrightPixelReader
from wetread.archive import open_archive

class Slowly(BrightPixelReader):
    def read(self, *given, **more):
        time.sleep(0.3)
        return super().read(*given, **more)
"""
SERVE = (
    _SLOWLY
    + """
import uvicorn
from wetread.service.app import create_app
from wetread.service.serving import open_listener
app = create_app(open_archive(sys.argv[1]), Slowly())
app.state.backing.queue.lease_seconds = 2
app.state.backing.outbox._lease = 2
listener = open_listener("127.0.0.1", 0)
print(listener.getsockname()[1], flush=True)
uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False)).run(sockets=[listener])
"""
)
WORK = (
    _SLOWLY
    + """
import signal, threading
from wetread.commands.work import work
leave = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: leave.set())
work(open_archive(sys.argv[1]), Slowly(), None, 1, leave)
"""
)


@pytest.fixture
def stored(archive):
    archive.store(ct_series()).require_complete()
    first = ct_series()[0]
    return {"study_uid": first.StudyInstanceUID, "series_uid": first.SeriesInstanceUID}


def started(script: str, archive: FolderArchive) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", script, str(archive.root), str(SUPPORT)],
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)  # fmt: skip


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def completions(backing) -> dict[str, int]:
    """Job -> how often it came to COMPLETED, by its events."""
    with backing.database.reading() as connection:
        rows = connection.execute(select(JOB_EVENTS.c.job).where(JOB_EVENTS.c.data.contains('"COMPLETED"')))
        return dict(collections.Counter(row[0] for row in rows))


def in_archive(archive: FolderArchive) -> collections.Counter[str]:
    """Modality -> how many SEG and SR instances."""
    held = archive.search_instances(filters={})
    return collections.Counter(str(one.get("Modality")) for one in held if one.get("Modality") in ("SEG", "SR"))


def all_clients(url: str, bodies: list[dict[str, str]]) -> list[str]:
    """One client a body, all at once: submit, listen to the end, fetch the result; gives the job UIDs."""
    jobs: list[str] = []
    failures: list[str] = []

    def client(number: int, body: dict[str, str]) -> None:
        try:
            own = body | {"uid": f"2.25.{10**6 + number}"}
            answers = [requests.post(f"{url}/wetread/v1/reads", json=own, timeout=60) for _ in range(2)]
            assert [answer.status_code for answer in answers] == [202, 202], answers[0].text
            uid = answers[0].json()["uid"]
            stream = requests.get(f"{url}/wetread/v1/reads/{uid}/events", timeout=300).text
            assert "COMPLETED" in stream, stream
            result = requests.get(f"{url}/wetread/v1/reads/{uid}/result", timeout=60)
            assert result.status_code == 200, result.text
            jobs.append(uid)
        except Exception as error:
            failures.append(f"{number}: {error!r}")

    threads = [threading.Thread(target=client, args=pair) for pair in enumerate(bodies)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    return jobs


def test_fifty_clients_at_once_lose_nothing_and_double_nothing(archive, stored, serving):
    app = create_app(archive, BrightPixelReader(), workers=2)
    with serving(app) as url:
        jobs = all_clients(url, [stored] * CLIENTS)
        assert len(set(jobs)) == CLIENTS
        assert completions(app.state.backing) == dict.fromkeys(jobs, 1)
        assert sum(1 for _ in app.state.backing.ledger.entries(kind="read")) == CLIENTS
        until(lambda: not app.state.backing.outbox.counts()["waiting"], 90)
        assert app.state.backing.outbox.counts()["stored"] == 2 * CLIENTS
    assert in_archive(archive) == {"SEG": CLIENTS, "SR": CLIENTS}


@pytest.mark.slow
def test_fifty_clients_at_once_on_the_small_model(archive, serving):
    from wetread.reading import Reader

    image = dx_image()
    archive.store(image).require_complete()
    body = {"study_uid": image[0].StudyInstanceUID, "series_uid": image[0].SeriesInstanceUID}
    app = create_app(archive, Reader(), workers=2)
    with serving(app) as url:
        jobs = all_clients(url, [body] * CLIENTS)
        assert completions(app.state.backing) == dict.fromkeys(jobs, 1)


def test_two_worker_processes_share_the_jobs_of_a_service(archive, stored, serving):
    app = create_app(archive, BrightPixelReader(), workers=0)
    workers = [started(WORK, archive) for _ in range(2)]
    try:
        assert all("1 worker(s) of test-double 0" in said(worker) for worker in workers)
        with serving(app) as url:
            jobs = all_clients(url, [stored] * 8)
            backing = app.state.backing
            assert completions(backing) == dict.fromkeys(jobs, 1)
            with backing.database.reading() as connection:
                names = {row[0].rsplit(":", 2)[0] for row in connection.execute(select(JOBS.c.worker))}
            assert len(names) == 2, "both took part"
        for worker in workers:
            worker.send_signal(signal.SIGTERM)
        assert [worker.wait(30) for worker in workers] == [0, 0]
    finally:
        for worker in workers:
            worker.kill()


def test_a_server_that_is_killed_finishes_every_job_once_and_keeps_every_verdict(archive, stored):
    first = started(SERVE, archive)
    url = f"http://127.0.0.1:{said(first)}/wetread/v1"
    try:
        jobs = [requests.post(f"{url}/reads", json=stored, timeout=30).json()["uid"] for _ in range(8)]

        def completed() -> list[str]:
            return [
                job["uid"] for job in requests.get(f"{url}/reads", timeout=30).json() if job["state"] == "COMPLETED"
            ]

        until(lambda: len(completed()) >= 3, 90)
        decided = completed()[:2]
        for uid in decided:
            finding = requests.get(f"{url}/reads/{uid}/result", timeout=30).json()["findings"][0]
            verdict = {"tracking_uid": finding["tracking_uid"], "decision": "accept"}
            assert requests.post(f"{url}/reads/{uid}/verdicts", json=[verdict], timeout=30).status_code == 200
    finally:
        os.kill(first.pid, signal.SIGKILL)
        first.wait(30)
    backing = open_backing(archive)
    open_before = [job.uid for job in backing.queue.open("read")]
    assert open_before, "killed in the middle"
    second = started(SERVE, archive)
    try:
        url = f"http://127.0.0.1:{said(second)}/wetread/v1"
        until(lambda: all(backing.queue.get(uid).is_over for uid in jobs), 90)
        assert {str(backing.queue.get(uid).state) for uid in jobs} == {"COMPLETED"}
        until(lambda: not backing.outbox.counts()["waiting"], 90)
        for uid in decided:
            review = requests.get(f"{url}/reads/{uid}/verdicts", timeout=30).json()
            assert [finding["state"] for finding in review["findings"]] == ["accepted"]
    finally:
        second.kill()
        second.wait(30)
    assert completions(backing) == dict.fromkeys(jobs, 1)
    assert sum(1 for _ in backing.ledger.entries(kind="read")) == len(jobs)
    assert backing.ledger.breaks() == []
    assert backing.outbox.counts() == {"waiting": 0, "stored": 2 * len(jobs), "conflict": 0, "refused": 0}
    backing.close()
    assert in_archive(FolderArchive(archive.root)) == {"SEG": len(jobs), "SR": len(jobs)}
