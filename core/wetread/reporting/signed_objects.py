"""A signed read to DICOM: the verified SR and, where a mask was touched, a new SEG (the states of PS3.3 C.17.2).

The report is COMPLETE, FINAL and VERIFIED, names the person beside the device as observer, and points back to the
unreviewed report as its predecessor. Masks that a person corrected are SEMIAUTOMATIC segments, his own are MANUAL and
name no algorithm; tracking UIDs stay. Where nothing was touched the algorithm's own SEG is referenced as it is.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pydicom import Dataset
from pydicom.sequence import Sequence

from wetread.imaging.waveform import Waveform
from wetread.reporting import content_items as items
from wetread.reporting.identity import derived_uid, name_text, person_name
from wetread.reporting.segmentation import build_seg, segmented
from wetread.reporting.structured_report import build_sr
from wetread.reporting.waveform_report import build_waveform_sr
from wetread.signed import Origin
from wetread.terminology import Concept

if TYPE_CHECKING:
    from datetime import datetime

    from wetread.findings import Read
    from wetread.imaging.sample import Sample
    from wetread.signed import Signed

SR_SERIES_NUMBER, SEG_SERIES_NUMBER = 9912, 9911
SR_DESCRIPTION, SEG_DESCRIPTION = "Findings, verified", "Segmentation, verified"

_OBSERVER_TYPE = Concept("121005", "DCM", "Observer Type")
_PERSON = Concept("121006", "DCM", "Person")
_PERSON_NAME = Concept("121008", "DCM", "Person Observer Name")
_PERSON_LOGIN = Concept("128774", "DCM", "Person Observer's Login Name")
_PERSON_ORGANISATION = Concept("121009", "DCM", "Person Observer's Organization Name")
_ALGORITHM = {items.ALGORITHM_NAME.code, items.ALGORITHM_VERSION.code, items.ALGORITHM_PARAMETERS.code}
_DONE = {
    Origin.AUTOMATIC: "accepted as the algorithm gave it",
    Origin.SEMIAUTOMATIC: "corrected by the reader",
    Origin.MANUAL: "added by the reader",
}


def build_signed(
    signed: Signed, sample: Sample | Waveform, report: Dataset, segmentation: Dataset | None
) -> tuple[Dataset | None, Dataset]:
    """SEG and SR of a signed read.

    Args:
        signed: what is signed; at least one finding.
        sample: what was read.
        report: the unreviewed SR, which the new one supersedes.
        segmentation: the SEG of the unreviewed read; None where it marked nothing.

    Returns:
        The new SEG, None where there is nothing new to say in one, and the SR.

    Raises:
        ValueError: nothing is signed: of what was rejected nothing goes out.
    """
    if not signed.findings:
        raise ValueError("Nothing is signed; what was rejected is recorded and not sent.")
    read = _as_read(signed)
    if isinstance(sample, Waveform):
        return None, _verified(build_waveform_sr(read, sample), signed, report)
    if signed.is_untouched and segmentation is not None:
        return None, _verified(build_sr(read, sample, segmentation), signed, report)
    seg = build_seg(read, sample)
    _attribute(seg, signed)
    return (seg if segmented(read) else None), _verified(build_sr(read, sample, seg), signed, report)


def _as_read(signed: Signed) -> Read:
    """The signed findings in the form of a read, under the signature's UID and time."""
    findings = tuple(item.finding for item in signed.findings)
    return replace(
        signed.read, uid=signed.uid, findings=findings, diagnoses=tuple(dict.fromkeys(f.label for f in findings)),
        abstention=None, remarks=(), provenance=replace(signed.read.provenance, created=signed.moment),
    )  # fmt: skip


def _attribute(seg: Dataset, signed: Signed) -> None:
    """Say of each segment who drew it, and of the object that a person saw it."""
    drawn = [item for item in signed.findings if item.finding.mask is not None and not item.finding.mask.is_empty]
    for segment, item in zip(seg.SegmentSequence, drawn, strict=False):
        segment.SegmentAlgorithmType = item.origin.value
        if item.origin is Origin.MANUAL:
            for keyword in ("SegmentAlgorithmName", "SegmentationAlgorithmIdentificationSequence"):
                segment.pop(keyword, None)
    seg.SeriesNumber, seg.SeriesDescription = SEG_SERIES_NUMBER, SEG_DESCRIPTION
    seg.ContentLabel, seg.ContentDescription = "VERIFIED", "Findings, verified by a reader"
    seg.ContentCreatorName = person_name(signed.signer.name or signed.signer.login)


