"""The reader of a running service: which version reads is looked up before every read, so nothing has to restart.

Every process on the same folder of versions follows the pointer by itself. A read goes on with the version that it
began with; one that no read uses any more gives its memory back. A pointer that cannot be followed is logged, and the
version that reads goes on reading.
"""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from wetread.errors import WetreadError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from wetread.archive import Archive
    from wetread.findings import Read
    from wetread.imaging.sample import Sample
    from wetread.imaging.waveform import Waveform
    from wetread.model.checkpoint import ModelInfo
    from wetread.model.versions import ModelVersions
    from wetread.pointing import Pointing
    from wetread.reading import Reader, ReadEvent
    from wetread.reading.interface import ReadEngine

FOLDER = ".wetread-models"
logger = logging.getLogger("wetread.service")


class SwitchingReader:
    """Reads with the version that the pointer names; has what the service uses of a `Reader`.

    Args:
        versions: folder and pointer.
        make: from what `ModelVersions.location` gives to a reader; loads no weights yet.
    """

    def __init__(self, versions: ModelVersions, make: Callable[[str], Reader]) -> None:
        self.versions, self._make = versions, make
        self._lock = threading.Lock()
        self._location = versions.location()
        self._current = make(self._location)
        self._users: dict[int, int] = {}

    @property
    def info(self) -> ModelInfo:
        """Of the version that reads now."""
        return self.follow().info

    @property
    def engine(self) -> ReadEngine:
        """Of the version that reads now."""
        return self.follow().engine

    def read(
        self, sample: Sample | Waveform, question: str | None = None, *, beside: Sequence[Sample | Waveform] = (),
        pointing: Pointing | None = None, on_event: Callable[[ReadEvent], None] | None = None,
        cancel: threading.Event | None = None,
    ) -> Read:  # fmt: skip
        """See `Reader.read`."""
        more: dict[str, Any] = {name: value for name, value in (("beside", beside), ("pointing", pointing)) if value}
        with self.using() as reader:
            return reader.read(sample, question, on_event=on_event, cancel=cancel, **more)

    @contextmanager
    def using(self) -> Iterator[Reader]:
        """The reader of now, which stays open until the end of the block."""
        self.follow()
        with self._lock:
            reader = self._current
            self._users[id(reader)] = self._users.get(id(reader), 0) + 1
        try:
            yield reader
        finally:
            with self._lock:
                self._users[id(reader)] -= 1
                is_over = self._users[id(reader)] == 0 and reader is not self._current
                if self._users[id(reader)] == 0:
                    del self._users[id(reader)]
            if is_over:
                reader.close()

    def follow(self) -> Reader:
        """Take up the version that the pointer names; returns its reader."""
        try:
            location = self.versions.location()
            if location == self._location:
                return self._current
            made = self._make(location)
        except WetreadError as error:
            logger.error("the model stays: %s", error)
            return self._current
        with self._lock:
            if location == self._location:
                return self._current  # another thread was quicker
            left, self._current, self._location = self._current, made, location
            is_idle = id(left) not in self._users
        if is_idle:
            left.close()
        logger.info("%s %s reads from now on", made.info.name, made.info.version)
        return made

    def close(self) -> None:
        """Let go of the model; reads under way end as cancelled."""
        self._current.close()


def default_models(archive: Archive) -> Path:
    """Where versions of a service's model are kept: in a folder archive, or for a PACS in the user's state folder."""
    from wetread.service.backing import default_database

    place = default_database(archive)
    return place.parent / FOLDER if place.name.startswith(".") else place.with_suffix(".models")
