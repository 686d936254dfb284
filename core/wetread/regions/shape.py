"""Shape and border of a region, measured by scikit-image (2-D) and SimpleITK (3-D), then put into a word.

Specks do not count: components that together hold under 5 % of a region are left out of its shape (they are still
counted). The perimeter is Crofton's, which is nearly the same for every rotation. Small discs are neither round nor
convex on a pixel grid: for radii from 2 to 80 pixels solidity falls short by about 0.35 P/A and circularity by about
0.25 P/A, so thresholds are compared after adding that, while the attributes keep the plain values of scikit-image.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import pi, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from wetread.regions.attributes import BorderWord, Shape, ShapeWord

if TYPE_CHECKING:
    from numpy.typing import NDArray

SPECK_SHARE = 0.05
LEAST_PIXELS = 12
RING_HOLE = 0.10
ROUND_RATIO, OVAL_RATIO = 0.8, 0.4
REGULAR_SOLIDITY, REGULAR_ROUNDNESS = 0.9, 0.7
SMOOTH_SOLIDITY, SMOOTH_ROUNDNESS = 0.96, 0.88
CONVEX_SOLIDITY = 0.98
ROUGH_ROUNDNESS = 0.5
POINTED_ROUNDNESS = 0.8
POINTED_SKEW, BLUNT_SKEW = 0.1, -0.1
NETWORK_CIRCULARITY = 0.05
UNEVEN_SPACING = 1.05


@dataclass(frozen=True, slots=True)
class Outline:
    """Plain measurements of one component or of several together.

    Args:
        perimeter: Crofton's (surface area in 3-D), in the units of `steps`.
        area: area (volume) in the same units.
        axes: lengths of the axes of the ellipse (ellipsoid) of equal second moments, longest first.
    """

    area: float
    perimeter: float
    solidity: float
    extent: float
    axes: tuple[float, ...]

    @property
    def circularity(self) -> float:
        """4 pi A / P^2, at most 1; in 3-D the sphericity pi^(1/3) (6V)^(2/3) / S."""
        if self.perimeter <= 0:
            return 1.0
        if len(self.axes) == 3:
            return min(pi ** (1 / 3) * (6 * self.area) ** (2 / 3) / self.perimeter, 1.0)
        return min(4 * pi * self.area / self.perimeter**2, 1.0)

    @property
    def axis_ratio(self) -> float:
        """Shortest over longest axis, 0 to 1; 1 for a single pixel."""
        return min(self.axes[-1] / self.axes[0], 1.0) if self.axes[0] > 0 else 1.0

    @property
    def eccentricity(self) -> float:
        """sqrt(1 - axis_ratio^2)."""
        return sqrt(max(1.0 - self.axis_ratio**2, 0.0))

    @property
    def edge(self) -> float:
        """P / A: how much of the region is edge."""
        return self.perimeter / self.area

    @property
    def true_solidity(self) -> float:
        """Solidity with the loss that the pixel grid causes added back."""
        return self.solidity + 0.35 * self.edge

    @property
    def roundness(self) -> float:
        """Circularity over that of an ellipse of the same axes, with the loss by the pixel grid added back."""
        return self.circularity / max(_ellipse_circularity(self.axes), 1e-6) + 0.25 * self.edge


def measure_shape(crop: NDArray[np.bool_], steps: tuple[float, ...]) -> Shape:
    """Shape of a region from its tight crop.

    Args:
        crop: (rows, columns) or (planes, rows, columns) bool, not empty, every side touched by the region.
        steps: relative length of a step along each axis; pixels of unequal sides are made square first.
    """
    from scipy import ndimage

    labels, count = ndimage.label(crop, structure=np.ones((3,) * crop.ndim, dtype=bool))
    main, is_multifocal = crop, False
    if count > 1:
        areas = np.bincount(labels.ravel())[1:]
        is_multifocal = areas.max() < (1.0 - SPECK_SHARE) * areas.sum()
        if not is_multifocal:
            main = trimmed(labels == 1 + int(np.argmax(areas)))
    main, scale = _even(main, steps)
    outline = outline_of(main, scale)
    hole, filled = _largest_hole(main)
    pixels = int(np.count_nonzero(main))
    is_ring = hole >= RING_HOLE and not is_multifocal
    word = shape_word(outline, pixels, is_multifocal=is_multifocal, is_ring=is_ring)
    border = None
    if not is_multifocal and pixels >= LEAST_PIXELS and main.ndim == 2:
        border = border_word(outline if hole == 0.0 else outline_of(filled, scale), filled)
    elif not is_multifocal and pixels >= LEAST_PIXELS:
        border = border_word_of_volume(outline)
    return Shape(
        word=word,
        circularity=outline.circularity,
        solidity=outline.solidity,
        eccentricity=outline.eccentricity,
        axis_ratio=outline.axis_ratio,
        extent=outline.extent,
        components=count,
        hole_share=hole,
        border=border,
    )


def shape_word(outline: Outline, pixels: int, *, is_multifocal: bool, is_ring: bool) -> ShapeWord:
    """The word of a shape; the first that holds.

    Multi-focal: the largest component has under 95 % of the pixels. Point-like: fewer than 12 pixels. Ring-shaped: a
    hole of at least 10 % of the filled area. Irregular: true solidity under 0.9 or roundness under 0.7. Then by the
    axis ratio: round from 0.8, oval from 0.4 (3-D: by the shortest axis), else elongated, or flat where only the
    shortest of three axes is short.
    """
    if is_multifocal:
        return ShapeWord.MULTIFOCAL
    if pixels < LEAST_PIXELS:
        return ShapeWord.POINT
    if is_ring:
        return ShapeWord.RING
    if outline.true_solidity < REGULAR_SOLIDITY or outline.roundness < REGULAR_ROUNDNESS:
        return ShapeWord.IRREGULAR
    if outline.axis_ratio >= ROUND_RATIO:
        return ShapeWord.ROUND
    if outline.axis_ratio >= OVAL_RATIO:
        return ShapeWord.OVAL
    if len(outline.axes) == 3 and outline.axes[1] >= 0.5 * outline.axes[0]:
        return ShapeWord.FLAT
    return ShapeWord.ELONGATED


def border_word(outline: Outline, filled: NDArray[np.bool_]) -> BorderWord | None:
    """The word of a border, of the region without its holes.

    None for a network of thin lines (circularity under 0.05). Smooth: true solidity from 0.96 and roundness from
    0.88; or nearly convex (true solidity from 0.98) and roundness from 0.7, as the stairs of a mask that was enlarged
    by repeating its pixels are neither bulges nor points. What is not smooth is spiculated where its outline runs out
    in points and lobulated where it bulges: the skew of the distance of outline pixels from the centroid, in units of
    the ellipse of equal moments, is positive for points and negative for bulges. Spiculated: true solidity under 0.9,
    and skew over 0.1 with roundness under 0.8, or skew over -0.1 with roundness under 0.5.
    """
    if outline.circularity < NETWORK_CIRCULARITY:
        return None
    even = SMOOTH_ROUNDNESS if outline.true_solidity < CONVEX_SOLIDITY else REGULAR_ROUNDNESS
    if outline.true_solidity >= SMOOTH_SOLIDITY and outline.roundness >= even:
        return BorderWord.SMOOTH
    skew = _outline_skew(filled)
    least = POINTED_ROUNDNESS if skew > POINTED_SKEW else ROUGH_ROUNDNESS
    pointed = skew > BLUNT_SKEW and outline.roundness < least and outline.true_solidity < REGULAR_SOLIDITY
    return BorderWord.SPICULATED if pointed else BorderWord.LOBULATED


def border_word_of_volume(outline: Outline) -> BorderWord:
    """The word of a surface: smooth or lobulated by the rule of `border_word`, spiculated under a solidity of 0.6."""
    if outline.true_solidity >= REGULAR_SOLIDITY and outline.roundness >= REGULAR_ROUNDNESS:
        return BorderWord.SMOOTH
    return BorderWord.SPICULATED if outline.true_solidity < 0.6 else BorderWord.LOBULATED


def trimmed(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The tight crop of a mask that is not empty."""
    from scipy import ndimage

    return np.ascontiguousarray(mask[ndimage.find_objects(mask.astype(np.uint8))[0]])


