"""The durable queue: fair, exactly once, and unmoved by a process that disappears."""

from __future__ import annotations

import threading

import pytest

from wetread.service.errors import NoSuchJob
from wetread.service.jobs import JobState
from wetread.service.queue import Priority, Queue

KINDS = ("read",)


@pytest.fixture
def queue(database):
    return Queue(database)


def states(queue, uid):
    return [e.data["state"] for e in queue.events_after(uid, 0)[0] if e.kind == "state"]


def expire(database):
    from sqlalchemy import update

    from wetread.records.tables import JOBS

    with database.writing() as connection:
        connection.execute(update(JOBS).values(lease_until="2000-01-01T00:00:00.000000+00:00"))


def test_a_job_goes_from_scheduled_to_completed_with_its_result_and_files(queue):
    uid = queue.submit("read", {"study": "1.2"}, owner="ada").uid
    job = queue.claim("w", KINDS)
    assert (job.uid, job.state, job.request, job.attempts) == (uid, JobState.IN_PROGRESS, {"study": "1.2"}, 1)
    assert queue.advance(uid, "w", "writing", 0.5, "No ")
    assert queue.advance(uid, "w", "writing", 0.5, "nodule.")
    assert queue.complete(uid, "w", {"findings": []}, {"overlay.png": b"\x89PNG"})
    done = queue.get(uid)
    assert (done.state, done.result, done.text) == (JobState.COMPLETED, {"findings": []}, "No nodule.")
    assert queue.file(uid, "overlay.png") == b"\x89PNG"
    assert states(queue, uid) == ["SCHEDULED", "IN PROGRESS", "COMPLETED"]


def test_events_have_numbers_and_go_on_where_a_listener_stopped(queue):
    uid = queue.submit("read", {}).uid
    queue.claim("w", KINDS)
    queue.advance(uid, "w", "writing", 0.1, "a")
    events, over = queue.events_after(uid, 0)
    assert [e.number for e in events] == [1, 2, 3, 4]
    assert not over
    assert [e.kind for e in queue.events_after(uid, 2)[0]] == ["progress", "text"]


def test_the_same_request_sent_twice_is_one_job(queue):
    first, second = (queue.submit("read", {"try": n}, uid="2.25.7") for n in (1, 2))
    assert first == second
    assert queue.waiting() == 1


def test_a_person_who_waits_goes_before_a_batch(queue):
    batch = queue.submit("read", {}, priority=Priority.BATCH).uid
    person = queue.submit("read", {}, priority=Priority.PERSON).uid
    assert (queue.position(person), queue.position(batch)) == (0, 1)
    assert [queue.claim("w", KINDS).uid for _ in range(2)] == [person, batch]


def test_nobody_waits_behind_all_the_jobs_of_one_person(queue):
    many = [queue.submit("read", {}, owner="ada").uid for _ in range(4)]
    one = queue.submit("read", {}, owner="bo").uid
    assert [queue.claim("w", KINDS).uid for _ in range(3)] == [many[0], one, many[1]]


def test_a_worker_takes_only_the_kinds_it_can_do(queue):
    queue.submit("train", {})
    assert queue.claim("w", KINDS) is None
    assert queue.claim("w", ("train",)) is not None


