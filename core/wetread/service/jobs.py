"""Reads as jobs in the states of a Unified Procedure Step (PS3.4 CC.1.1), kept in memory.

A job moves SCHEDULED -> IN PROGRESS -> COMPLETED, or to CANCELED with the reason in words (cancelled by a person,
or failed). Each change is an event with a number, so that a listener who was away can go on where it stopped.
A service that ends forgets them; what was stored in the archive stays.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from wetread.service.errors import NoSuchJob, NotYet

_LATEST_JOBS = 200


class JobState(StrEnum):
    """UPS states, spelled as DICOM spells them."""

    SCHEDULED = "SCHEDULED"
    IN_PROGRESS = "IN PROGRESS"
    COMPLETED = "COMPLETED"
    CANCELED = "CANCELED"


@dataclass(frozen=True, slots=True)
class JobEvent:
    """One change of a job: kind ``state``, ``progress`` or ``text``, and what is sent with it."""

    number: int
    kind: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class StoredObject:
    """SEG or SR of a finished read, in the archive.

    Args:
        kind: ``SEG`` or ``SR``.
        series_uid: its own series, in the study of the images.
        sop_instance_uid: of the object.
        state: what storing answered, see `archive.protocol.StoreState`.
    """

    kind: str
    series_uid: str
    sop_instance_uid: str
    state: str


@dataclass(frozen=True, slots=True)
class JobResult:
    """What a finished job leaves: the read document, the overlay as PNG and where SEG and SR went."""

    document: dict[str, Any]
    overlay: bytes
    stored: tuple[StoredObject, ...]


@dataclass(slots=True, eq=False)
class Job:
    """One read, asked for, under way or done. Methods are safe from any thread."""

    study_uid: str
    series_uid: str
    question: str | None
    uid: str = field(default_factory=lambda: f"2.25.{uuid.uuid4().int}")
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    state: JobState = JobState.SCHEDULED
    stage: str = "waiting"
    progress: float = 0.0
    text: str = ""
    reason: str = ""
    result: JobResult | None = None
    cancel: threading.Event = field(default_factory=threading.Event)
    _events: list[JobEvent] = field(default_factory=list)
    _listeners: list[Callable[[], None]] = field(default_factory=list)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    @classmethod
    def done(cls, study_uid: str, series_uid: str, question: str | None, result: JobResult) -> Job:
        """A read that was made before the service started."""
        job = cls(study_uid, series_uid, question)
        job.start()
        job.complete(result)
        return job

    @property
    def is_over(self) -> bool:
        """True in a final state."""
        return self.state in (JobState.COMPLETED, JobState.CANCELED)

    def start(self) -> bool:
        """Move to IN PROGRESS; False where the job was cancelled before."""
        with self._lock:
            if self.state is not JobState.SCHEDULED:
                return False
            self.state = JobState.IN_PROGRESS
            self._tell("state", {"state": self.state})
            return True

    def advance(self, stage: str, progress: float, text: str = "") -> None:
        """Note a stage, how far the read is (0 to 1), and a new piece of the answer."""
        with self._lock:
            if self.is_over:
                return
            if (stage, progress) != (self.stage, self.progress):
                self.stage, self.progress = stage, progress
                self._tell("progress", {"stage": stage, "progress": round(progress, 4)})
            if text:
                self.text += text
                self._tell("text", {"text": text})

    def complete(self, result: JobResult) -> None:
        """Move to COMPLETED."""
        with self._lock:
            if not self.is_over:
                self.result, self.stage, self.progress = result, "done", 1.0
                self._finish(JobState.COMPLETED)

    def give_up(self, reason: str) -> None:
        """Move to CANCELED with a reason; asks the work to stop where it is under way."""
        with self._lock:
            self.cancel.set()
            if not self.is_over:
                self.reason = reason
                self._finish(JobState.CANCELED)

    def finished(self) -> JobResult:
        """The result.

        Raises:
            NotYet: the job is not completed; says why.
        """
        with self._lock:
            if self.result is None:
                what = f"no result: {self.state}" + (f", {self.reason}" if self.reason else "")
                raise NotYet(what, self.uid, "submit a new read" if self.is_over else "wait until COMPLETED")
            return self.result

    def events_after(self, number: int) -> tuple[list[JobEvent], bool]:
        """Events with a higher number, and whether these are the last."""
        with self._lock:
            return self._events[max(number, 0) :], self.is_over

    @contextmanager
    def listening(self, listener: Callable[[], None]) -> Iterator[None]:
        """Call `listener` (from the working thread) after every event."""
        with self._lock:
            self._listeners.append(listener)
        try:
            yield
        finally:
            with self._lock:
                self._listeners.remove(listener)

    def _finish(self, state: JobState) -> None:
        self.state = state
        self._tell("state", {"state": state, "reason": self.reason})

    def _tell(self, kind: str, data: dict[str, Any]) -> None:
        self._events.append(JobEvent(len(self._events) + 1, kind, data))
        for listener in self._listeners:
            listener()


class JobStore:
    """The jobs of this process, newest first; the oldest finished ones are forgotten."""

    def __init__(self, keep: int = _LATEST_JOBS) -> None:
        self._keep = keep
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()

    def add(self, job: Job) -> None:
        """Keep a job."""
        with self._lock:
            self._jobs[job.uid] = job
            for old in [j for j in self._jobs.values() if j.is_over][: max(len(self._jobs) - self._keep, 0)]:
                del self._jobs[old.uid]

    def get(self, uid: str) -> Job:
        """A job.

        Raises:
            NoSuchJob: none with this UID.
        """
        with self._lock:
            job = self._jobs.get(uid)
        if job is None:
            raise NoSuchJob("no such read", "reads", "list the reads for their UIDs")
        return job

    def all(self) -> list[Job]:
        """Every job, newest first."""
        with self._lock:
            return list(reversed(self._jobs.values()))

    def give_up_all(self, reason: str) -> None:
        """Cancel every job that is not over."""
        for job in self.all():
            job.give_up(reason)

    def waiting(self) -> int:
        """How many jobs are not over."""
        with self._lock:
            return sum(not job.is_over for job in self._jobs.values())
