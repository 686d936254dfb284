"""Two hundred objects into a real Orthanc through a line that fails, from a sender that is killed every few seconds.

What is told at the end: every object stored exactly once (Orthanc's own log of changes), every SEG before its SR in
that log, and no SR without its SEG at any moment that was looked at meanwhile. Run it alone with its figures:
``python -m pytest tests/archive/test_chaos.py -s``.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
import requests
from pydicom.uid import generate_uid

from faulty_proxy import FAULTS, faulty_proxy
from orthanc import OrthancServer, orthanc
from reporting_cases import CASES
from wetread.archive.dicomweb import DicomwebArchive
from wetread.archive.outbox import Outbox
from wetread.records.database import Database
from wetread.reporting import build_seg, build_sr

__all__ = ["orthanc"]
pytestmark = [pytest.mark.orthanc, pytest.mark.slow]

PAIRS, SHARE, LONGEST = 100, 0.4, 900.0
SENDER = """
import os, sys
from sqlalchemy import update
from wetread.archive.dicomweb import DicomwebArchive
from wetread.archive.outbox import Outbox, OutboxState
from wetread.records.database import Database
from wetread.records.tables import OUTBOX

archive = DicomwebArchive(sys.argv[1], user=os.environ["NAME"], password=os.environ["PASSWORD"], timeout=(2.0, 1.5))
database = Database(sys.argv[2])
outbox = Outbox(database, archive, lease_seconds=5.0)
while outbox.counts()["waiting"] + outbox.counts()["refused"]:
    outbox.deliver()
    outbox.retry()  # a person who presses "try again", and pauses of minutes made short
"""


def pair():
    """SEG and SR of one read of a drawn radiograph, under new UIDs."""
    _, sample, read = CASES["dx"]()
    read = replace(read, uid=generate_uid(prefix=None))
    seg = build_seg(read, sample)
    return [("SEG", seg), ("SR", build_sr(read, sample, seg))]


def listed(server: OrthancServer, path: str) -> list[dict] | dict:
    answer = requests.get(f"{server.root}{path}", auth=(server.user, server.password), timeout=30)
    answer.raise_for_status()
    return answer.json()


def held(server: OrthancServer) -> list[str]:
    return [one["MainDicomTags"]["SOPInstanceUID"] for one in listed(server, "/instances?expand")]


class Watcher(threading.Thread):
    """Looks into the archive again and again, not through the line that fails."""

    def __init__(self, server: OrthancServer, seg_of: dict[str, str]) -> None:
        super().__init__(daemon=True)
        self.server, self.seg_of, self.ended = server, seg_of, threading.Event()
        self.looks, self.orphans = 0, 0

    def run(self) -> None:
        while not self.ended.wait(0.2):
            now = set(held(self.server))
            self.orphans += sum(sr in now and seg not in now for sr, seg in self.seg_of.items())
            self.looks += 1


def test_two_hundred_objects_arrive_once_and_in_order(orthanc: OrthancServer, tmp_path: Path) -> None:
    rng, began = random.Random(20), time.monotonic()
    pairs = [pair() for _ in range(PAIRS)]
    seg_of = {str(sr.SOPInstanceUID): str(seg.SOPInstanceUID) for (_, seg), (_, sr) in pairs}
    with faulty_proxy(orthanc.root, lambda _: rng.choice(FAULTS) if rng.random() < SHARE else None) as proxy:
        url, file = f"{proxy.url}/dicom-web", tmp_path / "outbox.db"
        outbox = Outbox(Database(file), DicomwebArchive(url, user=orthanc.user, password=orthanc.password))
        for number, objects in enumerate(pairs):
            outbox.put(f"2.25.{number + 1}", objects)
        environment = os.environ | {"NAME": orthanc.user, "PASSWORD": orthanc.password}
        watcher, kills = Watcher(orthanc, seg_of), 0
        watcher.start()
        while outbox.counts()["stored"] < 2 * PAIRS and time.monotonic() - began < LONGEST:
            sender = subprocess.Popen([sys.executable, "-c", SENDER, url, str(file)], env=environment)
            try:
                sender.wait(timeout=rng.uniform(3.0, 6.0))
            except subprocess.TimeoutExpired:
                sender.send_signal(signal.SIGKILL)
                kills += 1
            assert sender.wait() in (0, -signal.SIGKILL)
        watcher.ended.set()
        watcher.join(30)
        faults, requests_made = sum(proxy.faults.values()), proxy.requests
    print(f"\n{2 * PAIRS} objects in {time.monotonic() - began:.0f} s: {requests_made} requests, {faults} failed "
          f"({100 * faults / requests_made:.0f} %: {dict(proxy.faults)}), {kills} kills, {watcher.looks} looks, "
          f"{watcher.orphans} SR without SEG")  # fmt: skip
    assert outbox.counts() == {"waiting": 0, "stored": 2 * PAIRS, "conflict": 0, "refused": 0}
    assert kills >= 5
    assert faults >= 0.35 * requests_made
    assert watcher.looks >= 50
    assert watcher.orphans == 0
    assert sorted(held(orthanc)) == sorted([*seg_of, *seg_of.values()])
    assert_each_once_and_seg_first(orthanc, seg_of)


def assert_each_once_and_seg_first(server: OrthancServer, seg_of: dict[str, str]) -> None:
    """By Orthanc's log of changes: one NewInstance an object, the SEG's before the SR's, and nothing taken away."""
    named = {one["ID"]: one["MainDicomTags"]["SOPInstanceUID"] for one in listed(server, "/instances?expand")}
    changes = listed(server, "/changes?limit=100000")
    assert isinstance(changes, dict)
    assert changes["Done"]
    arrived = [named[c["ID"]] for c in changes["Changes"] if c["ChangeType"] == "NewInstance"]
    assert sorted(arrived) == sorted(named.values())
    assert not any(c["ChangeType"] == "Deleted" for c in changes["Changes"])
    place = {uid: position for position, uid in enumerate(arrived)}
    assert all(place[seg] < place[sr] for sr, seg in seg_of.items())
