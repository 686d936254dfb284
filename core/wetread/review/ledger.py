"""The ledger: reads and verdicts in the order they happened, added and never changed.

Each entry carries the hash of the one before it (SHA-256 over a canonical JSON text of every column), so that an
entry that was changed, taken out or slipped in breaks the chain from there on, and `breaks` names the place. Masks
and other large parts are blobs under their own hash, which the entry holds. An entry names studies and instances by
UID and a patient by a salted hash: it can be exported for training without saying who the patient is.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, insert, select

from wetread.records.tables import LEDGER, LEDGER_BLOBS
from wetread.records.times import stamp

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlalchemy import Connection, RowMapping

    from wetread.records.database import Database

GENESIS = "genesis"
NOTHING_BEFORE = "0" * 64
_PAGE = 500


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry.

    Args:
        number: 1, 2, 3 ... without gaps.
        kind: "genesis", "read", "verdict", "model", "export" ...
        actor: who: a login, or the device UID of a model.
        recorded: UTC, ISO 8601.
        study_uid: Study Instance UID, or "".
        read_uid: the read it is about, or "".
        body: what happened; plain JSON.
        previous: hash of the entry before.
        hash: of this entry.
    """

    number: int
    kind: str
    actor: str
    recorded: str
    study_uid: str
    read_uid: str
    body: dict[str, Any]
    previous: str
    hash: str


@dataclass(frozen=True, slots=True)
class Break:
    """A place where the chain does not hold, in words."""

    number: int
    reason: str


class Ledger:
    """The ledger in a database; safe from any thread and any number of processes."""

    def __init__(self, database: Database) -> None:
        self._database = database
        with database.writing(in_turn=True) as connection:
            if _head(connection)[0] == 0:
                _append(connection, GENESIS, "wetread", {"salt": secrets.token_hex(32)}, "", "")
            genesis = connection.execute(select(LEDGER.c.body).where(LEDGER.c.number == 1)).scalar_one()
        self._salt = bytes.fromhex(json.loads(genesis)["salt"])

    def append(
        self,
        kind: str,
        actor: str,
        body: Mapping[str, Any],
        *,
        study_uid: str = "",
        read_uid: str = "",
        blobs: Mapping[str, bytes] | None = None,
    ) -> Entry:
        """Add an entry and the blobs it names, both or neither.

        Args:
            kind: see `Entry`.
            actor: see `Entry`.
            body: plain JSON without NaN.
            study_uid: see `Entry`.
            read_uid: see `Entry`.
            blobs: hash -> content, from `blob_hash`.
        """
        with self._database.writing(in_turn=True) as connection:
            return self.append_in(connection, kind, actor, body, study_uid=study_uid, read_uid=read_uid, blobs=blobs)

    def append_in(
        self, connection: Connection, kind: str, actor: str, body: Mapping[str, Any], *, study_uid: str = "",
        read_uid: str = "", blobs: Mapping[str, bytes] | None = None,
    ) -> Entry:  # fmt: skip
        """`append` inside a transaction of the caller's, which must be `writing(in_turn=True)`."""
        for name, content in (blobs or {}).items():
            if name != blob_hash(content):
                raise ValueError("A blob is kept under its own hash.")
            if connection.execute(select(LEDGER_BLOBS.c.hash).where(LEDGER_BLOBS.c.hash == name)).first() is None:
                connection.execute(insert(LEDGER_BLOBS).values(hash=name, content=content))
        return _append(connection, kind, actor, body, study_uid, read_uid)

    def entries(
        self, *, after: int = 0, kind: str | None = None, study_uid: str | None = None, read_uid: str | None = None
    ) -> Iterator[Entry]:
        """Entries in order, a page at a time: memory stays bounded however long the ledger is."""
        while True:
            wanted = select(LEDGER).where(LEDGER.c.number > after).order_by(LEDGER.c.number).limit(_PAGE)
            for column, value in (
                (LEDGER.c.kind, kind),
                (LEDGER.c.study_uid, study_uid),
                (LEDGER.c.read_uid, read_uid),
            ):
                wanted = wanted if value is None else wanted.where(column == value)
            with self._database.reading() as connection:
                rows = connection.execute(wanted).mappings().all()
            yield from map(_entry, rows)
            if len(rows) < _PAGE:
                return
            after = int(rows[-1]["number"])

    def blob(self, name: str) -> bytes:
        """A blob's content.

        Raises:
            KeyError: no such blob.
            ValueError: its content was changed.
        """
        with self._database.reading() as connection:
            content = connection.execute(select(LEDGER_BLOBS.c.content).where(LEDGER_BLOBS.c.hash == name)).scalar()
        if content is None:
            raise KeyError(name)
        if blob_hash(content) != name:
            raise ValueError("The content of this blob is not what was recorded.")
        return bytes(content)

    def patient(self, patient_id: str, issuer: str = "") -> str:
        """The name under which a patient is kept: 16 hexadecimal digits, the same within this ledger."""
        return hmac.new(self._salt, f"{issuer}|{patient_id}".encode(), hashlib.sha256).hexdigest()[:16]

    def head(self) -> tuple[int, str]:
        """Number and hash of the last entry: noted elsewhere, they show later that nothing was cut off the end."""
        with self._database.reading() as connection:
            return _head(connection)

    def breaks(self, expected_head: tuple[int, str] | None = None) -> list[Break]:
        """Every place where the chain, a blob, or the noted end does not hold; empty for a sound ledger."""
        found, number, previous, seen = [], 0, NOTHING_BEFORE, {}
        for entry in self.entries():
            if entry.number != number + 1:
                found.append(Break(number + 1, f"entries {number + 1} to {entry.number - 1} are missing"))
            if entry.previous != previous:
                found.append(Break(entry.number, "it does not follow the entry before it"))
            if entry.hash != _hash(entry):
                found.append(Break(entry.number, "its content is not what was recorded"))
            found += [Break(entry.number, f"blob {name[:12]} {reason}") for name, reason in self._lost(entry.body)]
            number, previous = entry.number, entry.hash
            seen[number] = entry.hash
        if expected_head is not None and seen.get(expected_head[0]) != expected_head[1]:
            found.append(Break(expected_head[0], "the noted end of the ledger is not there"))
        return found

    def _lost(self, body: object) -> Iterator[tuple[str, str]]:
        for name in sorted(named_blobs(body)):
            try:
                self.blob(name)
            except KeyError:
                yield name, "is missing"
            except ValueError:
                yield name, "was changed"


