"""The durable queue: jobs in the states of a Unified Procedure Step (PS3.4 CC.1.1) that survive a restart.

A worker claims a job for a lease and renews it while it works; a lease that runs out (the process was killed, the
machine lost power) gives the job back, as often as it may be tried. Finishing is one transaction that asks whether
the lease is still held, so that a job ends once, whoever worked on it. Claims are fair: the more urgent first; among
equals the person with the fewest jobs under way, then the one who was served longest ago.
"""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, insert, or_, select, update

from wetread.records.tables import JOB_EVENTS, JOB_FILES, JOBS
from wetread.records.times import later, moment, stamp
from wetread.service.errors import NoSuchJob
from wetread.service.jobs import Job, JobEvent, JobState, Priority

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy import Connection, RowMapping

    from wetread.records.database import Database

LEASE_SECONDS = 30.0
MOST_ATTEMPTS = 3
RETRY_SECONDS = 2.0
_OPEN = (JobState.SCHEDULED.value, JobState.IN_PROGRESS.value)


class Queue:
    """Jobs in a database; safe from any thread and any number of processes."""

    def __init__(self, database: Database, lease_seconds: float = LEASE_SECONDS, most_attempts: int = MOST_ATTEMPTS):
        self._database = database
        self.lease_seconds = lease_seconds
        self._most_attempts = most_attempts

    def submit(
        self, kind: str, request: Mapping[str, Any], *, owner: str = "", priority: int = Priority.PERSON,
        uid: str | None = None,
    ) -> Job:  # fmt: skip
        """Add a job; with a `uid` that is known already, give the job that has it: a request sent twice is one job."""
        name = uid or new_uid()
        with self._database.writing(in_turn=True) as connection:
            if connection.execute(select(JOBS.c.uid).where(JOBS.c.uid == name)).first() is None:
                connection.execute(insert(JOBS).values(
                    uid=name, kind=kind, owner=owner, priority=int(priority), state=JobState.SCHEDULED.value,
                    request=json.dumps(dict(request)), created=stamp(), not_before=stamp(), attempts=0, cancel=0,
                    stage="waiting", progress=0.0, text="", reason="",
                ))  # fmt: skip
                _tell(connection, name, "state", {"state": JobState.SCHEDULED.value})
            return _get(connection, name)

    def get(self, uid: str) -> Job:
        """A job.

        Raises:
            NoSuchJob: none with this UID.
        """
        with self._database.reading() as connection:
            return _get(connection, uid)

    def all(self, *, kind: str | None = None, owner: str | None = None, limit: int = 200) -> list[Job]:
        """The latest jobs, newest first."""
        wanted = select(JOBS).order_by(JOBS.c.number.desc()).limit(limit)
        for column, value in ((JOBS.c.kind, kind), (JOBS.c.owner, owner)):
            wanted = wanted if value is None else wanted.where(column == value)
        with self._database.reading() as connection:
            return [_job(row) for row in connection.execute(wanted).mappings()]

    def open(self, kind: str) -> list[Job]:
        """Every job of a kind that is not over."""
        wanted = select(JOBS).where(JOBS.c.state.in_(_OPEN), JOBS.c.kind == kind).order_by(JOBS.c.number)
        with self._database.reading() as connection:
            return [_job(row) for row in connection.execute(wanted).mappings()]

    def counts(self) -> dict[tuple[str, str], int]:
        """(kind, state) -> how many jobs."""
        wanted = select(JOBS.c.kind, JOBS.c.state, func.count()).group_by(JOBS.c.kind, JOBS.c.state)
        with self._database.reading() as connection:
            return {(str(kind), str(state)): int(count) for kind, state, count in connection.execute(wanted)}

    def taken(self, kind: str) -> tuple[int, float]:
        """How many jobs of a kind are COMPLETED, and how many seconds they took together."""
        wanted = select(JOBS.c.started, JOBS.c.finished).where(
            JOBS.c.kind == kind, JOBS.c.state == JobState.COMPLETED.value, JOBS.c.started.is_not(None)
        )
        with self._database.reading() as connection:
            spans = [(moment(end) - moment(begin)).total_seconds() for begin, end in connection.execute(wanted)]
        return len(spans), sum(spans)

    def waiting(self, kind: str | None = None) -> int:
        """How many jobs are not over."""
        return self._count(JOBS.c.state.in_(_OPEN), *(() if kind is None else (JOBS.c.kind == kind,)))

    def position(self, uid: str) -> int:
        """How many waiting jobs are more urgent or older than this one; 0 for the next, and for one under way."""
        with self._database.reading() as connection:
            job = connection.execute(select(JOBS).where(JOBS.c.uid == uid)).mappings().first()
        if job is None or job["state"] != JobState.SCHEDULED.value:
            return 0
        before = or_(JOBS.c.priority < job["priority"],
                     (JOBS.c.priority == job["priority"]) & (JOBS.c.number < job["number"]))  # fmt: skip
        return self._count(JOBS.c.state == JobState.SCHEDULED.value, JOBS.c.kind == job["kind"], before)

    def claim(self, worker: str, kinds: Sequence[str]) -> Job | None:
        """The next job for a worker, IN PROGRESS and leased to it; None where nothing is to do."""
        with self._database.writing(in_turn=True) as connection:
            self._give_back(connection)
            uid = connection.execute(_next(kinds)).scalar()
            if uid is None:
                return None
            connection.execute(update(JOBS).where(JOBS.c.uid == uid).values(
                state=JobState.IN_PROGRESS.value, worker=worker, lease_until=later(self.lease_seconds), started=stamp(),
                attempts=JOBS.c.attempts + 1, stage="starting", progress=0.0, text="",
            ))  # fmt: skip
            job = _get(connection, str(uid))
            _tell(connection, job.uid, "state", {"state": job.state.value, "attempt": job.attempts})
            return job

    def renew(self, uid: str, worker: str) -> bool:
        """Keep a lease; False where it was lost or somebody asked to stop: the worker stops."""
        with self._database.writing() as connection:
            kept = connection.execute(_held(uid, worker).values(lease_until=later(self.lease_seconds)))
            return kept.rowcount == 1 and not _get(connection, uid).cancelled

    def advance(self, uid: str, worker: str, stage: str, progress: float, text: str = "") -> bool:
        """Note how far a job is and a new piece of its answer; False where the lease was lost."""
        with self._database.writing() as connection:
            before = connection.execute(select(JOBS.c.stage, JOBS.c.progress).where(JOBS.c.uid == uid)).first()
            lease = later(self.lease_seconds)
            done = connection.execute(_held(uid, worker).values(
                stage=stage, progress=progress, text=JOBS.c.text + text, lease_until=lease))  # fmt: skip
            if done.rowcount != 1:
                return False
            if before is not None and tuple(before) != (stage, progress):
                _tell(connection, uid, "progress", {"stage": stage, "progress": round(progress, 4)})
            if text:
                _tell(connection, uid, "text", {"text": text})
            return True

    def tell(self, uid: str, worker: str, kind: str, told: Sequence[Mapping[str, Any]]) -> None:
        """Events of a kind of its own, from the worker who holds the job."""
        with self._database.writing() as connection:
            held = select(JOBS.c.uid).where(JOBS.c.uid == uid, JOBS.c.worker == worker,
                                            JOBS.c.state == JobState.IN_PROGRESS.value)  # fmt: skip
            if connection.execute(held).first() is not None:
                for data in told:
                    _tell(connection, uid, kind, dict(data))

    def complete(
        self, uid: str, worker: str, result: Mapping[str, Any], files: Mapping[str, bytes] | None = None,
        with_it: Callable[[Connection], None] | None = None,
    ) -> bool:  # fmt: skip
        """Finish a job with its result, all in one transaction; False, and nothing kept, where the lease was lost.

        Args:
            uid: of the job.
            worker: who holds it.
            result: plain JSON.
            files: name -> content, kept with the job.
            with_it: what else belongs to the same moment (the ledger's entry, the outbox's objects).
        """
        with self._database.writing(in_turn=True) as connection:
            done = connection.execute(_held(uid, worker).where(JOBS.c.cancel == 0).values(
                state=JobState.COMPLETED.value, result=json.dumps(dict(result)), stage="done", progress=1.0,
                finished=stamp(), lease_until=None))  # fmt: skip
            if done.rowcount != 1:
                return False
            for name, content in (files or {}).items():
                connection.execute(insert(JOB_FILES).values(job=uid, name=name, content=content))
            if with_it is not None:
                with_it(connection)
            _tell(connection, uid, "state", {"state": JobState.COMPLETED.value, "reason": ""})
            return True

    def fail(self, uid: str, worker: str, reason: str, *, again: bool = False) -> None:
        """End a job as CANCELED with its reason in words; `again`: give it back for another try while it has one."""
        with self._database.writing() as connection:
            if connection.execute(_held(uid, worker).values(lease_until=None)).rowcount != 1:
                return
            job = _get(connection, uid)
            if again and not job.cancelled and job.attempts < self._most_attempts:
                connection.execute(update(JOBS).where(JOBS.c.uid == uid).values(
                    state=JobState.SCHEDULED.value, worker=None, stage="waiting for another try", reason=reason,
                    not_before=later(RETRY_SECONDS * 2 ** (job.attempts - 1))))  # fmt: skip
                _tell(connection, uid, "state", {"state": JobState.SCHEDULED.value, "reason": reason})
            else:
                _end(connection, uid, reason)

    def release(self, uid: str, worker: str) -> None:
        """Give a job back untried: its worker was asked to leave."""
        with self._database.writing() as connection:
            back = _held(uid, worker).values(
                state=JobState.SCHEDULED.value, worker=None, lease_until=None, stage="waiting",
                attempts=JOBS.c.attempts - 1)  # fmt: skip
            if connection.execute(back).rowcount == 1:
                _tell(connection, uid, "state", {"state": JobState.SCHEDULED.value, "reason": "the service stopped"})

    def add_finished(
        self, kind: str, request: Mapping[str, Any], result: Mapping[str, Any], files: Mapping[str, bytes],
        *, owner: str = "", uid: str | None = None, with_it: Callable[[Connection], None] | None = None,
    ) -> Job:  # fmt: skip
        """A job that was done elsewhere, kept as if it had been done here."""
        worker, uid = "elsewhere", uid or new_uid()
        self.submit(kind, request, owner=owner, uid=uid)
        with self._database.writing(in_turn=True) as connection:
            connection.execute(update(JOBS).where(JOBS.c.uid == uid).values(
                state=JobState.IN_PROGRESS.value, worker=worker, started=stamp(), lease_until=later(self.lease_seconds),
                attempts=1))  # fmt: skip
        self.complete(uid, worker, result, files, with_it)
        return self.get(uid)

    def cancel(self, uid: str, reason: str = "cancelled") -> Job:
        """Stop a job: at once where it waits, at its worker's next look where it is under way.

        Raises:
            NoSuchJob: none with this UID.
        """
        with self._database.writing() as connection:
            _get(connection, uid)
            connection.execute(update(JOBS).where(JOBS.c.uid == uid).values(cancel=1))
            _end(connection, uid, reason)
            return _get(connection, uid)

    def events_after(self, uid: str, number: int) -> tuple[list[JobEvent], bool]:
        """Events of a job with a higher number, and whether these are the last."""
        with self._database.reading() as connection:
            job = _get(connection, uid)
            rows = connection.execute(
                select(JOB_EVENTS).where(JOB_EVENTS.c.job == uid, JOB_EVENTS.c.number > number)
                .order_by(JOB_EVENTS.c.number)
            ).mappings()  # fmt: skip
            return [JobEvent(int(r["number"]), r["kind"], json.loads(r["data"])) for r in rows], job.is_over

    def file(self, uid: str, name: str) -> bytes | None:
        """A file that a finished job left; None where it left none of that name."""
        wanted = select(JOB_FILES.c.content).where(JOB_FILES.c.job == uid, JOB_FILES.c.name == name)
        with self._database.reading() as connection:
            content = connection.execute(wanted).scalar()
            return None if content is None else bytes(content)

    def forget(self, finished_before: str) -> int:
        """Remove jobs that ended before a moment, with their events and files; the ledger keeps what they found."""
        over = JOBS.c.state.not_in(_OPEN) & (JOBS.c.finished < finished_before)
        with self._database.writing() as connection:
            return int(connection.execute(delete(JOBS).where(over)).rowcount)

    def _count(self, *conditions: Any) -> int:
        with self._database.reading() as connection:
            return int(connection.execute(select(func.count()).select_from(JOBS).where(*conditions)).scalar_one())

    def _give_back(self, connection: Connection) -> None:
        """Jobs whose lease ran out wait again, or end where they have been tried often enough."""
        lost = select(JOBS.c.uid, JOBS.c.attempts).where(
            JOBS.c.state == JobState.IN_PROGRESS.value, JOBS.c.lease_until < stamp()
        )
        for uid, attempts in connection.execute(lost).all():
            if attempts >= self._most_attempts:
                _end(connection, uid, f"its worker disappeared {attempts} times")
                continue
            connection.execute(update(JOBS).where(JOBS.c.uid == uid).values(
                state=JobState.SCHEDULED.value, worker=None, lease_until=None, stage="waiting again"))  # fmt: skip
            _tell(connection, uid, "state", {"state": JobState.SCHEDULED.value, "reason": "its worker disappeared"})


