"""The ledger: what is added stays, and what was meddled with shows."""

from __future__ import annotations

import math
import threading

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from wetread.review.ledger import Ledger, blob_hash, named_blobs


@pytest.fixture
def ledger(database):
    ledger = Ledger(database)
    for number in range(3):
        ledger.append("verdict", "reader-1", {"decision": "accept", "finding": number}, study_uid="1.2", read_uid="1.3")
    return ledger


def unlock(database, table="ledger"):
    """What somebody with the file in his hands can do."""
    with database.writing() as connection:
        if database.is_sqlite:
            for verb in ("update", "delete"):
                connection.execute(text(f"DROP TRIGGER {table}_no_{verb}"))
        else:
            connection.execute(text(f"DROP TRIGGER {table}_is_final ON {table}"))


def change(database, statement):
    with database.writing() as connection:
        connection.execute(text(statement))


def test_entries_come_back_in_order_without_gaps(ledger):
    entries = list(ledger.entries())
    assert [e.number for e in entries] == [1, 2, 3, 4]
    assert [e.kind for e in entries] == ["genesis", "verdict", "verdict", "verdict"]
    assert ledger.breaks() == []


def test_entries_are_found_by_study_read_and_kind(ledger):
    ledger.append("read", "2.25.1", {}, study_uid="1.9", read_uid="1.8")
    assert [e.number for e in ledger.entries(study_uid="1.9")] == [5]
    assert [e.number for e in ledger.entries(read_uid="1.3", after=2)] == [3, 4]
    assert [e.number for e in ledger.entries(kind="read")] == [5]


def test_a_long_ledger_is_read_in_pages(database):
    ledger = Ledger(database)
    with database.writing(in_turn=True) as connection:
        for number in range(1100):
            ledger.append_in(connection, "note", "somebody", {"number": number})
    assert [e.number for e in ledger.entries()] == list(range(1, 1102))


def test_writers_of_two_processes_continue_one_chain(database):
    ledgers = [Ledger(database), Ledger(database)]
    threads = [
        threading.Thread(target=lambda i=i: [ledgers[i].append("note", str(i), {}) for _ in range(10)]) for i in (0, 1)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ledgers[0].head()[0] == 21
    assert ledgers[0].breaks() == []


@pytest.mark.parametrize(
    "statement", ["UPDATE ledger SET actor = 'me' WHERE number = 2", "DELETE FROM ledger", "DELETE FROM ledger_blobs"]
)
def test_the_database_itself_refuses_to_change_an_entry(ledger, database, statement):
    ledger.append("read", "x", {"blob": blob_hash(b"mask")}, blobs={blob_hash(b"mask"): b"mask"})
    with pytest.raises(DatabaseError, match="append-only"):
        change(database, statement)


@pytest.mark.parametrize("column", ["kind", "actor", "recorded", "study_uid", "read_uid", "previous", "hash"])
def test_a_changed_entry_shows(ledger, database, column):
    unlock(database)
    change(database, f"UPDATE ledger SET {column} = 'x' WHERE number = 3")
    assert 3 in {b.number for b in ledger.breaks()}


def test_a_changed_body_shows(ledger, database):
    unlock(database)
    change(database, "UPDATE ledger SET body = replace(body, 'accept', 'reject') WHERE number = 3")
    assert [b.number for b in ledger.breaks()] == [3]


def test_a_missing_entry_shows(ledger, database):
    unlock(database)
    change(database, "DELETE FROM ledger WHERE number = 3")
    assert {b.number for b in ledger.breaks()} == {3, 4}


def test_an_end_that_was_cut_off_shows_to_who_noted_it(ledger, database):
    noted = ledger.head()
    assert ledger.breaks(noted) == []
    unlock(database)
    change(database, "DELETE FROM ledger WHERE number = 4")
    assert ledger.breaks() == []
    assert [b.number for b in ledger.breaks(noted)] == [4]


def test_blobs_are_kept_once_under_their_hash_and_missed(ledger, database):
    name = blob_hash(b"mask")
    for _ in range(2):
        ledger.append("read", "x", {"mask": {"blob": name}}, blobs={name: b"mask"})
    assert ledger.blob(name) == b"mask"
    unlock(database, "ledger_blobs")
    change(database, "DELETE FROM ledger_blobs")
    assert {b.number for b in ledger.breaks()} == {5, 6}
    with pytest.raises(KeyError):
        ledger.blob(name)


def test_an_entry_with_a_blob_of_another_hash_is_not_added(ledger):
    with pytest.raises(ValueError, match="own hash"):
        ledger.append("read", "x", {}, blobs={blob_hash(b"a"): b"b"})
    assert ledger.head()[0] == 4


def test_every_blob_of_a_body_is_named():
    body = {"findings": [{"mask": {"blobs": {"3": "a", "4": "b"}}}, {"before": {"blob": "c"}}], "blob": 7}
    assert named_blobs(body) == {"a", "b", "c"}


def test_what_is_not_json_is_not_added(ledger):
    with pytest.raises(ValueError, match="JSON"):
        ledger.append("note", "x", {"presence": math.nan})
    assert ledger.head()[0] == 4


def test_a_patient_has_one_name_in_a_ledger_and_another_elsewhere(ledger, tmp_path):
    from wetread.records.database import Database

    other = Ledger(Database(tmp_path / "other.db"))
    assert ledger.patient("12345") == ledger.patient("12345")
    assert ledger.patient("12345") != ledger.patient("12346")
    assert ledger.patient("12345") != other.patient("12345")
    assert "12345" not in ledger.patient("12345")