def outline_of(mask: NDArray[np.bool_], scale: tuple[float, ...]) -> Outline:
    """Measure a tight crop; `scale` is the length of a step along each axis (equal in 2-D)."""
    return _outline_2d(mask, scale[0]) if mask.ndim == 2 else _outline_3d(mask, scale)


def _outline_2d(mask: NDArray[np.bool_], step: float) -> Outline:
    from skimage.measure import regionprops

    region = regionprops(mask.view(np.uint8))[0]
    return Outline(
        area=float(region.area) * step**2,
        perimeter=float(region.perimeter_crofton) * step,
        solidity=float(region.solidity) if min(mask.shape) > 1 else 1.0,  # a hull of a line has no area
        extent=float(region.extent),
        axes=(float(region.axis_major_length) * step, float(region.axis_minor_length) * step),
    )


def _outline_3d(mask: NDArray[np.bool_], scale: tuple[float, ...]) -> Outline:
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(np.pad(mask, 1).view(np.uint8))
    image.SetSpacing(scale[::-1])
    shapes = sitk.LabelShapeStatisticsImageFilter()
    shapes.SetComputePerimeter(True)
    shapes.Execute(image)
    volume = float(shapes.GetPhysicalSize(1))
    axes = sorted((4.0 * sqrt(max(m, 0.0)) for m in shapes.GetPrincipalMoments(1)), reverse=True)
    return Outline(
        area=volume,
        perimeter=float(shapes.GetPerimeter(1)),
        solidity=min(volume / _hull_volume(mask, scale), 1.0),
        extent=float(mask.mean()),
        axes=(axes[0], axes[1], axes[2]),
    )


