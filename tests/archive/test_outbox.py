"""The outbox: in order, once, for ever, and plain about what stands in the way."""

from __future__ import annotations

import copy
import errno
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import update

from dicom_phantoms import dx_image, uid
from faulty_archive import FAULTS, FaultyArchive
from wetread.archive import open_archive
from wetread.archive.outbox import LONGEST_PAUSE, MOST_REFUSALS, Outbox, OutboxState, pause
from wetread.errors import ArchiveRefused, RefusedInput
from wetread.records.database import Database
from wetread.records.tables import OUTBOX


def pair(name: str):
    """Two small objects of one bundle: stand-ins for a SEG and the SR that points to it."""
    objects = []
    for kind in ("SEG", "SR"):
        dataset = copy.deepcopy(dx_image(8, 8, name="outbox")[0])
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = uid(name, kind)
        dataset.SeriesInstanceUID = uid(name, kind, "series")
        objects.append((kind, dataset))
    return objects


def due_now(database):
    with database.writing() as connection:
        connection.execute(update(OUTBOX).values(not_before="2000", lease_until=None))


def held(archive):
    return {str(d.SOPInstanceUID) for d in archive.search_instances()}


@pytest.fixture
def archive(tmp_path):
    return open_archive(tmp_path / "archive")


class Line:
    """Faults in the order given, then none."""

    def __init__(self, *faults):
        self.faults = list(faults)

    def __call__(self):
        return self.faults.pop(0) if self.faults else None


def test_a_bundle_is_delivered_in_its_order(database, archive):
    outbox = Outbox(database, archive)
    outbox.put("2.25.1", pair("a"))
    assert outbox.counts() == {"waiting": 2, "stored": 0, "conflict": 0, "refused": 0}
    assert [(i.kind, i.state) for i in outbox.deliver()] == [("SEG", "stored"), ("SR", "stored")]
    assert len(held(archive)) == 2


@pytest.mark.parametrize("fault", FAULTS)
def test_an_sr_never_overtakes_its_seg(database, archive, fault):
    outbox = Outbox(database, FaultyArchive(archive, Line(fault)))
    seg, sr = pair("a")
    outbox.put("2.25.1", [seg, sr])
    outbox.deliver()
    assert str(sr[1].SOPInstanceUID) not in held(archive)
    due_now(database)
    outbox.deliver()
    assert outbox.counts()["stored"] == 2
    assert held(archive) == {str(seg[1].SOPInstanceUID), str(sr[1].SOPInstanceUID)}


def test_another_bundle_does_not_wait_for_one_that_is_stuck(database, archive):
    outbox = Outbox(database, FaultyArchive(archive, Line("refused")))
    outbox.put("2.25.1", pair("stuck"))
    outbox.put("2.25.2", pair("free"))
    outbox.deliver()
    assert {i.state for i in outbox.items(bundle="2.25.2")} == {OutboxState.STORED}
    assert {i.state for i in outbox.items(bundle="2.25.1")} == {OutboxState.WAITING}


def test_an_archive_that_does_not_answer_is_asked_once_and_waited_for_without_end(database, archive):
    outbox = Outbox(database, FaultyArchive(archive, lambda: "unreachable"))
    outbox.put("2.25.1", pair("a"))
    outbox.put("2.25.2", pair("b"))
    for attempt in range(1, 20):
        due_now(database)
        assert len(outbox.deliver()) == 1, f"attempt {attempt}"
    assert outbox.counts()["waiting"] == 4
    assert "cannot be reached" in "".join(i.reason for i in outbox.items())


def test_a_refusal_is_tried_again_and_then_shown_to_a_person_who_may_retry(database, archive):
    line = Line(*["refused"] * MOST_REFUSALS)
    outbox = Outbox(database, FaultyArchive(archive, line))
    outbox.put("2.25.1", pair("a")[:1])
    for _ in range(MOST_REFUSALS):
        due_now(database)
        outbox.deliver()
    (item,) = outbox.items()
    assert (item.state, item.reason) == (OutboxState.REFUSED, "out of resources (0xA700)")
    assert outbox.retry(item.number) == 1
    outbox.deliver()
    assert outbox.counts()["stored"] == 1


def test_other_content_under_the_uid_is_a_conflict_and_is_never_overwritten(database, archive):
    ours, theirs = pair("a")[0], copy.deepcopy(pair("a")[0][1])
    theirs.SeriesDescription = "somebody else's"
    archive.store([theirs]).require_complete()
    outbox = Outbox(database, archive)
    outbox.put("2.25.1", [ours])
    assert [i.state for i in outbox.deliver()] == [OutboxState.CONFLICT]
    assert outbox.retry() == 0
    kept = archive.retrieve_instance(theirs.StudyInstanceUID, theirs.SeriesInstanceUID, theirs.SOPInstanceUID)
    assert kept.SeriesDescription == "somebody else's"


