"""The source frames a Segmentation is drawn on: only those it needs, as highdicom takes them.

A slide may have a hundred thousand tiles and a series three hundred slices; marks lie on a few. For volumes the
unbroken range of planes from the first to the last mark is kept, so that their spacing stays regular; of other
multi-frame sources the marked frames only, whose real numbers `restore_frame_numbers` puts back afterwards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydicom import Dataset
from pydicom.sequence import Sequence

from wetread.errors import RefusedInput
from wetread.imaging.sample import SampleKind
from wetread.reporting.measurement import plane_slabs

if TYPE_CHECKING:
    from wetread.findings import Mask
    from wetread.imaging.sample import Sample


def used_planes(sample: Sample, masks: list[Mask]) -> list[int]:
    """Indices of the planes to write, in reading order; the first plane where nothing is marked."""
    marked = sorted({plane for mask in masks for plane in mask.planes})
    if sample.kind is SampleKind.VOLUME and marked:
        return list(range(marked[0], marked[-1] + 1))
    return marked or [0]


def slices(sample: Sample, headers: list[Dataset], planes: list[int]) -> list[Dataset]:
    """One header per plane, for single-frame instances; orientation and spacing are those of the first.

    Orientations that differ in the sixth decimal are one orientation; highdicom compares them exactly.

    Raises:
        RefusedInput: orientation or pixel spacing truly differ.
    """
    by_uid = {header.SOPInstanceUID: header for header in headers}
    chosen = [by_uid[sample.planes[plane].source.sop_instance_uid] for plane in planes]
    first = chosen[0]
    if "ImagePositionPatient" not in first:
        if "FrameOfReferenceUID" in first:
            del first.FrameOfReferenceUID  # a frame of reference without a position places nothing
        return chosen
    for header in chosen:
        orientation = np.subtract(header.ImageOrientationPatient, first.ImageOrientationPatient)
        spacing = np.subtract(header.PixelSpacing, first.PixelSpacing)
        if np.abs(orientation).max() > 1e-3 or np.abs(spacing).max() > 1e-4:
            raise RefusedInput(
                "slices with different orientation or pixel spacing in one segmentation",
                header.SOPInstanceUID,
                "read the stacks one by one.",
            )
        header.ImageOrientationPatient = first.ImageOrientationPatient
        header.PixelSpacing = first.PixelSpacing
        if float(header.get("SpacingBetweenSlices") or 0) <= 0 and "SpacingBetweenSlices" in header:
            del header.SpacingBetweenSlices  # some scanners write the direction of their table into its sign
        if not header.get("SliceThickness"):
            header.SliceThickness = _slice_distance(sample)
    return chosen


def _slice_distance(sample: Sample) -> float:
    slabs = plane_slabs(sample)
    return float(np.median(slabs)) if slabs is not None else 1.0


def chosen_frames(header: Dataset, numbers: list[int]) -> Dataset:
    """A multi-frame header with only the frames of these 1-based numbers, in this order; `header` is a copy already."""
    if "PerFrameFunctionalGroupsSequence" in header:
        groups = [header.PerFrameFunctionalGroupsSequence[number - 1] for number in numbers]
    else:
        groups = _groups_of_tiles(header, numbers)
        header.DimensionOrganizationType = "TILED_SPARSE"
    header.PerFrameFunctionalGroupsSequence = Sequence(groups)
    header.NumberOfFrames = len(numbers)
    return header


def _groups_of_tiles(header: Dataset, numbers: list[int]) -> list[Dataset]:
    """Where the chosen tiles of a TILED_FULL image lie, which is told only by their order."""
    from highdicom import PlanePositionSequence
    from highdicom.spatial import iter_tiled_full_frame_data

    wanted, found = set(numbers), {}
    for number, (_, _, column, row, x, y, z) in enumerate(iter_tiled_full_frame_data(header), start=1):
        if number in wanted:
            groups = Dataset()
            groups.PlanePositionSlideSequence = PlanePositionSequence("SLIDE", (x, y, z), (column, row))
            found[number] = groups
    return [found[number] for number in numbers]


def restore_frame_numbers(seg: Dataset, numbers: list[int]) -> None:
    """Put the source's own frame numbers where highdicom wrote places in the chosen list.

    Frames of two segments over one source frame share the very item, which must be changed once only.
    """
    changed: set[int] = set()
    for groups in (*seg.SharedFunctionalGroupsSequence, *seg.PerFrameFunctionalGroupsSequence):
        for derivation in groups.get("DerivationImageSequence", []):
            for image in derivation.SourceImageSequence:
                if id(image) not in changed:
                    changed.add(id(image))
                    image.ReferencedFrameNumber = numbers[int(image.ReferencedFrameNumber) - 1]
