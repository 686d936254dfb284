"""How regions lie to each other: inside, around, touching, overlapping, and in which direction.

Pairs are looked at where they can matter: all of them up to `ALL_PAIRS` regions, beyond that each region's two
nearest (KD-tree over centroids) and every pair whose bounding boxes meet. Inside: at least 95 % of a region lies in
the other or in its holes. Overlapping: a pixel in common. Touching: none in common, neighbours by side or corner.
A direction is said where the offset of the centroids along an axis, in millimetres where known, is at least half of
the largest; none is said for regions inside each other or sharing half of the smaller one.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from wetread.regions.attributes import Direction, Relation
from wetread.regions.attributes import RelationKind as Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from wetread.regions.grid import Grid

ALL_PAIRS = 12
NEAREST = 2
INSIDE_SHARE = 0.95
SHARED_HALF = 0.5
DIRECTION_SHARE = 0.5

_IMAGE_KINDS = ((Kind.BEFORE, Kind.AFTER), (Kind.ABOVE, Kind.BELOW), (Kind.LEFT_OF, Kind.RIGHT_OF))
"""For the axes plane, row and column: where the first region has the smaller, the larger index."""

_PATIENT_KINDS = {
    Direction.LEFT: Kind.PATIENT_LEFT_OF,
    Direction.RIGHT: Kind.PATIENT_RIGHT_OF,
    Direction.ANTERIOR: Kind.ANTERIOR_TO,
    Direction.POSTERIOR: Kind.POSTERIOR_TO,
    Direction.HEAD: Kind.HEADWARD_OF,
    Direction.FOOT: Kind.FOOTWARD_OF,
}

_OPPOSITES = (
    (Kind.LEFT_OF, Kind.RIGHT_OF), (Kind.ABOVE, Kind.BELOW), (Kind.BEFORE, Kind.AFTER), (Kind.INSIDE, Kind.AROUND),
    (Kind.PATIENT_LEFT_OF, Kind.PATIENT_RIGHT_OF), (Kind.ANTERIOR_TO, Kind.POSTERIOR_TO),
    (Kind.HEADWARD_OF, Kind.FOOTWARD_OF), (Kind.TOUCHING, Kind.TOUCHING), (Kind.OVERLAPPING, Kind.OVERLAPPING),
)  # fmt: skip
INVERSE: dict[Kind, Kind] = {a: b for pair in _OPPOSITES for a, b in (pair, pair[::-1])}
"""The same relation told from the other region."""


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """One region as relations need it: its box, its mask inside the box, its size and centroid."""

    index: int
    box: tuple[tuple[int, int], ...]
    crop: NDArray[np.bool_]
    pixels: int
    centroid: tuple[float, ...]


def relate(pieces: Sequence[Piece], grid: Grid) -> tuple[Relation, ...]:
    """Relations of near pairs; `subject` comes before `object` among the pieces."""
    if len(pieces) < 2:
        return ()
    starts = np.array([[start for start, _ in piece.box] for piece in pieces])
    stops = np.array([[stop for _, stop in piece.box] for piece in pieces])
    meeting = _meeting(starts, stops)
    return tuple(
        Relation(pieces[a].index, pieces[b].index, _kinds(pieces[a], pieces[b], grid, meets=(a, b) in meeting))
        for a, b in sorted(_near(pieces, grid) | meeting)
    )


def _meeting(starts: NDArray[np.intp], stops: NDArray[np.intp]) -> set[tuple[int, int]]:
    """Pairs whose boxes, a pixel wider, have a pixel in common."""
    found: set[tuple[int, int]] = set()
    for a in range(len(starts) - 1):
        rest = slice(a + 1, None)
        meets = ((starts[a] <= stops[rest]) & (starts[rest] <= stops[a])).all(axis=1)
        found.update((a, a + 1 + int(b)) for b in np.flatnonzero(meets))
    return found


def _near(pieces: Sequence[Piece], grid: Grid) -> set[tuple[int, int]]:
    if len(pieces) <= ALL_PAIRS:
        return set(combinations(range(len(pieces)), 2))
    from scipy.spatial import KDTree

    points = np.array([piece.centroid for piece in pieces]) * np.asarray(grid.steps)
    _, neighbours = KDTree(points).query(points, k=NEAREST + 1)
    return {(min(a, int(b)), max(a, int(b))) for a, row in enumerate(neighbours) for b in row if b != a}


def _kinds(a: Piece, b: Piece, grid: Grid, *, meets: bool) -> tuple[Kind, ...]:
    contact, shared = _contact(a, b) if meets else (None, 0)
    if contact in (Kind.INSIDE, Kind.AROUND):
        return (contact,)
    directions: list[Kind] = []
    if shared < SHARED_HALF * min(a.pixels, b.pixels):
        directions = _directions(a, b, grid)
    return (*directions, contact) if contact is not None else tuple(directions)


def _contact(a: Piece, b: Piece) -> tuple[Kind | None, int]:
    """How two regions meet, and their common pixels."""
    window = tuple((min(p, q) - 1, max(s, t) + 1) for (p, s), (q, t) in zip(a.box, b.box, strict=True))
    first, second = _in_window(a, window), _in_window(b, window)
    shared = int(np.count_nonzero(first & second))
    if shared == a.pixels == b.pixels:
        return Kind.OVERLAPPING, shared
    if shared >= INSIDE_SHARE * a.pixels or _lies_in_hole(a, b, first, second):
        return Kind.INSIDE, shared
    if shared >= INSIDE_SHARE * b.pixels or _lies_in_hole(b, a, second, first):
        return Kind.AROUND, shared
    if shared:
        return Kind.OVERLAPPING, shared
    from scipy import ndimage

    wider = ndimage.binary_dilation(first, structure=np.ones((3,) * first.ndim, dtype=bool))
    return (Kind.TOUCHING if (wider & second).any() else None), 0


def _lies_in_hole(a: Piece, b: Piece, first: NDArray[np.bool_], second: NDArray[np.bool_]) -> bool:
    """True where at least 95 % of `a` lies in `b` or in its holes; both in one window."""
    if not all(q <= p and s <= t for (p, s), (q, t) in zip(a.box, b.box, strict=True)):
        return False
    from scipy import ndimage

    return bool(np.count_nonzero(first & ndimage.binary_fill_holes(second)) >= INSIDE_SHARE * a.pixels)


def _in_window(piece: Piece, window: tuple[tuple[int, int], ...]) -> NDArray[np.bool_]:
    placed = np.zeros([stop - start for start, stop in window], dtype=bool)
    inner = tuple(slice(p - start, s - start) for (p, s), (start, _) in zip(piece.box, window, strict=True))
    placed[inner] = piece.crop
    return placed


def _directions(a: Piece, b: Piece, grid: Grid) -> list[Kind]:
    offset = (np.asarray(a.centroid) - np.asarray(b.centroid)) * np.asarray(grid.steps)
    largest = float(np.abs(offset).max())
    if largest < 1e-9:
        return []
    image, patient = [], []
    names = _IMAGE_KINDS[-len(offset) :]
    for axis in np.argsort(-np.abs(offset), kind="stable"):
        if abs(offset[axis]) < DIRECTION_SHARE * largest:
            continue
        falls = bool(offset[axis] < 0)
        image.append(names[axis][0 if falls else 1])
        directions = grid.patient_direction(int(axis))
        if directions is not None:
            patient.append(_PATIENT_KINDS[directions[0 if falls else 1]])
    return image + patient
