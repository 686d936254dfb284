"""A read as FHIR: a Bundle with DiagnosticReport, Observations, Device and ImagingStudy, for systems without DICOM.

An extra beside the SR, which stays the original: everything here follows from the same read and is said in the same
codes. R5 adds an ImagingSelection for every segment; R4 has no such resource and points to the study. The mapping is
that of a TID 1500 measurement group: the finding is the value, sizes and certainty are components, the tracking UID the
identifier. The patient is named by identifier only. UUIDs derive from UIDs, so the same read gives the same Bundle.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import TYPE_CHECKING, Any

from wetread.imaging.waveform import Waveform
from wetread.reporting import content_items as items
from wetread.reporting.identity import clean_text
from wetread.reporting.measurement import mask_size
from wetread.reporting.segmentation import segmented
from wetread.reporting.structured_report import REASONING_LIMIT, SENTENCE_LIMIT
from wetread.uids import OBJECTS_OF_READS

if TYPE_CHECKING:
    from pydicom import Dataset

    from wetread.findings import Finding, Read
    from wetread.imaging.sample import Sample
    from wetread.terminology import Concept

RELEASES = ("R5", "R4")
_SYSTEMS = {
    "SCT": "http://snomed.info/sct", "DCM": "http://dicom.nema.org/resources/ontology/DCM",
    "UCUM": "http://unitsofmeasure.org", "LN": "http://loinc.org", "RADLEX": "http://radlex.org",
}  # fmt: skip
_CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
_SECTION = "http://terminology.hl7.org/CodeSystem/v2-0074"
_UID, _OID = "urn:dicom:uid", "urn:oid:"
Resource = dict[str, Any]


def fhir_bundle(
    read: Read, sample: Sample | Waveform, objects: list[tuple[str, Dataset]], release: str = "R5"
) -> Resource:
    """The read as a Bundle of type collection, fit for `json.dumps`.

    Args:
        read: the read.
        sample: what was read.
        objects: what is stored of it: ``("SR", dataset)`` and, where something is marked, ``("SEG", dataset)``.
        release: one of `RELEASES`.
    """
    header, (sr,) = sample.headers[0], [dataset for kind, dataset in objects if kind == "SR"]
    seg = next((dataset for kind, dataset in objects if kind == "SEG"), None)
    status = "final" if sr.VerificationFlag == "VERIFIED" else "preliminary"
    common = {"status": status} | _subject(header)
    study = _study(sample, [dataset for _, dataset in objects], release)
    device = _device(read, release)
    numbers = {id(finding): number for number, finding in enumerate(segmented(read), start=1)}
    selections, observations = [], []
    for finding in read.findings:
        number = numbers.get(id(finding))
        selection = (
            None if seg is None or number is None or release == "R4" else _selection(finding, number, seg, header)
        )
        selections += [] if selection is None else [selection]
        observations.append(_observation(finding, sample, read, common, device, selection or study, release))
    report = _report(read, sr, header, common, observations, study, release)
    resources = [report, *observations, *selections, device, study]
    return {
        "resourceType": "Bundle",
        "type": "collection",
        "identifier": {"system": _UID, "value": _OID + read.uid},
        "timestamp": _instant(read.provenance.created),
        "entry": [{"fullUrl": f"urn:uuid:{resource['id']}", "resource": resource} for resource in resources],
    }


def _report(
    read: Read,
    sr: Dataset,
    header: Dataset,
    common: Resource,
    observations: list[Resource],
    study: Resource,
    release: str,
) -> Resource:
    said = f"No interpretation given: {read.abstention}" if read.abstention else "; ".join(read.diagnoses)
    report: Resource = {
        "resourceType": "DiagnosticReport",
        "id": _id(str(sr.SOPInstanceUID), "report"),
        "identifier": [{"system": _UID, "value": _OID + str(sr.SOPInstanceUID)}],
        **common,
        "category": [_concept_of(_SECTION, "IMG", "Diagnostic Imaging")],
        "code": _concept_of(_SYSTEMS["LN"], "18748-4", "Diagnostic imaging study"),
        "issued": _instant(read.provenance.created),
        "study" if release == "R5" else "imagingStudy": [_reference(study)],
        "conclusion": clean_text(said or "The model named no diagnosis.", SENTENCE_LIMIT),
    }
    if str(header.get("AccessionNumber") or ""):
        report["basedOn"] = [{"type": "ServiceRequest", "identifier": {"value": str(header.AccessionNumber)}}]
    if observations:
        report["result"] = [_reference(one) for one in observations]
    if release == "R5" and read.reasoning:
        words = f"{items.REASONING.meaning}: {clean_text(read.reasoning, REASONING_LIMIT)}"
        report["note"] = [{"text": words}]
    date = str(header.get("StudyDate") or "")
    if len(date) == 8 and date.isdigit():
        report["effectiveDateTime"] = f"{date[:4]}-{date[4:6]}-{date[6:]}"
    return report


def _observation(
    finding: Finding,
    sample: Sample | Waveform,
    read: Read,
    common: Resource,
    device: Resource,
    about: Resource,
    release: str,
) -> Resource:
    components = [_measured(items.CERTAINTY, round(100.0 * finding.presence, 4), "%")]
    if finding.mask is not None and not finding.mask.is_empty and not isinstance(sample, Waveform):
        size = mask_size(finding.mask, sample)
        components.append(_measured(items.VOLUME if size.is_volume else items.AREA, size.value, size.unit))
    if finding.target.countable and finding.instances:
        components.append(_measured(items.OCCURRENCES, len(finding.instances), "{counts}"))
    observation: Resource = {
        "resourceType": "Observation",
        "id": _id(f"{read.uid} {finding.tracking_uid}", "observation"),
        "identifier": [{"system": _UID, "value": _OID + finding.tracking_uid}],
        **common,
        "category": [_concept_of(_CATEGORY, "imaging", "Imaging")],
        "code": _coded(items.FINDING),
        "valueCodeableConcept": _coded(finding.target.type) | {"text": finding.label},
        "bodySite": _coded(finding.target.site),
        "device": _reference(device),
        "derivedFrom": [_reference(about)],
        "component": components,
        "issued": _instant(read.provenance.created),
    }
    if finding.description:
        observation["note"] = [{"text": clean_text(finding.description, SENTENCE_LIMIT)}]
    return observation


def _selection(finding: Finding, number: int, seg: Dataset, header: Dataset) -> Resource:
    """ImagingSelection (R5): one segment of the SEG."""
    return {
        "resourceType": "ImagingSelection",
        "id": _id(f"{seg.SOPInstanceUID} {number}", "selection"),
        "identifier": [{"system": _UID, "value": _OID + finding.tracking_uid}],
        "status": "available",
        **_subject(header),
        "code": _coded(items.REFERENCED_SEGMENT),
        "studyUid": str(seg.StudyInstanceUID),
        "seriesUid": str(seg.SeriesInstanceUID),
        "instance": [
            {
                "uid": str(seg.SOPInstanceUID),
                "sopClass": {"system": "urn:ietf:rfc:3986", "code": _OID + str(seg.SOPClassUID)},
                "subset": [str(number)],
            }
        ],
    }


def _device(read: Read, release: str) -> Resource:
    provenance = read.provenance
    name = f"{provenance.model} {provenance.model_version}"
    kind = _concept_of(_SYSTEMS["SCT"], "706689003", "Application programme software")
    device: Resource = {
        "resourceType": "Device",
        "id": _id(provenance.device_uid, "device"),
        "identifier": [{"system": _UID, "value": _OID + provenance.device_uid}],
        "manufacturer": "Wetread",
        "modelNumber": provenance.model,
        "version": [{"value": provenance.model_version}, {"value": f"weights_sha256={provenance.weights_sha256}"}],
    }
    if release == "R5":
        return device | {"name": [{"value": name, "type": "user-friendly-name"}], "type": [kind]}
    return device | {"deviceName": [{"name": name, "type": "user-friendly-name"}], "type": kind}


def _study(sample: Sample | Waveform, objects: list[Dataset], release: str) -> Resource:
    """ImagingStudy with the series that were read and those that came of it."""
    header = sample.headers[0]
    series: dict[str, Resource] = {}
    for dataset in (*sample.headers, *objects):
        modality: Resource = {"system": _SYSTEMS["DCM"], "code": str(dataset.get("Modality") or "OT")}
        one = series.setdefault(str(dataset.SeriesInstanceUID), {
            "uid": str(dataset.SeriesInstanceUID),
            "modality": modality if release == "R4" else {"coding": [modality]},
            "instance": [],
        })  # fmt: skip
        sop_class = {"system": "urn:ietf:rfc:3986", "code": _OID + str(dataset.SOPClassUID)}
        one["instance"].append({"uid": str(dataset.SOPInstanceUID), "sopClass": sop_class})
    return {
        "resourceType": "ImagingStudy",
        "id": _id(str(header.StudyInstanceUID), "study"),
        "identifier": [{"system": _UID, "value": _OID + str(header.StudyInstanceUID)}],
        "status": "available",
        **_subject(header),
        "series": list(series.values()),
    }


def _subject(header: Dataset) -> Resource:
    identifier: Resource = {"value": str(header.get("PatientID") or "unknown")}
    if header.get("IssuerOfPatientID"):
        identifier["assigner"] = {"display": str(header.IssuerOfPatientID)}
    return {"subject": {"type": "Patient", "identifier": identifier}}


def _measured(name: Concept, value: float, unit: str) -> Resource:
    quantity = {"value": float(f"{value:.10g}"), "unit": unit, "system": _SYSTEMS["UCUM"], "code": unit}
    return {"code": _coded(name), "valueQuantity": quantity}


def _coded(concept: Concept) -> Resource:
    return _concept_of(_SYSTEMS.get(concept.scheme, f"urn:{concept.scheme}"), concept.code, concept.meaning)


def _concept_of(system: str, code: str, meaning: str) -> Resource:
    return {"coding": [{"system": system, "code": code, "display": meaning}]}


def _reference(resource: Resource) -> Resource:
    return {"reference": f"urn:uuid:{resource['id']}", "type": resource["resourceType"]}


def _id(uid: str, kind: str) -> str:
    return str(uuid.uuid5(OBJECTS_OF_READS, f"fhir {kind} {uid}"))


def _instant(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")
