"""One answer against one truth, and the figures of a label over many."""

from __future__ import annotations

import numpy as np
import pytest

from wetread.evaluation.scores import Answer, Truth, score, summarise


def square(planes: int, *filled: tuple[int, int]) -> np.ndarray:
    """Bool (planes, 10, 10); each (plane, width) marks rows 0-4 of the first `width` columns."""
    mask = np.zeros((planes, 10, 10), bool)
    for plane, width in filled:
        mask[plane, :5, :width] = True
    return mask


def truth_of(mask: np.ndarray, box: dict | None = None, objects: list | None = None) -> Truth:
    return Truth(bool(mask.any()), mask, box or {}, objects)


def test_a_picture_is_a_volume_of_one_plane() -> None:
    found = score("a", "p", "liver", truth_of(square(1, (0, 4))), Answer(square(1, (0, 2)), presence=0.9))
    assert found.plane_dice == (pytest.approx(2 * 10 / 30),)
    assert found.volume_dice is None
    assert (found.empty_planes, found.marked_empty_planes) == (0, 0)


def test_a_volume_has_a_dice_for_each_filled_slice_and_one_for_the_whole() -> None:
    truth, marked = square(3, (0, 4), (1, 2)), square(3, (0, 4), (2, 2))
    found = score("v", "p", "hippocampus", truth_of(truth), Answer(marked, presence=0.9))
    assert found.plane_dice == (1.0, 0.0)
    assert found.volume_dice == pytest.approx(2 * 20 / (30 + 30))
    assert (found.empty_planes, found.marked_empty_planes) == (1, 1)


def test_nothing_marked_is_scored_zero_and_so_is_an_abstention() -> None:
    truth = truth_of(square(1, (0, 4)), {0: (0, 0, 4, 5)}, [(0, 0, 4, 5)])
    for answer in (Answer(), Answer(abstained=True)):
        found = score("a", "p", "liver", truth, answer)
        assert (found.plane_dice, found.box_iou, found.matched, found.said_present) == ((0.0,), 0.0, 0, False)


def test_the_box_is_compared_on_its_own_plane() -> None:
    truth = truth_of(square(2, (0, 4), (1, 2)), {0: (0, 0, 4, 5), 1: (0, 0, 2, 5)})
    right = score("v", "p", "x", truth, Answer(box=(0, 0, 2, 5), plane=1, presence=1))
    wrong = score("v", "p", "x", truth, Answer(box=(0, 0, 2, 5), plane=0, presence=1))
    assert (right.box_iou, wrong.box_iou) == (1.0, 0.5)


def test_boxes_without_masks_give_no_dice() -> None:
    truth = Truth(True, None, {0: (0, 0, 10, 10)}, [(0, 0, 4, 4), (6, 6, 10, 10)])
    answer = Answer(None, (0, 0, 10, 10), 0, [(0, 0, 4, 4), (0, 6, 4, 10)], 0.8)
    found = score("b", "p", "platelets", truth, answer)
    assert found.plane_dice is None
    assert (found.box_iou, found.matched) == (1.0, 1)
    figures = summarise([found])
    assert "dice" not in figures
    assert figures["ap50"]["value"] == pytest.approx(0.25)
    assert figures["instance_f1"]["value"] == pytest.approx(0.5)


def test_a_mark_on_a_picture_without_the_target_is_counted() -> None:
    absent = Truth(False, np.zeros((1, 10, 10), bool), {}, [])
    marked = score("a", "p", "liver", absent, Answer(square(1, (0, 1)), (0, 0, 1, 5), 0, [(0, 0, 1, 5)], 0.6))
    clean = score("b", "q", "liver", absent, Answer(presence=0.2))
    figures = summarise([marked, clean])
    assert figures["marked_where_absent"]["value"] == 0.5
    assert (figures["present"], figures["absent"]) == (0, 2)
    assert figures["presence_f1"]["value"] == 0.0
    assert figures["ap50"]["value"] is None
    assert "dice" not in figures
    assert "box_iou" not in figures


def test_figures_are_means_over_filled_slices_and_sums_over_objects() -> None:
    first = score("a", "p", "n", truth_of(square(1, (0, 4)), {}, [(0, 0, 4, 5)]),
                  Answer(square(1, (0, 4)), None, 0, [(0, 0, 4, 5)], 0.9, seconds=1.0))  # fmt: skip
    second = score("b", "q", "n", truth_of(square(1, (0, 4)), {}, [(0, 0, 4, 5)] * 2),
                   Answer(None, None, 0, [(8, 8, 9, 9)], 0.4, seconds=3.0))  # fmt: skip
    figures = summarise([first, second])
    assert figures["dice"]["value"] == 0.5
    assert (figures["dice"]["n"], figures["dice"]["groups"]) == (2, 2)
    assert (figures["dice"]["low"], figures["dice"]["high"]) == (0.0, 1.0)
    assert figures["instance_f1"]["value"] == pytest.approx(2 * 1 / (2 + 3))
    assert figures["presence_f1"]["value"] == pytest.approx(2 / 3)
    # The sure box is right, the unsure one wrong: one of three objects at precision 1.
    assert figures["ap50"]["value"] == pytest.approx(1 / 3)
    assert figures["seconds_per_read"]["value"] == 2.0
