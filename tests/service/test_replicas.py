"""Workers as replicas of Ray Serve, really started on this machine; runs in the environment of `make test-ray`."""

from __future__ import annotations

import importlib.util
import os
import signal

import pytest
import requests
from sqlalchemy import select

from dicom_phantoms import ct_series
from waiting import until
from wetread.cli import build_parser
from wetread.reading import Reader
from wetread.records.tables import JOBS
from wetread.service.app import create_app

pytestmark = [pytest.mark.ray, pytest.mark.slow]
REPLICAS = 2


@pytest.fixture
def service(archive, serving, tmp_path):
    """A service that leaves its reads to others: address, database."""
    database = str(tmp_path / "records.sqlite")
    app = create_app(archive, Reader(), workers=0, database=database)
    app.state.backing.queue.lease_seconds = 2
    with serving(app) as url:
        yield url, database, app.state.backing


@pytest.fixture
def replicas(archive, service, monkeypatch):
    if importlib.util.find_spec("ray") is None:  # not imported before its environment is set
        pytest.skip("Ray is in an environment of its own: make test-ray")
    from wetread.commands import replicas

    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    handle = replicas.start(build_parser().parse_args(
        ["work", "--archive", str(archive.root), "--database", service[1], "--replicas", str(REPLICAS)]
    ))  # fmt: skip
    yield handle
    replicas.stop()


def submitted(url, count):
    first = ct_series()[0]
    body = {"study_uid": first.StudyInstanceUID, "series_uid": first.SeriesInstanceUID}
    return [requests.post(f"{url}/wetread/v1/reads", json=body, timeout=30).json()["uid"] for _ in range(count)]


def test_replicas_share_the_reads_and_one_that_is_killed_is_replaced(archive, service, replicas):
    archive.store(ct_series()).require_complete()
    url, _, backing = service
    jobs = submitted(url, 8)
    until(lambda: all(backing.queue.get(uid).is_over for uid in jobs), 180)
    assert {str(backing.queue.get(uid).state) for uid in jobs} == {"COMPLETED"}
    with backing.database.reading() as connection:
        workers = {row[0].rsplit(":", 2)[0] for row in connection.execute(select(JOBS.c.worker))}
    assert len(workers) == REPLICAS, "both took part"

    killed = replicas.remote().result(timeout_s=30)
    later = submitted(url, 6)
    os.kill(killed, signal.SIGKILL)
    until(lambda: all(backing.queue.get(uid).is_over for uid in later), 180)
    assert {str(backing.queue.get(uid).state) for uid in later} == {"COMPLETED"}
    seen: set[int] = set()

    def both_there() -> bool:
        try:
            seen.add(replicas.remote().result(timeout_s=30))
        except Exception:
            return False  # the one that died was asked before Ray Serve knew
        return len(seen - {killed}) == REPLICAS

    until(both_there, 180)
