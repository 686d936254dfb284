"""Read to DICOM Segmentation (PS3.3 A.51): one segment per finding with a mask, BINARY or as a label map.

highdicom places frames against the real source slices, so that gaps and tilt stay what they are; where there are
hundreds of frames, `many_frames` multiplies what it wrote of one segment. The one thing it does not write, several
frames without a place in the patient (ultrasound cines), `frame_segmentation` writes. A read without any mask still
gives a valid object: one empty segment that says "No region marked".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pydicom.uid import (
    ExplicitVRLittleEndian,
    RLELossless,
    XRayAngiographicImageStorage,
    XRayRadiofluoroscopicImageStorage,
)

from wetread.findings import Mask
from wetread.imaging.sample import SampleKind
from wetread.reporting.content_items import coded
from wetread.reporting.frame_segmentation import write_frames
from wetread.reporting.identity import CHARACTER_SET, MANUFACTURER, derived_uid, name_text, source_headers, stamp
from wetread.reporting.label_map import LABEL_MAP_SEGMENTATION, labels_of
from wetread.reporting.many_frames import MANY, TEMPLATE_SIZE, frames_of, write_many
from wetread.reporting.source_frames import chosen_frames, restore_frame_numbers, slices, used_planes
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
_ANGIOGRAPHY = (XRayAngiographicImageStorage, XRayRadiofluoroscopicImageStorage)
_GREY = (128, 128, 128)


def segmented(read: Read) -> tuple[Finding, ...]:
    """The findings that become segments, in order: segment n is ``segmented(read)[n - 1]``."""
    return tuple(f for f in read.findings if f.mask is not None and not f.mask.is_empty)


def build_seg(read: Read, sample: Sample, *, label_map: bool = False) -> Dataset:
    """The Segmentation of a read, complete with file meta information.

    Args:
        read: the read; masks index the planes of `sample`.
        sample: what was read; its headers need no pixel data.
        label_map: write a Label Map Segmentation where the read allows one: masks that share no pixel, on
            anything but a cine without a place in the patient. All else is BINARY all the same.

    Returns:
        A Segmentation Storage or Label Map Segmentation Storage dataset with UIDs derived from ``read.uid``; the two
        forms have different UIDs.

    Raises:
        RefusedInput: planes of unequal spacing or orientation.
    """
    findings = segmented(read)
    masks = [f.mask for f in findings if f.mask is not None] or [Mask(sample.shape)]
    descriptions = [_description(f, i, read) for i, f in enumerate(findings, start=1)] or [_empty_description(read)]
    headers = source_headers(sample)
    if _is_placed(sample) or (len(sample.planes) == 1 and not _is_multi_frame(headers[0])):
        dataset = _with_highdicom(read, sample, headers, masks, descriptions, label_map and bool(findings))
    else:
        dataset = write_frames(read, sample, headers, masks, descriptions)
    _finish(dataset, read, headers[0])
    return dataset


def _is_placed(sample: Sample) -> bool:
    """True where every plane lies in a frame of reference that highdicom can take from the source."""
    if sample.kind is SampleKind.TILES:
        return all("SharedFunctionalGroupsSequence" in header for header in sample.headers)
    return sample.kind is SampleKind.VOLUME and all(
        plane.geometry is not None and plane.geometry.frame_of_reference_uid for plane in sample.planes
    )


def _is_multi_frame(header: Dataset) -> bool:
    """True for kinds of image that may have several frames, be it only one; highdicom wants functional groups then."""
    return "NumberOfFrames" in header or header.SOPClassUID in _ANGIOGRAPHY


def _with_highdicom(
    read: Read, sample: Sample, headers: list[Dataset], masks: list[Mask], descriptions: list[SegmentDescription],
    label_map: bool,
) -> Dataset:  # fmt: skip
    from highdicom.seg import Segmentation

    planes = used_planes(sample, masks)
    numbers = [sample.planes[plane].source.frame_number or 1 for plane in planes]
    multi_frame = len(headers) == 1 and "SharedFunctionalGroupsSequence" in headers[0]
    sources = [chosen_frames(headers[0], numbers)] if multi_frame else slices(sample, headers, planes)

    labels = labels_of(masks, planes) if label_map else None
    form = "BINARY" if labels is None else "LABELMAP"
    purpose = _purpose(is_label_map=labels is not None)

    def build(pixels: NDArray[Any], described: list[SegmentDescription]) -> Dataset:
        return Segmentation(
            source_images=sources,
            pixel_array=pixels,
            segmentation_type=form,
            segment_descriptions=described,
            series_instance_uid=derived_uid(read.uid, f"{purpose} series"),
            series_number=SERIES_NUMBER,
            sop_instance_uid=derived_uid(read.uid, purpose),
            instance_number=1,
            manufacturer=MANUFACTURER,
            manufacturer_model_name=name_text(read.provenance.model),
            software_versions=name_text(read.provenance.wetread_version),
            device_serial_number=name_text(read.provenance.weights_sha256[:16]),
            omit_empty_frames=any(not mask.is_empty for mask in masks),
            specific_character_set=CHARACTER_SET,
            transfer_syntax_uid=ExplicitVRLittleEndian if labels is None else RLELossless,
        )

    if labels is None and not multi_frame and len(masks) > 1 and len(frames_of(masks)) >= MANY:
        sops = {plane: str(sample.planes[plane].source.sop_instance_uid) for plane in planes}
        for header in sources:  # copies of ours
            header.Rows, header.Columns = TEMPLATE_SIZE
        return write_many(masks, sops, descriptions, build)
    dataset = build(_stack(masks, planes, sample) if labels is None else labels, descriptions)
    if multi_frame:
        restore_frame_numbers(dataset, numbers)
    return dataset


def _purpose(*, is_label_map: bool) -> str:
    """What the UIDs are derived for: objects of one read with other content have other UIDs."""
    return "label map" if is_label_map else "seg"


def _stack(masks: list[Mask], planes: list[int], sample: Sample) -> NDArray[np.uint8]:
    """(planes, rows, columns, segments) uint8, the chosen planes of all masks."""
    pixels = np.zeros((len(planes), *sample.shape[1:], len(masks)), dtype=np.uint8)
    for segment, mask in enumerate(masks):
        for place, plane in enumerate(planes):
            if plane in mask.planes:
                pixels[place, :, :, segment] = mask.planes[plane]
    return pixels


def _description(finding: Finding, number: int, read: Read) -> SegmentDescription:
    target = finding.target
    description = _segment(
        number, target.label, target.category, target.type, target.colour, read,
        site=None if target.site == target.type else target.site,
        tracking_id=f"{target.label} {number}", tracking_uid=finding.tracking_uid,
    )  # fmt: skip
    if target.modifiers:  # a side: of the site where there is one of its own, else of what was segmented
        sides = [coded(modifier) for modifier in target.modifiers]
        if "AnatomicRegionSequence" in description:
            description.AnatomicRegionSequence[0].AnatomicRegionModifierSequence = sides
        else:
            description.SegmentedPropertyTypeCodeSequence[0].SegmentedPropertyTypeModifierCodeSequence = sides
    return description


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
    from pydicom.sr.codedict import codes
    from skimage.color import rgb2lab

    lightness, a, b = rgb2lab(np.asarray(colour, dtype=np.float64) / 255.0)
    provenance = read.provenance
    return SegmentDescription(
        segment_number=number,
        segment_label=name_text(label),
        segmented_property_category=coded(category),
        segmented_property_type=coded(type_),
        algorithm_type="AUTOMATIC",
        algorithm_identification=AlgorithmIdentificationSequence(
            name=name_text(provenance.model),
            family=codes.DCM.ArtificialIntelligence,
            version=name_text(provenance.model_version),
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
    dataset.SeriesNumber, dataset.SeriesDescription = SERIES_NUMBER, SERIES_DESCRIPTION
    dataset.ContentLabel, dataset.ContentDescription = "AI_FINDINGS", "AI findings (unreviewed)"
    stamp(dataset, read)
    purpose = _purpose(is_label_map=dataset.SOPClassUID == LABEL_MAP_SEGMENTATION)
    organisation = derived_uid(read.uid, f"{purpose} dimensions")
    for item in (*dataset.get("DimensionOrganizationSequence", []), *dataset.get("DimensionIndexSequence", [])):
        item.DimensionOrganizationUID = organisation
