"""What a report says of other objects: its evidence, the report it supersedes, and the objects it is sent with.

A report that names an image under another series, supersedes itself or a report of another patient, or is sent with a
Segmentation of somebody else, is well formed for every public validator.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydicom.uid import (
    Comprehensive3DSRStorage,
    ComprehensiveSRStorage,
    EnhancedSRStorage,
    ExtensibleSRStorage,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pydicom import Dataset

Words = tuple[str, str]

REPORTS = frozenset({EnhancedSRStorage, ComprehensiveSRStorage, Comprehensive3DSRStorage, ExtensibleSRStorage})


def references(studies: Iterable[Dataset]) -> Iterator[tuple[str, str, str, str]]:
    """(study, series, SOP Class, SOP Instance) of every instance in hierarchical references (PS3.3 Table C.17-3b)."""
    for study in studies:
        for series in study.get("ReferencedSeriesSequence", []):
            for instance in series.get("ReferencedSOPSequence", []):
                yield (str(study.get("StudyInstanceUID", "")), str(series.get("SeriesInstanceUID", "")),
                       str(instance.get("ReferencedSOPClassUID", "")),
                       str(instance.get("ReferencedSOPInstanceUID", "")))  # fmt: skip


def evidence_defects(
    report: Dataset, tree: list[tuple[Dataset, Dataset]], known: Mapping[str, Dataset]
) -> Iterator[Words]:
    """Defects of Current Requested Procedure Evidence and Pertinent Other Evidence.

    Args:
        report: the report.
        tree: (content item, its parent) of all of it.
        known: source images and segmentations at hand, by SOP Instance UID.
    """
    current = report.get("CurrentRequestedProcedureEvidenceSequence", [])
    listed = list(references([*current, *report.get("PertinentOtherEvidenceSequence", [])]))
    uids = {uid for *_, uid in listed}
    named = {
        str(reference.get("ReferencedSOPInstanceUID", ""))
        for item, _ in tree
        for reference in item.get("ReferencedSOPSequence", [])
    }
    if named - uids:
        yield f"{len(named - uids)} referenced instances are not listed as evidence", "list every one of them."
    if any(study.get("StudyInstanceUID") != report.get("StudyInstanceUID") for study in current):
        yield "StudyInstanceUID is not that of the evidence", "store the report in the study of its images."
    if str(report.get("SOPInstanceUID", "")) in uids:
        yield "the report is listed as its own evidence", "list what it is about."
    wrong = {
        keyword
        for study, series, sop_class, uid in listed
        if (instance := known.get(uid)) is not None
        for keyword, said in (("StudyInstanceUID", study), ("SeriesInstanceUID", series), ("SOPClassUID", sop_class))
        if str(instance.get(keyword, said)) != said
    }
    for keyword in sorted(wrong):
        yield f"evidence is listed under another {keyword} than it has", "copy it from the instance."


def predecessor_defects(report: Dataset, reports: Mapping[str, Dataset]) -> Iterator[Words]:
    """Defects of Predecessor Documents Sequence; `reports` are those at hand, by SOP Instance UID."""
    own = str(report.get("SOPInstanceUID", ""))
    for study, series, sop_class, uid in references(report.get("PredecessorDocumentsSequence", [])):
        if uid == own:
            yield "the report is its own predecessor", "give every version its own SOP Instance UID."
            continue
        if sop_class not in REPORTS:
            yield "a predecessor is no structured report", "only a report supersedes a report."
        before = reports.get(uid)
        if before is None:
            continue
        if (study, series) != (str(before.get("StudyInstanceUID", "")), str(before.get("SeriesInstanceUID", ""))):
            yield "the predecessor is named under another study or series than it has", "copy both from it."
        if str(before.get("PatientID", "")) != str(report.get("PatientID", "")):
            yield "the predecessor is about another patient", "supersede a report of the same patient."
        if _leads_to(before, own, reports):
            yield "the predecessors of the report lead back to itself", "versions follow each other in one direction."


def _leads_to(report: Dataset, uid: str, reports: Mapping[str, Dataset]) -> bool:
    seen: set[str] = set()
    waiting = [report]
    while waiting:
        for *_, before in references(waiting.pop().get("PredecessorDocumentsSequence", [])):
            if before == uid:
                return True
            if before not in seen and before in reports:
                seen.add(before)
                waiting.append(reports[before])
    return False


def segment_patient_defects(report: Dataset, segmentations: Mapping[str, Dataset]) -> Iterator[Words]:
    """Segmentations that the report refers to and that say another patient or study."""
    named = references(report.get("CurrentRequestedProcedureEvidenceSequence", []))
    for seg in (segmentations[uid] for *_, uid in named if uid in segmentations):
        for keyword in ("PatientID", "StudyInstanceUID"):
            if str(seg.get(keyword) or "") != str(report.get(keyword) or ""):
                yield f"{keyword} is not that of the segmentation it refers to", "both belong to one patient and study."
