"""Do the areas and volumes of a report follow from what it drew? Pixels x spacing, counted anew.

An area of a segment must be that of one of its frames or of all together; its volume the sum over its frames of area x
the slab a slice stands for, which the positions of the source slices tell. Where the sources are not at hand every
honest slab passes: from the positions of the frames, Spacing Between Slices, and Slice Thickness. An area inferred from
a closed polyline is held against the polygon. Where spacing is unknown, nothing is said.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from wetread.imaging.frames import Frame
from wetread.reporting.measurement import slabs_along

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from pydicom import Dataset

Words = tuple[str, str]
Spacing = tuple[float, float]

AREAS, VOLUMES = frozenset({"42798000", "G-A166"}), frozenset({"118565006", "G-D705"})
_MILLIMETRES = {"mm2": 1.0, "cm2": 100.0, "mm3": 1.0, "cm3": 1000.0, "ml": 1000.0, "mL": 1000.0}
_TOLERANCE, _LEAST = 1e-3, 0.01
_CENTIMETRE = 3  # Physical Units of an ultrasound region, PS3.3 C.8.5.5.1.15


class Drawn:
    """A Segmentation with the places of its frames and of its sources, looked up once for all of its segments.

    Args:
        seg: the Segmentation.
        sources: headers of the images, by SOP Instance UID.
    """

    def __init__(self, seg: Dataset, sources: dict[str, Dataset]) -> None:
        self.seg, self.sources = seg, sources

    @cached_property
    def normal(self) -> NDArray[np.float64] | None:
        """Of the first frame; None where frames have no orientation in the patient."""
        cosines = Frame(self.seg, 0).attribute("ImageOrientationPatient")
        if not cosines:
            return None
        return np.cross(np.asarray(cosines[:3], dtype=float), np.asarray(cosines[3:], dtype=float))

    @cached_property
    def source_heights(self) -> NDArray[np.float64]:
        """Distinct places along the normal of the series it was drawn on, ascending; other series may be at hand."""
        series = {str(one.get("SeriesInstanceUID", "")) for one in self.seg.get("ReferencedSeriesSequence", [])}
        return self._heights([d for d in self.sources.values() if str(d.get("SeriesInstanceUID", "")) in series])

    @cached_property
    def frame_heights(self) -> NDArray[np.float64]:
        """Distinct places of its own frames along the normal, ascending."""
        return self._heights([self.seg])

    def _heights(self, datasets: list[Dataset]) -> NDArray[np.float64]:
        found = [_height(d, i, self.normal) for d in datasets for i in range(int(d.get("NumberOfFrames") or 1))]
        return np.unique(np.round([height for height in found if height is not None], 4))


def size_defects(group: Dataset, number: int, drawn: Drawn, marked: dict[int, int]) -> Iterator[Words]:
    """Defects of the sizes that a group gives for a segment.

    Args:
        group: the measurement group that refers to the segment.
        number: of the segment.
        drawn: the Segmentation.
        marked: 0-based frame -> pixels of this segment.
    """
    for child in group.get("ContentSequence", []):
        code, (value, unit) = name_code(child), measured(child)
        if value is None or child.get("ContentSequence"):  # what is inferred from a region is not of the segment
            continue
        if code in AREAS | VOLUMES and unit in {"{pixels}", "{voxels}"}:
            possible = [float(sum(marked.values())), *map(float, marked.values())]
        elif code in AREAS and unit in _MILLIMETRES:
            areas = _frame_areas(drawn, marked)
            possible = [] if areas is None else [sum(areas.values()), *areas.values()]
        elif code in VOLUMES and unit in _MILLIMETRES:
            possible = _volumes(drawn, marked)
        else:
            continue
        size = value * _MILLIMETRES.get(unit, 1.0)
        if possible and not _is_one_of(size, possible):
            nearest = min(possible, key=lambda one: abs(one - size)) / _MILLIMETRES.get(unit, 1.0)
            kind = "volume" if code in VOLUMES else "area"
            yield (
                f"the {kind} of segment {number} is given as {value:g} {unit}, its pixels make {nearest:g}",
                "measure the mask that is stored.",
            )


def polygon_defects(item: Dataset, sources: dict[str, Dataset]) -> Iterator[Words]:
    """Defects of an area that is inferred from one closed polyline; where the source tells the spacing."""
    regions = [child for child in item.get("ContentSequence", []) if child.get("ValueType") == "SCOORD"]
    (value, unit) = measured(item)
    if name_code(item) not in AREAS or value is None or len(regions) != 1 or regions[0].GraphicType != "POLYLINE":
        return
    x, y = (np.asarray(regions[0].GraphicData, dtype=float)[start::2] for start in (0, 1))
    pixels = 0.5 * abs(float(np.dot(x[:-1], y[1:]) - np.dot(x[1:], y[:-1])))
    if unit == "{pixels}":
        expected = pixels
    else:
        spacing = _selected_spacing(regions[0], sources)
        if spacing is None or unit not in _MILLIMETRES:
            return
        expected = pixels * spacing[0] * spacing[1] / _MILLIMETRES[unit]
    if not _is_one_of(value, [expected]):
        yield f"an area is given as {value:g} {unit}, its region encloses {expected:g}", "measure what is drawn."


def name_code(item: Dataset) -> str:
    """Code value of an item's concept name, empty without one."""
    sequence = item.get("ConceptNameCodeSequence")
    return str(sequence[0].get("CodeValue", "")) if sequence else ""


def measured(item: Dataset) -> tuple[float | None, str]:
    """Value and unit of a NUM item; (None, "") where there is none."""
    values = item.get("MeasuredValueSequence")
    if not values or values[0].get("NumericValue") is None:
        return None, ""
    units = values[0].get("MeasurementUnitsCodeSequence")
    return float(values[0].NumericValue), str(units[0].get("CodeValue", "")) if units else ""


def _is_one_of(size: float, possible: list[float]) -> bool:
    return any(abs(size - one) <= max(_TOLERANCE * abs(one), _LEAST) for one in possible)


def _frame_areas(drawn: Drawn, marked: dict[int, int]) -> dict[int, float] | None:
    """Square millimetres on every frame; None where a spacing is unknown."""
    areas = {}
    for frame, pixels in marked.items():
        given = Frame(drawn.seg, frame).attribute("PixelSpacing")
        spacing = (float(given[0]), float(given[1])) if given else _source_spacing(drawn, frame)
        if spacing is None:
            return None
        areas[frame] = pixels * spacing[0] * spacing[1]
    return areas


def _volumes(drawn: Drawn, marked: dict[int, int]) -> list[float]:
    areas = _frame_areas(drawn, marked)
    found = {frame: _height(drawn.seg, frame, drawn.normal) for frame in marked}
    heights = {frame: height for frame, height in found.items() if height is not None}
    if areas is None or len(heights) < len(marked):
        return []
    known = _volume(areas, heights, drawn.source_heights)
    if known is not None:
        return [known]
    volumes = [
        sum(areas.values()) * float(slab)
        for keyword in ("SpacingBetweenSlices", "SliceThickness")
        if (slab := _pixel_measure(drawn.seg, keyword))
    ]
    from_frames = _volume(areas, heights, drawn.frame_heights)
    return volumes if from_frames is None else [*volumes, from_frames]


def _volume(areas: dict[int, float], heights: dict[int, float], places: NDArray[np.float64]) -> float | None:
    """Area x slab over the frames, the slab being that of the nearest of `places`; None where they tell no distance."""
    slabs = slabs_along(places)
    if slabs is None:
        return None
    return sum(area * float(slabs[np.abs(places - heights[frame]).argmin()]) for frame, area in areas.items())


def _height(dataset: Dataset, frame: int, normal: NDArray[np.float64] | None) -> float | None:
    place = Frame(dataset, frame).attribute("ImagePositionPatient")
    return float(np.asarray(place, dtype=float) @ normal) if place and normal is not None else None


def _pixel_measure(seg: Dataset, keyword: str) -> float | None:
    shared, per_frame = "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"
    for groups in (*seg.get(shared, []), *seg.get(per_frame, [])):
        for item in groups.get("PixelMeasuresSequence", []):
            if item.get(keyword):
                return float(item.get(keyword))
    return None


def _source_spacing(drawn: Drawn, frame: int) -> Spacing | None:
    groups = (drawn.seg.get("PerFrameFunctionalGroupsSequence") or [{}])[frame]
    for derivation in groups.get("DerivationImageSequence", []):
        for image in derivation.get("SourceImageSequence", []):
            source = drawn.sources.get(str(image.get("ReferencedSOPInstanceUID", "")))
            if source is not None:
                return _spacing(source)
    return None


def _selected_spacing(region: Dataset, sources: dict[str, Dataset]) -> Spacing | None:
    for image in region.get("ContentSequence", []):
        for reference in image.get("ReferencedSOPSequence", []):
            source = sources.get(str(reference.get("ReferencedSOPInstanceUID", "")))
            number = reference.get("ReferencedFrameNumber")
            if source is not None:
                return _spacing(source, (number if isinstance(number, int) else 1) - 1)
    return None


def _spacing(source: Dataset, frame: int = 0) -> Spacing | None:
    """(row, column) millimetres of the patient: Pixel Spacing, or the one calibrated region of an ultrasound image."""
    given = Frame(source, frame).attribute("PixelSpacing")
    if given:
        return float(given[0]), float(given[1])
    regions = source.get("SequenceOfUltrasoundRegions") or []
    if len(regions) == 1 and {
        regions[0].get("PhysicalUnitsXDirection"), regions[0].get("PhysicalUnitsYDirection"),
    } == {_CENTIMETRE}:  # fmt: skip
        return abs(float(regions[0].PhysicalDeltaY)) * 10.0, abs(float(regions[0].PhysicalDeltaX)) * 10.0
    return None
