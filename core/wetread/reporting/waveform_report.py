"""Read of an ECG to DICOM Structured Report: TID 1500 whose measurement groups point to the leads of the recording.

Each finding is a TID 1501 group that CONTAINS its WAVEFORM with the Referenced Waveform Channels (PS3.3 C.18.5) and,
where the model marked a stretch of time, a TCOORD SEGMENT (C.18.7) SELECTED FROM the same channels. An ECG has no
"Procedure reported": CID 100 has no code for one. The impression of every read is INFERRED FROM the channels that were
read, so that an abstention too says of which recording it speaks. highdicom 0.28 cannot build WAVEFORM and TCOORD
items: they are written here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydicom import DataElement, Dataset
from pydicom.sequence import Sequence

from wetread.reporting import content_items as items
from wetread.reporting.identity import (
    clean_text,
    source_headers,
    stamp,
)
from wetread.reporting.report_groups import algorithm_identification
from wetread.reporting.structured_report import (
    REASONING_LIMIT,
    SENTENCE_LIMIT,
    language_item,
    observer_items,
    unreviewed_report,
)

if TYPE_CHECKING:
    from wetread.findings import Finding, Interval, Read
    from wetread.imaging.waveform import Waveform
    from wetread.terminology import Concept

_CONTENT_SEQUENCE = 0x0040A730


def build_waveform_sr(read: Read, waveform: Waveform) -> Dataset:
    """The Structured Report of a read of an ECG, complete with file meta information.

    Args:
        read: the read; its findings have intervals or none, but no boxes and masks.
        waveform: what was read.

    Returns:
        A Comprehensive 3D SR Storage dataset with UIDs derived from ``read.uid``.
    """
    dataset = unreviewed_report(read, source_headers(waveform), _root(read, waveform))
    _point_to(dataset, read, waveform)
    stamp(dataset, read)
    return dataset


def all_channels(waveform: Waveform) -> tuple[tuple[int, int], ...]:
    """Every (multiplex group, channel) that was read."""
    return tuple(sorted(waveform.channels))


def channels_of(interval: Interval | None, waveform: Waveform) -> tuple[tuple[int, int], ...]:
    """The channels a finding is about: those of its interval's leads, or all that were read."""
    if interval is None:
        return all_channels(waveform)
    named = {channel for lead in interval.leads for channel in waveform.channels_of(lead)}
    return tuple(sorted(named)) or all_channels(waveform)


def _root(read: Read, waveform: Waveform) -> Dataset:
    """The tree without its waveform references, as highdicom can take it."""
    root = items.container(items.REPORT, [], template="1500")
    del root.RelationshipType
    children: list[Dataset] = [language_item(), *observer_items(read)]
    groups = [_group(finding, number, read) for number, finding in enumerate(read.findings, start=1)]
    if groups:
        children.append(items.container(items.MEASUREMENTS, groups))
    children.append(items.container(items.EVALUATIONS, _evaluations(read, waveform)))
    root.ContentSequence = Sequence(children)
    return root


def _group(finding: Finding, number: int, read: Read) -> Dataset:
    children = [
        items.text_item(items.TRACKING_IDENTIFIER, f"{finding.label} {number}", "HAS OBS CONTEXT"),
        items.uid_item(items.TRACKING_UID, finding.tracking_uid, "HAS OBS CONTEXT"),
        items.code_item(items.FINDING, finding.target.type),
        items.code_item(items.FINDING_SITE, finding.target.site, "HAS CONCEPT MOD"),
        *algorithm_identification(read.provenance),
        items.number_item(items.CERTAINTY, 100.0 * finding.presence, "%"),
    ]
    return items.container(items.MEASUREMENT_GROUP, children, template="1501")


