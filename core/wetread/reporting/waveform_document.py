"""The read of an ECG as JSON: `read.json` with leads and times where a picture has planes and boxes.

The keys that both kinds of read share are those of `document`; described in docs/ecg.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wetread.findings import Finding, Read
    from wetread.imaging.waveform import Waveform
    from wetread.terminology import Concept

KIND = "waveform"


def waveform_parts(read: Read, waveform: Waveform) -> dict[str, Any]:
    """What stands in `read.json` for an ECG beside the words of the read: kind, findings and source."""
    return {
        "kind": KIND,
        "remarks": [*waveform.remarks, *read.remarks],
        "findings": [_finding(finding) for finding in read.findings],
        "source": _source(waveform),
    }


def _finding(finding: Finding) -> dict[str, Any]:
    target, seen = finding.target, finding.interval
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
        "interval": None if seen is None else {
            "start_s": round(seen.start, 4), "end_s": round(seen.end, 4), "leads": list(seen.leads)
        },
        "plane": None,
        "box": None,
        "text_box": None,
        "instances": [],
        "mask": None,
    }  # fmt: skip


def _concept(concept: Concept) -> dict[str, str]:
    return {"code": concept.code, "scheme": concept.scheme, "meaning": concept.meaning}


def _source(waveform: Waveform) -> dict[str, Any]:
    source = waveform.source
    return {
        "study_instance_uid": str(source.study_uid),
        "series_instance_uids": [str(source.series_uid)],
        "instances": [{"sop_instance_uid": str(source.sop_instance_uid), "sop_class_uid": str(source.sop_class_uid)}],
        "leads": [
            {"name": lead, "multiplex_group": group, "channel": channel}
            for lead, (group, channel) in zip(waveform.leads, waveform.channels, strict=True)
        ],
        "missing_leads": list(waveform.missing),
        "rate_hz": waveform.rate_hz,
        "start_s": round(waveform.start_s, 4),
        "seconds": round(waveform.seconds, 4),
        "recorded_s": round(waveform.recorded_s, 4),
    }
