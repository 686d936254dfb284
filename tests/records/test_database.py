"""The database: migrated to what the code expects, torn by nobody, plain about what it cannot open."""

from __future__ import annotations

import threading

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event, func, insert, select

from wetread.errors import RefusedInput
from wetread.records.database import Database, NotRecorded
from wetread.records.tables import LEDGER_BLOBS, METADATA
from wetread.records.times import later, moment, stamp


def test_the_migrations_make_exactly_the_tables_of_the_code(database):
    with database.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []


def test_an_exception_undoes_the_whole_transaction(database):
    with pytest.raises(KeyError), database.writing() as connection:  # noqa: PT012
        connection.execute(insert(LEDGER_BLOBS).values(hash="a", content=b"1"))
        raise KeyError
    with database.reading() as connection:
        assert connection.execute(select(func.count()).select_from(LEDGER_BLOBS)).scalar() == 0


def test_writers_of_many_threads_take_turns(database):
    def add(name: str) -> None:
        with database.writing(in_turn=True) as connection:
            count = connection.execute(select(func.count()).select_from(LEDGER_BLOBS)).scalar_one()
            connection.execute(insert(LEDGER_BLOBS).values(hash=f"{count}", content=name.encode()))

    threads = [threading.Thread(target=add, args=(str(i),)) for i in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.reading() as connection:
        names = connection.execute(select(LEDGER_BLOBS.c.hash)).scalars().all()
    assert sorted(map(int, names)) == list(range(12))


def test_opening_again_keeps_what_is_there(tmp_path):
    first = Database(tmp_path / "deep" / "wetread.db")
    with first.writing() as connection:
        connection.execute(insert(LEDGER_BLOBS).values(hash="a", content=b"1"))
    first.close()
    with Database(tmp_path / "deep" / "wetread.db").reading() as connection:
        assert connection.execute(select(LEDGER_BLOBS.c.content)).scalar() == b"1"


@pytest.mark.parametrize("url", ["mysql://x/y", "sqlite://", "postgresql+pg8000://x/y", "://", "oracle://x"])
def test_another_kind_of_database_is_refused_in_one_line(url):
    with pytest.raises(RefusedInput) as refusal:
        Database(url)
    assert "\n" not in str(refusal.value)


def test_a_server_that_is_not_there_is_refused_without_its_password():
    with pytest.raises(RefusedInput) as refusal:
        Database("postgresql://reader:secret@127.0.0.1:9/none?connect_timeout=1")
    assert "secret" not in str(refusal.value)


def test_a_file_that_is_no_database_is_refused(tmp_path):
    (tmp_path / "letter.db").write_text("Dear Sir, " * 1000)
    with pytest.raises(RefusedInput):
        Database(tmp_path / "letter.db")


@given(st.datetimes(timezones=st.timezones()), st.datetimes(timezones=st.timezones()))
def test_stamps_sort_as_time_does(one, other):
    assert (stamp(one) <= stamp(other)) == (moment(stamp(one)) <= moment(stamp(other)))
    assert stamp() < later(1)


@pytest.mark.parametrize(
    ("pragma", "said"), [("max_page_count=1", "disk is full"), ("query_only=1", "may not be written")]
)
def test_what_the_disk_does_not_take_is_said_in_one_line_and_nothing_is_kept(tmp_path, pragma, said):
    """`max_page_count` makes SQLite fail as a full disk does, `query_only` as a file without permission."""
    opened = Database(tmp_path / "records.db")
    event.listen(opened._engine, "checkout", lambda connection, *_: connection.execute(f"PRAGMA {pragma}"))
    with pytest.raises(NotRecorded) as caught, opened.writing() as connection:  # noqa: PT012
        for number in range(50):
            connection.execute(insert(LEDGER_BLOBS).values(hash=f"{number}", content=b"secret" * 10_000))
    assert said in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "INSERT" not in str(caught.value)
    with opened.reading() as connection:
        assert connection.execute(select(func.count()).select_from(LEDGER_BLOBS)).scalar() == 0
    opened.close()


def test_a_database_that_is_held_by_another_is_said_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr("wetread.records.database.BUSY_SECONDS", 0.1)
    first, second = Database(tmp_path / "records.db"), Database(tmp_path / "records.db")
    with first.writing(), pytest.raises(NotRecorded, match="another process"), second.writing():
        pass
    first.close()
    second.close()
