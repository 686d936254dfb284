"""One region of one image, measured: everything but its overlay colour, which depends on the other regions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from wetread.regions.attributes import ColourPart, Intensity, Part
from wetread.regions.colours import colour_parts
from wetread.regions.intensity import COLOUR_MODALITIES, RING_PIXELS, compare, display_range, grey_of, ring_of
from wetread.regions.location import locate, place_of, size_of
from wetread.regions.shape import measure_shape

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wetread.regions.attributes import Location, Shape, Size
    from wetread.regions.grid import Grid
    from wetread.regions.masks import Cut
    from wetread.terminology import Modality

MOST_PARTS = 10


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """One region before it has a colour."""

    index: int
    box: tuple[slice, ...]
    crop: NDArray[np.bool_]
    location: Location
    size: Size
    shape: Shape
    intensity: Intensity
    parts: tuple[Part, ...]
    colour_parts: tuple[ColourPart, ...]
    under: NDArray[np.float64]
    around: NDArray[np.float64]


class MeasuredImage:
    """One image, and what every region of it needs to know of it."""

    def __init__(self, image: NDArray[Any], colour: bool, grid: Grid, modality: Modality, units: str) -> None:
        self.image, self.colour, self.grid, self.modality, self.units = image, colour, grid, modality, units
        self.real_colour = colour and modality in COLOUR_MODALITIES
        # Contrast and black level need no more than an even share of the pixels of a large volume.
        step = max(1, round((np.prod(grid.shape) / 4e6) ** (1 / len(grid.shape))))
        some = grey_of(image[(slice(None, None, step),) * len(grid.shape)], colour=colour)
        self.spread = float(some.std(dtype=np.float64))
        self.black, self.white = display_range(np.asarray(image if not colour else some.astype(image.dtype)))

    def measure(self, one: Cut, paired: bool) -> Measured:
        """Measure one mask that is not empty; `paired`: its target has a left and a right one."""
        grid, crop = self.grid, one.crop
        coordinates = np.nonzero(crop)
        pixels = int(coordinates[0].size)
        centroid = tuple(float(c.mean()) + 0.5 + s.start for c, s in zip(coordinates, one.box, strict=True))
        box = tuple((s.start, s.stop) for s in one.box)
        shape = measure_shape(crop, grid.steps)
        wide = tuple(slice(max(s.start - RING_PIXELS, 0), s.stop + RING_PIXELS) for s in one.box)
        values = self.image[wide]
        inner = tuple(slice(s.start - w.start, s.stop - w.start) for s, w in zip(one.box, wide, strict=True))
        mask = np.zeros(values.shape[: crop.ndim], dtype=bool)
        mask[inner] = crop
        ring = ring_of(mask, grid.steps)
        inside, outside = values[mask], values[ring]
        intensity = compare(
            grey_of(inside, colour=self.colour), grey_of(outside, colour=self.colour), modality=self.modality,
            units=self.units, spread=self.spread, black=self.black, white=self.white,
        )  # fmt: skip
        return Measured(
            index=one.index,
            box=one.box,
            crop=crop,
            location=locate(centroid, box, grid, paired=paired),
            size=size_of(crop, pixels, grid, one.box[0].start),
            shape=shape,
            intensity=intensity,
            parts=_parts(crop, one.box, grid, pixels) if shape.components > 1 else (),
            colour_parts=self._colour_parts(one),
            under=self._mean_colour(inside),
            around=self._mean_colour(outside if len(outside) else inside),
        )

    def _colour_parts(self, one: Cut) -> tuple[ColourPart, ...]:
        if not self.real_colour or one.crop.ndim != 2:
            return ()
        return colour_parts(self.image, one.box, one.crop, self.modality)

    def _mean_colour(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Mean of some pixels as sRGB 0 to 255."""
        if self.colour:
            return np.asarray(values[:, :3].mean(axis=0, dtype=np.float64))
        scale = max(self.white - self.black, 1e-6)
        return np.full(3, 255.0 * (float(values.mean(dtype=np.float64)) - self.black) / scale)


def _parts(crop: NDArray[np.bool_], box: tuple[slice, ...], grid: Grid, pixels: int) -> tuple[Part, ...]:
    """The components of a region, largest first, the first in reading order of equals."""
    from scipy import ndimage

    labels, _ = ndimage.label(crop, structure=np.ones((3,) * crop.ndim, dtype=bool))
    sizes = np.bincount(labels.ravel())[1:]
    largest = np.argsort(-sizes, kind="stable")[:MOST_PARTS]
    centres = ndimage.center_of_mass(crop, labels, largest + 1)
    return tuple(
        Part(
            share=float(sizes[number]) / pixels,
            place=place_of(
                centre[-2] + 0.5 + box[-2].start, centre[-1] + 0.5 + box[-1].start, *grid.shape[-2:]
            ),
            pixels=int(sizes[number]),
        )
        for number, centre in zip(largest, centres, strict=True)
    )  # fmt: skip
