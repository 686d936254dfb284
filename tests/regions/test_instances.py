"""Objects that touch are told apart by their necks; what has no neck stays whole."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays

from wetread.regions.description import component_boxes, components
from wetread.regions.instances import instance_boxes, split_touching


def disc(row: float, column: float, radius: float, side: int = 120) -> np.ndarray:
    rows, columns = np.mgrid[0:side, 0:side]
    return (rows - row) ** 2 + (columns - column) ** 2 <= radius**2


@pytest.mark.parametrize("radius", [8, 14, 20])
def test_two_discs_that_touch_are_two_whatever_their_size(radius: int) -> None:
    mask = disc(60, 60 - 0.9 * radius, radius) | disc(60, 60 + 0.9 * radius, radius)
    assert len(component_boxes(mask)) == 1
    left, right = sorted(instance_boxes(mask), key=lambda box: box.corners[0])
    assert left.corners[2] == pytest.approx(60, abs=2)
    assert right.corners[0] == pytest.approx(60, abs=2)


def test_a_disc_and_a_long_bar_stay_whole() -> None:
    bar = np.zeros((60, 120), dtype=bool)
    bar[25:34, 5:110] = True
    assert len(instance_boxes(bar)) == 1
    assert instance_boxes(disc(60, 60, 20)) == component_boxes(disc(60, 60, 20))


def test_discs_that_overlap_almost_wholly_stay_one() -> None:
    assert len(instance_boxes(disc(60, 58, 20) | disc(60, 62, 20))) == 1


@settings(deadline=None)
@given(arrays(bool, (24, 24)))
def test_every_pixel_has_one_object_and_no_object_leaves_its_blob(mask: np.ndarray) -> None:
    objects = split_touching(mask)
    assert np.array_equal(objects > 0, mask)
    blobs, _ = components(mask)
    assert all(len(np.unique(blobs[objects == label])) == 1 for label in range(1, objects.max() + 1))


def test_a_fragment_gets_no_box_and_the_smallest_object_that_is_none_keeps_its_own() -> None:
    whole = disc(30, 30, 10) | disc(30, 80, 10) | disc(80, 30, 10)
    assert len(instance_boxes(whole | disc(80, 80, 4))) == 3, "16 % of the others"
    assert len(instance_boxes(whole | disc(80, 80, 6))) == 4, "36 %"
    assert len(instance_boxes(disc(30, 30, 2))) == 1, "what is alone is as large as the median"


def test_an_empty_mask_has_no_object() -> None:
    assert instance_boxes(np.zeros((9, 9), dtype=bool)) == ()
