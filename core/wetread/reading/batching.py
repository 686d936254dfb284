"""One thread owns the model; whoever waits for it is served together.

Callers of any number block on what they asked for. Encoding and grounding that queued up while the thread was busy
run as one batch where their shapes agree. Answers are decoded together, and a new one joins between any two tokens:
there is no window in which a first caller waits for a second. A caller gets its tokens through a queue of its own,
so that a slow listener holds up nobody, and it is let go at once when its `cancel` is set; the thread drops the
answer before its next token.

Memory that runs out is an event, not an end: the batch is halved and tried again, then the caches are dropped, then
the one caller who is left gets one clear error.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from queue import Empty
from typing import TYPE_CHECKING, Any, Protocol

import torch

from wetread.errors import ModelUnavailable, ReadCancelled
from wetread.reading.lanes import Lanes
from wetread.reading.memory import is_out_of_memory, release_memory
from wetread.reading.waiting import Call, Writing, settle, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from wetread.reading.decoding import Row

LINGER_SECONDS = 5.0
"""An idle thread ends after this long; the next request starts another."""
LOOK_SECONDS = 0.05
"""How often a waiting caller looks at its `cancel`."""


class Writer(Protocol):
    """What the thread needs to decode answers; see `decoding.Decoder`."""

    @property
    def rows(self) -> Sequence[Row]:
        """The answers under way."""

    def start(self, rows: Sequence[Row]) -> None:
        """Prefill answers and let those that are not done yet join the batch."""

    def step(self) -> None:
        """One more token for every answer under way."""

    def leave(self, rows: Sequence[Row]) -> None:
        """Take answers out of the batch."""

    def clear(self) -> None:
        """Take every answer out and free the memory."""

    def cost(self, row: Row) -> int:
        """Bytes of keys and values an answer needs at its longest."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is done at once.

    Args:
        rows: most answers decoded together.
        at_once: most items of a batchable step that run together.
        key_value_bytes: most memory for keys and values of the answers under way; one answer always may run.
        lanes: batches of a step that run side by side, see `lanes`.
    """

    rows: int = 16
    at_once: int = 8
    key_value_bytes: int = 2 << 30
    lanes: int = 1


class Batcher:
    """Runs steps and answers of many callers on one thread.

    Args:
        steps: name -> function from a list of items to a list of results.
        writer: decodes answers.
        limits: of one batch.
        drop_caches: called where halving a batch did not free enough memory.
        name: what memory ran out for, in the error.
    """

    def __init__(
        self,
        steps: dict[str, Callable[[list[Any]], list[Any]]],
        writer: Writer,
        limits: Limits,
        drop_caches: Callable[[], None],
        name: str = "the model",
    ) -> None:
        self._steps, self._writer, self._limits = steps, writer, limits
        self._drop_caches, self._name = drop_caches, name
        self._lanes = Lanes(limits.lanes)
        self._arrived = threading.Condition()
        self._calls: list[Call] = []
        self._waiting: deque[Writing] = deque()
        self._under_way: list[Writing] = []
        self._most_rows = limits.rows
        self._thread: threading.Thread | None = None
        self._closed = False

    def run(self, step: str, items: Sequence[tuple[Hashable, Any]], cancel: threading.Event | None = None) -> list[Any]:
        """Run items of one step, each with its group, together with those of other callers; blocks.

        Raises:
            ReadCancelled: `cancel` was set or the batcher was closed.
            ModelUnavailable: not enough memory for a single item.
        """
        calls = [Call(step, group, item) for group, item in items]
        self._submit(calls)
        results = []
        try:
            for call in calls:
                while not call.future.done() and not (cancel and cancel.is_set()):
                    wait_for(call.future, LOOK_SECONDS)
                if not call.future.done():
                    raise ReadCancelled("The read was cancelled.")
                results.append(call.future.result())
        finally:
            for call in calls:
                call.future.cancel()
        return results

    def write(self, writing: Writing, on_tokens: Callable[[list[int]], None] | None = None) -> Row:
        """Decode one answer together with those of other callers; blocks.

        Args:
            writing: what is asked for.
            on_tokens: called in the caller's thread with the tokens that came since the last call.

        Raises:
            ReadCancelled: its `cancel` was set or the batcher was closed.
            ModelUnavailable: not enough memory for a single answer.
        """
        writing.listened = on_tokens is not None
        self._submit(writing)
        try:
            over = False
            while not over:
                new: list[int] = []
                try:
                    item = writing.tokens.get(timeout=LOOK_SECONDS)
                    while item is not None:
                        new.append(item)
                        item = writing.tokens.get_nowait()
                    over = True
                except Empty:
                    over = False
                if writing.is_cancelled:
                    raise ReadCancelled("The read was cancelled while the answer was written.")
                if new and on_tokens is not None:
                    on_tokens(new)
            row = writing.future.result()
            if writing.is_cancelled:
                raise ReadCancelled("The read was cancelled while the answer was written.")
            return row
        finally:
            writing.abandoned = True

    def close(self) -> None:
        """End the thread; whoever still waits gets ReadCancelled."""
        with self._arrived:
            self._closed = True
            thread = self._thread
            self._arrived.notify()
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _submit(self, asked: Writing | list[Call]) -> None:
        with self._arrived:
            if self._closed:
                raise ReadCancelled("The engine was closed.")
            if isinstance(asked, Writing):
                self._waiting.append(asked)
            else:
                self._calls.extend(asked)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="wetread-model", daemon=True)
                self._thread.start()
            self._arrived.notify()

    @torch.inference_mode()
    def _work(self) -> None:
        try:
            with self._lanes.opened():
                while (calls := self._next()) is not None:
                    self._run_calls(calls)
                    self._admit()
                    self._write_on()
        except BaseException as error:  # a defect here must not leave callers waiting
            with self._arrived:
                self._thread = None
                self._fail_pending(error)
            raise

    def _next(self) -> list[Call] | None:
        """Wait for something to do and give the calls to run; None where the thread is to end."""
        with self._arrived:
            if not (self._calls or self._waiting or self._under_way or self._closed):
                self._arrived.wait(LINGER_SECONDS)
            if self._closed:
                self._fail_pending(ReadCancelled("The engine was closed."))
            if not (self._calls or self._waiting or self._under_way):
                self._thread = None
                return None
            calls, self._calls = self._calls, []
            return calls

    def _fail_pending(self, error: BaseException) -> None:
        for writing in (*self._under_way, *self._waiting):
            writing.fail(error)
        for call in self._calls:
            settle(call.future, error)
        self._under_way, self._calls = [], []
        self._waiting.clear()
        self._writer.clear()

    def _run_calls(self, calls: list[Call]) -> None:
        groups: dict[tuple[str, Hashable], list[Call]] = {}
        for call in calls:
            if call.future.set_running_or_notify_cancel():
                groups.setdefault((call.step, call.group), []).append(call)
        for same in groups.values():
            self._lanes.each(self._run_together, self._lanes.parts(same, self._limits.at_once))

    def _run_together(self, calls: list[Call], dropped: bool = False) -> None:
        """Run items of one step and group; what fails runs in halves, so that a defect is that of one item alone.

        A single item for which memory runs out is tried again without caches.
        """
        try:
            results = self._steps[calls[0].step]([call.item for call in calls])
        except Exception as error:
            if len(calls) > 1:
                half = len(calls) // 2
                self._run_together(calls[:half], dropped)
                self._run_together(calls[half:], dropped)
                return
            if not is_out_of_memory(error):
                failure: Exception = error
            elif not dropped:
                self._free()
                self._run_together(calls, dropped=True)
                return
            else:
                failure = self._no_memory()
            for call in calls:
                settle(call.future, failure)
            return
        for call, result in zip(calls, results, strict=True):
            settle(call.future, result)

    def _admit(self) -> None:
        """Let waiting answers start while rows and memory last."""
        starting: list[Writing] = []
        held = sum(self._writer.cost(w.row) for w in self._under_way)
        while self._waiting and len(self._under_way) + len(starting) < self._most_rows:
            writing = self._waiting[0]
            if writing.is_cancelled:
                self._waiting.popleft().fail(ReadCancelled("The read was cancelled before its answer was begun."))
                continue
            held += self._writer.cost(writing.row)
            if held > self._limits.key_value_bytes and (self._under_way or starting):
                break
            starting.append(self._waiting.popleft())
        if starting:
            self._under_way += starting
            self._guarded(lambda: self._writer.start([w.row for w in starting]))

    def _write_on(self) -> None:
        """Drop answers nobody wants, write one token of each other, hand out what is there."""
        unwanted = [w for w in self._under_way if w.is_cancelled]
        if unwanted:
            rows = {id(row) for row in self._writer.rows}
            self._guarded(lambda: self._writer.leave([w.row for w in unwanted if id(w.row) in rows]))
            for writing in unwanted:
                writing.fail(ReadCancelled("The read was cancelled while the answer was written."))
            self._under_way = [w for w in self._under_way if w not in unwanted]
        if self._writer.rows:
            self._guarded(self._writer.step)

    def _guarded(self, work: Callable[[], None]) -> None:
        """Do something with the batch of answers; where memory runs out, all wait again and fewer are let in.

        A defect is that of one answer: it shows which when each is written alone.
        """
        try:
            work()
        except Exception as error:
            self._writer.clear()
            if is_out_of_memory(error):
                self._shrink()
            elif len(self._under_way) > 1:
                self._put_back(at_once=1)
            else:
                failed, self._under_way = self._under_way, []
                for writing in failed:
                    writing.fail(error)
        for writing in self._under_way:
            writing.tell()
        left = [writing for writing in self._under_way if not writing.row.done]
        # One more for each that was finished: let in again at once, the same answers would fail again at once.
        self._most_rows = min(self._most_rows + len(self._under_way) - len(left), self._limits.rows)
        self._under_way = left

    def _shrink(self) -> None:
        """Memory ran out among the answers under way: all wait again, and half as many are let in.

        An answer that ran out of memory all alone gets one more try with empty caches.
        """
        again = [writing for writing in self._under_way if not writing.row.done]
        if len(again) == 1 and again[0].row.alone_without_memory:
            again[0].fail(self._no_memory())
            self._under_way.remove(again[0])
        elif len(again) == 1:
            again[0].row.alone_without_memory = True
            self._drop_caches()
        self._put_back(at_once=max(len(again) // 2, 1))
        release_memory()

    def _put_back(self, at_once: int) -> None:
        """Let the answers under way wait again, in their order; what they have written stays and is prefilled."""
        again = [writing for writing in self._under_way if not writing.row.done]
        self._under_way = [writing for writing in self._under_way if writing.row.done]
        self._most_rows = at_once
        self._waiting.extendleft(reversed(again))

    def _free(self) -> None:
        self._drop_caches()
        release_memory()

    def _no_memory(self) -> ModelUnavailable:
        return ModelUnavailable(
            "not enough memory, also for a single picture or answer and with empty caches", self._name,
            "free memory, use a smaller model, fewer pictures in one question or a machine with more memory",
        )  # fmt: skip
