"""What every room's tests share: the modules in `support` can be imported by name.

Property tests run without wall-clock deadlines, because a busy machine is not a wrong result.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent / "support"))

from databases import empty_postgresql, has_postgresql, postgresql

if TYPE_CHECKING:
    from wetread.records.database import Database

settings.register_profile("wetread", deadline=None)
settings.load_profile("wetread")


@pytest.fixture(scope="session")
def postgresql_url(tmp_path_factory) -> Iterator[str]:
    if not has_postgresql():
        pytest.skip("PostgreSQL is not installed (Debian: postgresql)")
    # The path of a socket may be 107 bytes long, and the folder must be open to the server's account.
    with tempfile.TemporaryDirectory(prefix="wetread-pg-") as folder, postgresql(Path(folder) / "server") as url:
        yield url


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def database(request, tmp_path) -> Iterator[Database]:
    """An empty database of each kind."""
    from wetread.records.database import Database

    if request.param == "sqlite":
        opened = Database(tmp_path / "wetread.db")
    else:
        url = request.getfixturevalue("postgresql_url")
        empty_postgresql(url)
        opened = Database(url)
    yield opened
    opened.close()
