"""The read as JSON, for programs and viewers: `read.json`, described in docs/read-json.md.

Nothing in it names the patient: UIDs, geometry and the model's words only. Key order is fixed and every number is
plain, so the same read gives the same text. A box is given in every frame in which someone may need it.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from wetread.findings import BoxFrame
from wetread.geometry import Resize, box_to_patient
from wetread.imaging.waveform import Waveform
from wetread.reporting.measurement import mask_area, mask_size
from wetread.reporting.waveform_document import waveform_parts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wetread.findings import Box, Finding, Mask, Read
    from wetread.imaging.sample import Sample
    from wetread.terminology import Concept

SCHEMA_VERSION = "1.0"


def read_document(read: Read, sample: Sample | Waveform, beside: Sequence[Sample] = ()) -> dict[str, Any]:
    """The read as a dict that `json.dumps` takes as it is; images beside are listed only where there are any."""
    parts = waveform_parts(read, sample) if isinstance(sample, Waveform) else _parts(read, sample)
    return _words(read, sample) | parts | ({"beside": [_source(other) for other in beside]} if beside else {})


def _words(read: Read, sample: Sample | Waveform) -> dict[str, Any]:
    """What every read says; keys that `_parts` fills are here already for their place."""
    provenance = read.provenance
    return {
        "schema_version": SCHEMA_VERSION,
        "uid": read.uid,
        "status": "PRELIMINARY",
        "created": provenance.created.isoformat(),
        "model": {
            "name": provenance.model,
            "version": provenance.model_version,
            "weights_sha256": provenance.weights_sha256,
            "device_uid": provenance.device_uid,
            "wetread_version": provenance.wetread_version,
            "seed": provenance.seed,
            "prompt_tokens": provenance.prompt_tokens,
            "answer_tokens": provenance.answer_tokens,
            "seconds": round(provenance.seconds, 3),
        },
        "modality": sample.modality.value,
        "kind": "",
        "question": read.question,
        "reasoning": read.reasoning,
        "diagnoses": list(read.diagnoses),
        "abstention": read.abstention,
    }


def _parts(read: Read, sample: Sample) -> dict[str, Any]:
    return {
        "kind": sample.kind.value,
        "remarks": [*sample.remarks, *read.remarks],
        "findings": [_finding(finding, sample) for finding in read.findings],
        "grounding_checks": [asdict(check) for check in read.provenance.grounding],
        "source": _source(sample),
    }


def _finding(finding: Finding, sample: Sample) -> dict[str, Any]:
    target = finding.target
    source = sample.planes[finding.plane].source
    return {
        "label": finding.label,
        "type": _concept(target.type),
        "category": _concept(target.category),
        "site": _concept(target.site),
        "colour": list(target.colour),
        "tracking_uid": finding.tracking_uid,
        "presence": round(finding.presence, 4),
        "grounded": finding.grounded,
        "description": finding.description,
        "plane": {
            "index": finding.plane,
            "sop_instance_uid": str(source.sop_instance_uid),
            "frame_number": source.frame_number,
        },
        "box": None if finding.box is None else _box(finding.box, finding.plane, sample),
        "text_box": None if finding.text_box is None else _box(finding.text_box, finding.plane, sample),
        "instances": [_box(box, finding.plane, sample) for box in finding.instances],
        "mask": None if finding.mask is None or finding.mask.is_empty else _mask(finding.mask, sample),
    }


def _concept(concept: Concept) -> dict[str, str]:
    return {"code": concept.code, "scheme": concept.scheme, "meaning": concept.meaning}


def _box(box: Box, plane: int, sample: Sample) -> dict[str, Any]:
    size = sample.shape[1:]
    geometry = sample.planes[plane].geometry
    patient = None
    if geometry is not None:
        corners = box_to_patient(box, geometry).corners
        patient = {
            "corners": [_rounded(corner) for corner in corners],
            "frame_of_reference_uid": str(geometry.frame_of_reference_uid),
        }
    return {
        "image_pixels": _rounded(box.corners),
        "model_0_1000": _rounded(Resize(size, size).convert(box, BoxFrame.MODEL).corners),
        "patient_mm": patient,
    }


def _mask(mask: Mask, sample: Sample) -> dict[str, Any]:
    area, whole = mask_area(mask, sample), mask_size(mask, sample)
    return {
        "pixels": mask.pixels,
        "planes": list(mask.planes),
        "key_plane": mask.key_plane,
        "key_plane_area_pixels": int(mask.planes[mask.key_plane].sum()),
        "key_plane_area_mm2": round(area.value, 3) if area.unit == "mm2" else None,
        "volume_ml": round(whole.value / 1000.0, 6) if whole.is_volume else None,
    }


def _source(sample: Sample) -> dict[str, Any]:
    planes, rows, columns = sample.shape
    series = dict.fromkeys(plane.source.series_uid for plane in sample.planes)
    instances = {plane.source.sop_instance_uid: plane.source.sop_class_uid for plane in sample.planes}
    numbered = list(instances)
    frames = [(numbered.index(p.source.sop_instance_uid), p.source.frame_number) for p in sample.planes]
    return {
        "study_instance_uid": str(sample.study_uid),
        "series_instance_uids": [str(uid) for uid in series],
        "instances": [
            {"sop_instance_uid": str(uid), "sop_class_uid": str(sop_class)} for uid, sop_class in instances.items()
        ],
        # One instance a plane, in order, needs no list.
        "frames": None if all(number is None for _, number in frames) else [list(frame) for frame in frames],
        "planes": planes,
        "rows": rows,
        "columns": columns,
    }


def _rounded(values: tuple[float, ...]) -> list[float]:
    return [round(float(value), 4) for value in values]