def _evaluations(read: Read, waveform: Waveform) -> list[Dataset]:
    """The words of the read as TEXT items; the impression first, because it points to the recording."""
    children: list[Dataset] = []

    def say(name: Concept, text: str, limit: int = SENTENCE_LIMIT) -> None:
        cleaned = clean_text(text, limit)
        if cleaned:
            children.append(items.text_item(name, cleaned))

    if read.abstention is not None:
        say(items.IMPRESSION, f"No interpretation given: {read.abstention}")
    else:
        say(items.IMPRESSION, "; ".join(read.diagnoses) or "The model named no diagnosis.")
    for number, finding in enumerate(read.findings, start=1):
        say(items.FINDING, interval_sentence(finding, number))
    if read.abstention is None and not read.findings:
        say(items.FINDING, "The model marked no finding.")
    say(items.COMMENT, f"Question: {read.question}" if read.question else "")
    for remark in (*waveform.remarks, *read.remarks):
        say(items.COMMENT, remark)
    say(items.REASONING, read.reasoning, REASONING_LIMIT)
    return children


def interval_sentence(finding: Finding, number: int) -> str:
    """A finding in words: what, how surely written, when and on which leads."""
    words = f"{finding.label} {number} (presence {finding.presence:.2f})"
    if not finding.grounded:
        words += " [not tied to the waveform]"
    if finding.interval is not None:
        seen = finding.interval
        words += f": {seen.start:.2f} to {seen.end:.2f} s in lead{'s' if len(seen.leads) > 1 else ''} "
        words += ", ".join(seen.leads)
    return f"{words}. {finding.description}".rstrip(" .") + "."


def _point_to(dataset: Dataset, read: Read, waveform: Waveform) -> None:
    """Add the references to the recording: to every group, and to the impression."""
    for container in dataset.ContentSequence:
        name = container.ConceptNameCodeSequence[0].CodeValue
        if name == items.MEASUREMENTS.code:
            for group, finding in zip(container.ContentSequence, read.findings, strict=True):
                channels = channels_of(finding.interval, waveform)
                _append(group, _waveform_item(waveform, channels, "CONTAINS"))
                if finding.interval is not None:
                    _append(group, _time_item(finding.interval, waveform, channels))
        elif name == items.EVALUATIONS.code:
            impression = container.ContentSequence[0]
            _append(impression, _waveform_item(waveform, all_channels(waveform), "INFERRED FROM"))
    evidence = Dataset()
    evidence.StudyInstanceUID = waveform.source.study_uid
    series = Dataset()
    series.SeriesInstanceUID = waveform.source.series_uid
    series.ReferencedSOPSequence = Sequence([_reference(waveform)])
    evidence.ReferencedSeriesSequence = Sequence([series])
    # highdicom looks for references before they are added, and files the recording as pertinent other evidence.
    dataset.CurrentRequestedProcedureEvidenceSequence = Sequence([evidence])
    dataset.pop("PertinentOtherEvidenceSequence", None)


def _append(item: Dataset, child: Dataset) -> None:
    # As an element: assigned as an attribute, highdicom makes a sequence of it that takes only what it can build.
    item.add(DataElement(_CONTENT_SEQUENCE, "SQ", Sequence([*item.get("ContentSequence", []), child])))


def _reference(waveform: Waveform) -> Dataset:
    reference = Dataset()
    reference.ReferencedSOPClassUID = waveform.source.sop_class_uid
    reference.ReferencedSOPInstanceUID = waveform.source.sop_instance_uid
    return reference


def _waveform_item(waveform: Waveform, channels: tuple[tuple[int, int], ...], relationship: str) -> Dataset:
    item = Dataset()
    item.RelationshipType = relationship
    item.ValueType = "WAVEFORM"
    item.ConceptNameCodeSequence = Sequence([items.coded(items.SOURCE_OF_MEASUREMENT)])
    reference = _reference(waveform)
    reference.ReferencedWaveformChannels = [number for pair in channels for number in pair]
    item.ReferencedSOPSequence = Sequence([reference])
    return item


def _time_item(interval: Interval, waveform: Waveform, channels: tuple[tuple[int, int], ...]) -> Dataset:
    item = Dataset()
    item.RelationshipType = "CONTAINS"
    item.ValueType = "TCOORD"
    item.TemporalRangeType = "SEGMENT"
    item.ReferencedTimeOffsets = [f"{interval.start:.6g}", f"{interval.end:.6g}"]
    item.ContentSequence = Sequence([_waveform_item(waveform, channels, "SELECTED FROM")])
    return item
