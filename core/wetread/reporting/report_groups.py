"""The measurement groups of a report: for each finding its box, its mask, or both.

A box is a group (TID 1501 in PS3.16, with the area inferred from a POLYLINE) under the tracking identifier text by
which OHIF makes an editable rectangle; the same rectangle as an Image Region with its geometric purpose is what 3D
Slicer draws. A mask is a reference to its segment with volume or area, and its outline on its own, because viewers
cannot overlay the Segmentation of a 2-D picture. All groups of one finding carry the finding's tracking UID.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydicom.sequence import Sequence

from wetread.findings import Mask
from wetread.geometry import clip_to_image
from wetread.imaging.sample import SampleKind
from wetread.reporting import content_items as items
from wetread.reporting.identity import name_text
from wetread.reporting.measurement import Size, box_area, mask_size, outline
from wetread.terminology import IMAGE_REGION, LATERALITY, Concept

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pydicom import Dataset

    from wetread.findings import Box, Finding, Provenance
    from wetread.imaging.sample import Sample

EDITABLE_RECTANGLE = "Cornerstone3DTools@^0.1.0:RectangleROI"


def algorithm_identification(provenance: Provenance) -> list[Dataset]:
    """TID 4019: name, version and parameters; the weights' hash first, because readers may keep only one."""
    parameters = (f"weights_sha256={provenance.weights_sha256}", f"seed={provenance.seed}",
                  f"wetread={provenance.wetread_version}")  # fmt: skip
    return [
        items.text_item(items.ALGORITHM_NAME, name_text(provenance.model), "HAS CONCEPT MOD"),
        items.text_item(items.ALGORITHM_VERSION, name_text(provenance.model_version), "HAS CONCEPT MOD"),
        *(items.text_item(items.ALGORITHM_PARAMETERS, text, "HAS CONCEPT MOD") for text in parameters),
    ]


def finding_groups(
    finding: Finding, number: int, segment: int | None, sample: Sample, seg: Dataset, provenance: Provenance
) -> list[Dataset]:
    """The measurement groups of one finding.

    Args:
        finding: with a box, a mask or both; without either it gives no group.
        number: its place in the read, from 1.
        segment: its segment number in `seg`, None where it has no mask.
        sample: gives sources and spacing.
        seg: the Segmentation of the read.
        provenance: who measured.
    """
    groups = []
    # A box may overlap the edge of the image, SCOORD may not.
    box = None if finding.box is None else clip_to_image(finding.box, *sample.shape[1:])
    if box is not None:
        groups.append(_box_group(finding, box, sample, provenance))
    if segment is not None and finding.mask is not None:
        groups.append(_mask_group(finding, finding.mask, number, segment, sample, seg, provenance))
        groups.append(_outline_group(finding, _outlined(finding, finding.mask, sample), number, sample, provenance))
    return groups


def _head(finding: Finding, identifier: str, provenance: Provenance) -> list[Dataset]:
    site = items.code_item(items.FINDING_SITE, finding.target.site, "HAS CONCEPT MOD")
    if finding.target.modifiers:  # TID 1501 row 8: Laterality of the Finding Site
        sides = [items.code_item(LATERALITY, side, "HAS CONCEPT MOD") for side in finding.target.modifiers]
        site.ContentSequence = Sequence(sides)
    return [
        items.text_item(items.TRACKING_IDENTIFIER, identifier, "HAS OBS CONTEXT"),
        items.uid_item(items.TRACKING_UID, finding.tracking_uid, "HAS OBS CONTEXT"),
        items.code_item(items.FINDING, finding.target.type),
        site,
        *algorithm_identification(provenance),
    ]


def _box_group(finding: Finding, box: Box, sample: Sample, provenance: Provenance) -> Dataset:
    source = sample.planes[finding.plane].source
    ring = _ring(box)
    area = _size_item(box_area(box, sample, finding.plane))
    area.ContentSequence = Sequence([items.polyline_item(IMAGE_REGION, ring, source, "INFERRED FROM")])
    return items.container(
        items.MEASUREMENT_GROUP,
        [
            *_head(finding, EDITABLE_RECTANGLE, provenance),
            items.text_item(items.COMMENT, _label(finding)),
            items.code_item(items.PURPOSE_OF_REGION, items.BOUNDED_BY),
            items.polyline_item(IMAGE_REGION, ring, source),
            area,  # before every other number: OHIF looks for the rectangle inside the first one
            *_evidence(finding),
        ],
        template="1410",
    )


def _label(finding: Finding) -> str:
    """What OHIF writes beside the rectangle."""
    doubt = "" if finding.grounded else ", not tied to the image"
    return f"{finding.label} (presence {finding.presence:.2f}{doubt})"


def _ring(box: Box) -> NDArray[np.float64]:
    """(5, 2) closed rectangle."""
    x0, y0, x1, y1 = box.corners
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)], dtype=np.float64)


def _mask_group(
    finding: Finding,
    mask: Mask,
    number: int,
    segment: int,
    sample: Sample,
    seg: Dataset,
    provenance: Provenance,
) -> Dataset:
    children = [
        *_head(finding, f"{finding.label} {number}", provenance),
        items.segment_item(seg, segment),
        items.uid_item(items.SOURCE_SERIES, sample.planes[0].source.series_uid),
        _size_item(mask_size(mask, sample)),
    ]
    return items.container(items.MEASUREMENT_GROUP, [*children, *_evidence(finding)], template="1411")


def _outline_group(finding: Finding, mask: Mask, number: int, sample: Sample, provenance: Provenance) -> Dataset:
    """The outline of a mask on its own: a group has either regions or a segment (TID 1410 row 5, TID 1411 row 5)."""
    children = [
        *_head(finding, f"{finding.label} {number} outline", provenance),
        items.code_item(items.PURPOSE_OF_REGION, items.BOUNDED_BY),
        *(
            items.polyline_item(IMAGE_REGION, contour, sample.planes[plane].source)
            for plane, contour in outline(mask).contours
        ),
    ]
    return items.container(items.MEASUREMENT_GROUP, children, template="1410")


def _outlined(finding: Finding, mask: Mask, sample: Sample) -> Mask:
    """What is outlined: of a volume the key plane alone, since viewers overlay its Segmentation.

    It cannot be left out: PixelMed's validator holds the mask group of a finding that has one region group only
    against TID 1410, and reports its missing region as an Error; with the outline there are none.
    """
    if sample.kind is not SampleKind.VOLUME:
        return mask
    key = finding.plane if finding.plane in mask.planes else mask.key_plane
    return Mask(mask.shape, {key: mask.planes[key]})


def _evidence(finding: Finding) -> list[Dataset]:
    """How sure the model is and how many objects it counted."""
    numbers = [items.number_item(items.CERTAINTY, 100.0 * finding.presence, "%")]
    if finding.target.countable and finding.instances:
        numbers.append(items.number_item(items.OCCURRENCES, len(finding.instances), "{counts}"))
    return list(numbers)


def _size_item(size: Size) -> Dataset:
    name: Concept = items.VOLUME if size.is_volume else items.AREA
    return items.number_item(name, size.value, size.unit)
