"""Read to DICOM Segmentation (PS3.3 A.51): one BINARY segment per finding with a mask.

highdicom places frames against the real source slices, so that gaps and tilt stay what they are. The one thing it does
not write, several frames without a place in the patient (ultrasound cines), `frame_segmentation` writes. A read
without any mask still gives a valid object: one empty segment that says "No region marked".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wetread.errors import RefusedInput
from wetread.findings import Mask
from wetread.imaging.sample import SampleKind
from wetread.reporting.frame_segmentation import write_frames
from wetread.reporting.identity import CHARACTER_SET, MANUFACTURER, derived_uid, source_headers, stamp
from wetread.terminology import IMAGE_REGION, SPATIAL_CONCEPT

if TYPE_CHECKING:
    from highdicom.seg import SegmentDescription
    from numpy.typing import NDArray
    from pydicom import Dataset

    from wetread.findings import Finding, Read
    from wetread.imaging.sample import Sample
    from wetread.terminology import Concept

EMPTY_LABEL = "No region marked"
SERIES_NUMBER = 9901
SERIES_DESCRIPTION = "AI segmentation (unreviewed)"
_GREY = (128, 128, 128)
_LARGEST_ARRAY = 2 << 30


def segmented(read: Read) -> tuple[Finding, ...]:
    """The findings that become segments, in order: segment n is ``segmented(read)[n - 1]``."""
    return tuple(f for f in read.findings if f.mask is not None and not f.mask.is_empty)


def build_seg(read: Read, sample: Sample) -> Dataset:
    """The Segmentation of a read, complete with file meta information.

    Args:
        read: the read; masks index the planes of `sample`.
        sample: what was read; its headers need no pixel data.

    Returns:
        A Segmentation Storage dataset with UIDs derived from ``read.uid``.

    Raises:
        RefusedInput: planes of unequal spacing or orientation, or a slide region too large for one object.
    """
    findings = segmented(read)
    masks = [f.mask for f in findings if f.mask is not None] or [Mask(sample.shape)]
    descriptions = [_description(f, i, read) for i, f in enumerate(findings, start=1)] or [_empty_description(read)]
    headers = source_headers(sample)
    if _is_placed(sample) or len(sample.planes) == 1 == _frames(headers[0]):
        dataset = _with_highdicom(read, sample, headers, masks, descriptions)
    else:
        dataset = write_frames(read, sample, headers, masks, descriptions)
    _finish(dataset, read, headers[0])
    return dataset


def _is_placed(sample: Sample) -> bool:
    """True where every plane lies in a frame of reference that highdicom can take from the source."""
    if sample.kind is SampleKind.TILES:
        return all("SharedFunctionalGroupsSequence" in header for header in sample.headers)
    return sample.kind is SampleKind.VOLUME and all(plane.geometry is not None for plane in sample.planes)


def _frames(header: Dataset) -> int:
    return int(header.get("NumberOfFrames") or 1)


def _with_highdicom(
    read: Read, sample: Sample, headers: list[Dataset], masks: list[Mask], descriptions: list[SegmentDescription]
) -> Dataset:
    from highdicom.seg import Segmentation

    if len(headers) == 1 and "SharedFunctionalGroupsSequence" in headers[0]:
        frames = [(p.source.frame_number or 1) - 1 for p in sample.planes]
        pixels = _stack(masks, frames, _frames(headers[0]), sample)
        sources = headers
    else:
        pixels = _stack(masks, list(range(len(sample.planes))), len(sample.planes), sample)
        sources = _slices(sample, headers)
    return Segmentation(
        source_images=sources,
        pixel_array=pixels if len(pixels) > 1 or _frames(sources[0]) > 1 else pixels[:1],
        segmentation_type="BINARY",
        segment_descriptions=descriptions,
        series_instance_uid=derived_uid(read.uid, "seg series"),
        series_number=SERIES_NUMBER,
        sop_instance_uid=derived_uid(read.uid, "seg"),
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=read.provenance.model,
        software_versions=read.provenance.wetread_version,
        device_serial_number=read.provenance.weights_sha256[:16] or "unknown",
        content_label="AI_FINDINGS",
        content_description="AI findings (unreviewed)",
        series_description=SERIES_DESCRIPTION,
        omit_empty_frames=any(not mask.is_empty for mask in masks),
        specific_character_set=CHARACTER_SET,
    )


def _stack(masks: list[Mask], frames: list[int], count: int, sample: Sample) -> NDArray[np.uint8]:
    """(frames, rows, columns, segments) uint8, plane i of the masks at frame ``frames[i]``."""
    shape = (count, *sample.shape[1:], len(masks))
    if int(np.prod(shape, dtype=np.int64)) > _LARGEST_ARRAY:
        raise RefusedInput(
            f"a segmentation of {count} frames with {len(masks)} segments does not fit into memory",
            sample.planes[0].source.sop_instance_uid,
            "read a smaller region or a lower magnification of the slide.",
        )
    pixels = np.zeros(shape, dtype=np.uint8)
    for segment, mask in enumerate(masks):
        for plane, marked in mask.planes.items():
            pixels[frames[plane], :, :, segment] = marked
    return pixels


def _slices(sample: Sample, headers: list[Dataset]) -> list[Dataset]:
    """One header per plane, in the order of the planes, with one orientation.

    Orientations that differ in the sixth decimal are one orientation; highdicom compares them exactly.
    """
    by_uid = {header.SOPInstanceUID: header for header in headers}
    slices = [by_uid[plane.source.sop_instance_uid] for plane in sample.planes]
    first = slices[0]
    if len(slices) == 1:
        if "ImagePositionPatient" not in first and "FrameOfReferenceUID" in first:
            del first.FrameOfReferenceUID  # a frame of reference without a position places nothing
        return slices
    for header in slices:
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
        if not header.get("SliceThickness"):
            header.SliceThickness = _slice_distance(sample)
    return slices


def _slice_distance(sample: Sample) -> float:
    from wetread.reporting.measurement import plane_slabs

    slabs = plane_slabs(sample)
    return float(np.median(slabs)) if slabs is not None else 1.0


def _description(finding: Finding, number: int, read: Read) -> SegmentDescription:
    target = finding.target
    return _segment(
        number, target.label, target.category, target.type, target.colour, read,
        site=None if target.site == target.type else target.site,
        tracking_id=f"{target.label} {number}", tracking_uid=finding.tracking_uid,
    )  # fmt: skip


def _empty_description(read: Read) -> SegmentDescription:
    return _segment(1, EMPTY_LABEL, SPATIAL_CONCEPT, IMAGE_REGION, _GREY, read)


def _segment(
    number: int,
    label: str,
    category: Concept,
    type_: Concept,
    colour: tuple[int, int, int],
    read: Read,
    site: Concept | None = None,
    tracking_id: str | None = None,
    tracking_uid: str | None = None,
) -> SegmentDescription:
    from highdicom.color import CIELabColor
    from highdicom.content import AlgorithmIdentificationSequence
    from highdicom.seg import SegmentDescription
    from highdicom.sr import CodedConcept
    from pydicom.sr.codedict import codes
    from skimage.color import rgb2lab

    def coded(concept: Concept) -> CodedConcept:
        return CodedConcept(concept.code, concept.scheme, concept.meaning)

    lightness, a, b = rgb2lab(np.asarray(colour, dtype=np.float64) / 255.0)
    provenance = read.provenance
    return SegmentDescription(
        segment_number=number,
        segment_label=label[:64],
        segmented_property_category=coded(category),
        segmented_property_type=coded(type_),
        algorithm_type="AUTOMATIC",
        algorithm_identification=AlgorithmIdentificationSequence(
            name=provenance.model,
            family=codes.DCM.ArtificialIntelligence,
            version=provenance.model_version,
            source=MANUFACTURER,
            parameters={"weights_sha256": provenance.weights_sha256, "seed": str(provenance.seed)},
        ),
        tracking_id=tracking_id,
        tracking_uid=tracking_uid,
        anatomic_regions=None if site is None else [coded(site)],
        display_color=CIELabColor(float(lightness), float(a), float(b)),
    )


def _finish(dataset: Dataset, read: Read, header: Dataset) -> None:
    """Make the object the same at every build, and say how the picture lies where nothing else does."""
    if "FrameOfReferenceUID" not in dataset:  # then Patient Orientation is required, maybe empty (PS3.3 C.7.6.1.1.1)
        dataset.PatientOrientation = header.get("PatientOrientation")
        for groups in dataset.SharedFunctionalGroupsSequence:
            # A spacing without a thickness is of no use without a position, and highdicom cannot read it back.
            if "PixelMeasuresSequence" in groups and "SliceThickness" not in groups.PixelMeasuresSequence[0]:
                del groups.PixelMeasuresSequence
    stamp(dataset, read)
    organisation = derived_uid(read.uid, "seg dimensions")
    for item in (*dataset.get("DimensionOrganizationSequence", []), *dataset.get("DimensionIndexSequence", [])):
        item.DimensionOrganizationUID = organisation
