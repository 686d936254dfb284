"""Where report and Segmentation are both given: every segment named is there, marked, measured and the same finding."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wetread.reporting.verify_measurements import Drawn, name_code, size_defects
from wetread.reporting.verify_pixels import pixel_counts, unmarked_segments

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydicom import Dataset

    from wetread.reporting.verify_pixels import Counts

Words = tuple[str, str]

_SEGMENT, _SEGMENT_FRAME = "121191", "121214"
_FINDING, _TRACKING_UID = "121071", "112040"


def agreement_defects(
    tree: list[tuple[Dataset, Dataset]], segmentations: dict[str, Dataset], sources: dict[str, Dataset]
) -> Iterator[Words]:
    """Defects of a report's segment references.

    Args:
        tree: (content item, its parent) of the whole report.
        segmentations: by SOP Instance UID; where none is given nothing is said.
        sources: headers of the images, by SOP Instance UID.
    """
    if not segmentations:
        return
    looked_at: dict[str, tuple[Drawn, Counts | None]] = {}
    for item, group in tree:
        if name_code(item) not in {_SEGMENT, _SEGMENT_FRAME} or item.get("ValueType") != "IMAGE":
            continue
        reference = item.ReferencedSOPSequence[0]
        uid = str(reference.ReferencedSOPInstanceUID)
        seg = segmentations.get(uid)
        if seg is None:
            yield "the report names a segmentation that is not among the files", "give the segmentation it names."
            continue
        if uid not in looked_at:
            looked_at[uid] = Drawn(seg, sources), pixel_counts(seg)
        numbers = reference.get("ReferencedSegmentNumber")
        for number in [numbers] if isinstance(numbers, int) else (numbers or []):
            yield from _segment_defects(int(number), group, *looked_at[uid])


def _segment_defects(number: int, group: Dataset, drawn: Drawn, counts: Counts | None) -> Iterator[Words]:
    segment = next((one for one in drawn.seg.SegmentSequence if int(one.SegmentNumber) == number), None)
    if segment is None:
        yield f"the report names segment {number}, which the segmentation does not have", "write both again."
        return
    if number in unmarked_segments(drawn.seg, counts):
        yield f"the report names segment {number}, which marks no pixel", "leave it out, or write both again."
        return
    tracked = {str(child.get("UID", "")) for child in group.get("ContentSequence", [])
               if name_code(child) == _TRACKING_UID}  # fmt: skip
    if tracked and "TrackingUID" in segment and str(segment.TrackingUID) not in tracked:
        yield f"segment {number} is tracked under another UID than its group", "a finding has one tracking UID."
    found, shown = _codes_found(group), _codes_shown(segment)
    if found and shown and not found & shown and {scheme for scheme, _ in found} & {scheme for scheme, _ in shown}:
        yield f"segment {number} shows something else than the finding of its group", "code both alike."
    if counts is not None:
        yield from size_defects(group, number, drawn, counts.get(number, {}))


def _codes_found(group: Dataset) -> set[tuple[str, str]]:
    return {code for child in group.get("ContentSequence", []) if name_code(child) == _FINDING
            for code in _codes(child, "ConceptCodeSequence")}  # fmt: skip


def _codes_shown(segment: Dataset) -> set[tuple[str, str]]:
    keywords = ("SegmentedPropertyTypeCodeSequence", "SegmentedPropertyCategoryCodeSequence")
    return {code for keyword in keywords for code in _codes(segment, keyword)}


def _codes(item: Dataset, keyword: str) -> set[tuple[str, str]]:
    return {(str(c.get("CodingSchemeDesignator", "")), str(c.get("CodeValue", ""))) for c in item.get(keyword, [])}
