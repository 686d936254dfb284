"""One database behind jobs, ledger and outbox: transactions that hold, on SQLite and on PostgreSQL.

Every write runs in `writing()`: one transaction that takes the write lock at its start, so that reading a row and
changing it cannot be torn apart by another process. SQLite runs in WAL mode with full synchronisation: what was
committed is there after a power cut, and readers never wait for a writer.
"""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, OperationalError, SQLAlchemyError

from wetread.errors import RefusedInput

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMES = ("sqlite", "postgresql+psycopg")
BUSY_SECONDS = 30
WRITE_LOCK = 0x77657472  # "wetr", the advisory lock of PostgreSQL that writers of chains take in turn


class NotRecorded(RefusedInput):
    """The database took nothing of what was to be kept together; the same again is safe."""


_REASONS = (
    ("full", "the disk is full", "free some space, then do it again"),
    ("readonly", "the database may not be written", "give its file and folder back their permissions, then again"),
    ("read-only", "the database may not be written", "give its file and folder back their permissions, then again"),
    ("locked", "another process holds the database", "do it again; if that lasts, see which process hangs"),
    ("disk i/o", "the disk does not take it", "check the disk, then do it again"),
)


def _in_words(text_: str) -> tuple[str, str]:
    lower = text_.lower()
    found = next((words for sign, *words in _REASONS if sign in lower), None)
    return (found[0], found[1]) if found else ("the database does not answer", "check that it runs, then do it again")


class Database:
    """An open, migrated database; safe from any thread.

    Args:
        url: ``sqlite:///FILE``, ``postgresql://...``, or the path of an SQLite file, made where missing.

    Raises:
        RefusedInput: another kind of database, or one that cannot be opened or migrated.
    """

    def __init__(self, url: str | Path) -> None:
        address = _address(url)
        self.location: str = address.render_as_string(hide_password=True)
        """Where it is, without any password."""
        self.address: str = address.render_as_string(hide_password=False)
        """Where it is, for the environment of a process of ours; holds the password."""
        self.is_sqlite = address.drivername == "sqlite"
        self._engine = _engine(address)
        try:
            self._migrate()
        except (SQLAlchemyError, OSError, NotRecorded) as error:
            self._engine.dispose()
            raise RefusedInput(
                f"the database does not open ({type(error.__cause__ or error).__name__})", self.location,
                "check that it runs, that the account may create tables, and that the folder is writable",
            ) from error  # fmt: skip

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection for reading one consistent state."""
        with self._engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self, *, in_turn: bool = False) -> Iterator[Connection]:
        """A transaction: committed at the end, undone by an exception.

        Args:
            in_turn: writers wait for each other from the start (SQLite always does).

        Raises:
            NotRecorded: the disk is full, the file may not be written, or the database does not answer.
        """
        try:
            with self._engine.connect().execution_options(writes=True) as connection, connection.begin():
                if in_turn and not self.is_sqlite:
                    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": WRITE_LOCK})
                yield connection
        except OperationalError as error:
            # The text of the error repeats the statement; the reason of the database itself is short and its own.
            reason, remedy = _in_words(str(error.orig))
            raise NotRecorded(f"nothing was recorded: {reason}", self.location, remedy) from None

    def close(self) -> None:
        """Give back every connection."""
        self._engine.dispose()

    def _migrate(self) -> None:
        """Bring the tables to this version; two processes that start at once wait for each other."""
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        with self.writing(in_turn=True) as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")


def _address(url: str | Path) -> URL:
    text_ = str(url)
    if "://" not in text_:
        path = Path(text_).expanduser().absolute()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RefusedInput(f"no folder for the database ({error.strerror})", path.parent,
                               "give a place that you may write to") from None  # fmt: skip
        return URL.create("sqlite", database=str(path))
    try:
        address = make_url(text_)
    except ArgumentError:
        raise RefusedInput(
            "not a database URL", "database", "give a file, sqlite:///FILE or postgresql://..."
        ) from None
    if address.drivername == "postgresql":
        address = address.set(drivername="postgresql+psycopg")
    if address.drivername not in SCHEMES or (address.drivername == "sqlite" and not address.database):
        raise RefusedInput(f"database of kind {address.drivername!r}", "database",
                           "give a file, sqlite:///FILE or postgresql://...")  # fmt: skip
    return address


def _engine(address: URL) -> Engine:
    if address.drivername != "sqlite":
        try:
            return create_engine(address, pool_pre_ping=True, hide_parameters=True, pool_size=10, max_overflow=20)
        except ModuleNotFoundError:
            raise RefusedInput("the PostgreSQL driver is not installed", "database",
                               "pip install 'wetread[postgresql]'") from None  # fmt: skip
    engine = create_engine(
        address, connect_args={"timeout": BUSY_SECONDS}, pool_size=10, max_overflow=20, hide_parameters=True
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, record: Any) -> None:
        connection.isolation_level = None  # SQLAlchemy's own BEGIN below, not the driver's late one
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine
