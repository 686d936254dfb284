"""Sample: what a model is given, and what ties every pixel of it back to DICOM.

A Sample is a stack of planes (one for a radiograph, many for a volume or a cine). Each plane knows the instance and
frame it came from and, where DICOM says so, where it lies in the patient. Planes are in reading order: along the
slice normal for volumes, in time for cines. Pixels are kept twice: `values` in the modality's own units for
measuring, and a windowed 8-bit RGB picture for looking, made on demand.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from wetread.imaging.grey import Grey, grey_values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from pydicom import Dataset

    from wetread.geometry import PlaneGeometry
    from wetread.terminology import Modality


class SampleKind(StrEnum):
    """How the planes of a Sample belong together."""

    IMAGE = "image"
    """One plane."""
    VOLUME = "volume"
    """Parallel slices, ordered along their normal."""
    CINE = "cine"
    """Frames in time order, no geometry between them."""
    TILES = "tiles"
    """Regions of one whole-slide image."""


@dataclass(frozen=True, slots=True)
class Source:
    """The DICOM frame a plane came from; `frame_number` is 1-based, None for single-frame instances."""

    study_uid: str
    series_uid: str
    sop_class_uid: str
    sop_instance_uid: str
    frame_number: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Plane:
    """One picture.

    Args:
        pixels: (rows, columns) in the units of the Sample (HU, stored values after the modality LUT) or on the way
            there (`grey`), or (rows, columns, 3) uint8 RGB for colour images.
        window: (centre, width) for display of grey planes; None for colour.
        inverted: MONOCHROME1: larger values are shown darker.
        source: the DICOM frame.
        geometry: the plane in the patient, None where DICOM does not tell (most radiographs, ultrasound, VL).
    """

    pixels: NDArray[np.float32] | NDArray[np.uint8] | Grey
    source: Source
    window: tuple[float, float] | None = None
    inverted: bool = False
    geometry: PlaneGeometry | None = None

    @property
    def values(self) -> NDArray[np.float32] | NDArray[np.uint8]:
        """(rows, columns) float32 in the units of the Sample, made at every call, or (rows, columns, 3) uint8 RGB."""
        return self.pixels.values() if isinstance(self.pixels, Grey) else self.pixels

    @property
    def rows(self) -> int:
        """Number of rows."""
        return int(self.pixels.shape[0])

    @property
    def columns(self) -> int:
        """Number of columns."""
        return int(self.pixels.shape[1])

    @property
    def is_colour(self) -> bool:
        """True for RGB planes."""
        return self.pixels.ndim == 3

    def picture(self) -> NDArray[np.uint8]:
        """The plane as a person sees it: (rows, columns, 3) uint8 RGB, windowed (PS3.3 C.11.2.1.2, LINEAR_EXACT)."""
        if self.is_colour:
            return np.asarray(self.values, dtype=np.uint8)
        values = grey_values(self.pixels)
        if self.window is None:
            low, high = float(values.min()), float(values.max())
        else:
            centre, width = self.window
            low, high = centre - width / 2, centre + width / 2
        grey = np.clip((values - low) / max(high - low, 1e-6), 0.0, 1.0)
        if self.inverted:
            grey = 1.0 - grey
        return np.repeat((grey * 255.0 + 0.5).astype(np.uint8)[..., None], 3, axis=2)


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """What the model is given.

    Args:
        kind: how the planes belong together.
        modality: the field's word for the kind of picture.
        planes: all of one size, in reading order.
        headers: one DICOM dataset per source instance, without pixel data, in the order of first use.
        units: of `values`, UCUM (``[hnsf'U]`` for HU, ``1`` otherwise).
        remarks: what was found and handled while loading, in words ("1 duplicate instance left out").
    """

    kind: SampleKind
    modality: Modality
    planes: tuple[Plane, ...]
    headers: Sequence[Dataset] = field(repr=False)  # patient data: never in a log through repr
    units: str = "1"
    remarks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.planes:
            raise ValueError("A Sample needs at least one plane.")
        sizes = {(p.rows, p.columns) for p in self.planes}
        if len(sizes) > 1:
            raise ValueError(f"Planes of one Sample share one size, found {sorted(sizes)}.")

    @property
    def shape(self) -> tuple[int, int, int]:
        """(planes, rows, columns)."""
        return (len(self.planes), self.planes[0].rows, self.planes[0].columns)

    @property
    def study_uid(self) -> str:
        """Study Instance UID of the Sample."""
        return self.planes[0].source.study_uid

    @property
    def source(self) -> Source:
        """The DICOM frame of the first plane."""
        return self.planes[0].source

    def header_of(self, plane: int) -> Dataset:
        """The DICOM header of the instance that holds a plane."""
        uid = self.planes[plane].source.sop_instance_uid
        return next(h for h in self.headers if h.SOPInstanceUID == uid)
