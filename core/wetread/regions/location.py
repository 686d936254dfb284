"""Place and size of a region: thirds of the image, directions in the patient, shares, millimetres.

The centroid decides the place: an axis of n pixels has its thirds at n/3 and 2n/3, measured on pixel edges. An outer
third is also named by the patient direction it lies towards, where the orientation is known. Both are places in the
image. Laterality is a statement about the patient, so it is made only where it can be known: see `side_of`.
"""

from __future__ import annotations

from math import pi, sqrt
from typing import TYPE_CHECKING

import numpy as np

from wetread.regions.attributes import Direction, Location, Place, Size, SizeWord

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wetread.regions.grid import Grid

TINY_SHARE, SMALL_SHARE, LARGE_SHARE = 0.01, 0.05, 0.25
LEAST_FIELD_MM = 80.0
"""A field of view narrower than this from left to right is a crop that may hold one of the pair alone."""

_PLACES = (
    (Place.UPPER_LEFT, Place.UPPER, Place.UPPER_RIGHT),
    (Place.LEFT, Place.CENTRE, Place.RIGHT),
    (Place.LOWER_LEFT, Place.LOWER, Place.LOWER_RIGHT),
)


def third(fraction: float) -> int:
    """0, 1 or 2: the third of an axis that a fraction of its length falls in."""
    return min(int(3.0 * fraction + 1e-9), 2)


def place_of(row: float, column: float, rows: float, columns: float) -> Place:
    """The cell of the 3 x 3 grid over (rows, columns) that a point on pixel edges falls in."""
    return _PLACES[third(row / rows)][third(column / columns)]


def locate(centroid: tuple[float, ...], box: tuple[tuple[int, int], ...], grid: Grid, *, paired: bool) -> Location:
    """Where a region lies.

    Args:
        centroid: along the array axes, on pixel edges.
        box: half open, along the array axes.
        grid: of the image.
        paired: the target is one of a left and a right one.
    """
    row, column = centroid[-2:]
    volume = len(grid.shape) == 3
    return Location(
        centroid=centroid,
        box=box,
        place=place_of(row, column, *grid.shape[-2:]),
        slices=(box[0][0] + 1, box[0][1], grid.shape[0]) if volume else None,
        patient=_towards(centroid, grid),
        laterality=side_of(box, grid) if paired else None,
        at_edge=any(start == 0 or stop == extent for (start, stop), extent in zip(box, grid.shape, strict=True)),
    )


def _towards(centroid: tuple[float, ...], grid: Grid) -> tuple[Direction, ...]:
    found = []
    for axis, extent in enumerate(grid.shape):
        outer = third(centroid[axis] / extent)
        directions = grid.patient_direction(axis)
        if directions is not None and outer != 1:
            found.append(directions[0] if outer == 0 else directions[1])
    return tuple(sorted(found, key=list(Direction).index))


def side_of(box: tuple[tuple[int, int], ...], grid: Grid) -> Direction | None:
    """Left or right of the patient, for a region of a paired target; None wherever it would be a guess.

    Said only where (1) the orientation is known and one array axis runs from right to left, (2) the field of view is
    at least `LEAST_FIELD_MM` wide along it, so that the image is no crop around one of the pair, and (3) the whole
    bounding box lies on one side of the middle of the image.
    """
    for axis, (start, stop) in enumerate(box):
        directions = grid.patient_direction(axis)
        if directions is None or Direction.LEFT not in directions or grid.spacing is None:
            continue
        if grid.shape[axis] * grid.spacing[axis] < LEAST_FIELD_MM:
            return None
        middle = grid.shape[axis] / 2
        if stop <= middle:
            return directions[0]
        return directions[1] if start >= middle else None
    return None


def size_of(mask: NDArray[np.bool_], pixels: int, grid: Grid, first_plane: int = 0) -> Size:
    """How large a region is.

    Args:
        mask: the region's crop, which begins at `first_plane`.
        pixels: marked pixels.
        grid: of the image.
        first_plane: of the crop, in a volume.

    The word goes by the share of the image; in a volume by share^(2/3), so that a ball and a disc of the same
    diameter relative to the image have the same word.
    """
    share = pixels / float(np.prod(grid.shape))
    physical = grid.physical_size(mask, first_plane)
    volume = len(grid.shape) == 3
    diameter = _ball(physical) if volume else _disc(physical)
    plain = _ball(float(pixels)) if volume else _disc(float(pixels))
    return Size(
        pixels=pixels,
        share=share,
        word=size_word(share ** (2 / 3) if volume else share),
        area_mm2=None if volume else physical,
        volume_ml=physical / 1000.0 if volume and physical is not None else None,
        diameter_px=plain or 0.0,
        diameter_mm=diameter,
    )


def size_word(share: float) -> SizeWord:
    """Tiny below 1 % of the image, small below 5 %, medium-sized below 25 %, large from there."""
    if share < TINY_SHARE:
        return SizeWord.TINY
    if share < SMALL_SHARE:
        return SizeWord.SMALL
    return SizeWord.MEDIUM if share < LARGE_SHARE else SizeWord.LARGE


def _disc(area: float | None) -> float | None:
    return None if area is None else 2.0 * sqrt(area / pi)


def _ball(volume: float | None) -> float | None:
    return None if volume is None else (6.0 * volume / pi) ** (1 / 3)