def test_many_workers_never_take_one_job_twice(queue):
    wanted = {queue.submit("read", {}).uid for _ in range(20)}
    taken: list[str] = []

    def work(name: str) -> None:
        while (job := queue.claim(name, KINDS)) is not None:
            taken.append(job.uid)
            queue.complete(job.uid, name, {})

    threads = [threading.Thread(target=work, args=(f"w{i}",)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == sorted(wanted)


def test_a_job_whose_worker_disappeared_is_done_by_another_and_ends_once(queue, database):
    uid = queue.submit("read", {}).uid
    queue.claim("dead", KINDS)
    assert queue.claim("alive", KINDS) is None
    expire(database)
    assert queue.claim("alive", KINDS).uid == uid
    assert not queue.complete(uid, "dead", {"by": "dead"})
    assert not queue.advance(uid, "dead", "writing", 0.9)
    assert not queue.renew(uid, "dead")
    assert queue.complete(uid, "alive", {"by": "alive"})
    assert queue.get(uid).result == {"by": "alive"}
    assert states(queue, uid).count("COMPLETED") == 1


def test_a_job_that_kills_its_workers_is_given_up_with_the_reason(queue, database):
    uid = queue.submit("read", {}).uid
    for attempt in range(3):
        assert queue.claim(f"w{attempt}", KINDS).attempts == attempt + 1
        expire(database)
    assert queue.claim("w", KINDS) is None
    assert queue.get(uid).state is JobState.CANCELED
    assert "disappeared 3 times" in queue.get(uid).reason


def test_a_lease_that_is_renewed_is_kept(database):
    queue = Queue(database, lease_seconds=-1)
    uid = queue.submit("read", {}).uid
    queue.claim("w", KINDS)
    patient = Queue(database)
    assert patient.renew(uid, "w")
    assert patient.claim("other", KINDS) is None


def test_a_failure_may_be_tried_again_later_and_then_is_final(queue, database):
    uid = queue.submit("read", {}).uid
    queue.claim("w", KINDS)
    queue.fail(uid, "w", "the archive does not answer", again=True)
    assert queue.get(uid).state is JobState.SCHEDULED
    assert queue.claim("w", KINDS) is None, "not at once"
    queue.submit("read", {}, uid="2.25.2")
    queue.claim("w", KINDS)
    queue.fail("2.25.2", "w", "refused")
    assert (queue.get("2.25.2").state, queue.get("2.25.2").reason) == (JobState.CANCELED, "refused")


def test_a_waiting_job_is_cancelled_at_once_and_never_claimed(queue):
    uid = queue.submit("read", {}).uid
    assert queue.cancel(uid).state is JobState.CANCELED
    assert queue.claim("w", KINDS) is None


def test_a_job_under_way_that_is_cancelled_keeps_nothing_of_its_worker(queue):
    uid = queue.submit("read", {}).uid
    queue.claim("w", KINDS)
    queue.cancel(uid)
    assert not queue.renew(uid, "w")
    assert not queue.complete(uid, "w", {}, {"overlay.png": b""})
    assert queue.file(uid, "overlay.png") is None
    assert states(queue, uid) == ["SCHEDULED", "IN PROGRESS", "CANCELED"]


def test_a_job_that_is_over_is_not_cancelled_any_more(queue):
    uid = queue.submit("read", {}).uid
    queue.claim("w", KINDS)
    queue.complete(uid, "w", {})
    assert queue.cancel(uid).state is JobState.COMPLETED


def test_what_belongs_to_the_result_is_kept_with_it_or_not_at_all(queue):
    uid = queue.submit("read", {}).uid
    queue.claim("w", KINDS)

    def fails(connection):
        raise OSError

    with pytest.raises(OSError):  # noqa: PT011
        queue.complete(uid, "w", {}, {"overlay.png": b""}, with_it=fails)
    assert queue.get(uid).state is JobState.IN_PROGRESS
    assert queue.file(uid, "overlay.png") is None


def test_old_jobs_are_forgotten_with_their_events_and_files_but_open_ones_stay(queue):
    done, open_ = queue.submit("read", {}).uid, queue.submit("read", {}).uid
    queue.claim("w", KINDS)
    queue.complete(done, "w", {}, {"overlay.png": b""})
    assert queue.forget("9999") == 1
    with pytest.raises(NoSuchJob):
        queue.get(done)
    assert queue.file(done, "overlay.png") is None
    assert queue.get(open_).state is JobState.SCHEDULED


def test_a_job_nobody_knows_is_said_to_be_unknown(queue):
    with pytest.raises(NoSuchJob):
        queue.get("2.25.404")
    with pytest.raises(NoSuchJob):
        queue.cancel("2.25.404")