def _hull_volume(mask: NDArray[np.bool_], scale: tuple[float, ...]) -> float:
    """Volume of the convex hull of the voxels' corners; only the ends of each line of voxels can be on the hull."""
    from scipy.spatial import ConvexHull

    first = mask.argmax(axis=2)
    last = mask.shape[2] - 1 - mask[:, :, ::-1].argmax(axis=2)
    planes, rows = np.nonzero(mask.any(axis=2))
    ends = np.concatenate([
        np.column_stack([planes, rows, first[planes, rows]]),
        np.column_stack([planes, rows, last[planes, rows] + 1]),
    ]).astype(np.float64)  # fmt: skip
    corners = np.concatenate([ends + np.array((dz, dy, 0)) for dz in (0, 1) for dy in (0, 1)])
    return float(ConvexHull(np.unique(corners, axis=0) * np.asarray(scale)).volume)


def _even(mask: NDArray[np.bool_], steps: tuple[float, ...]) -> tuple[NDArray[np.bool_], tuple[float, ...]]:
    """A 2-D mask on square pixels: repeated to the finer step where the sides of a pixel differ by over 5 %."""
    if mask.ndim == 3:
        return mask, steps
    finest = min(steps)
    if max(steps) / finest <= UNEVEN_SPACING:
        return mask, steps
    rows, columns = (max(round(n * s / finest), 1) for n, s in zip(mask.shape, steps, strict=True))
    row = np.minimum(((np.arange(rows) + 0.5) * mask.shape[0] / rows).astype(int), mask.shape[0] - 1)
    column = np.minimum(((np.arange(columns) + 0.5) * mask.shape[1] / columns).astype(int), mask.shape[1] - 1)
    return np.ascontiguousarray(mask[np.ix_(row, column)]), (finest, finest)


def _largest_hole(mask: NDArray[np.bool_]) -> tuple[float, NDArray[np.bool_]]:
    """Share of the filled area that the largest hole takes, and the mask with all holes filled."""
    from scipy import ndimage

    labels, count = ndimage.label(~mask)
    outside = set()
    for axis in range(mask.ndim):
        for face in (0, -1):
            outside.update(labels.take(face, axis=axis).ravel().tolist())
    if count <= len(outside - {0}):
        return 0.0, mask
    sizes = np.bincount(labels.ravel())
    sizes[[0, *outside]] = 0
    filled = mask | (sizes > 0)[labels]
    return float(sizes.max() / np.count_nonzero(filled)), filled


def _outline_skew(filled: NDArray[np.bool_]) -> float:
    """Skew of the outline's distance from the centroid, in units of the ellipse of equal moments."""
    from scipy import ndimage, stats

    inside = np.argwhere(filled).astype(np.float64)
    outline = np.argwhere(filled & ~ndimage.binary_erosion(filled)) - inside.mean(axis=0)
    spread = np.cov(inside.T) + np.eye(2) / 12.0  # a pixel is a square, not a point
    distance = np.sqrt(np.einsum("ij,jk,ik->i", outline, np.linalg.inv(spread), outline))
    return float(stats.skew(distance)) if np.ptp(distance) > 0 else 0.0


def _ellipse_circularity(axes: tuple[Any, ...]) -> float:
    """Circularity of a perfect ellipse (Ramanujan's perimeter), sphericity of an ellipsoid (Thomsen's surface)."""
    if axes[-1] <= 0:
        return 1.0
    if len(axes) == 2:
        a, b = axes[0] / 2, axes[1] / 2
        h = ((a - b) / (a + b)) ** 2
        perimeter = pi * (a + b) * (1 + 3 * h / (10 + sqrt(4 - 3 * h)))
        return float(4 * pi * (pi * a * b) / perimeter**2)
    a, b, c = (axis**1.6075 for axis in axes)
    surface = 4 * pi * (((a * b + a * c + b * c) / 3) ** (1 / 1.6075)) / 4
    volume = pi / 6 * axes[0] * axes[1] * axes[2]
    return float(pi ** (1 / 3) * (6 * volume) ** (2 / 3) / surface)