def _verified(report: Dataset, signed: Signed, predecessor: Dataset) -> Dataset:
    signer, when = signed.signer, _date_time(signed.moment)
    report.SeriesNumber, report.SeriesDescription = SR_SERIES_NUMBER, SR_DESCRIPTION
    report.CompletionFlag, report.VerificationFlag, report.PreliminaryFlag = "COMPLETE", "VERIFIED", "FINAL"
    observer = Dataset()
    observer.VerifyingOrganization = name_text(signer.organisation)
    observer.VerificationDateTime = when
    observer.VerifyingObserverName = person_name(signer.name or signer.login)
    observer.VerifyingObserverIdentificationCodeSequence = Sequence()
    report.VerifyingObserverSequence = Sequence([observer])
    report.PredecessorDocumentsSequence = Sequence([_reference(predecessor)])
    report.SeriesInstanceUID = derived_uid(signed.uid, "sr series")
    content = list(report.ContentSequence)
    place = next(i for i, item in enumerate(content) if _name(item) == _OBSERVER_TYPE.code)
    report.ContentSequence = Sequence([*content[:place], *_person_items(signed), *content[place:]])
    manual = {item.finding.tracking_uid for item in signed.findings if item.origin is Origin.MANUAL}
    for group in _all(report, items.MEASUREMENT_GROUP.code):
        if any(child.get("UID") in manual for child in group.ContentSequence):
            _without_algorithm(group)
    for evaluations in _all(report, items.EVALUATIONS.code):
        said = [f"{item.finding.label} {number}: {_DONE[item.origin]}."
                for number, item in enumerate(signed.findings, start=1)]  # fmt: skip
        comments = [items.text_item(items.COMMENT, text) for text in said]
        evaluations.ContentSequence = Sequence([*evaluations.ContentSequence, *comments])
    return report


def _person_items(signed: Signed) -> list[Dataset]:
    """TID 1001 and 1003: the person, before the device."""
    signer = signed.signer
    name = Dataset()
    name.RelationshipType, name.ValueType = "HAS OBS CONTEXT", "PNAME"
    name.ConceptNameCodeSequence = Sequence([items.coded(_PERSON_NAME)])
    name.PersonName = person_name(signer.name or signer.login)
    found = [
        items.code_item(_OBSERVER_TYPE, _PERSON, "HAS OBS CONTEXT"), name,
        items.text_item(_PERSON_LOGIN, name_text(signer.login), "HAS OBS CONTEXT"),
    ]  # fmt: skip
    if signer.organisation:
        found.append(items.text_item(_PERSON_ORGANISATION, name_text(signer.organisation), "HAS OBS CONTEXT"))
    return found


def _without_algorithm(group: Dataset) -> None:
    """A person drew it: no algorithm is named, and nobody states a probability."""
    left_out = _ALGORITHM | {items.CERTAINTY.code}
    group.ContentSequence = Sequence([child for child in group.ContentSequence if _name(child) not in left_out])


def _reference(document: Dataset) -> Dataset:
    """An item of Predecessor Documents Sequence (PS3.3 Table C.17-3b)."""
    instance, series, study = Dataset(), Dataset(), Dataset()
    instance.ReferencedSOPClassUID = document.SOPClassUID
    instance.ReferencedSOPInstanceUID = document.SOPInstanceUID
    series.SeriesInstanceUID = document.SeriesInstanceUID
    series.ReferencedSOPSequence = Sequence([instance])
    study.StudyInstanceUID = document.StudyInstanceUID
    study.ReferencedSeriesSequence = Sequence([series])
    return study


def _all(parent: Dataset, code: str) -> list[Dataset]:
    found = []
    for child in parent.get("ContentSequence", []):
        found += ([child] if _name(child) == code else []) + _all(child, code)
    return found


def _name(item: Dataset) -> str:
    sequence = item.get("ConceptNameCodeSequence")
    return str(sequence[0].CodeValue) if sequence else ""


def _date_time(moment: datetime) -> str:
    return moment.astimezone().strftime("%Y%m%d%H%M%S.%f%z")
