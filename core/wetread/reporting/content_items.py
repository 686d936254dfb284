"""Content items in few words: (name, value) to highdicom's SR value types, with the concepts the report uses.

Codes are those of PS3.16; the one private concept, the model's chain of thought, has none. `Concept` is our own table's
type, so every code here is looked up by the same test as the terminology.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from pydicom.sequence import Sequence

from wetread.terminology import Concept

if TYPE_CHECKING:
    import numpy as np
    from highdicom.sr import (
        CodeContentItem,
        CodedConcept,
        CompositeContentItem,
        ContainerContentItem,
        ImageContentItem,
        NumContentItem,
        ScoordContentItem,
        TextContentItem,
        UIDRefContentItem,
    )
    from numpy.typing import NDArray
    from pydicom import Dataset

    from wetread.imaging.sample import Source

PRIVATE_SCHEME = "99WETREAD"

REPORT = Concept("126000", "DCM", "Imaging Measurement Report")
MEASUREMENTS = Concept("126010", "DCM", "Imaging Measurements")
MEASUREMENT_GROUP = Concept("125007", "DCM", "Measurement Group")
EVALUATIONS = Concept("C0034375", "UMLS", "Qualitative Evaluations")
TRACKING_IDENTIFIER = Concept("112039", "DCM", "Tracking Identifier")
TRACKING_UID = Concept("112040", "DCM", "Tracking Unique Identifier")
FINDING = Concept("121071", "DCM", "Finding")
IMPRESSION = Concept("121073", "DCM", "Impression")
COMMENT = Concept("121106", "DCM", "Comment")
FINDING_SITE = Concept("363698007", "SCT", "Finding Site")
REASONING = Concept("REASONING", PRIVATE_SCHEME, "Model reasoning (AI generated, not verified)")
ALGORITHM_NAME = Concept("111001", "DCM", "Algorithm Name")
ALGORITHM_PARAMETERS = Concept("111002", "DCM", "Algorithm Parameters")
ALGORITHM_VERSION = Concept("111003", "DCM", "Algorithm Version")
AREA = Concept("42798000", "SCT", "Area")
VOLUME = Concept("118565006", "SCT", "Volume")
CERTAINTY = Concept("111012", "DCM", "Certainty of Finding")
OCCURRENCES = Concept("246432004", "SCT", "Number of occurrences (qualifier value)")
REFERENCED_SEGMENT = Concept("121191", "DCM", "Referenced Segment")
SOURCE_SERIES = Concept("121232", "DCM", "Source series for segmentation")
PURPOSE_OF_REGION = Concept("130400", "DCM", "Geometric purpose of region")
BOUNDED_BY = Concept("75958009", "SCT", "Bounded by")
SOURCE_OF_MEASUREMENT = Concept("121112", "DCM", "Source of Measurement")

UNITS = {
    "mm2": Concept("mm2", "UCUM", "square millimeter"),
    "mm3": Concept("mm3", "UCUM", "cubic millimeter"),
    "{pixels}": Concept("{pixels}", "UCUM", "pixels"),
    "%": Concept("%", "UCUM", "Percent"),
    "{counts}": Concept("{counts}", "UCUM", "Counts"),
}


def coded(concept: Concept) -> CodedConcept:
    """A concept as highdicom writes it."""
    from highdicom.sr import CodedConcept

    return CodedConcept(concept.code, concept.scheme, concept.meaning)


@lru_cache(maxsize=1024)
def _held(concept: Concept) -> CodedConcept:
    """One object for all items that name it: a report of a hundred findings names few concepts thousands of times."""
    return coded(concept)


def code_item(name: Concept, value: Concept, relationship: str = "CONTAINS") -> CodeContentItem:
    """A CODE item."""
    from highdicom.sr import CodeContentItem

    return CodeContentItem(_held(name), _held(value), relationship)


def text_item(name: Concept, value: str, relationship: str = "CONTAINS") -> TextContentItem:
    """A TEXT item; the text is clean already."""
    from highdicom.sr import TextContentItem

    return TextContentItem(_held(name), value, relationship)


def uid_item(name: Concept, value: str, relationship: str = "CONTAINS") -> UIDRefContentItem:
    """A UIDREF item."""
    from highdicom.sr import UIDRefContentItem

    return UIDRefContentItem(_held(name), value, relationship)


def number_item(name: Concept, value: float, unit: str, relationship: str = "CONTAINS") -> NumContentItem:
    """A NUM item; `unit` is a key of `UNITS`. Ten significant digits: a Decimal String holds sixteen characters."""
    from highdicom.sr import NumContentItem

    return NumContentItem(_held(name), float(f"{value:.10g}"), _held(UNITS[unit]), relationship_type=relationship)


def image_item(name: Concept, source: Source, relationship: str = "CONTAINS") -> ImageContentItem:
    """An IMAGE item that names one frame of a source instance."""
    from highdicom.sr import ImageContentItem

    return ImageContentItem(
        _held(name),
        source.sop_class_uid,
        source.sop_instance_uid,
        referenced_frame_numbers=source.frame_number,
        relationship_type=relationship,
    )


def composite_item(sop_class_uid: str, sop_instance_uid: str) -> CompositeContentItem:
    """A COMPOSITE item that names an instance of any kind."""
    from highdicom.sr import CompositeContentItem

    return CompositeContentItem(_held(SOURCE_OF_MEASUREMENT), sop_class_uid, sop_instance_uid, "CONTAINS")


def segment_item(seg: Dataset, segment: int) -> ImageContentItem:
    """An IMAGE item that names one segment of a Segmentation."""
    from highdicom.sr import ImageContentItem

    return ImageContentItem(
        _held(REFERENCED_SEGMENT),
        seg.SOPClassUID,
        seg.SOPInstanceUID,
        referenced_segment_numbers=segment,
        relationship_type="CONTAINS",
    )


def polyline_item(
    name: Concept, points: NDArray[np.float64], source: Source, relationship: str = "CONTAINS"
) -> ScoordContentItem:
    """A POLYLINE of (N, 2) pixel-edge points, selected from one source frame."""
    from highdicom.sr import GraphicTypeValues, ScoordContentItem

    item = ScoordContentItem(
        _held(name), GraphicTypeValues.POLYLINE, points, pixel_origin_interpretation=None,
        relationship_type=relationship,
    )  # fmt: skip
    selected = image_item(SOURCE_OF_MEASUREMENT, source, "SELECTED FROM")
    item.ContentSequence = Sequence([selected])
    return item


def container(name: Concept, children: list[Dataset], template: str | None = None) -> ContainerContentItem:
    """A CONTAINER with its children."""
    from highdicom.sr import ContainerContentItem

    item = ContainerContentItem(
        _held(name), is_content_continuous=False, template_id=template, relationship_type="CONTAINS"
    )
    item.ContentSequence = Sequence(children)
    return item
