"""What callers wait for: an item of a step, or an answer that is being written."""

from __future__ import annotations

import threading
from concurrent.futures import Future, InvalidStateError, wait
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Hashable

    from wetread.reading.decoding import Row


@dataclass(slots=True, eq=False)
class Call:
    """One item of a batchable step; items of one step and group may run together."""

    step: str
    group: Hashable
    item: Any
    future: Future[Any] = field(default_factory=Future)


@dataclass(slots=True, eq=False)
class Writing:
    """One answer asked for, and where its tokens go."""

    row: Row
    cancel: threading.Event | None
    tokens: SimpleQueue[int | None] = field(default_factory=SimpleQueue)
    future: Future[Row] = field(default_factory=Future)
    told: int = 0
    listened: bool = False
    abandoned: bool = False

    @property
    def is_cancelled(self) -> bool:
        """True where nobody wants the answer any more."""
        return self.abandoned or (self.cancel is not None and self.cancel.is_set())

    def tell(self) -> None:
        """Pass on what was written since, where somebody listens; at the end, the row."""
        for token in self.row.answer[self.told :] if self.listened else ():
            self.tokens.put(token)
        self.told = max(self.told, len(self.row.answer))
        if self.row.done:
            settle(self.future, self.row)
            self.tokens.put(None)

    def fail(self, error: BaseException) -> None:
        """End without an answer."""
        settle(self.future, error)
        self.tokens.put(None)


def settle(future: Future[Any], outcome: Any) -> None:
    """Set a result or an error; a caller who went away does not mind."""
    try:
        if isinstance(outcome, BaseException):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
    except InvalidStateError:
        return


def wait_for(future: Future[Any], seconds: float) -> None:
    """Wait until a future is done, at most so long."""
    wait([future], timeout=seconds)