def test_putting_the_same_again_changes_nothing(database, archive):
    outbox = Outbox(database, archive)
    first = outbox.put("2.25.1", pair("a"))
    outbox.deliver()
    again = outbox.put("2.25.1", pair("a"))
    assert [i.number for i in again] == [i.number for i in first]
    assert outbox.deliver() == []


def test_other_content_under_a_uid_that_waits_is_refused_and_nothing_of_it_kept(database, archive):
    outbox = Outbox(database, archive)
    outbox.put("2.25.1", pair("a")[:1])
    changed = pair("a")[:1]
    changed[0][1].SeriesDescription = "changed"
    with pytest.raises(ArchiveRefused, match="new SOP Instance UID"):
        outbox.put("2.25.2", [*pair("b"), *changed])
    assert outbox.counts()["waiting"] == 1


def test_what_is_no_uid_never_enters(database, archive):
    objects = pair("a")
    objects[1][1].SOPInstanceUID = "../../etc/passwd"
    with pytest.raises(RefusedInput):
        Outbox(database, archive).put("2.25.1", objects)
    assert Outbox(database, archive).items() == []


def test_two_couriers_never_send_one_object_at_once(database, archive):
    sending, together = [], []

    class Slow(FaultyArchive):
        def store(self, datasets):
            name = str(datasets[0].SOPInstanceUID)
            together.extend([name] * sending.count(name))
            sending.append(name)
            time.sleep(0.01)
            sending.remove(name)
            return super().store(datasets)

    outboxes = [Outbox(database, Slow(archive, lambda: None)) for _ in range(3)]
    for number in range(6):
        outboxes[0].put(f"2.25.{number}", pair(str(number)))
    threads = [threading.Thread(target=o.deliver) for o in outboxes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    outboxes[0].deliver()
    assert together == []
    assert len(held(archive)) == 12


def test_pauses_grow_and_have_an_end():
    pauses = [pause(n) for n in range(1, 40)]
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_PAUSE


def test_a_full_disk_of_the_archive_is_waited_for_in_words(database, archive, monkeypatch):
    def full(path, content, incoming):
        raise OSError(errno.ENOSPC, "No space left on device")

    outbox = Outbox(database, archive)
    outbox.put("2.25.1", pair("a"))
    with monkeypatch.context() as patched:
        patched.setattr("wetread.archive.folder._write_new", full)
        outbox.deliver()
    (seg,) = [item for item in outbox.items() if item.kind == "SEG"]
    assert (seg.state, seg.reason) == (
        OutboxState.WAITING, "the archive cannot be written: No space left on device; free some space"
    )  # fmt: skip
    due_now(database)
    outbox.deliver()
    assert outbox.counts()["stored"] == 2


CHAOS = """
import random, sys
from faulty_archive import FAULTS, FaultyArchive
from wetread.archive import open_archive
from wetread.archive.outbox import Outbox
from wetread.records.database import Database
from sqlalchemy import update
from wetread.records.tables import OUTBOX

folder, share = sys.argv[1], float(sys.argv[2])
archive = open_archive(folder + "/archive")
database = Database(folder + "/outbox.db")
outbox = Outbox(database, FaultyArchive(archive, lambda: random.choice(FAULTS) if random.random() < share else None),
                lease_seconds=1.0)
while outbox.counts()["waiting"]:
    outbox.deliver()
    with database.writing() as connection:  # the pauses of hours, made short
        connection.execute(update(OUTBOX).where(OUTBOX.c.lease_until.is_(None)).values(not_before="2000"))
"""


def test_two_hundred_objects_arrive_once_through_faults_and_kills(tmp_path):
    """40 % of all answers go wrong, and the courier is killed (SIGKILL) whenever it has brought some thirty more."""
    database, archive = Database(tmp_path / "outbox.db"), open_archive(tmp_path / "archive")
    outbox = Outbox(database, archive)
    for number in range(100):
        outbox.put(f"2.25.{number}", pair(str(number)))
    kills = 0
    support = str(Path(__file__).parents[1] / "support")
    while outbox.counts()["waiting"]:
        courier = subprocess.Popen([sys.executable, "-c", CHAOS, str(tmp_path), "0.4"], env={"PYTHONPATH": support})
        enough = outbox.counts()["stored"] + 30
        while courier.poll() is None and outbox.counts()["stored"] < enough:
            time.sleep(0.05)
        if courier.poll() is None:
            courier.send_signal(signal.SIGKILL)
            courier.wait()
            kills += 1
        segs = {str(d.SOPInstanceUID) for d in archive.search_instances()}
        for number in range(100):
            assert uid(str(number), "SR") not in segs or uid(str(number), "SEG") in segs
        outbox.retry()  # what was refused too often goes on as well
    assert kills >= 3
    assert outbox.counts() == {"waiting": 0, "stored": 200, "conflict": 0, "refused": 0}
    assert len(held(archive)) == 200
