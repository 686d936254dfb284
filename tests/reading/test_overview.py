"""Two passes within a budget: which slices are shown, how large, and which the answer chooses."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wetread.model.families import QWEN2_5_VL, QWEN3_VL, Family
from wetread.reading.overview import (
    MOST_KEY,
    MOST_OVERVIEW,
    chosen_planes,
    evenly,
    plan_key_slices,
    plan_overview,
    reduced_size,
)

SHAPES = st.tuples(st.integers(1, 4096), st.integers(16, 2048), st.integers(16, 2048))
FAMILIES = st.sampled_from([QWEN2_5_VL, QWEN3_VL])


def test_a_ct_of_300_slices_costs_what_the_budget_says() -> None:
    plan = plan_overview(QWEN3_VL, (300, 512, 512))
    assert len(plan.planes) == 64
    assert plan.video
    assert plan.tokens == 32 * 64  # two slices of 256 x 256 share a visual token of 32 x 32 pixels
    keys = plan_key_slices(QWEN3_VL, (300, 512, 512), range(100, 116))
    assert (len(keys.planes), keys.side, keys.tokens) == (8, 512, 2048)


@given(shape=SHAPES, family=FAMILIES)
def test_the_overview_never_exceeds_its_budget(shape: tuple[int, int, int], family: Family) -> None:
    plan = plan_overview(family, shape)
    assert plan.tokens <= max(family.overview_tokens, plan.tokens // len(plan.planes))
    assert 1 <= len(plan.planes) <= min(MOST_OVERVIEW, shape[0])
    assert list(plan.planes) == sorted(set(plan.planes))
    assert 0 <= plan.planes[0] <= plan.planes[-1] < shape[0]


@given(shape=SHAPES, family=FAMILIES)
def test_key_slices_keep_to_their_budget_and_are_never_enlarged(shape: tuple[int, int, int], family: Family) -> None:
    plan = plan_key_slices(family, shape, range(shape[0]))
    assert len(plan.planes) <= MOST_KEY
    assert plan.side <= max(shape[1:])
    assert plan.tokens <= family.key_tokens


@given(count=st.integers(1, 5000), most=st.integers(1, 64))
def test_slices_are_chosen_evenly(count: int, most: int) -> None:
    chosen = evenly(count, most)
    gaps = {b - a for a, b in itertools.pairwise(chosen)}
    assert len(chosen) == min(count, most)
    assert not gaps or max(gaps) - min(gaps) <= 1


def test_the_aspect_is_kept() -> None:
    assert reduced_size(1000, 500, 256) == (256, 128)
    assert reduced_size(100, 50, 256) == (100, 50)


@pytest.mark.parametrize(
    ("answer", "planes"),
    [("<think>Slices 1 and 2 are empty.</think> \\boxed{3, 5}", (30, 50)),
     ("<think>maybe 9</think> 4 and 4, then 2", (40, 20)),
     ("\\boxed{99, 1}", (10,)),
     ("\\boxed{99999999999999999999}", (10, 20, 30, 40, 50)),
     ("I cannot say.", (10, 20, 30, 40, 50))],
)  # fmt: skip
def test_numbers_of_the_answer_name_key_slices_and_nonsense_names_even_ones(
    answer: str, planes: tuple[int, ...]
) -> None:
    assert chosen_planes(answer, (10, 20, 30, 40, 50)) == planes
