"""Read to DICOM Structured Report: TID 1500 Measurement Report in a Comprehensive 3D SR (PS3.3 A.35.13, PS3.16).

The report says who observed (the model, as a device), what was measured (`report_groups`) and, as Qualitative
Evaluations, the impression, the reasoning and every remark in words. Until a person decides it is COMPLETE,
PRELIMINARY and UNVERIFIED. Everything in it derives from the read: the same read gives the same bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydicom import Dataset
from pydicom.sequence import Sequence

from wetread.imaging.sample import SampleKind
from wetread.reporting import content_items as items
from wetread.reporting.identity import (
    CHARACTER_SET,
    MANUFACTURER,
    clean_text,
    derived_uid,
    name_text,
    source_headers,
    stamp,
)
from wetread.reporting.label_map import LABEL_MAP_SEGMENTATION
from wetread.reporting.measurement import MAXIMUM_CONTOURS, outline
from wetread.reporting.report_groups import finding_groups
from wetread.reporting.segmentation import segmented
from wetread.terminology import Concept

if TYPE_CHECKING:
    from collections.abc import Sequence as PySequence

    from wetread.findings import Finding, Read
    from wetread.imaging.sample import Sample

SERIES_NUMBER = 9902
SERIES_DESCRIPTION = "AI findings (unreviewed)"
REASONING_LIMIT = 10_000
SENTENCE_LIMIT = 1_000

_LANGUAGE = Concept("121049", "DCM", "Language of Content Item and Descendants")
_ENGLISH = Concept("en", "RFC5646", "English")
_OBSERVER_TYPE = Concept("121005", "DCM", "Observer Type")
_DEVICE = Concept("121007", "DCM", "Device")
_DEVICE_UID = Concept("121012", "DCM", "Device Observer UID")
_DEVICE_NAME = Concept("121013", "DCM", "Device Observer Name")
_DEVICE_MANUFACTURER = Concept("121014", "DCM", "Device Observer Manufacturer")
_DEVICE_MODEL = Concept("121015", "DCM", "Device Observer Model Name")
_DEVICE_SERIAL = Concept("121016", "DCM", "Device Observer Serial Number")
_PROCEDURE = Concept("121058", "DCM", "Procedure reported")
_IMAGING_PROCEDURE = Concept("363679005", "SCT", "Imaging procedure")


def build_sr(read: Read, sample: Sample, seg: Dataset, beside: PySequence[Sample] = ()) -> Dataset:
    """The Structured Report of a read, complete with file meta information.

    Args:
        read: the read.
        sample: what was read.
        seg: the Segmentation that `build_seg` gave for the same read.
        beside: further images that were shown; they are named as evidence.

    Returns:
        A Comprehensive 3D SR Storage dataset with UIDs derived from ``read.uid``.
    """
    findings = segmented(read)
    evidence = source_headers(sample) + ([seg] if findings else [])  # images first: 3D Slicer loads evidence[0]
    known = {str(instance.SOPInstanceUID) for instance in evidence}
    evidence += [h for other in beside for h in source_headers(other) if str(h.SOPInstanceUID) not in known]
    purpose = "sr of label map" if seg.SOPClassUID == LABEL_MAP_SEGMENTATION else "sr"
    dataset = unreviewed_report(read, evidence, _root(read, sample, seg), purpose)
    stamp(dataset, read)
    return dataset


def unreviewed_report(read: Read, evidence: list[Dataset], content: Dataset, purpose: str = "sr") -> Dataset:
    """The document around a content tree: complete, preliminary and unverified.

    Its UIDs are derived from ``read.uid`` and `purpose`: reports with other content have other UIDs.
    """
    from highdicom.sr import Comprehensive3DSR

    # highdicom copies and searches the whole tree to learn what it refers to; of a hundred findings that takes longer
    # than all the rest, so it is given a tree of the references alone.
    dataset = Comprehensive3DSR(
        evidence=evidence,
        content=references_of(content),
        series_instance_uid=derived_uid(read.uid, "sr series"),
        series_number=SERIES_NUMBER,
        sop_instance_uid=derived_uid(read.uid, purpose),
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=name_text(read.provenance.model),
        software_versions=name_text(read.provenance.wetread_version),
        device_serial_number=name_text(read.provenance.weights_sha256[:16]),
        is_complete=True,
        is_final=False,
        is_verified=False,
        series_description=SERIES_DESCRIPTION,
        specific_character_set=CHARACTER_SET,
    )
    dataset.ContentSequence = content.ContentSequence
    return dataset


def references_of(content: Dataset) -> Dataset:
    """The root of a content tree with one item for each instance that any item below it refers to."""
    found: dict[str, str] = {}

    def look(item: Dataset) -> None:
        for reference in item.get("ReferencedSOPSequence", ()):
            found[str(reference.ReferencedSOPInstanceUID)] = str(reference.ReferencedSOPClassUID)
        for child in item.get("ContentSequence", ()):
            look(child)

    look(content)
    root = Dataset()
    root.update({element.tag: element for element in content if element.keyword != "ContentSequence"})
    root.ContentSequence = Sequence([items.composite_item(sop_class, uid) for uid, sop_class in found.items()])
    return root


def _root(read: Read, sample: Sample, seg: Dataset) -> Dataset:
    root = items.container(items.REPORT, [], template="1500")
    del root.RelationshipType
    children = [language_item(), *observer_items(read)]
    children.append(items.code_item(_PROCEDURE, _IMAGING_PROCEDURE, "HAS CONCEPT MOD"))
    segments = {id(finding): number for number, finding in enumerate(segmented(read), start=1)}
    groups = [
        group
        for number, finding in enumerate(read.findings, start=1)
        for group in finding_groups(finding, number, segments.get(id(finding)), sample, seg, read.provenance)
    ]
    if groups:
        children.append(items.container(items.MEASUREMENTS, groups))
    children.append(items.container(items.EVALUATIONS, _evaluations(read, sample)))
    root.ContentSequence = Sequence(children)
    return root


def language_item() -> Dataset:
    """TID 1204: everything below is in English."""
    return items.code_item(_LANGUAGE, _ENGLISH, "HAS CONCEPT MOD")


def observer_items(read: Read) -> list[Dataset]:
    """TID 1001 and 1004: the model is a device; its UID changes whenever its weights do."""
    provenance = read.provenance
    texts = [
        (_DEVICE_NAME, f"{provenance.model} {provenance.model_version}"),
        (_DEVICE_MANUFACTURER, MANUFACTURER),
        (_DEVICE_MODEL, provenance.model),
        (_DEVICE_SERIAL, provenance.weights_sha256[:16]),
    ]
    return [
        items.code_item(_OBSERVER_TYPE, _DEVICE, "HAS OBS CONTEXT"),
        items.uid_item(_DEVICE_UID, provenance.device_uid, "HAS OBS CONTEXT"),
        *(items.text_item(name, name_text(text), "HAS OBS CONTEXT") for name, text in texts),
    ]


def _evaluations(read: Read, sample: Sample) -> list[Dataset]:
    """The words of the read, as TEXT items: findings, impression, abstention, remarks, reasoning."""
    children: list[Dataset] = []

    def say(name: Concept, text: str, limit: int = SENTENCE_LIMIT) -> None:
        cleaned = clean_text(text, limit)
        if cleaned:
            children.append(items.text_item(name, cleaned))

    for number, finding in enumerate(read.findings, start=1):
        say(items.FINDING, _sentence(finding, number, sample))
    if read.abstention is not None:
        say(items.IMPRESSION, f"No interpretation given: {read.abstention}")
    elif read.diagnoses:
        say(items.IMPRESSION, "; ".join(read.diagnoses))
    else:
        say(items.IMPRESSION, "The model named no diagnosis.")
    if read.abstention is None and not read.findings:
        say(items.FINDING, "The model marked no finding.")
    say(items.COMMENT, f"Question: {read.question}" if read.question else "")
    for remark in (*sample.remarks, *read.remarks):
        say(items.COMMENT, remark)
    say(items.REASONING, read.reasoning, REASONING_LIMIT)
    return children


def _sentence(finding: Finding, number: int, sample: Sample) -> str:
    words = [f"{finding.label} {number} (presence {finding.presence:.2f})"]
    if not finding.grounded:
        words.append("[not tied to the image]")
    sentence = " ".join(words) + (f": {finding.description}" if finding.description else "")
    if finding.mask is not None and sample.kind is not SampleKind.VOLUME:
        total = outline(finding.mask).total
        if total > MAXIMUM_CONTOURS:
            sentence += f" Outlines drawn here: the {MAXIMUM_CONTOURS} largest of {total}; the segmentation has all."
    return sentence
