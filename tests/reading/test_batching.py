"""One thread for many callers: together where they agree, alone where they must be, and never for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch

from wetread.errors import ModelUnavailable, ReadCancelled
from wetread.reading import batching
from wetread.reading.batching import Batcher, Limits
from wetread.reading.memory import is_out_of_memory
from wetread.reading.waiting import Writing

END, DEFECTIVE = 9, 37


@dataclass(eq=False)
class Counting:
    """A row that counts to its length limit; what `Row` promises the batcher, without a network."""

    longest: int
    prompt: tuple[int, ...] = ()
    answer: list[int] = field(default_factory=list)
    done: bool = False
    alone_without_memory: bool = False

    def feed(self) -> None:
        if len(self.answer) < self.longest:
            self.answer.append(len(self.answer))
        else:
            self.done = True


@dataclass
class CountingWriter:
    """Writes one number a step for each row; may run out of memory above so many rows."""

    most: int = 100
    rows: list[Counting] = field(default_factory=list)
    together: list[int] = field(default_factory=list)
    hold: threading.Event | None = None
    broken: bool = False
    without_memory: int = 0

    def start(self, rows: Sequence[Counting]) -> None:
        for row in rows:
            row.feed()
        self.rows += [row for row in rows if not row.done]
        self._check()

    def step(self) -> None:
        if self.hold is not None:
            self.hold.wait()
        self._check()
        self.together.append(len(self.rows))
        for row in self.rows:
            row.feed()
        self.rows = [row for row in self.rows if not row.done]

    def leave(self, rows: Sequence[Counting]) -> None:
        self.rows = [row for row in self.rows if row not in rows]

    def clear(self) -> None:
        self.rows = []

    def cost(self, row: Counting) -> int:
        return row.longest

    def _check(self) -> None:
        if self.broken:
            raise ZeroDivisionError("a defect")
        if any(row.longest == DEFECTIVE for row in self.rows):
            raise ZeroDivisionError("a defect of one answer")
        if len(self.rows) > self.most:
            self.without_memory += 1
            raise torch.OutOfMemoryError("CUDA out of memory.")


def batcher(
    writer: CountingWriter | None = None,
    steps: dict[str, Callable[[list[Any]], list[Any]]] | None = None,
    limits: Limits | None = None,
    drop: Callable[[], None] = lambda: None,
) -> Batcher:
    return Batcher(steps or {}, writer or CountingWriter(), limits or Limits(), drop, "a model")  # type: ignore[arg-type]


def all_at_once(work: Callable[[int], Any], count: int) -> list[Any]:
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(work, range(count)))


def busy(tasks: Batcher) -> tuple[threading.Event, ThreadPoolExecutor]:
    """Keep the thread busy until the event is set."""
    go, started, pool = threading.Event(), threading.Event(), ThreadPoolExecutor(1)

    def block(items: list[Any]) -> list[Any]:
        started.set()
        go.wait()
        return items

    tasks._steps["block"] = block
    pool.submit(tasks.run, "block", [("", 0)])
    started.wait()
    return go, pool


class TestSteps:
    def test_items_that_queued_up_run_together_where_their_groups_agree(self) -> None:
        batches: list[list[int]] = []

        def square(items: list[int]) -> list[int]:
            batches.append(items)
            return [item**2 for item in items]

        tasks = batcher(steps={"square": square}, limits=Limits(at_once=3))
        go, pool = busy(tasks)
        waiting = [pool_run(tasks, "square", ("even" if n % 2 == 0 else "odd", n)) for n in range(8)]
        while len(tasks._calls) < 8:
            time.sleep(0.005)
        go.set()
        assert [w.result() for w in waiting] == [[n**2] for n in range(8)]
        assert sorted(sorted(batch) for batch in batches) == [[0, 2, 4], [1, 3, 5], [6], [7]]
        pool.shutdown()
        tasks.close()

    def test_results_come_in_the_order_of_the_items(self) -> None:
        tasks = batcher(steps={"same": list})
        assert tasks.run("same", [(n % 3, n) for n in range(10)]) == list(range(10))
        tasks.close()

    def test_a_defect_reaches_its_caller_and_nobody_else(self) -> None:
        def divide(items: list[int]) -> list[float]:
            return [1 / item for item in items]

        tasks = batcher(steps={"divide": divide})
        with pytest.raises(ZeroDivisionError):
            tasks.run("divide", [("", 0)])
        assert tasks.run("divide", [("", 2)]) == [0.5]
        tasks.close()

    def test_a_defect_of_one_item_is_nobody_elses(self) -> None:
        tasks = batcher(steps={"invert": lambda items: [1 / item for item in items]})
        go, pool = busy(tasks)
        with ThreadPoolExecutor(4) as callers:
            asked = [callers.submit(tasks.run, "invert", [("", item)]) for item in (1, 2, 0, 4)]
            while len(tasks._calls) < 4:
                time.sleep(0.001)
            go.set()
            with pytest.raises(ZeroDivisionError):
                asked.pop(2).result(10)
            assert [future.result(10) for future in asked] == [[1.0], [0.5], [0.25]]
        pool.shutdown()
        tasks.close()

    def test_where_memory_runs_out_the_batch_is_halved(self) -> None:
        sizes: list[int] = []

        def narrow(items: list[int]) -> list[int]:
            sizes.append(len(items))
            if len(items) > 2:
                raise RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory")
            return items

        dropped: list[bool] = []
        tasks = batcher(steps={"narrow": narrow}, drop=lambda: dropped.append(True))
        assert tasks.run("narrow", [("", n) for n in range(8)]) == list(range(8))
        assert sizes == [8, 4, 2, 2, 4, 2, 2]
        assert not dropped
        tasks.close()

    def test_then_the_caches_are_dropped_and_then_there_is_one_clear_error(self) -> None:
        caches = [True]

        def hungry(items: list[int]) -> list[int]:
            if caches or items == [13]:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.")
            return items

        tasks = batcher(steps={"hungry": hungry}, drop=caches.clear)
        assert tasks.run("hungry", [("", 1)]) == [1]
        with pytest.raises(ModelUnavailable, match="not enough memory") as caught:
            tasks.run("hungry", [("", 13)])
        assert "\n" not in str(caught.value)
        tasks.close()

    def test_who_cancels_does_not_wait(self) -> None:
        tasks = batcher(steps={"same": list})
        go, pool = busy(tasks)
        cancel = threading.Event()
        threading.Timer(0.05, cancel.set).start()
        with pytest.raises(ReadCancelled):
            tasks.run("same", [("", 1)], cancel)
        go.set()
        pool.shutdown()
        tasks.close()


def pool_run(tasks: Batcher, step: str, item: tuple[str, int]) -> Any:
    return ThreadPoolExecutor(1).submit(tasks.run, step, [item])


class TestAnswers:
    def test_all_who_wait_are_written_together_and_each_gets_its_own(self) -> None:
        writer = CountingWriter()
        tasks = batcher(writer)
        go, pool = busy(tasks)
        with ThreadPoolExecutor(6) as callers:
            futures = [callers.submit(tasks.write, Writing(Counting(5 + n), None)) for n in range(6)]
            while len(tasks._waiting) < 6:
                time.sleep(0.005)
            go.set()
            assert [f.result().answer for f in futures] == [list(range(5 + n)) for n in range(6)]
        assert writer.together[0] == 6
        assert writer.together[-1] == 1  # rows that finish leave
        pool.shutdown()
        tasks.close()

    def test_tokens_come_to_their_caller_in_its_own_thread(self) -> None:
        tasks = batcher()
        heard: list[int] = []
        threads: set[int] = set()

        def listen(tokens: list[int]) -> None:
            heard.extend(tokens)
            threads.add(threading.get_ident())

        tasks.write(Writing(Counting(20), None), listen)
        assert heard == list(range(20))
        assert threads == {threading.get_ident()}
        tasks.close()

    def test_a_cancelled_answer_leaves_before_the_next_token_and_the_others_go_on(self) -> None:
        writer = CountingWriter()
        tasks = batcher(writer)
        cancel = threading.Event()
        row = Counting(10_000_000)
        with ThreadPoolExecutor(2) as callers:
            doomed = callers.submit(tasks.write, Writing(row, cancel))  # type: ignore[arg-type]
            other = callers.submit(tasks.write, Writing(Counting(3000), None))  # type: ignore[arg-type]
            while len(row.answer) < 10:
                time.sleep(0.001)
            cancel.set()
            with pytest.raises(ReadCancelled):
                doomed.result(10)
            assert other.result(60).answer == list(range(3000))
        tasks.write(Writing(Counting(1), None))  # type: ignore[arg-type]
        assert row not in writer.rows
        tasks.close()

    def test_a_listener_that_fails_ends_its_own_answer_only(self) -> None:
        writer = CountingWriter()
        tasks = batcher(writer)

        def fails(tokens: list[int]) -> None:
            raise ValueError("the listener's own")

        with pytest.raises(ValueError, match="own"):
            tasks.write(Writing(Counting(10_000_000), None), fails)  # type: ignore[arg-type]
        assert tasks.write(Writing(Counting(3), None)).answer == [0, 1, 2]  # type: ignore[arg-type]
        tasks.close()

    def test_no_more_rows_than_allowed_and_no_more_memory(self) -> None:
        rows, memory = CountingWriter(), CountingWriter()
        few, small = batcher(rows, limits=Limits(rows=2)), batcher(memory, limits=Limits(key_value_bytes=90))
        for tasks, length in ((few, 30), (small, 40)):
            go, pool = busy(tasks)
            with ThreadPoolExecutor(6) as callers:
                asked = [callers.submit(tasks.write, Writing(Counting(length), None)) for _ in range(6)]  # type: ignore[arg-type]
                while len(tasks._waiting) < 6:
                    time.sleep(0.001)
                go.set()
                assert all(future.result(30).done for future in asked)
            pool.shutdown()
        assert max(rows.together) == 2
        assert max(memory.together) == 2
        assert small.write(Writing(Counting(500), None)).done  # type: ignore[arg-type]
        few.close()
        small.close()

    def test_where_memory_runs_out_fewer_are_written_together_and_all_are_finished(self) -> None:
        writer = CountingWriter(most=2)
        tasks = batcher(writer)
        heard: dict[int, list[int]] = {n: [] for n in range(8)}
        rows = all_at_once(lambda n: tasks.write(Writing(Counting(50), None), heard[n].extend), 8)  # type: ignore[arg-type]
        assert all(row.answer == list(range(50)) for row in rows)
        assert all(tokens == list(range(50)) for tokens in heard.values())  # nothing twice, nothing missing
        assert max(writer.together) <= 2
        tasks.close()

    def test_where_memory_ran_out_not_all_are_let_in_again_at_once(self) -> None:
        writer = CountingWriter(most=2)
        tasks = batcher(writer)
        go, pool = busy(tasks)
        with ThreadPoolExecutor(8) as callers:
            asked = [callers.submit(tasks.write, Writing(Counting(50), None)) for _ in range(8)]  # type: ignore[arg-type]
            while len(tasks._waiting) < 8:
                time.sleep(0.001)
            go.set()
            assert all(future.result(30).done for future in asked)
        assert writer.without_memory <= 8  # 8, 4, then one more than fits whenever an answer was finished
        pool.shutdown()
        tasks.close()

    def test_a_defect_of_one_answer_is_nobody_elses(self) -> None:
        writer = CountingWriter()
        tasks = batcher(writer)

        def work(number: int) -> list[int] | str:
            longest = DEFECTIVE if number == 3 else 50
            try:
                return tasks.write(Writing(Counting(longest), None)).answer  # type: ignore[arg-type]
            except ZeroDivisionError as error:
                return str(error)

        told = all_at_once(work, 6)
        assert told.pop(3) == "a defect of one answer"
        assert told == [list(range(50))] * 5
        tasks.close()

    def test_an_answer_that_does_not_fit_alone_gets_empty_caches_and_then_the_error(self) -> None:
        writer, dropped = CountingWriter(most=0), []
        tasks = batcher(writer, drop=lambda: dropped.append(True))
        with pytest.raises(ModelUnavailable, match="not enough memory"):
            tasks.write(Writing(Counting(5), None))  # type: ignore[arg-type]
        assert dropped == [True]
        writer.most = 1
        assert tasks.write(Writing(Counting(5), None)).done  # type: ignore[arg-type]
        tasks.close()

    def test_a_defect_fails_the_answers_under_way_and_the_next_one_is_written(self) -> None:
        writer = CountingWriter(broken=True)
        tasks = batcher(writer)
        with pytest.raises(ZeroDivisionError):
            tasks.write(Writing(Counting(5), None))  # type: ignore[arg-type]
        writer.broken = False
        assert tasks.write(Writing(Counting(5), None)).done  # type: ignore[arg-type]
        tasks.close()


class TestTheThread:
    def test_closing_ends_it_and_lets_everybody_go(self) -> None:
        tasks = batcher()
        with ThreadPoolExecutor(3) as callers:
            waiting = [callers.submit(tasks.write, Writing(Counting(10_000_000), None)) for _ in range(3)]  # type: ignore[arg-type]
            time.sleep(0.05)
            tasks.close()
            for future in waiting:
                with pytest.raises(ReadCancelled, match="closed"):
                    future.result(10)
        with pytest.raises(ReadCancelled, match="closed"):
            tasks.write(Writing(Counting(1), None))  # type: ignore[arg-type]
        tasks.close()

    def test_it_ends_when_idle_and_starts_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(batching, "LINGER_SECONDS", 0.01)
        tasks = batcher(steps={"same": list})
        for _ in range(2):
            assert tasks.run("same", [("", 1)]) == [1]
            thread = tasks._thread
            if thread is not None:
                thread.join(10)
            assert tasks._thread is None
        tasks.close()


@pytest.mark.parametrize(
    ("error", "is_memory"),
    [
        (MemoryError(), True),
        (torch.OutOfMemoryError("CUDA out of memory"), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 7 bytes"), True),
        (RuntimeError("CUDA error: out of memory"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_out_of_memory_is_told_from_defects(error: BaseException, is_memory: bool) -> None:
    assert is_out_of_memory(error) == is_memory
