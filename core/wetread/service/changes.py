"""Word between threads and the event loop: this job has changed, look again."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Changes:
    """Who waits for which job. `tell` is called from any thread, `listening` from the event loop."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[str, list[tuple[asyncio.AbstractEventLoop, asyncio.Event]]] = {}
        self.are_over = False
        """The service stops: streams end, listeners come again later."""

    def tell(self, uid: str) -> None:
        """A job has changed."""
        with self._lock:
            waiting = list(self._waiting.get(uid, ()))
        self._wake(waiting)

    def end(self) -> None:
        """Let every stream end."""
        self.are_over = True
        with self._lock:
            waiting = [one for listeners in self._waiting.values() for one in listeners]
        self._wake(waiting)

    @contextmanager
    def listening(self, uid: str) -> Iterator[asyncio.Event]:
        """An event that is set at each change of a job."""
        mine = (asyncio.get_running_loop(), asyncio.Event())
        with self._lock:
            self._waiting.setdefault(uid, []).append(mine)
        try:
            yield mine[1]
        finally:
            with self._lock:
                self._waiting[uid].remove(mine)
                if not self._waiting[uid]:
                    del self._waiting[uid]

    def _wake(self, waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]]) -> None:
        for loop, changed in waiting:
            # The loop may be closing while a worker still talks.
            if not loop.is_closed():
                loop.call_soon_threadsafe(changed.set)
