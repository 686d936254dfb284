"""What is measured of a mask, before anything is said: the value types of `regions`.

One `Region` a mask, at three scales: the image (`Scene`), the region itself, and its parts (separate components, and
patches of another colour). Numbers keep full precision here; `facts` rounds them to what a sentence states. Formulas
and thresholds stand with the function that computes each group and in docs/regions.md. Image words (left, upper) are
places in the picture; patient words come from an orientation and from nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wetread.regions.palette import Colour
    from wetread.terminology import Modality


class Place(StrEnum):
    """One cell of the 3 x 3 grid of thirds."""

    UPPER_LEFT = "upper left"
    UPPER = "upper middle"
    UPPER_RIGHT = "upper right"
    LEFT = "middle left"
    CENTRE = "centre"
    RIGHT = "middle right"
    LOWER_LEFT = "lower left"
    LOWER = "lower middle"
    LOWER_RIGHT = "lower right"


class Direction(StrEnum):
    """A direction in the patient; DICOM LPS axes."""

    LEFT = "left"
    RIGHT = "right"
    ANTERIOR = "anterior"
    POSTERIOR = "posterior"
    HEAD = "head"
    FOOT = "foot"


class SizeWord(StrEnum):
    """How much of the image a region takes."""

    TINY = "tiny"
    SMALL = "small"
    MEDIUM = "medium-sized"
    LARGE = "large"


class ShapeWord(StrEnum):
    """The shape of a region."""

    POINT = "point-like"
    """Too few pixels to have a shape."""
    ROUND = "round"
    OVAL = "oval"
    ELONGATED = "elongated"
    FLAT = "flat"
    """3-D only: thin in one direction, wide in two."""
    IRREGULAR = "irregular"
    RING = "ring-shaped"
    MULTIFOCAL = "multi-focal"


class BorderWord(StrEnum):
    """The course of a region's outline."""

    SMOOTH = "smooth"
    LOBULATED = "lobulated"
    SPICULATED = "spiculated"


class Contrast(StrEnum):
    """A region against its ring; the modality's own word for it is a matter of the phrase table."""

    HIGHER = "higher"
    EQUAL = "equal"
    LOWER = "lower"
    VOID = "void"
    """Lower, and without any signal: anechoic on ultrasound."""


class RelationKind(StrEnum):
    """How one region lies to another."""

    LEFT_OF = "left of"
    RIGHT_OF = "right of"
    ABOVE = "above"
    BELOW = "below"
    BEFORE = "on earlier slices than"
    AFTER = "on later slices than"
    INSIDE = "inside"
    AROUND = "around"
    TOUCHING = "touching"
    OVERLAPPING = "overlapping"
    PATIENT_LEFT_OF = "patient left of"
    PATIENT_RIGHT_OF = "patient right of"
    ANTERIOR_TO = "anterior to"
    POSTERIOR_TO = "posterior to"
    HEADWARD_OF = "headward of"
    FOOTWARD_OF = "footward of"


@dataclass(frozen=True, slots=True)
class Location:
    """Where a region lies.

    Args:
        centroid: along the array's axes, on pixel edges: (row, column) or (plane, row, column).
        box: half open, ((start, stop), ...) along the array's axes.
        place: the cell of the 3 x 3 grid that the centroid falls in.
        slices: (first, last, of how many), counted from 1; None for a picture.
        patient: the outer thirds of the image that the centroid lies in, as directions in the patient; empty where
            the orientation is unknown or the centroid lies in the middle thirds.
        laterality: `Direction.LEFT` or `RIGHT` for a paired target whose side the orientation tells; None otherwise.
        at_edge: a pixel lies in the outermost row or column of the picture (in the first or last plane of a volume),
            so that the region may go on outside.
    """

    centroid: tuple[float, ...]
    box: tuple[tuple[int, int], ...]
    place: Place
    slices: tuple[int, int, int] | None = None
    patient: tuple[Direction, ...] = ()
    laterality: Direction | None = None
    at_edge: bool = False


@dataclass(frozen=True, slots=True)
class Size:
    """How large a region is.

    Args:
        pixels: marked pixels (voxels in a volume).
        share: of the whole image, 0 to 1.
        word: by share.
        area_mm2: 2-D with known spacing.
        volume_ml: 3-D with known spacing.
        diameter_px: of the disc (ball) of as many pixels (voxels), in pixels.
        diameter_mm: the same in millimetres; None where spacing is unknown.
    """

    pixels: int
    share: float
    word: SizeWord
    area_mm2: float | None
    volume_ml: float | None
    diameter_px: float
    diameter_mm: float | None


@dataclass(frozen=True, slots=True)
class Shape:
    """The form of a region, without specks (see `shape`).

    Args:
        word: see `shape.shape_word`.
        circularity: 4 pi A / P^2, at most 1; in 3-D the sphericity.
        solidity: area over the area of the convex hull.
        eccentricity: of the ellipse with the same second moments; 0 for a disc.
        axis_ratio: shortest over longest axis of that ellipse, 0 to 1.
        extent: area over the area of the bounding box.
        components: 8-connected parts (26-connected in 3-D), specks included.
        hole_share: the largest hole over the filled area.
        border: None where there are too few pixels, or no outline to speak of.
    """

    word: ShapeWord
    circularity: float
    solidity: float
    eccentricity: float
    axis_ratio: float
    extent: float
    components: int
    hole_share: float
    border: BorderWord | None


@dataclass(frozen=True, slots=True)
class Intensity:
    """A region against the ring of 5 pixels around it.

    Args:
        mean: inside, in the image's own units.
        ring: mean of the ring; None where the region leaves no ring.
        z: difference over the pooled standard deviation; None without a ring.
        contrast: the word behind z; None without a ring.
        units: UCUM, ``[hnsf'U]`` for HU.
        colour_name: of the mean colour, for real colour images; None for grey ones.
    """

    mean: float
    ring: float | None
    z: float | None
    contrast: Contrast | None
    units: str
    colour_name: str | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """One component of a region.

    Args:
        share: of the region, 0 to 1.
        place: on the grid of the image.
        pixels: marked.
    """

    share: float
    place: Place
    pixels: int


@dataclass(frozen=True, slots=True)
class ColourPart:
    """A patch of one colour inside a region of a real colour image.

    Args:
        name: e.g. ``dark brown``.
        share: of the region, 0 to 1.
        place: on a 3 x 3 grid of the region's own bounding box.
    """

    name: str
    share: float
    place: Place


@dataclass(frozen=True, slots=True)
class Region:
    """Everything measured of one non-empty mask.

    Args:
        index: of the mask among those given, from 0.
        label: what the mask is said to show, cleaned for use in a sentence.
        colour: in the overlay.
        parts: components, largest first, at most ten.
        colour_parts: patches of another colour, largest first.
    """

    index: int
    label: str
    colour: Colour
    location: Location
    size: Size
    shape: Shape
    intensity: Intensity
    parts: tuple[Part, ...] = ()
    colour_parts: tuple[ColourPart, ...] = ()


@dataclass(frozen=True, slots=True)
class Relation:
    """Region `subject` lies `kinds` to region `object`; both by `Region.index`."""

    subject: int
    object: int
    kinds: tuple[RelationKind, ...]


@dataclass(frozen=True, slots=True)
class Scene:
    """The image as a whole.

    Args:
        modality: the field's word.
        counts: (label, how many regions) in the order of first appearance.
        share: of the union of all regions, 0 to 1.
        absent: labels of the masks that were empty.
    """

    modality: Modality
    counts: tuple[tuple[str, int], ...]
    share: float
    absent: tuple[str, ...] = ()
