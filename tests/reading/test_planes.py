"""Planes of a volume lean on their neighbours, and nothing else does."""

from __future__ import annotations

import numpy as np
import pytest

import dicom_phantoms as phantoms
from wetread.imaging import to_sample
from wetread.reading.planes import agreeing, neighbour_weights


@pytest.mark.parametrize(("spacing", "weight"), [(1.0, 0.5), (0.5, 0.5**0.25), (5.0, 0.0)])
def test_the_closer_two_slices_the_more_they_count_for_each_other(spacing: float, weight: float) -> None:
    sample = to_sample(phantoms.ct_series(slices=4, slice_spacing=spacing))
    assert neighbour_weights(sample) == pytest.approx([weight] * 3, abs=1e-6)


def test_frames_of_a_cine_and_single_images_have_no_neighbours() -> None:
    assert neighbour_weights(to_sample(phantoms.ultrasound_cine())) == []
    assert neighbour_weights(to_sample(phantoms.dx_image())) == []


def planes(values: list[float]):
    return ((np.full((1, 2, 2), v, dtype=np.float32), np.array([v], dtype=np.float32)) for v in values)


def test_slices_a_millimetre_apart_are_weighted_one_two_one_and_the_ends_lean_inwards() -> None:
    leaned = [float(presence[0]) for _, presence in agreeing(planes([0.0, 1.0, 0.0, 0.0]), [0.5] * 3)]
    assert leaned == pytest.approx([0.5 / 1.5, 0.5, 0.25, 0.0])
    logits = [float(grid[0, 0, 0]) for grid, _ in agreeing(planes([0.0, 1.0, 0.0, 0.0]), [0.5] * 3)]
    assert logits == pytest.approx(leaned)


def test_without_weights_every_plane_passes_as_it_is() -> None:
    assert [float(p[0]) for _, p in agreeing(planes([0.2, 0.9]), [])] == pytest.approx([0.2, 0.9])


def test_one_plane_with_weights_of_none_is_one_plane() -> None:
    assert len(list(agreeing(planes([0.7]), []))) == 1
