"""Islands of a volume go, twins stay."""

from __future__ import annotations

import numpy as np

from wetread.regions.islands import planes_without_islands, without_islands


def volume() -> np.ndarray:
    mask = np.zeros((6, 20, 20), dtype=bool)
    mask[0:3, 2:8, 2:8] = True  # 108 voxels
    mask[0:3, 12:16, 12:16] = True  # 48
    mask[4:6, 0:2, 18:20] = True  # 8
    return mask


def test_bodies_of_less_than_a_fifth_of_the_largest_go_and_twins_stay() -> None:
    kept = without_islands(volume())
    assert kept[0:3].sum() == 108 + 48
    assert not kept[4:].any()


def test_bodies_that_touch_by_a_corner_are_one() -> None:
    mask = np.zeros((2, 4, 4), dtype=bool)
    mask[0, 0:3, 0:3] = True
    mask[1, 3, 3] = True
    assert without_islands(mask).sum() == 10


def test_planes_by_index_give_the_same_and_empty_ones_are_left_out() -> None:
    mask = volume()
    planes = {10 + index: plane for index, plane in enumerate(mask) if plane.any()}
    kept = planes_without_islands(planes)
    assert sorted(kept) == [10, 11, 12]
    for index, plane in kept.items():
        assert np.array_equal(plane, without_islands(mask)[index - 10])


def test_an_empty_mask_and_a_single_plane_stay_as_they_are() -> None:
    assert not without_islands(np.zeros((2, 3, 3), dtype=bool)).any()
    single = np.eye(5, dtype=bool)
    assert np.array_equal(planes_without_islands({3: single})[3], single)
