"""One Reader for the stock inference calls and the service's jobs, so that weights are held once.

They come from several threads (the server's loop, the worker, a batch's pool); a Reader reads one image at a time.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from wetread.reading import Reader

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from wetread.findings import Read
    from wetread.imaging.sample import Sample
    from wetread.reading import ReadEvent


class SharedReader(Reader):
    """A Reader whose callers wait for each other."""

    def __init__(self, model: str | Path) -> None:
        super().__init__(model)
        self._one_at_a_time = threading.Lock()

    def read(
        self,
        sample: Sample,
        question: str | None = None,
        *,
        on_event: Callable[[ReadEvent], None] | None = None,
        cancel: threading.Event | None = None,
    ) -> Read:
        """As `Reader.read`, after the reads that were asked for before."""
        with self._one_at_a_time:
            return super().read(sample, question, on_event=on_event, cancel=cancel)
