"""Every formula against numbers worked out by hand, and Dice against an independent one."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wetread.evaluation.metrics import average_precision, box_iou, dice, hull, match_count, match_detections

BOX = st.tuples(*[st.integers(0, 12)] * 4).map(
    lambda v: (min(v[0], v[2]), min(v[1], v[3]), max(v[0], v[2]) + 1, max(v[1], v[3]) + 1)
)


def test_dice_of_masks_that_half_overlap() -> None:
    predicted, truth = np.zeros((4, 4), bool), np.zeros((4, 4), bool)
    predicted[0], truth[:2] = True, True
    assert dice(predicted, truth) == pytest.approx(2 * 4 / (4 + 8))


def test_dice_says_nothing_about_two_empty_masks_and_zero_about_one() -> None:
    empty, full = np.zeros((3, 3), bool), np.ones((3, 3), bool)
    assert math.isnan(dice(empty, empty))
    assert dice(empty, full) == dice(full, empty) == 0.0
    with pytest.raises(ValueError, match="two shapes"):
        dice(empty, np.zeros((3, 4), bool))


@given(st.integers(0, 2**32 - 1))
def test_dice_is_one_minus_the_bray_curtis_distance(seed: int) -> None:
    from scipy.spatial.distance import dice as dissimilarity

    random = np.random.default_rng(seed)
    a, b = random.random((7, 9)) < 0.4, random.random((7, 9)) < 0.4
    assert dice(a, b) == pytest.approx(1.0 - dissimilarity(a.ravel(), b.ravel()), abs=1e-12)


def test_box_iou_by_hand() -> None:
    found = box_iou([(0, 0, 2, 2), (0, 0, 1, 1)], [(1, 1, 3, 3), (0, 0, 2, 2), (5, 5, 6, 6)])
    assert found == pytest.approx(np.array([[1 / 7, 1.0, 0.0], [0.0, 1 / 4, 0.0]]))


@given(st.lists(BOX, min_size=1, max_size=4), st.lists(BOX, min_size=1, max_size=4))
def test_box_iou_counts_pixels(first: list[tuple[int, ...]], second: list[tuple[int, ...]]) -> None:
    def drawn(box: tuple[int, ...]) -> np.ndarray:
        picture = np.zeros((14, 14), bool)
        picture[box[1] : box[3], box[0] : box[2]] = True
        return picture

    counted = [[(drawn(a) & drawn(b)).sum() / (drawn(a) | drawn(b)).sum() for b in second] for a in first]
    assert box_iou(first, second) == pytest.approx(np.array(counted))


def test_boxes_without_area_and_empty_lists_do_not_divide_by_zero() -> None:
    assert box_iou([(1, 1, 1, 1)], [(1, 1, 1, 1)]).tolist() == [[0.0]]
    assert box_iou([], [(0, 0, 1, 1)]).shape == (0, 1)
    assert match_count([], []) == 0


def test_hull_holds_all_boxes() -> None:
    assert hull([(4, 1, 6, 2), (0, 3, 5, 9)]).tolist() == [0, 1, 6, 9]


def test_matching_is_one_to_one_and_finds_the_most_pairs() -> None:
    # The first box fits both objects, the second only the first object: greedy by order would lose a pair.
    objects = [(0, 0, 10, 10), (0, 2, 10, 12)]
    boxes = [(0, 1, 10, 11), (0, 0, 10, 7)]
    assert match_count(boxes, objects) == 2
    assert match_count([boxes[0], boxes[0], boxes[0]], [objects[0]]) == 1


@given(st.lists(BOX, max_size=6), st.lists(BOX, max_size=6))
def test_the_order_of_boxes_does_not_change_the_match(first: list, second: list) -> None:
    assert match_count(first, second) == match_count(first[::-1], second[::-1])
    assert match_count(first, second) <= min(len(first), len(second))


def test_the_surest_box_takes_the_object_and_a_second_one_is_a_false_alarm() -> None:
    found = match_detections([(0, 0, 9, 10), (0, 0, 10, 10), (50, 50, 60, 60)], [0.9, 0.8, 0.7], [(0, 0, 10, 10)])
    assert found.hits.tolist() == [True, False, False]
    assert found.objects == 1
    tied = match_detections([(0, 0, 6, 10), (0, 0, 10, 10)], [0.5, 0.5], [(0, 0, 10, 10)])
    assert tied.hits.tolist() == [False, True]


def test_average_precision_by_hand() -> None:
    # Ranked hit, miss, hit, miss, hit of 4 objects: precision 1, 1/2, 2/3, 2/4, 3/5, made monotone from the right:
    # 1, 2/3, 2/3, 3/5, 3/5; each hit gains recall 1/4.
    scores = np.array([0.9, 0.8, 0.7, 0.6, 0.5])
    hits = np.array([True, False, True, False, True])
    assert average_precision(scores, hits, 4)[0] == pytest.approx((1 + 2 / 3 + 3 / 5) / 4)
    mixed = np.array([3, 0, 4, 1, 2])
    assert average_precision(scores[mixed], hits[mixed], 4)[0] == pytest.approx((1 + 2 / 3 + 3 / 5) / 4)


def test_average_precision_at_its_ends() -> None:
    one = np.array([0.5])
    assert average_precision(one, np.array([True]), 1)[0] == 1.0
    assert average_precision(one, np.array([False]), 1)[0] == 0.0
    assert average_precision(np.zeros(0), np.zeros(0, bool), 3)[0] == 0.0
    assert math.isnan(average_precision(one, np.array([False]), 0)[0])


def test_boxes_of_equal_score_enter_the_curve_together() -> None:
    scores = np.full(4, 0.7)
    for hits in ([True, True, False, False], [False, False, True, True]):
        assert average_precision(scores, np.array(hits), 2)[0] == pytest.approx(0.5)


@given(st.integers(0, 2**32 - 1))
def test_a_weight_of_two_is_the_same_as_listing_a_picture_twice(seed: int) -> None:
    random = np.random.default_rng(seed)
    scores, hits = random.integers(0, 5, 8) / 5, random.random(8) < 0.5
    owner, objects = random.integers(0, 2, 8), np.array([5.0, 4.0])
    twice = np.concatenate([np.flatnonzero(owner == 0)] * 2 + [np.flatnonzero(owner == 1)])
    listed = average_precision(scores[twice], hits[twice], 2 * objects[0] + objects[1])
    weights = np.where(owner == 0, 2.0, 1.0)[None]
    assert average_precision(scores, hits, 2 * objects[0] + objects[1], weights) == pytest.approx(listed)
