"""What a TID 1500 report must mean: observed by someone, each finding named, tracked and drawn inside its image.

The content tree is walked once into (item, parent) pairs; every check is a generator over them. Relationships are those
of the Comprehensive 3D SR (PS3.3 Table A.35.13-2), template rows those of PS3.16.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from wetread.reporting.verify_agreement import agreement_defects
from wetread.reporting.verify_chain import evidence_defects, predecessor_defects, segment_patient_defects
from wetread.reporting.verify_codes import code_defects, is_unit
from wetread.reporting.verify_measurements import name_code as _name
from wetread.reporting.verify_measurements import polygon_defects
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
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*")
_CONTROL = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f]")


def report_defects(
    report: Dataset, sources: dict[str, Dataset], segmentations: dict[str, Dataset], reports: dict[str, Dataset]
) -> Iterator[Words]:
    """Defects of one report as (what, remedy).

    Args:
        report: the report.
        sources: headers of the images it is about; empty where they are not at hand.
        segmentations: those at hand; what it says of their segments is checked.
        reports: those at hand; what it says of its predecessors is checked.
    """
    tree = list(_walk(report))
    yield from _document_defects(report, tree)
    yield from code_defects(report.get("ContentSequence", []))
    yield from evidence_defects(report, tree, sources | segmentations)
    yield from predecessor_defects(report, reports)
    yield from segment_patient_defects(report, segmentations)
    for item, parent in tree:
        if "ReferencedContentItemIdentifier" in item:
            continue  # an item by reference repeats nothing of the item it points to
        if "ValueType" not in item:
            yield "a content item has no value type", "write the report again."
            continue
        yield from _relation_defects(item, parent)
        match item.ValueType:
            case "TEXT":
                yield from _text_defects(item)
            case "NUM":
                yield from _number_defects(item)
                yield from polygon_defects(item, sources)
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
    yield from agreement_defects(tree, segmentations, sources)


def _walk(parent: Dataset) -> Iterator[tuple[Dataset, Dataset]]:
    for item in parent.get("ContentSequence", []):
        yield item, parent
        yield from _walk(item)


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
    if verified and report.get("CompletionFlag") != "COMPLETE":
        yield "VERIFIED and not COMPLETE", "a verified report is complete."
    languages = [item for item, parent in tree if parent is report and _name(item) == "121049"]
    if not any(_LANGUAGE.fullmatch(_coded_value(item)) for item in languages):
        yield "the report names no language", "say which language its words are in (TID 1204, RFC 5646)."


def _coded_value(item: Dataset) -> str:
    sequence = item.get("ConceptCodeSequence")
    return str(sequence[0].get("CodeValue", "")) if sequence else ""


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
