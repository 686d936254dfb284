"""How large a mask is: area and volume in real units, and its outline as closed polygons.

Areas are pixels x in-plane spacing. A volume is the sum over the marked planes of area x the slab each plane stands
for; that slab comes from the actual slice positions (PS3.3 C.7.6.2.1.1), never from Slice Thickness, and a missing
slice adds nothing. Outlines follow marching squares (Lorensen and Cline 1987) in pixel-edge
coordinates, as SCOORD wants.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wetread.imaging.sample import SampleKind
from wetread.terminology import Modality

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wetread.findings import Box, Mask
    from wetread.imaging.sample import Sample

MAXIMUM_CONTOURS = 100
MAXIMUM_POINTS = 400

_CENTIMETRE = 3  # Physical Units of an ultrasound region, PS3.3 C.8.5.5.1.15


@dataclass(frozen=True, slots=True)
class Size:
    """A measured size; `unit` is UCUM (``mm2``, ``mm3`` or ``{pixels}``)."""

    value: float
    unit: str
    is_volume: bool = False


@dataclass(frozen=True, slots=True)
class Outline:
    """Closed contours of a mask, largest first, and how many there would be without the cap.

    Args:
        contours: (plane index, (N, 2) points (x, y) on pixel edges, first point repeated at the end).
        total: number of contours of the whole mask.
    """

    contours: tuple[tuple[int, NDArray[np.float64]], ...]
    total: int


def pixel_spacing(sample: Sample, plane: int) -> tuple[float, float] | None:
    """(row, column) spacing in millimetres of the patient; None where the image is not calibrated.

    Imager Pixel Spacing is not used: it is measured at the detector and says nothing of the patient.
    """
    geometry = sample.planes[plane].geometry
    if geometry is not None:
        return geometry.row_spacing, geometry.column_spacing
    header = sample.header_of(plane)
    if "PixelSpacing" in header:
        return float(header.PixelSpacing[0]), float(header.PixelSpacing[1])
    regions = header.get("SequenceOfUltrasoundRegions") or []
    if sample.modality is Modality.ULTRASOUND and len(regions) == 1:
        region = regions[0]
        if {region.get("PhysicalUnitsXDirection"), region.get("PhysicalUnitsYDirection")} == {_CENTIMETRE}:
            return abs(float(region.PhysicalDeltaY)) * 10.0, abs(float(region.PhysicalDeltaX)) * 10.0
    return None


def plane_slabs(sample: Sample) -> NDArray[np.float64] | None:
    """Millimetres of the patient that each plane of a volume stands for, (planes,); None where unknown.

    Where all distances are multiples of one step (slices may be missing) every plane stands for that step; where the
    spacing truly varies, for half the way to each neighbour.
    """
    geometries = [plane.geometry for plane in sample.planes]
    if sample.kind is not SampleKind.VOLUME or len(geometries) < 2 or any(g is None for g in geometries):
        return None
    normal = geometries[0].normal  # type: ignore[union-attr]
    return slabs_along(np.array([g.position for g in geometries]) @ normal)  # type: ignore[union-attr]


def slabs_along(positions: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Millimetres that each of several sorted positions along a normal stands for; None for one place only."""
    distances = np.abs(np.diff(positions))
    step = float(np.median(distances)) if len(distances) else 0.0
    if step <= 0:
        return None
    multiples = np.maximum(np.round(distances / step), 1.0)
    if np.allclose(distances, multiples * step, rtol=0.0, atol=0.02 * step):
        single = distances[multiples == 1.0]
        return np.full(len(positions), float(single.mean()))
    padded = np.concatenate([distances[:1], distances, distances[-1:]])
    return 0.5 * (padded[:-1] + padded[1:])


def mask_size(mask: Mask, sample: Sample) -> Size:
    """Volume of a mask over a volume, otherwise the area on its key plane."""
    slabs = plane_slabs(sample)
    if slabs is None:
        return mask_area(mask, sample)
    volume = 0.0
    for index, marked in mask.planes.items():
        spacing = pixel_spacing(sample, index)
        assert spacing is not None  # a plane with geometry has a spacing
        volume += float(np.count_nonzero(marked)) * spacing[0] * spacing[1] * float(slabs[index])
    return Size(volume, "mm3", is_volume=True)


def mask_area(mask: Mask, sample: Sample) -> Size:
    """Area of a mask on its key plane."""
    pixels = float(np.count_nonzero(mask.planes[mask.key_plane]))
    return _area(pixels, pixel_spacing(sample, mask.key_plane))


def box_area(box: Box, sample: Sample, plane: int) -> Size:
    """Area of an IMAGE box on one plane."""
    return _area(box.area, pixel_spacing(sample, plane))


def _area(pixels: float, spacing: tuple[float, float] | None) -> Size:
    if spacing is None:
        return Size(pixels, "{pixels}")
    return Size(pixels * spacing[0] * spacing[1], "mm2")


def outline(mask: Mask, most: int = MAXIMUM_CONTOURS) -> Outline:
    """The outline of a mask; at most `most` contours of at most `MAXIMUM_POINTS` points."""
    found: list[tuple[float, int, NDArray[np.float64]]] = []
    for index, marked in mask.planes.items():
        found.extend((_enclosed(contour), index, contour) for contour in plane_contours(marked))
    found.sort(key=lambda entry: -entry[0])
    return Outline(tuple((index, _simplified(contour)) for _, index, contour in found[:most]), len(found))


def plane_contours(marked: NDArray[np.bool_]) -> list[NDArray[np.float64]]:
    """Closed contours (N, 2) of one bool plane (rows, columns), as (x, y) on pixel edges."""
    from skimage.measure import find_contours

    rows, columns = np.flatnonzero(marked.any(axis=1)), np.flatnonzero(marked.any(axis=0))
    if not rows.size:
        return []
    # Outside the marked rows and columns there is no contour to look for.
    top, left = int(rows[0]), int(columns[0])
    inside = marked[top : rows[-1] + 1, left : columns[-1] + 1]
    # The border of zeros closes contours that touch the edge of the image; it is taken off again below.
    contours = find_contours(np.pad(inside.astype(np.float32), 1), 0.5)
    limit = np.array([marked.shape[1], marked.shape[0]], dtype=np.float64)
    # (row, column) of padded pixel centres -> (x, y) on edges: -1 for the border, +0.5 from centre to edge.
    return [np.clip(contour[:, ::-1] - 0.5 + (left, top), 0.0, limit) for contour in contours]


def _enclosed(contour: NDArray[np.float64]) -> float:
    x, y = contour[:, 0], contour[:, 1]
    return 0.5 * abs(float(np.dot(x[:-1], y[1:]) - np.dot(x[1:], y[:-1])))


def _simplified(contour: NDArray[np.float64]) -> NDArray[np.float64]:
    from skimage.measure import approximate_polygon

    tolerance, simpler = 0.0, contour
    while len(simpler) > MAXIMUM_POINTS:
        tolerance += 0.25
        simpler = approximate_polygon(contour, tolerance)
    return simpler
