"""Batches side by side, for a model so small that several threads in one operation only get in each other's way.

Handing the pieces of a small matrix product out to threads costs more than the product: a warm read of wetread-mini
takes two thirds longer with two threads than with one. With more than one lane every operation therefore runs on one
thread, and the other cores take other batches of the same step. What torch is told about threads holds while the
engine works, and is taken back when it has nothing to do.
"""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, TypeVar

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

Item = TypeVar("Item")


class Lanes:
    """Runs batches, at most `count` at once; one lane is the caller's thread, with torch's own threads.

    Args:
        count: of lanes.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._pool: ThreadPoolExecutor | None = None

    @contextlib.contextmanager
    def opened(self) -> Iterator[None]:
        """While open, `each` runs side by side; around it the process is as it was."""
        if self.count == 1:
            yield
            return
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            with ThreadPoolExecutor(self.count, "wetread-lane") as self._pool:
                yield
        finally:
            self._pool = None
            torch.set_num_threads(threads)

    def parts(self, items: Sequence[Item], most: int) -> list[list[Item]]:
        """Items in batches of at most `most`, as even as the lanes need them."""
        size = max(1, min(most, -(-len(items) // self.count)))
        return [list(items[first : first + size]) for first in range(0, len(items), size)]

    def each(self, work: Callable[[list[Item]], None], batches: Sequence[list[Item]]) -> None:
        """Run `work` on every batch and return when all are done; the first error is raised."""
        if self._pool is None or len(batches) == 1:
            for batch in batches:
                work(batch)
            return
        under_way = [self._pool.submit(_inference, work, batch) for batch in batches]
        wait(under_way)
        for batch_done in under_way:
            batch_done.result()


@torch.inference_mode()
def _inference(work: Callable[[list[Item]], None], batch: list[Item]) -> None:
    work(batch)
