"""`serve` as a person meets it: a process that tells its address, and leaves quietly when it is interrupted."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

from dicom_phantoms import ct_series
from wetread.archive.folder import FolderArchive
from wetread.service.backing import open_backing
from wetread.service.serving import open_listener

SUPPORT = Path(__file__).parents[1] / "support"
SERVE = """
import sys, threading
sys.path.insert(0, sys.argv[2])
from bright_pixel_reader import BrightPixelReader
from wetread.archive import open_archive
from wetread.service import serve
reader = BrightPixelReader(threading.Event())
serve(open_archive(sys.argv[1]), "127.0.0.1", 0, reader=reader, announce=lambda line: print(line, flush=True))
"""


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_reads_and_event_streams_without_a_traceback(tmp_path: Path, sent: signal.Signals) -> None:
    image = ct_series()[0]
    FolderArchive(tmp_path).store(ct_series()).require_complete()
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(tmp_path), str(SUPPORT)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        api = process.stdout.readline().split()[2] + "wetread/v1"
        body = {"study_uid": image.StudyInstanceUID, "series_uid": image.SeriesInstanceUID}
        jobs = [requests.post(f"{api}/reads", json=body, timeout=10).json()["uid"] for _ in range(2)]
        streams = [requests.get(f"{api}/reads/{job}/events", stream=True, timeout=60) for job in jobs]
        began = time.monotonic()
        process.send_signal(sent)
        for stream in streams:
            assert '"reason": "the service stopped"' in stream.text
        _, said = process.communicate(timeout=30)
    finally:
        process.kill()
    assert time.monotonic() - began < 15
    assert "Traceback" not in said
    queue = open_backing(FolderArchive(tmp_path)).queue
    assert [queue.get(job).state for job in jobs] == ["SCHEDULED", "SCHEDULED"], "they go on at the next start"
    assert queue.get(jobs[0]).attempts == 0


def test_small_answers_do_not_wait_for_acknowledgements() -> None:
    # asyncio sets TCP_NODELAY on sockets of this protocol alone; without it an answer takes 40 ms longer.
    listener = open_listener("127.0.0.1", 0)
    assert listener.proto == socket.IPPROTO_TCP
    listener.close()
