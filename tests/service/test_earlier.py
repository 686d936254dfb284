"""Reads made before the service started are there from the first request on."""

from __future__ import annotations

from fastapi.testclient import TestClient

from bright_pixel_reader import BrightPixelReader
from wetread.archive import open_archive
from wetread.service.app import create_app
from wetread.service.jobs import Job, JobResult


def test_an_earlier_read_is_listed_completed_with_its_result(tmp_path):
    app = create_app(open_archive(tmp_path / "archive"), BrightPixelReader(), allowed_hosts=["*"])
    job = Job.done("1.2", "1.2.3", "Asked before.", JobResult({"uid": "1.2.3.4"}, b"png", ()))
    app.state.jobs.add(job)
    with TestClient(app) as client:
        (listed,) = client.get("/wetread/v1/reads").json()
        assert (listed["uid"], listed["state"], listed["progress"]) == (job.uid, "COMPLETED", 1.0)
        assert client.get(f"/wetread/v1/reads/{job.uid}/result").json() == {"uid": "1.2.3.4"}
        assert client.get(f"/wetread/v1/reads/{job.uid}/overlay.png").content == b"png"
