"""Where every series stands: read or not, decided on or not; the ledger, folded as it grows.

The ledger only grows, so what was seen once is never read again: each call looks at the new entries alone.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from wetread.findings import Decision

if TYPE_CHECKING:
    from wetread.review.ledger import Entry, Ledger


class CaseState(StrEnum):
    """How far a series has come."""

    UNREAD = "unread"
    WAITING = "waiting"
    """Its read is not over."""
    UNREVIEWED = "unreviewed"
    """Read; not every finding has a person's verdict."""
    REVIEWED = "reviewed"
    """Somebody decided on every finding of the latest read, added one, or signed it."""


@dataclass(slots=True)
class Standing:
    """A series that was read: its latest read, the job of it, and who decided on what."""

    study_uid: str
    series_uid: str
    read_uid: str
    job: str
    findings: frozenset[str]
    decided: dict[str, set[str]] = field(default_factory=dict)
    signed: bool = False

    @property
    def state(self) -> CaseState:
        """UNREVIEWED or REVIEWED."""
        whole = any(done and done >= self.findings for done in self.decided.values())
        return CaseState.REVIEWED if self.signed or whole else CaseState.UNREVIEWED


class Standings:
    """The fold; safe from any thread, one for each process."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._lock = threading.Lock()
        self._seen = 0
        self._series: dict[str, Standing] = {}
        self._by_read: dict[str, Standing] = {}

    def series(self) -> dict[str, Standing]:
        """Series UID -> where it stands, of every series that was read."""
        with self._lock:
            self._follow()
            return dict(self._series)

    def _follow(self) -> None:
        for entry in self._ledger.entries(after=self._seen):
            self._see(entry)
            self._seen = entry.number

    def _see(self, entry: Entry) -> None:
        if entry.kind == "read":
            found = frozenset(str(one["tracking_uid"]) for one in entry.body["findings"])
            series = str(entry.body["series"]["series_uid"])
            standing = Standing(entry.study_uid, series, entry.read_uid, str(entry.body.get("job", "")), found)
            self._series[series] = self._by_read[entry.read_uid] = standing
        elif entry.kind == "verdict":
            tracking, decision = str(entry.body["tracking_uid"]), Decision(entry.body["decision"])
            if (about := self._by_read.get(entry.read_uid)) is not None:
                done = about.decided.setdefault(entry.actor, set())
                (done.discard if decision is Decision.WITHDRAW else done.add)(tracking)
        elif entry.kind == "signature" and (about := self._by_read.get(entry.read_uid)) is not None:
            about.signed = True