def blob_hash(content: bytes) -> str:
    """The name of a blob: SHA-256 in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def named_blobs(body: object) -> set[str]:
    """Every blob that a body names: the values under a key "blob" or "blobs"."""
    if isinstance(body, dict):
        own = {v for k, v in body.items() if k == "blob" and isinstance(v, str)}
        inner = body.get("blobs")
        own |= {v for v in inner.values() if isinstance(v, str)} if isinstance(inner, dict) else set()
        return own.union(*(named_blobs(v) for v in body.values()))
    return set().union(*(named_blobs(v) for v in body)) if isinstance(body, list) else set()


def canonical(value: object) -> str:
    """JSON with sorted keys and without spaces; the text that is hashed and kept.

    Raises:
        ValueError: NaN or infinity, which are not JSON.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _head(connection: Connection) -> tuple[int, str]:
    last = select(LEDGER.c.number, LEDGER.c.hash).where(
        LEDGER.c.number == select(func.max(LEDGER.c.number)).scalar_subquery()
    )
    row = connection.execute(last).first()
    return (int(row[0]), str(row[1])) if row else (0, NOTHING_BEFORE)


def _append(
    connection: Connection, kind: str, actor: str, body: Mapping[str, Any], study_uid: str, read_uid: str
) -> Entry:
    number, previous = _head(connection)
    entry = Entry(
        number + 1, kind, actor, stamp(), study_uid, read_uid, json.loads(canonical(dict(body))), previous, ""
    )
    hashed = _hash(entry)
    connection.execute(insert(LEDGER).values(
        number=entry.number, kind=kind, actor=actor, recorded=entry.recorded, study_uid=study_uid, read_uid=read_uid,
        body=canonical(entry.body), previous=previous, hash=hashed,
    ))  # fmt: skip
    return Entry(entry.number, kind, actor, entry.recorded, study_uid, read_uid, entry.body, previous, hashed)


def _hash(entry: Entry) -> str:
    said = [entry.number, entry.kind, entry.actor, entry.recorded, entry.study_uid, entry.read_uid, entry.body,
            entry.previous]  # fmt: skip
    return hashlib.sha256(canonical(said).encode()).hexdigest()


def _entry(row: RowMapping) -> Entry:
    return Entry(int(row["number"]), row["kind"], row["actor"], row["recorded"], row["study_uid"], row["read_uid"],
                 json.loads(row["body"]), row["previous"], row["hash"])  # fmt: skip
