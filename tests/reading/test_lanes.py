"""Batches side by side: all of them, shared out evenly, and torch as it was afterwards."""

from __future__ import annotations

import threading

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from wetread.reading.lanes import Lanes


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@given(st.lists(st.integers(), max_size=40), st.integers(1, 9), st.integers(1, 8))
def test_every_item_is_in_one_batch_in_its_order_and_no_lane_is_left_empty(items, most, count):
    batches = Lanes(count).parts(items, most)
    assert [item for batch in batches for item in batch] == items
    assert all(1 <= len(batch) <= most for batch in batches)
    assert len(batches) >= min(len(items), count) or len(items) % count, "as many batches as lanes where items last"


def test_two_batches_run_at_the_same_time():
    lanes, meeting = Lanes(2), threading.Barrier(2, timeout=30)
    with lanes.opened():
        lanes.each(lambda batch: meeting.wait(), [[1], [2]])  # breaks where one waits for the other's end


def test_work_runs_in_inference_mode_on_one_thread(two_threads):
    seen = []
    lanes = Lanes(2)
    with lanes.opened():
        lanes.each(lambda batch: seen.append((torch.is_inference_mode_enabled(), torch.get_num_threads())), [[1], [2]])
        assert torch.get_num_threads() == 1
    assert seen == [(True, 1)] * 2
    assert torch.get_num_threads() == 2, "taken back"


def test_an_error_of_one_batch_is_raised_when_the_others_are_done():
    done = []

    def work(batch):
        if batch == [0]:
            raise ValueError("this one")
        done.append(batch)

    lanes = Lanes(2)
    with lanes.opened(), pytest.raises(ValueError, match="this one"):
        lanes.each(work, [[0], [1]])
    assert done == [[1]]


def test_one_lane_is_the_callers_thread_and_changes_nothing(two_threads):
    lanes, seen = Lanes(1), []
    with lanes.opened():
        lanes.each(lambda batch: seen.append(threading.current_thread()), [[1], [2]])
        assert torch.get_num_threads() == 2
    assert seen == [threading.current_thread()] * 2
