"""The courier: a thread that carries the outbox to the archive while the service runs."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from wetread.service.errors import describe

if TYPE_CHECKING:
    from collections.abc import Callable

    from wetread.archive.outbox import Item, Outbox

logger = logging.getLogger("wetread.service")
_LOOK_SECONDS = 1.0


class Courier:
    """Delivers until it is stopped; what is left stays in the outbox.

    Args:
        outbox: what is delivered.
        on_delivery: called with each object that was tried, from the courier's thread.
    """

    def __init__(self, outbox: Outbox, on_delivery: Callable[[Item], None] = lambda item: None) -> None:
        self._outbox, self._on_delivery = outbox, on_delivery
        self._wake, self._leaving = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._work, name="wetread-courier", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def wake(self) -> None:
        """There is something new."""
        self._wake.set()

    def stop(self, seconds: float = 10.0) -> None:
        """Stop after the object that is being sent."""
        self._leaving.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(seconds)

    def _work(self) -> None:
        while not self._leaving.is_set():
            tried: list[Item] = []
            try:
                tried = self._outbox.deliver(limit=1)
            except Exception as error:
                # A foreign error's text may hold patient data; the object keeps waiting.
                logger.error("delivery failed: %s", describe(error))
            for item in tried:
                self._on_delivery(item)
            if not tried:
                self._wake.wait(_LOOK_SECONDS)
                self._wake.clear()
