"""What a person sees while something takes long: one tidy line on a terminal, a plain line now and then elsewhere.

Everything goes to the error stream, so that the output of a command can be piped. Nothing is shown for what takes
less than two seconds, except the answer itself, which streams to a terminal as the model writes it.
"""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from types import TracebackType

    from wetread.reading import ReadEvent

PATIENCE = 2.0
"""Seconds that may pass without a word."""
_PLAIN_INTERVAL = 10.0
_TICK = 0.2
_IN_WORDS = {
    "loading": "loading the model",
    "looking": "looking at the images",
    "writing": "writing the answer",
    "grounding": "finding the pixels",
    "done": "building SEG and SR",
}


class Progress:
    """Shows the stage under way and its elapsed time; a context manager.

    Args:
        quiet: show nothing at all.
        stream: where to; the error stream by default.
    """

    def __init__(self, *, quiet: bool = False, stream: TextIO | None = None) -> None:
        self.stream = sys.stderr if stream is None else stream
        self.quiet = quiet
        self.streamed = False
        self._terminal = self.stream.isatty()
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._tick, name="wetread-progress", daemon=True)
        self._stage = ""
        self._fraction: float | None = None
        self._started = self._said = time.monotonic()
        self._line_shown = self._writing_text = False

    def __enter__(self) -> Progress:
        if not self.quiet:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        if self._thread.is_alive():
            self._thread.join()
        with self._lock:
            self._clear()

    def stage(self, words: str, fraction: float | None = None) -> None:
        """Say what is under way now, and how much of it is done (0 to 1) where that is known."""
        with self._lock:
            self._fraction = fraction
            if words == self._stage:
                return
            self._clear()
            self._stage = words
            self._started = self._said = time.monotonic()

    def on_event(self, event: ReadEvent) -> None:
        """Take an event of a read: a stage, or a piece of the answer as the model writes it."""
        if event.stage == "writing" and event.text and self._terminal:
            self._write_text(event.text)
        else:
            self.stage(_IN_WORDS.get(event.stage, event.stage), event.progress)

    def _write_text(self, text: str) -> None:
        if self.quiet:
            return
        with self._lock:
            if not self._writing_text:
                self._clear()
                self._stage, self._fraction = _IN_WORDS["writing"], None
                self._writing_text = self.streamed = True
            self.stream.write(text)
            self.stream.flush()

    def _clear(self) -> None:
        """Leave the cursor at the start of an empty line."""
        if self._line_shown:
            self.stream.write("\r\x1b[K")
        if self._writing_text:
            self.stream.write("\n")
        self._line_shown = self._writing_text = False
        self.stream.flush()

    def _tick(self) -> None:
        while not self._done.wait(_TICK):
            with self._lock:
                self._show(time.monotonic())

    def _show(self, now: float) -> None:
        elapsed = now - self._started
        if not self._stage or self._writing_text or elapsed < PATIENCE:
            return
        share = f" {self._fraction:.0%}" if self._fraction else ""
        if self._terminal:
            self.stream.write(f"\r\x1b[K  {self._stage}{share}  {elapsed:.0f} s")
            self._line_shown = True
        elif self._said == self._started or now - self._said >= _PLAIN_INTERVAL:
            self.stream.write(f"wetread: {self._stage}{share} ({elapsed:.0f} s)\n")
            self._said = now
        self.stream.flush()
