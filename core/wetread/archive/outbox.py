"""The outbox: what must reach the archive, kept until it is there.

A verdict or a finished read puts its objects in here in its own transaction; from then on a courier, in any process,
delivers them. Objects of one bundle go in order, and one waits until all before it are held: an SR never arrives
without the SEG it points to. Four ends are told apart: *stored* (read back and equal, `archive.protocol`), *conflict*
(other content is held under the UID: final, nothing is overwritten), *refused* (the archive said no, several times),
and *waiting* (the archive does not answer; tried again with growing pauses, for ever). A courier leases what it sends,
so two never send the same object at once; one that dies leaves its lease to run out.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, insert, or_, select, update

from wetread.archive.content import decoded, differences, encoded
from wetread.archive.protocol import StoreState, checked_uid
from wetread.errors import ArchiveRefused
from wetread.records.tables import OUTBOX
from wetread.records.times import later, stamp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydicom import Dataset
    from sqlalchemy import Connection, RowMapping

    from wetread.archive.protocol import Archive, StoredInstance
    from wetread.records.database import Database

LEASE_SECONDS = 120.0
SHORTEST_PAUSE, LONGEST_PAUSE = 2.0, 600.0
MOST_REFUSALS = 6


class OutboxState(StrEnum):
    """Where an object is on its way."""

    WAITING = "waiting"
    STORED = "stored"
    CONFLICT = "conflict"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Item:
    """One object on its way.

    Args:
        number: its place in the outbox.
        archive: location of the archive it goes to.
        bundle: UID of the read or verdict it belongs to.
        position: order within the bundle.
        kind: ``SEG``, ``SR`` or ``image``.
        study_uid: of the object.
        series_uid: of the object.
        sop_instance_uid: of the object.
        state: see `OutboxState`.
        reason: why it waits, conflicts or was refused; what the archive changed.
        attempts: how often it was sent, or tried to be.
        not_before: UTC; when it is tried next.
        created: UTC.
        finished: UTC; None while waiting.
    """

    number: int
    archive: str
    bundle: str
    position: int
    kind: str
    study_uid: str
    series_uid: str
    sop_instance_uid: str
    state: OutboxState
    reason: str
    attempts: int
    not_before: str
    created: str
    finished: str | None


_COLUMNS = [column for column in OUTBOX.columns if column.name not in ("content", "lease_until")]


class Outbox:
    """Objects for one archive; safe from any thread and any number of processes."""

    def __init__(self, database: Database, archive: Archive, lease_seconds: float = LEASE_SECONDS) -> None:
        self._database = database
        self._archive = archive
        self._lease = lease_seconds

    def put(self, bundle: str, objects: Sequence[tuple[str, Dataset]]) -> list[Item]:
        """Keep objects for delivery, in the order given, all or none; see `put_in`."""
        prepared = _prepared(objects)
        with self._database.writing(in_turn=True) as connection:
            return self.put_in(connection, bundle, prepared)

    def put_in(self, connection: Connection, bundle: str, prepared: Sequence[Prepared]) -> list[Item]:
        """`put` inside a transaction of the caller's, which must be `writing(in_turn=True)`.

        Args:
            connection: of the transaction.
            bundle: UID of what they belong to.
            prepared: from `prepare`, made before the transaction so that it stays short.

        Raises:
            ArchiveRefused: other content waits under one of the UIDs; nothing was kept.
        """
        items = []
        for position, new in enumerate(prepared):
            this = (OUTBOX.c.archive == self._archive.location, OUTBOX.c.sop_instance_uid == new.uids[2])
            known = connection.execute(select(OUTBOX).where(*this)).mappings().first()
            if known is None:
                connection.execute(insert(OUTBOX).values(
                    archive=self._archive.location, bundle=bundle, position=position, kind=new.kind,
                    study_uid=new.uids[0], series_uid=new.uids[1], sop_instance_uid=new.uids[2], content=new.content,
                    state=OutboxState.WAITING.value, reason="", attempts=0, not_before=stamp(), created=stamp(),
                ))  # fmt: skip
            elif known["content"] != new.content and differences(decoded(known["content"]), decoded(new.content)):
                raise ArchiveRefused("other content is in the outbox under this UID", new.uids[2],
                                     "a changed object needs a new SOP Instance UID")  # fmt: skip
            items.append(_one(connection, *this))
        return items

    def deliver(self, limit: int = 100) -> list[Item]:
        """Send what is due, one object after the other; returns what was tried, as it stands now.

        Stops early where the archive does not answer at all: the next object would only wait as long.
        """
        tried: list[Item] = []
        for _ in range(limit):
            number, content = self._take()
            if number is None or content is None:
                break
            item, answers = self._send(number, content)
            tried.append(item)
            if not answers:
                break
        return tried

    def items(self, *, state: OutboxState | None = None, bundle: str | None = None, limit: int = 200) -> list[Item]:
        """What is in the outbox, newest first."""
        wanted = select(*_COLUMNS).where(OUTBOX.c.archive == self._archive.location)
        for column, value in ((OUTBOX.c.state, state), (OUTBOX.c.bundle, bundle)):
            wanted = wanted if value is None else wanted.where(column == value)
        with self._database.reading() as connection:
            rows = connection.execute(wanted.order_by(OUTBOX.c.number.desc()).limit(limit)).mappings()
            return [_item(row) for row in rows]

    def counts(self) -> dict[str, int]:
        """How many objects are in each state."""
        wanted = select(OUTBOX.c.state, func.count()).where(OUTBOX.c.archive == self._archive.location)
        with self._database.reading() as connection:
            found = {str(state): int(count) for state, count in connection.execute(wanted.group_by(OUTBOX.c.state))}
        return {state.value: found.get(state.value, 0) for state in OutboxState}

    def retry(self, number: int | None = None) -> int:
        """Try waiting and refused objects again now, one or all; returns how many. A conflict stays one."""
        chosen = update(OUTBOX).where(
            OUTBOX.c.archive == self._archive.location,
            OUTBOX.c.state.in_([OutboxState.WAITING.value, OutboxState.REFUSED.value]),
        )
        chosen = chosen if number is None else chosen.where(OUTBOX.c.number == number)
        with self._database.writing() as connection:
            again = chosen.values(state=OutboxState.WAITING.value, not_before=stamp(), attempts=0, finished=None)
            return int(connection.execute(again).rowcount)

    def _take(self) -> tuple[int | None, bytes | None]:
        """Lease the next object whose time has come and whose bundle is held up to it."""
        before = OUTBOX.alias("before")
        held_up = (
            select(before.c.number)
            .where(before.c.archive == OUTBOX.c.archive, before.c.bundle == OUTBOX.c.bundle,
                   before.c.position < OUTBOX.c.position, before.c.state != OutboxState.STORED.value)
            .exists()
        )  # fmt: skip
        due = (
            select(OUTBOX.c.number, OUTBOX.c.content)
            .where(OUTBOX.c.archive == self._archive.location, OUTBOX.c.state == OutboxState.WAITING.value,
                   OUTBOX.c.not_before <= stamp(), ~held_up,
                   or_(OUTBOX.c.lease_until.is_(None), OUTBOX.c.lease_until < stamp()))
            .order_by(OUTBOX.c.not_before, OUTBOX.c.number).limit(1)
        )  # fmt: skip
        with self._database.writing(in_turn=True) as connection:
            row = connection.execute(due).first()
            if row is None:
                return None, None
            connection.execute(update(OUTBOX).where(OUTBOX.c.number == row[0]).values(
                lease_until=later(self._lease), attempts=OUTBOX.c.attempts + 1))  # fmt: skip
            return int(row[0]), bytes(row[1])

    def _send(self, number: int, content: bytes) -> tuple[Item, bool]:
        """Store one object; what became of it, and whether the archive answers at all."""
        try:
            answered: StoredInstance | None = self._archive.store([decoded(content)]).instances[0]
            reason = answered.reason if answered else ""
        except ArchiveRefused as refusal:
            answered, reason = None, f"{refusal.what}; {refusal.remedy}"
        with self._database.writing() as connection:
            item = _one(connection, OUTBOX.c.number == number)
            changed: dict[str, Any] = {"lease_until": None, "reason": reason}
            state = _state(answered, item.attempts)
            if state is OutboxState.WAITING:
                changed["not_before"] = later(pause(item.attempts))
            else:
                changed |= {"state": state.value, "finished": stamp()}
            connection.execute(update(OUTBOX).where(OUTBOX.c.number == number).values(**changed))
            return _one(connection, OUTBOX.c.number == number), answered is not None


def pause(attempts: int) -> float:
    """Seconds before the next try: doubled each time, ten minutes at most."""
    return float(min(SHORTEST_PAUSE * 2 ** (attempts - 1), LONGEST_PAUSE))


@dataclass(frozen=True, slots=True)
class Prepared:
    """An object as bytes, with its (study, series, instance) UIDs."""

    kind: str
    uids: tuple[str, str, str]
    content: bytes


def _prepared(objects: Sequence[tuple[str, Dataset]]) -> list[Prepared]:
    return [prepare(kind, dataset) for kind, dataset in objects]


def prepare(kind: str, dataset: Dataset) -> Prepared:
    """An object as it will be sent.

    Raises:
        ArchiveRefused: UIDs that are none.
    """
    study, series, instance = (checked_uid(dataset.get(keyword), keyword)
                               for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"))  # fmt: skip
    return Prepared(kind, (study, series, instance), encoded(dataset))


def _state(answered: StoredInstance | None, attempts: int) -> OutboxState:
    if answered is None:
        return OutboxState.WAITING
    if answered.is_held:
        return OutboxState.STORED
    if answered.state is StoreState.CONFLICT:
        return OutboxState.CONFLICT
    return OutboxState.REFUSED if attempts >= MOST_REFUSALS else OutboxState.WAITING


def _one(connection: Connection, *conditions: Any) -> Item:
    return _item(connection.execute(select(*_COLUMNS).where(*conditions)).mappings().one())


def _item(row: RowMapping) -> Item:
    return Item(**(dict(row) | {"state": OutboxState(row["state"])}))
