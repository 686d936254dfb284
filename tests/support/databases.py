"""A database for a test: SQLite in a folder, or a PostgreSQL of Debian's that the test starts for itself."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


def has_postgresql() -> bool:
    return bool(BINARIES) and (os.geteuid() != 0 or shutil.which("runuser") is not None)


@contextmanager
def postgresql(folder: Path) -> Iterator[str]:
    """The URL of an empty server that listens on a socket in `folder` and nowhere else."""
    bin_folder = BINARIES[-1]
    # The server refuses to run as root.
    person = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    folder.mkdir(parents=True, exist_ok=True)
    if person:
        shutil.chown(folder, "postgres")
        folder.parent.chmod(0o711)
    data = folder / "data"

    def run(*arguments: str) -> None:
        subprocess.run([*person, *arguments], check=True, capture_output=True, cwd=folder)

    run(str(bin_folder / "initdb"), "-D", str(data), "-A", "trust", "-U", "wetread", "--no-sync")
    options = f"-c listen_addresses='' -c unix_socket_directories='{folder}' -c fsync=off"
    run(str(bin_folder / "pg_ctl"), "-D", str(data), "-o", options, "-l", str(folder / "log"), "-w", "start")
    try:
        yield f"postgresql://wetread@/postgres?host={folder}"
    finally:
        run(str(bin_folder / "pg_ctl"), "-D", str(data), "-m", "immediate", "-w", "stop")


def empty_postgresql(url: str) -> None:
    """Drop everything that an earlier test left."""
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
