"""The worklist: which series still want a read or a verdict, in which order, and whose turn each is.

A case that a person was given is leased to him: nobody else gets it until he is done with it, gives it back, or the
lease runs out. Asking again gives the same case again, so that a page that was closed goes on where it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select, update

from wetread import uids
from wetread.errors import RefusedInput
from wetread.records.tables import CASE_LEASES
from wetread.records.times import later, stamp
from wetread.review.standing import CaseState, Standings
from wetread.review.strategies import STRATEGIES, order
from wetread.service.backing import READ
from wetread.service.jobs import JobState, Priority

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydicom import Dataset
    from sqlalchemy import Connection

    from wetread.reading import Reader
    from wetread.service.backing import Backing
    from wetread.service.jobs import Job

LEASE_SECONDS = 1800.0
MOST_SERIES = 5000
OLDEST, NEWEST = "oldest", "newest"
ORDERS = (OLDEST, NEWEST, *STRATEGIES)
NOT_READ = frozenset({"SR", "SEG", "KO", "PR", "DOC", "RTSTRUCT", "RTPLAN", "RTDOSE", "PLAN", "REG", "FID", "AU"})
_MOST_TRIES = 5


@dataclass(frozen=True, slots=True)
class Case:
    """A series on the worklist.

    Args:
        study_uid: of the study.
        series_uid: of the series.
        modality: as DICOM says it.
        date: of the study, YYYYMMDD or "".
        state: see `CaseState`.
        job: the finished read's job, "" where there is none.
        leased_to: login of who has it now, "" for nobody.
    """

    study_uid: str
    series_uid: str
    modality: str
    date: str
    state: CaseState
    job: str = ""
    leased_to: str = ""


class Worklist:
    """Cases of one service; safe from any thread and any number of processes."""

    def __init__(self, backing: Backing, reader: Reader, lease_seconds: float = LEASE_SECONDS) -> None:
        self._backing, self._reader, self._lease = backing, reader, lease_seconds
        self.standings = Standings(backing.ledger)

    def cases(self, strategy: str = OLDEST, seed: int = 0, states: Sequence[CaseState] = ()) -> list[Case]:
        """Series in some states (all where none is named), in the order of a strategy.

        Raises:
            RefusedInput: no such strategy.
            ArchiveRefused: the archive does not answer.
        """
        if strategy not in ORDERS:
            raise RefusedInput(f"no strategy {strategy[:40]!r}", "strategy", f"use one of {', '.join(ORDERS)}")
        found = [case for case in self._all() if not states or case.state in states]
        if strategy in (OLDEST, NEWEST):
            found.sort(key=lambda case: (case.study_uid, case.series_uid))
            found.sort(key=lambda case: case.date, reverse=strategy == NEWEST)
            return found
        return order(found, self._backing.ledger, seed, strategy)

    def next(self, login: str, strategy: str = OLDEST, seed: int = 0, *, another: bool = False) -> Case | None:
        """The case a person shall look at, leased to him; None where none is left.

        Args:
            login: whose.
            strategy: see `cases`.
            seed: see `cases`.
            another: give the present one back and take a different one.
        """
        wanted = self.cases(strategy, seed, (CaseState.UNREVIEWED, CaseState.UNREAD, CaseState.WAITING))
        # What is read already can be decided on at once.
        wanted.sort(key=lambda case: case.state is not CaseState.UNREVIEWED)
        by_uid = {case.series_uid: case for case in wanted}
        with self._backing.database.writing(in_turn=True) as connection:
            connection.execute(delete(CASE_LEASES).where(CASE_LEASES.c.until < stamp()))
            mine = [uid for uid, login_ in _leases(connection).items() if login_ == login]
            if not another and mine and mine[0] in by_uid:
                connection.execute(update(CASE_LEASES).where(CASE_LEASES.c.series_uid == mine[0])
                                   .values(until=later(self._lease)))  # fmt: skip
                return by_uid[mine[0]]
            connection.execute(delete(CASE_LEASES).where(CASE_LEASES.c.login == login))
            taken = {*_leases(connection), *mine}
            for case in wanted:
                if case.series_uid not in taken:
                    lease = {"series_uid": case.series_uid, "study_uid": case.study_uid, "login": login}
                    connection.execute(insert(CASE_LEASES).values(**lease, until=later(self._lease)))
                    return case
        return None

    def give_back(self, login: str) -> None:
        """Let others have what a person was given."""
        with self._backing.database.writing() as connection:
            connection.execute(delete(CASE_LEASES).where(CASE_LEASES.c.login == login))

    def prepare(self, login: str, strategy: str = OLDEST, seed: int = 0, limit: int = 50,
                question: str | None = None) -> list[Job]:  # fmt: skip
        """Have unread cases read before somebody asks, behind those for whom somebody waits.

        Asked twice, a case is read once; one whose read failed is tried again.
        """
        return [self._ahead(case, login, question) for case in self.cases(strategy, seed, (CaseState.UNREAD,))[:limit]]

    def _ahead(self, case: Case, login: str, question: str | None) -> Job:
        asked = {"study_uid": case.study_uid, "series_uid": case.series_uid, "question": question}
        name = f"ahead|{case.series_uid}|{question or ''}|{self._reader.info.device_uid}"
        job: Job | None = None
        for attempt in range(_MOST_TRIES):
            uid = uids.derived(uids.READS, f"{name}|{attempt}")
            job = self._backing.queue.submit(READ, asked, owner=login, priority=Priority.AHEAD, uid=uid)
            if job.state is not JobState.CANCELED:
                break
        assert job is not None
        return job

    def _all(self) -> list[Case]:
        archive, standings = self._backing.archive, self.standings.series()
        dates = {str(one.StudyInstanceUID): str(one.get("StudyDate") or "")
                 for one in archive.search_studies(limit=MOST_SERIES)}  # fmt: skip
        open_ = {job.request.get("series_uid") for job in self._backing.queue.open(READ)}
        with self._backing.database.reading() as connection:
            leases = _leases(connection)

        def case(entry: Dataset) -> Case:
            study, series = str(entry.StudyInstanceUID), str(entry.SeriesInstanceUID)
            known = standings.get(series)
            state = known.state if known else CaseState.WAITING if series in open_ else CaseState.UNREAD
            return Case(study, series, str(entry.get("Modality") or ""), dates.get(study, ""), state,
                        known.job if known else "", leases.get(series, ""))  # fmt: skip

        found = archive.search_series(limit=MOST_SERIES)
        return [case(entry) for entry in found if str(entry.get("Modality") or "") not in NOT_READ]


def _leases(connection: Connection) -> dict[str, str]:
    rows = connection.execute(
        select(CASE_LEASES.c.series_uid, CASE_LEASES.c.login).where(CASE_LEASES.c.until >= stamp())
    )
    return {str(series): str(login) for series, login in rows}
