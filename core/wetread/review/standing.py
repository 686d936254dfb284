"""Where every series stands, and how often people agree with each model: the ledger, folded as it grows.

The ledger only grows, so what was seen once is never read again: each call looks at the new entries alone. Rates come
with Wilson's 95 % interval (J. Am. Stat. Assoc. 22, 1927), because those of a new version rest on few verdicts.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from wetread.findings import Decision

if TYPE_CHECKING:
    from wetread.review.ledger import Entry, Ledger

_NORMAL_95 = 1.959964


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


@dataclass(frozen=True, slots=True)
class Rate:
    """What people made of the findings of one version of a model; the last decision of each person counts."""

    model: str
    version: str
    device_uid: str
    accepted: int
    corrected: int
    rejected: int
    added: int
    days: dict[str, tuple[int, int]]
    """Day (UTC) -> (accepted, decided)."""

    @property
    def decided(self) -> int:
        """Findings of the model that somebody decided on."""
        return self.accepted + self.corrected + self.rejected

    @property
    def rate(self) -> float | None:
        """Accepted as they were, of those decided on."""
        return self.accepted / self.decided if self.decided else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Wilson's 95 % interval of the rate."""
        return wilson(self.accepted, self.decided) if self.decided else None


class Standings:
    """The fold; safe from any thread, one for each process."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._lock = threading.Lock()
        self._seen = 0
        self._series: dict[str, Standing] = {}
        self._by_read: dict[str, Standing] = {}
        self._decisions: dict[tuple[str, str, str], tuple[tuple[str, str, str], Decision, str]] = {}

    def series(self) -> dict[str, Standing]:
        """Series UID -> where it stands, of every series that was read."""
        with self._lock:
            self._follow()
            return dict(self._series)

    def rates(self) -> list[Rate]:
        """One for each version of a model that somebody decided on, the latest decision last."""
        with self._lock:
            self._follow()
            decisions = list(self._decisions.values())
        grouped: dict[tuple[str, str, str], list[tuple[Decision, str]]] = {}
        for model, decision, day in decisions:
            if decision is not Decision.WITHDRAW:
                grouped.setdefault(model, []).append((decision, day))
        return sorted((_rate(model, said) for model, said in grouped.items()), key=lambda rate: max(rate.days or [""]))

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
            model = entry.body["model"]
            key = (model["model"], model["model_version"], model["device_uid"])
            self._decisions[entry.read_uid, tracking, entry.actor] = (key, decision, entry.recorded[:10])
        elif entry.kind == "signature" and (about := self._by_read.get(entry.read_uid)) is not None:
            about.signed = True


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a proportion of `trials` > 0."""
    share, square = successes / trials, _NORMAL_95**2
    centre = share + square / (2 * trials)
    spread = _NORMAL_95 * math.sqrt(share * (1 - share) / trials + square / (4 * trials**2))
    whole = 1 + square / trials
    return max(0.0, (centre - spread) / whole), min(1.0, (centre + spread) / whole)


def _rate(model: tuple[str, str, str], said: list[tuple[Decision, str]]) -> Rate:
    counts = {decision: sum(one is decision for one, _ in said) for decision in Decision}
    days: dict[str, tuple[int, int]] = {}
    for decision, day in said:
        if decision is not Decision.ADD:
            accepted, decided = days.get(day, (0, 0))
            days[day] = (accepted + (decision is Decision.ACCEPT), decided + 1)
    return Rate(*model, counts[Decision.ACCEPT], counts[Decision.CORRECT], counts[Decision.REJECT],
                counts[Decision.ADD], dict(sorted(days.items())))  # fmt: skip
