"""A job, in the states of a Unified Procedure Step (PS3.4 CC.1.1), as the database has it and as it changes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Any


class JobState(StrEnum):
    """UPS states, spelled as DICOM spells them."""

    SCHEDULED = "SCHEDULED"
    IN_PROGRESS = "IN PROGRESS"
    COMPLETED = "COMPLETED"
    CANCELED = "CANCELED"


@dataclass(frozen=True, slots=True)
class JobEvent:
    """One change of a job: kind ``state``, ``progress``, ``text`` or ``finding``, and what is sent with it."""

    number: int
    kind: str
    data: dict[str, Any]


class Priority(IntEnum):
    """Smaller is sooner."""

    PERSON = 0
    """Somebody waits for it."""
    AHEAD = 5
    """Read before somebody asks: the worklist of the morning."""
    BATCH = 9


@dataclass(frozen=True, slots=True)
class Job:
    """A job as the database has it.

    Args:
        uid: DICOM UID of the job.
        kind: "read", "train", ...
        owner: who asked.
        priority: see `Priority`.
        state: UPS state.
        request: what was asked; plain JSON.
        created: UTC, ISO 8601; so are `started` and `finished`.
        started: of the latest attempt.
        finished: when it came to its final state.
        attempts: how often it was claimed.
        cancelled: somebody asked to stop it.
        stage: what is being done.
        progress: 0 to 1.
        text: the answer so far.
        reason: why CANCELED.
        result: what it left; plain JSON; None before COMPLETED.
    """

    uid: str
    kind: str
    owner: str
    priority: int
    state: JobState
    request: dict[str, Any]
    created: str
    started: str | None
    finished: str | None
    attempts: int
    cancelled: bool
    stage: str
    progress: float
    text: str
    reason: str
    result: dict[str, Any] | None

    @property
    def is_over(self) -> bool:
        """True in a final state."""
        return self.state in (JobState.COMPLETED, JobState.CANCELED)