def new_uid() -> str:
    """A UID that nobody had before (PS3.5 B.2)."""
    return f"2.25.{uuid.uuid4().int}"


def _next(kinds: Sequence[str]) -> Any:
    """The fair choice, as one query."""
    others = JOBS.alias("others")
    under_way = (
        select(func.count()).select_from(others)
        .where(others.c.owner == JOBS.c.owner, others.c.state == JobState.IN_PROGRESS.value).scalar_subquery()
    )  # fmt: skip
    served = (
        select(func.coalesce(func.max(others.c.started), "")).where(others.c.owner == JOBS.c.owner).scalar_subquery()
    )
    return (
        select(JOBS.c.uid)
        .where(JOBS.c.state == JobState.SCHEDULED.value, JOBS.c.kind.in_(kinds), JOBS.c.not_before <= stamp())
        .order_by(JOBS.c.priority, under_way, served, JOBS.c.number).limit(1)
    )  # fmt: skip


def _held(uid: str, worker: str) -> Any:
    """An update of a job that this worker holds, and of no other."""
    return update(JOBS).where(JOBS.c.uid == uid, JOBS.c.worker == worker, JOBS.c.state == JobState.IN_PROGRESS.value)


def _end(connection: Connection, uid: str, reason: str) -> None:
    """To CANCELED, unless the job is over already."""
    ended = update(JOBS).where(JOBS.c.uid == uid, JOBS.c.state.in_(_OPEN)).values(
        state=JobState.CANCELED.value, reason=reason, finished=stamp(), lease_until=None
    )  # fmt: skip
    if connection.execute(ended).rowcount == 1:
        _tell(connection, uid, "state", {"state": JobState.CANCELED.value, "reason": reason})


def _tell(connection: Connection, uid: str, kind: str, data: dict[str, Any]) -> None:
    last = select(func.coalesce(func.max(JOB_EVENTS.c.number), 0)).where(JOB_EVENTS.c.job == uid)
    number = int(connection.execute(last).scalar_one()) + 1
    connection.execute(insert(JOB_EVENTS).values(job=uid, number=number, kind=kind, data=json.dumps(data)))


def _get(connection: Connection, uid: str) -> Job:
    row = connection.execute(select(JOBS).where(JOBS.c.uid == uid)).mappings().first()
    if row is None:
        raise NoSuchJob("no such read", "reads", "list the reads for their UIDs")
    return _job(row)


def _job(row: RowMapping) -> Job:
    return Job(
        uid=row["uid"], kind=row["kind"], owner=row["owner"], priority=row["priority"], state=JobState(row["state"]),
        request=json.loads(row["request"]), created=row["created"], started=row["started"], finished=row["finished"],
        attempts=row["attempts"], cancelled=bool(row["cancel"]), stage=row["stage"], progress=row["progress"],
        text=row["text"], reason=row["reason"], result=None if row["result"] is None else json.loads(row["result"]),
    )  # fmt: skip
