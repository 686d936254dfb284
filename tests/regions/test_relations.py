"""Relations between regions: contact, containment, direction, and their inverse."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from region_shapes import disc, ellipsoid, ring
from wetread.geometry import PlaneGeometry
from wetread.regions import describe
from wetread.regions.attributes import RelationKind as Kind
from wetread.regions.grid import Grid
from wetread.regions.relations import INVERSE

FLAT = np.full((128, 128), 100, dtype=np.uint8)


def between(a, b, geometry=None, image=FLAT):
    description = describe([a, b], image, geometry, "MR", "lesion")
    forth, back = description.between(0, 1), description.between(1, 0)
    assert back == tuple(INVERSE[kind] for kind in forth)
    return forth


@pytest.mark.parametrize(
    ("a", "b", "kinds"),
    [
        (disc(64, 20, 8), disc(64, 100, 8), (Kind.LEFT_OF,)),
        (disc(64, 100, 8), disc(64, 20, 8), (Kind.RIGHT_OF,)),
        (disc(20, 64, 8), disc(100, 64, 20), (Kind.ABOVE,)),
        (disc(100, 100, 8), disc(20, 20, 8), (Kind.BELOW, Kind.RIGHT_OF)),
        (disc(64, 64, 8), disc(64, 64, 30), (Kind.INSIDE,)),
        (disc(64, 64, 30), disc(70, 60, 8), (Kind.AROUND,)),
        (disc(64, 64, 8), ring(64, 64, 30, 20), (Kind.INSIDE,)),
        (disc(64, 46, 8), ring(64, 64, 30, 20), (Kind.INSIDE,)),  # partly on the ring, the rest in its hole
        (disc(64, 60, 10), disc(64, 75, 10), (Kind.LEFT_OF, Kind.OVERLAPPING)),
        (disc(64, 60, 10), disc(64, 63, 10), (Kind.OVERLAPPING,)),
        (disc(64, 60, 10), disc(64, 60, 10), (Kind.OVERLAPPING,)),
    ],
)  # fmt: skip
def test_pairs(a, b, kinds) -> None:
    assert between(a, b) == kinds


def test_touching_is_by_side_or_corner_and_not_across_a_gap() -> None:
    a, b = np.zeros((128, 128), bool), np.zeros((128, 128), bool)
    a[10:20, 10:20] = True
    b[20:30, 20:30] = True
    assert Kind.TOUCHING in between(a, b)
    assert Kind.TOUCHING not in between(a, np.roll(b, 1, axis=0))


@settings(max_examples=25, deadline=None)
@given(st.integers(10, 117), st.integers(10, 117), st.integers(10, 117), st.integers(10, 117))
def test_mirroring_swaps_left_and_right_only(r1: int, c1: int, r2: int, c2: int) -> None:
    a, b = disc(r1 + 0.5, c1 + 0.5, 5), disc(r2 + 0.5, c2 + 0.5, 5)
    swap = {Kind.LEFT_OF: Kind.RIGHT_OF, Kind.RIGHT_OF: Kind.LEFT_OF}
    assert between(a[:, ::-1], b[:, ::-1]) == tuple(swap.get(kind, kind) for kind in between(a, b))


def test_patient_directions_follow_the_orientation() -> None:
    axial = PlaneGeometry((0, 0, 0), (1, 0, 0), (0, 1, 0), 1, 1, "1.2")
    coronal = PlaneGeometry((0, 0, 0), (1, 0, 0), (0, 0, -1), 1, 1, "1.2")
    a, b = disc(20, 64, 8), disc(100, 64, 8)
    assert between(a, b, axial) == (Kind.ABOVE, Kind.ANTERIOR_TO)
    assert between(a, b, coronal) == (Kind.ABOVE, Kind.HEADWARD_OF)
    assert between(a.T, b.T, axial) == (Kind.LEFT_OF, Kind.PATIENT_RIGHT_OF)


def test_volumes_have_slices_before_and_after() -> None:
    a, b = ellipsoid((4, 16, 16), (2, 5, 5), (20, 32, 32)), ellipsoid((15, 16, 16), (2, 5, 5), (20, 32, 32))
    image = np.zeros(a.shape, np.uint8)
    grid = Grid(a.shape, (2.0, 1.0, 1.0), ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0)))
    assert between(a, b, None, image) == (Kind.BEFORE,)
    assert between(a, b, grid, image) == (Kind.BEFORE, Kind.FOOTWARD_OF)


def test_many_regions_are_related_to_their_neighbours_only() -> None:
    labels = np.zeros((256, 256), np.int32)
    for number in range(100):
        row, column = divmod(number, 10)
        labels[24 * row + 4 : 24 * row + 20, 24 * column + 4 : 24 * column + 20] = number + 1
    description = describe(labels, np.zeros((256, 256), np.uint8), None, "pathology", "nuclei")
    assert 100 <= len(description.relations) <= 250
    assert {kind for r in description.relations for kind in r.kinds} <= {Kind.LEFT_OF, Kind.ABOVE, Kind.BELOW}
