"""The stream: every item once an epoch, the same for a seed, shared out without overlap, resumed to the item."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from wetread.errors import RefusedInput
from wetread.training.data.item import Faults, TrainingItem
from wetread.training.data.stream import FaultyItem, Items, ItemStream


def item(number: int, **facts: object) -> TrainingItem:
    return TrainingItem(str(number), f"q{number}", "a", "d", "s", f"g{number}", **facts)


def ids(stream: ItemStream) -> list[int]:
    return [int(one.id) for one in stream]


class Broken(Items):
    """Lines of these numbers cannot be used."""

    def __init__(self, count: int, broken: set[int]) -> None:
        super().__init__([item(i) for i in range(count)])
        self.broken = broken

    def __getitem__(self, index: int) -> TrainingItem:
        if index in self.broken:
            raise FaultyItem("broken line", f"file:{index}")
        return super().__getitem__(index)


many = Items([item(i) for i in range(50)])


@given(st.integers(1, 60), st.integers(0, 3), st.integers(1, 4))
def test_ranks_share_an_epoch_without_overlap(count: int, seed: int, world: int) -> None:
    source = Items([item(i) for i in range(count)])
    if count < world:
        with pytest.raises(RefusedInput):
            ItemStream([source], world=world)
        return
    shares = [ids(ItemStream([source], seed=seed, rank=rank, world=world)) for rank in range(world)]
    assert {len(share) for share in shares} == {count // world}
    seen = [i for share in shares for i in share]
    assert len(set(seen)) == len(seen) == count // world * world


def test_the_seed_decides_the_order_and_epochs_differ() -> None:
    two = ids(ItemStream([many], seed=1, epochs=2))
    assert two == ids(ItemStream([many], seed=1, epochs=2))
    assert two[:50] != two[50:]
    assert sorted(two[:50]) == sorted(two[50:]) == list(range(50))
    assert ids(ItemStream([many], seed=2)) != two[:50]
    assert ids(ItemStream([many], shuffle=False)) == list(range(50))


@given(st.integers(0, 149))
def test_a_resumed_stream_goes_on_with_the_next_item(stopped: int) -> None:
    whole = ids(ItemStream([many], seed=3, epochs=3))
    first = ItemStream([many], seed=3, epochs=3)
    walk = iter(first)
    seen = [int(next(walk).id) for _ in range(stopped)]
    second = ItemStream([many], seed=3, epochs=3)
    second.load_state_dict(first.state_dict())
    assert seen + ids(second) == whole


def test_a_run_may_go_on_with_another_number_of_ranks() -> None:
    single = ids(ItemStream([many], seed=3))
    first = ItemStream([many], seed=3)
    walk = iter(first)
    for _ in range(10):
        next(walk)
    rest = []
    for rank in range(2):
        stream = ItemStream([many], seed=3, rank=rank, world=2)
        stream.load_state_dict(first.state_dict())
        rest += ids(stream)
    assert sorted(rest) == sorted(single[10:])


def test_a_state_of_other_data_is_refused() -> None:
    state = ItemStream([many], seed=3).state_dict()
    with pytest.raises(RefusedInput, match="another seed"):
        ItemStream([many], seed=4).load_state_dict(state)
    with pytest.raises(RefusedInput, match="another sources"):
        ItemStream([Items([item(0)])], seed=3).load_state_dict(state)


def test_a_faulty_line_is_counted_once_and_replaced_so_that_ranks_stay_even() -> None:
    source = Broken(10, {2, 3, 7})
    streams = [ItemStream([source], seed=0, rank=rank, world=2) for rank in range(2)]
    shares = [ids(stream) for stream in streams]
    assert [len(share) for share in shares] == [5, 5]
    assert not {2, 3, 7} & {i for share in shares for i in share}
    assert sum(stream.faults.total for stream in streams) == 3
    assert sorted(f.where for s in streams for f in s.faults.examples) == ["file:2", "file:3", "file:7"]


def test_a_data_set_without_one_usable_line_is_refused_and_not_read_for_ever() -> None:
    with pytest.raises(RefusedInput, match="no usable line"):
        next(iter(ItemStream([Broken(3, {0, 1, 2})], epochs=None)))


def test_broken_files_are_faults_of_a_loading_stream(tmp_path: Path) -> None:
    good, torn, square = tmp_path / "a.png", tmp_path / "b.png", tmp_path / "c.png"
    Image.fromarray(np.zeros((30, 50, 3), np.uint8)).save(good)
    Image.fromarray(np.zeros((50, 30), np.uint8)).save(square)
    torn.write_bytes(good.read_bytes()[:60])
    source = Items([item(0, images=(good,)), item(1, images=(torn,)), item(2, images=(tmp_path / "none.png",)),
                    item(3, images=(good,), mask=square)])  # fmt: skip
    stream = ItemStream([source], load=True, shuffle=False)
    assert ids(stream) == [0, 0, 0, 0]
    assert stream.faults.counts == {"unreadable file": 3}
    reasons = " ".join(fault.why for fault in stream.faults.examples)
    assert "unreadable picture" in reasons
    assert "missing picture" in reasons
    assert "mask of (50, 30) on a picture of (30, 50)" in reasons
    assert str(tmp_path) not in " ".join(stream.faults.lines())


def test_faults_keep_a_few_in_words_and_count_all() -> None:
    faults, other = Faults(), Faults()
    for number in range(100):
        faults.add("broken line", f"x:{number}")
    other.add("missing image", "y:1", "a.png")
    faults.merge(other)
    assert faults.total == 101
    assert len(faults.examples) == 21
    assert faults.lines()[0] == "100 x broken line, first: x:0"
    assert faults.as_dict()["counts"] == {"broken line": 100, "missing image": 1}
