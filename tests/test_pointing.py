"""Pointing: what is kept of a mask is what was meant, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from wetread.errors import RefusedInput
from wetread.findings import Box, BoxFrame, Mask
from wetread.pointing import Point, Pointing

SHAPE = (3, 20, 30)


def box(x0, y0, x1, y1):
    return Box(x0, y0, x1, y1, BoxFrame.IMAGE)


@pytest.fixture
def mask():
    """A bar through all planes at the left, a square on plane 1 at the right."""
    dense = np.zeros(SHAPE, dtype=bool)
    dense[:, 2:18, 2:6] = True
    dense[1, 5:10, 20:25] = True
    return Mask.from_dense(dense)


def test_a_box_keeps_what_is_inside_it_and_the_rest_of_that_object_on_other_planes(mask):
    kept = Pointing(boxes=((1, box(0, 0, 10, 10)),)).kept(mask).dense()
    assert kept[1, :10, :10].sum() == 8 * 4
    assert not kept[1, 10:].any()
    assert not kept[:, :, 20:].any()
    assert kept[0].sum() == kept[2].sum() == 16 * 4


def test_a_point_keeps_its_object_on_all_planes(mask):
    assert Pointing(points=(Point(1, 22, 7),)).kept(mask).pixels == 25
    assert Pointing(points=(Point(2, 3, 3),)).kept(mask).pixels == 3 * 16 * 4


def test_a_point_just_beside_an_object_means_it(mask):
    assert Pointing(points=(Point(1, 26.5, 7),)).kept(mask).pixels == 25
    assert Pointing(points=(Point(1, 29.5, 19),)).kept(mask).is_empty


def test_an_unwanted_point_takes_its_object_away_and_leaves_the_others(mask):
    assert Pointing(points=(Point(0, 3, 3, wanted=False),)).kept(mask).pixels == 25


def test_a_drawing_keeps_the_objects_it_touches(mask):
    drawn = np.zeros(SHAPE[1:], dtype=bool)
    drawn[6, 21] = True
    assert Pointing(drawn={1: drawn}).kept(mask).pixels == 25


def test_planes_that_were_pointed_at_come_first_and_once():
    drawn = np.ones(SHAPE[1:], dtype=bool)
    pointing = Pointing(((2, box(0, 0, 1, 1)),), (Point(2, 1, 1), Point(1, 1, 1), Point(0, 1, 1, False)), {0: drawn})
    assert pointing.planes() == (2, 1, 0)
    assert pointing.words() == "1 box, 3 points, 1 drawn plane"


@given(arrays.arrays(bool, (2, 9, 9)), st.integers(0, 8), st.integers(0, 8), st.integers(1, 8), st.booleans())
def test_nothing_is_ever_added_and_nothing_outside_a_box_is_kept_on_its_plane(dense, x, y, size, unwanted):
    mask = Mask.from_dense(dense)
    points = (Point(1, x, y, wanted=False),) if unwanted else ()
    kept = Pointing(((0, box(x, y, x + size, y + size)),), points).kept(mask).dense()
    assert not (kept & ~dense).any()
    outside = np.ones((9, 9), dtype=bool)
    outside[y : y + size, x : x + size] = False
    assert not (kept[0] & outside).any()
    if unwanted:
        assert not kept[1, y, x]


def test_a_box_finding_is_meant_where_it_meets_what_was_pointed_at():
    pointing = Pointing(((0, box(0, 0, 10, 10)),), (Point(0, 25, 15), Point(0, 2, 2, wanted=False)))
    assert pointing.meets(0, box(5, 5, 12, 12))
    assert pointing.meets(0, box(20, 10, 29, 19))
    assert not pointing.meets(0, box(1, 1, 6, 6))
    assert not pointing.meets(0, box(12, 12, 14, 14))
    assert not pointing.meets(1, box(5, 5, 12, 12))


@pytest.mark.parametrize("pointing", [
    Pointing(), Pointing(((3, box(0, 0, 1, 1)),)), Pointing(((0, box(0, 0, 31, 1)),)),
    Pointing(points=(Point(0, 1, 21),)),
    Pointing(((0, Box(0, 0, 1, 1, BoxFrame.MODEL)),)), Pointing(drawn={0: np.ones((3, 3), dtype=bool)}),
    Pointing(drawn={0: np.zeros(SHAPE[1:], dtype=bool)}), Pointing(drawn={9: np.ones(SHAPE[1:], dtype=bool)}),
])  # fmt: skip
def test_a_place_outside_the_image_is_refused_in_words(pointing):
    with pytest.raises(RefusedInput):
        pointing.check(SHAPE)
