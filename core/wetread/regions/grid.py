"""Where the axes of an array lie in the patient: spacing, direction and depth of 2-D pictures and 3-D volumes.

A `Grid` is what the measurements need of a geometry, for any number of axes: millimetres a step along each array axis,
and the LPS direction in which each index grows. Both may be unknown, and unknown stays unknown: nothing is assumed.
DICOM PS3.3 C.7.6.2.1.1; the step between planes is measured along their normal, so a gantry tilt costs no volume.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wetread.errors import RefusedInput
from wetread.geometry import PlaneGeometry
from wetread.regions.attributes import Direction

if TYPE_CHECKING:
    from numpy.typing import NDArray

CLEAR_COSINE = 0.8
"""A direction is named after an LPS axis only where it lies within 37 degrees of it."""

_AXES = (
    (Direction.RIGHT, Direction.LEFT),
    (Direction.ANTERIOR, Direction.POSTERIOR),
    (Direction.FOOT, Direction.HEAD),
)
"""For the LPS axes x, y, z: the patient direction of falling and of growing coordinates."""

Vector = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Grid:
    """The frame of an array of pixels.

    Args:
        shape: (rows, columns) or (planes, rows, columns).
        spacing: mm a step along each axis; None where unknown.
        directions: for each axis the LPS unit vector in which its index grows; None where unknown.
        depths: mm that each plane stands for (its half steps to both neighbours); None where even or unknown.
    """

    shape: tuple[int, ...]
    spacing: tuple[float, ...] | None = None
    directions: tuple[Vector, ...] | None = None
    depths: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        for name, values in (("spacing", self.spacing), ("directions", self.directions)):
            if values is not None and len(values) != len(self.shape):
                raise RefusedInput(
                    f"{name} for {len(values)} axes", f"image of {len(self.shape)} axes", "give one for each axis."
                )
        if self.spacing is not None and not (np.isfinite(self.spacing).all() and min(self.spacing) > 0):
            raise RefusedInput("a spacing that is not positive", str(self.spacing), "give millimetres.")

    def patient_direction(self, axis: int) -> tuple[Direction, Direction] | None:
        """Patient directions of falling and growing index along an array axis; None where unknown or oblique."""
        if self.directions is None:
            return None
        vector = np.asarray(self.directions[axis])
        main = int(np.argmax(np.abs(vector)))
        if abs(vector[main]) < CLEAR_COSINE:
            return None
        falling, growing = _AXES[main]
        return (falling, growing) if vector[main] > 0 else (growing, falling)

    @property
    def steps(self) -> tuple[float, ...]:
        """Relative lengths of a step along each axis: the spacing, or ones."""
        return self.spacing if self.spacing is not None else (1.0,) * len(self.shape)

    def physical_size(self, mask: NDArray[np.bool_], first_plane: int = 0) -> float | None:
        """mm2 (2-D) or mm3 (3-D) of a mask, or of a crop that begins at `first_plane`; None where unknown."""
        if self.spacing is None:
            return None
        if self.depths is None:
            return float(np.count_nonzero(mask)) * float(np.prod(self.spacing))
        counts = mask.reshape(len(mask), -1).sum(axis=1)
        depths = np.asarray(self.depths[first_plane : first_plane + len(mask)])
        return float(counts @ depths) * self.spacing[1] * self.spacing[2]


Geometry = PlaneGeometry | Sequence[PlaneGeometry | None] | Sequence[float] | Grid | None
"""What `describe` takes: the planes as DICOM has them, spacings alone in the order of the array axes, or a `Grid`."""


def grid_of(geometry: Geometry, shape: tuple[int, ...]) -> Grid:
    """The grid of an array of this shape.

    Args:
        geometry: one plane for a picture; one a plane, in order, for a volume; spacings; a Grid; or None.
        shape: (rows, columns) or (planes, rows, columns).

    Raises:
        RefusedInput: a geometry that does not fit the shape.
    """
    if geometry is None:
        return Grid(shape)
    if isinstance(geometry, Grid):
        if geometry.shape != shape:
            raise RefusedInput(f"a grid of {geometry.shape}", f"image of {shape}", "give the grid of this image.")
        return geometry
    if isinstance(geometry, PlaneGeometry):
        geometry = (geometry,)
    planes = list(geometry)
    if any(plane is None for plane in planes):
        return Grid(shape)
    if not all(isinstance(plane, PlaneGeometry) for plane in planes):
        return Grid(shape, tuple(float(step) for step in planes))  # type: ignore[arg-type]
    return _grid_of_planes([plane for plane in planes if isinstance(plane, PlaneGeometry)], shape)


def _grid_of_planes(planes: list[PlaneGeometry], shape: tuple[int, ...]) -> Grid:
    first = planes[0]
    in_plane = (first.row_spacing, first.column_spacing)
    directions = (_unit(first.column_cosines), _unit(first.row_cosines))
    if len(shape) == 2:
        if len(planes) > 1:
            raise RefusedInput(f"{len(planes)} plane geometries", "one picture", "give the geometry of this picture.")
        return Grid(shape, in_plane, directions)
    if len(planes) != shape[0]:
        raise RefusedInput(
            f"{len(planes)} plane geometries", f"volume of {shape[0]} planes", "give one geometry for each plane."
        )
    positions = np.array([plane.position for plane in planes]) @ first.normal
    if len(planes) == 1:
        depth = first.slice_thickness
        if not depth:
            return Grid(shape)
        return Grid(shape, (depth, *in_plane), (_unit(first.normal), *directions))
    steps = np.diff(positions)
    if not ((steps > 0).all() or (steps < 0).all()):
        raise RefusedInput("planes that are not in order along their normal", "geometry", "sort the planes.")
    sign = 1.0 if steps[0] > 0 else -1.0
    usual = float(np.median(np.abs(steps)))
    even = np.allclose(np.abs(steps), usual, rtol=1e-3)
    depths = None if even else tuple(float(d) for d in np.abs(np.gradient(positions)))
    return Grid(shape, (usual, *in_plane), (_unit(sign * first.normal), *directions), depths)


def _unit(vector: object) -> Vector:
    x, y, z = (float(v) for v in np.asarray(vector) / np.linalg.norm(np.asarray(vector)))
    return (x, y, z)
