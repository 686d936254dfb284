"""What a person points at: boxes, points and a mask that say which part of an image a read is to be about.

The models take words alone, so pointing does not change what they see; it chooses the plane that they look at first,
and of what they mark it keeps what was meant: inside the boxes on their planes, the objects under a wanted point or
under the mask, and never the object under an unwanted point. Objects of a volume are connected in three dimensions.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from wetread.errors import RefusedInput
from wetread.findings import Box, BoxFrame, Mask

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

NEAR_PIXELS = 2
"""A point means the object that is at most so far away."""


@dataclass(frozen=True, slots=True)
class Point:
    """A point on a plane, image pixels measured on pixel edges; `wanted` False means: not this."""

    plane: int
    x: float
    y: float
    wanted: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Pointing:
    """What was pointed at.

    Args:
        boxes: (plane, box in the IMAGE frame).
        points: wanted and unwanted ones.
        drawn: plane -> bool (rows, columns), a rough drawing of what is meant.
    """

    boxes: tuple[tuple[int, Box], ...] = ()
    points: tuple[Point, ...] = ()
    drawn: Mapping[int, NDArray[np.bool_]] = field(default_factory=dict)

    def planes(self) -> tuple[int, ...]:
        """Planes that were pointed at, each once, in the order given; unwanted points do not count."""
        drawn = sorted(self.drawn, key=lambda plane: (-int(self.drawn[plane].sum()), plane))
        return tuple(dict.fromkeys([*(p for p, _ in self.boxes), *(p.plane for p in self.points if p.wanted), *drawn]))

    def words(self) -> str:
        """What was pointed at, counted: "1 box, 2 points"."""
        counts = ((len(self.boxes), "box", "boxes"), (len(self.points), "point", "points"),
                  (len(self.drawn), "drawn plane", "drawn planes"))  # fmt: skip
        return ", ".join(f"{n} {one if n == 1 else many}" for n, one, many in counts if n)

    def check(self, shape: tuple[int, int, int]) -> None:
        """Hold it against the image (planes, rows, columns).

        Raises:
            RefusedInput: nothing was pointed at, or a place outside the image.
        """
        planes, rows, columns = shape
        if not (self.boxes or self.points or self.drawn):
            raise RefusedInput("nothing was pointed at", "prompts", "give a box, a point or a mask, or leave it out")
        for plane in (*(p for p, _ in self.boxes), *(p.plane for p in self.points), *self.drawn):
            if not 0 <= plane < planes:
                raise RefusedInput(f"no plane {plane} in {planes} planes", "prompts", "count from 0")
        for _, box in self.boxes:
            inside = 0 <= box.x_min < box.x_max <= columns and 0 <= box.y_min < box.y_max <= rows
            if box.frame is not BoxFrame.IMAGE or not inside:
                raise RefusedInput("a box outside the image", "prompts", f"stay within {columns} x {rows} pixels")
        for point in self.points:
            if not (0 <= point.x <= columns and 0 <= point.y <= rows):
                raise RefusedInput("a point outside the image", "prompts", f"stay within {columns} x {rows} pixels")
        if any(drawn.shape != (rows, columns) or not drawn.any() for drawn in self.drawn.values()):
            raise RefusedInput("a mask that does not fit the image, or marks nothing", "prompts",
                               f"draw each plane on {rows} x {columns} pixels")  # fmt: skip

    def kept(self, mask: Mask) -> Mask:
        """What was meant of a mask over the same planes."""
        if mask.is_empty:
            return mask
        from scipy import ndimage

        dense = mask.dense()
        for plane in {plane for plane, _ in self.boxes}:
            dense[plane] &= _inside([box for p, box in self.boxes if p == plane], dense.shape[1:])
        labels, _ = ndimage.label(dense, structure=np.ones((3, 3, 3), dtype=bool))
        wanted = self._wanted(labels)
        if wanted is not None:
            dense &= np.isin(labels, sorted(wanted))
        unwanted = {label for point in self.points if not point.wanted for label in _under(point, labels)}
        if unwanted:
            dense &= ~np.isin(labels, sorted(unwanted))
        return Mask.from_dense(dense)

    def meets(self, plane: int, box: Box) -> bool:
        """True where a finding that is only a box is what was meant."""
        here = [each for p, each in self.boxes if p == plane]
        points = [p for p in self.points if p.plane == plane]
        if any(not p.wanted and _holds(box, p) for p in points):
            return False
        touched = any(box.iou(each) > 0 for each in here) or any(p.wanted and _holds(box, p) for p in points)
        drawn = self.drawn.get(plane)
        covered = drawn is not None and bool((drawn & _inside([box], drawn.shape)).any())
        return touched or covered or not self._asks

    @property
    def _asks(self) -> bool:
        """True where something is wanted, and not only something unwanted."""
        return bool(self.boxes or self.drawn or any(point.wanted for point in self.points))

    def _wanted(self, labels: NDArray[np.int32]) -> set[int] | None:
        """Labels of the objects that were pointed at; None where all that is left is meant."""
        if not self._asks:
            return None
        found = {label for point in self.points if point.wanted for label in _under(point, labels)}
        for plane, box in self.boxes:
            found |= set(np.unique(labels[plane][_inside([box], labels.shape[1:])]).tolist())
        for plane, drawn in self.drawn.items():
            found |= set(np.unique(labels[plane][drawn]).tolist())
        return found - {0}


def _inside(boxes: list[Box], size: tuple[int, ...]) -> NDArray[np.bool_]:
    """(rows, columns) True for pixels whose centre lies in one of the boxes."""
    inside = np.zeros(size, dtype=bool)
    y, x = np.arange(size[0]) + 0.5, np.arange(size[1]) + 0.5
    for box in boxes:
        inside |= ((y >= box.y_min) & (y <= box.y_max))[:, None] & ((x >= box.x_min) & (x <= box.x_max))
    return inside


def _under(point: Point, labels: NDArray[np.int32]) -> set[int]:
    """Labels at a point, or of the nearest object within reach."""
    _, rows, columns = labels.shape
    row, column = min(int(point.y), rows - 1), min(int(point.x), columns - 1)
    here = int(labels[point.plane, row, column])
    if here:
        return {here}
    top, left = max(row - NEAR_PIXELS, 0), max(column - NEAR_PIXELS, 0)
    near = labels[point.plane, top : row + NEAR_PIXELS + 1, left : column + NEAR_PIXELS + 1]
    ys, xs = np.nonzero(near)
    if not len(ys):
        return set()
    nearest = np.argmin((ys + top - row) ** 2 + (xs + left - column) ** 2)
    return {int(near[ys[nearest], xs[nearest]])}


def _holds(box: Box, point: Point) -> bool:
    return box.x_min <= point.x <= box.x_max and box.y_min <= point.y <= box.y_max
