"""What a TID 1500 report must mean: observed by someone, each finding named, tracked and drawn inside its image.

The content tree is walked once into (item, parent) pairs; every check is a generator over them. Relationships are those
of the Comprehensive 3D SR (PS3.3 Table A.35.13-2), template rows those of PS3.16.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from wetread.reporting.verify_codes import code_defects, is_unit
from wetread.reporting.verify_segmentation import segment_of_frames, unmarked_segments
from wetread.reporting.verify_waveforms import time_defects, waveform_defects
from wetread.uids import is_uid

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydicom import Dataset

Words = tuple[str, str]

TEXT_LIMIT = 32_768
_VALUES = frozenset({"TEXT", "CODE", "NUM", "DATETIME", "DATE", "TIME", "UIDREF", "PNAME"})
_OBJECTS = frozenset({"IMAGE", "WAVEFORM", "COMPOSITE", "SCOORD", "SCOORD3D", "TCOORD"})
_ANY = _VALUES | _OBJECTS | {"CONTAINER", "TABLE"}
_RELATIONS = {
    "CONTAINS": ({"CONTAINER"}, _ANY),
    "HAS OBS CONTEXT": (_ANY, _VALUES | {"COMPOSITE", "CONTAINER"}),
    "HAS ACQ CONTEXT": ({"CONTAINER", "IMAGE", "WAVEFORM", "COMPOSITE", "NUM"}, _VALUES | {"CONTAINER"}),
    "HAS CONCEPT MOD": (_ANY, {"TEXT", "CODE"}),
    "HAS PROPERTIES": ({"TEXT", "CODE", "NUM"}, _ANY),
    "INFERRED FROM": ({"TEXT", "CODE", "NUM"}, _ANY),
    "SELECTED FROM": ({"SCOORD", "TCOORD"}, {"IMAGE", "WAVEFORM", "SCOORD"}),
}
_OBSERVER_CONTEXT = {"121005", "121008", "121012"}
_PLACES = {"110901", "110902", "110903", "110904", "110905", "110906", "110907", "110908", "110909"}
_NEVER_NEGATIVE = re.compile(r"(mm|cm|m|um)[23]?|m?[lL]|\{(pixels|counts)\}")
_CONTROL = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f]")


def report_defects(report: Dataset, sources: dict[str, Dataset], segmentations: dict[str, Dataset]) -> Iterator[Words]:
    """Defects of one report as (what, remedy)."""
    tree = list(_walk(report))
    yield from _document_defects(report, tree)
    yield from code_defects(report.get("ContentSequence", []))
    yield from _evidence_defects(report, tree)
    for item, parent in tree:
        yield from _relation_defects(item, parent)
        match item.ValueType:
            case "TEXT":
                yield from _text_defects(item)
            case "NUM":
                yield from _number_defects(item)
            case "SCOORD":
                yield from _region_defects(item, sources)
            case "WAVEFORM":
                yield from waveform_defects(item, sources)
            case "TCOORD":
                yield from time_defects(item, sources)
    algorithm_above = any(_has(c, "111001") and _has(c, "111003") for c, _ in tree if _name(c) == "126010")
    needs_algorithm = _is_by_device(tree) and not algorithm_above
    for item, _ in tree:
        if _name(item) == "125007":
            yield from _group_defects(item, needs_algorithm)
    yield from _segment_defects(tree, segmentations)


def _walk(parent: Dataset) -> Iterator[tuple[Dataset, Dataset]]:
    for item in parent.get("ContentSequence", []):
        yield item, parent
        yield from _walk(item)


def _name(item: Dataset) -> str:
    sequence = item.get("ConceptNameCodeSequence")
    return str(sequence[0].get("CodeValue", "")) if sequence else ""


def _words(item: Dataset) -> str:
    sequence = item.get("ConceptNameCodeSequence")
    return f"{item.ValueType} '{sequence[0].get('CodeMeaning', '')}'" if sequence else f"an unnamed {item.ValueType}"


def _has(item: Dataset, code: str) -> bool:
    return any(_name(child) == code for child in item.get("ContentSequence", []))


def _is_by_device(tree: list[tuple[Dataset, Dataset]]) -> bool:
    names = {_name(item) for item, _ in tree}
    return "121012" in names and "121008" not in names


def _document_defects(report: Dataset, tree: list[tuple[Dataset, Dataset]]) -> Iterator[Words]:
    template = report.get("ContentTemplateSequence")
    if not template or template[0].get("TemplateIdentifier") != "1500":
        yield "the root names no template 1500", "name TID 1500, or readers will not recognise the report."
    if not any(_name(item) in _OBSERVER_CONTEXT for item, parent in tree if parent is report):
        yield "no observer context", "say which person or device observed (TID 1001)."
    verified = report.get("VerificationFlag") == "VERIFIED"
    if verified and not report.get("VerifyingObserverSequence"):
        yield "VERIFIED without a verifying observer", "name who verified, or write UNVERIFIED."
    if verified and report.get("PreliminaryFlag") == "PRELIMINARY":
        yield "VERIFIED and PRELIMINARY at once", "a verified report is FINAL."
    for predecessor in _references(report.get("PredecessorDocumentsSequence", [])):
        if predecessor == report.get("SOPInstanceUID"):
            yield "the report is its own predecessor", "give every version its own SOP Instance UID."


def _references(studies: list[Dataset]) -> Iterator[str]:
    for study in studies:
        for series in study.get("ReferencedSeriesSequence", []):
            for instance in series.get("ReferencedSOPSequence", []):
                yield str(instance.ReferencedSOPInstanceUID)


def _evidence_defects(report: Dataset, tree: list[tuple[Dataset, Dataset]]) -> Iterator[Words]:
    current = report.get("CurrentRequestedProcedureEvidenceSequence", [])
    listed = set(_references(current)) | set(_references(report.get("PertinentOtherEvidenceSequence", [])))
    named = {
        str(reference.ReferencedSOPInstanceUID)
        for item, _ in tree
        for reference in item.get("ReferencedSOPSequence", [])
    }
    if named - listed:
        yield f"{len(named - listed)} referenced instances are not listed as evidence", "list every one of them."
    if any(study.get("StudyInstanceUID") != report.get("StudyInstanceUID") for study in current):
        yield "StudyInstanceUID is not that of the evidence", "store the report in the study of its images."


def _relation_defects(item: Dataset, parent: Dataset) -> Iterator[Words]:
    relation = str(item.get("RelationshipType", ""))
    above = str(parent.get("ValueType", "CONTAINER"))
    if relation not in _RELATIONS:
        yield f"{_words(item)} has the relationship '{relation}'", "use one of PS3.3 Table A.35.13-2."
        return
    from_types, to_types = _RELATIONS[relation]
    if above not in from_types or item.ValueType not in to_types:
        yield f"{above} {relation} {_words(item)} is not allowed", "see PS3.3 Table A.35.13-2."
    if item.ValueType == "UIDREF" and not is_uid(str(item.get("UID", ""))):
        yield f"{_words(item)} holds no valid UID", "use digits and dots."


def _text_defects(item: Dataset) -> Iterator[Words]:
    text = str(item.get("TextValue", ""))
    if not text.strip():
        yield f"{_words(item)} is empty", "leave the item out."
    if len(text) > TEXT_LIMIT:
        yield f"{_words(item)} has {len(text)} characters", f"keep it under {TEXT_LIMIT}; viewers choke on more."
    if _CONTROL.search(text):
        yield f"{_words(item)} holds control characters", "strip them; only line ends may stay."


def _number_defects(item: Dataset) -> Iterator[Words]:
    measured = item.get("MeasuredValueSequence")
    if not measured:
        if not item.get("NumericValueQualifierCodeSequence"):
            yield f"{_words(item)} has no value", "measure it, or say by a qualifier why not."
        return
    if measured[0].get("NumericValue") is None:
        yield f"{_words(item)} has no value", "measure it, or say by a qualifier why not."
        return
    value, units = float(measured[0].NumericValue), measured[0].get("MeasurementUnitsCodeSequence")
    unit = str(units[0].CodeValue) if units else ""
    if not units or units[0].get("CodingSchemeDesignator") != "UCUM" or not is_unit(unit):
        yield f"{_words(item)} has the unit '{unit}'", "use a UCUM unit."
    if not math.isfinite(value):
        yield f"{_words(item)} is {value}", "write a number."
    if value < 0 and _name(item) not in _PLACES and _NEVER_NEGATIVE.fullmatch(unit):
        yield f"{_words(item)} is {value:g} {unit}", "sizes and counts are never negative."
    if _name(item) == "111012" and not 0 <= value <= 100:
        yield f"certainty of {value:g} {unit}", "a probability is 0 to 100 %."


def _region_defects(item: Dataset, sources: dict[str, Dataset]) -> Iterator[Words]:
    data = item.get("GraphicData") or []
    points = [(float(x), float(y)) for x, y in zip(data[::2], data[1::2], strict=False)]
    closed = _name(item) == "111030" and item.get("GraphicType") == "POLYLINE"
    if len(data) % 2 or not points:
        yield f"{_words(item)} has no complete points", "give pairs of column and row."
        return
    if closed and (len(points) < 4 or points[0] != points[-1]):
        yield "an Image Region is an open polyline", "repeat the first point at the end."
    if closed and len(set(points)) == 1:
        yield "an Image Region is a single point", "draw what it encloses."
    images = [child for child in item.get("ContentSequence", []) if child.get("RelationshipType") == "SELECTED FROM"]
    if not images:
        yield f"{_words(item)} is selected from no image", "add SELECTED FROM with the image."
    if any(x < 0 or y < 0 for x, y in points):
        yield f"{_words(item)} has negative coordinates", "coordinates are in pixels of the image."
    for image in images:
        for reference in image.get("ReferencedSOPSequence", []):
            yield from _place_defects(points, reference, sources)


def _place_defects(
    points: list[tuple[float, float]], reference: Dataset, sources: dict[str, Dataset]
) -> Iterator[Words]:
    if not sources:
        return
    source = sources.get(str(reference.ReferencedSOPInstanceUID))
    if source is None:
        yield "a region is drawn on an image that is not among the sources", "refer to the source images."
        return
    rows, columns = int(source.get("Rows", 0)), int(source.get("Columns", 0))
    if any(x > columns or y > rows for x, y in points):
        yield f"a region reaches outside its image of {columns} x {rows} pixels", "clip it to the image."
    frame = reference.get("ReferencedFrameNumber")
    frames = int(source.get("NumberOfFrames") or 1)
    if frame is not None and any(not 1 <= int(f) <= frames for f in ([frame] if isinstance(frame, int) else frame)):
        yield f"a region is drawn on frame {frame} of {frames}", "frames are numbered from 1."


def _group_defects(group: Dataset, needs_algorithm: bool) -> Iterator[Words]:
    if not _has(group, "112040"):
        yield "a measurement group has no tracking UID", "give every finding its Tracking Unique Identifier."
    if not any(_name(c) == "121071" and c.get("ConceptCodeSequence") for c in group.get("ContentSequence", [])):
        yield "a measurement group names no finding", "code what was measured (121071, DCM, Finding)."
    if needs_algorithm and not (_has(group, "111001") and _has(group, "111003")):
        yield "a measurement by a device names no algorithm", "give algorithm name and version (TID 4019)."


def _segment_defects(tree: list[tuple[Dataset, Dataset]], segmentations: dict[str, Dataset]) -> Iterator[Words]:
    """Where report and Segmentation are both given: every referenced segment is there, marked and the same finding."""
    if not segmentations:
        return
    for item, group in tree:
        if _name(item) not in {"121191", "121214"} or item.ValueType != "IMAGE":
            continue
        reference = item.ReferencedSOPSequence[0]
        seg = segmentations.get(str(reference.ReferencedSOPInstanceUID))
        if seg is None:
            yield "the report names a segmentation that is not among the files", "give the segmentation it names."
            continue
        numbers = reference.get("ReferencedSegmentNumber")
        for number in [numbers] if isinstance(numbers, int) else (numbers or []):
            segments = {int(s.SegmentNumber): s for s in seg.SegmentSequence}
            if int(number) not in segments or int(number) not in segment_of_frames(seg):
                yield f"the report names segment {number}, which the segmentation does not have", "write both again."
            elif int(number) in unmarked_segments(seg):
                yield f"the report names segment {number}, which marks no pixel", "leave it out, or write both again."
            elif not _same_tracking(group, segments[int(number)]):
                yield f"segment {number} is tracked under another UID than its group", "a finding has one tracking UID."


def _same_tracking(group: Dataset, segment: Dataset) -> bool:
    tracked = [str(child.UID) for child in group.ContentSequence if _name(child) == "112040"]
    return not tracked or "TrackingUID" not in segment or str(segment.TrackingUID) in tracked
