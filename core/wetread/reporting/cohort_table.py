"""The tables of a cohort: `studies.parquet`, a row a study, and `findings.parquet`, a row a finding.

Everything comes from the studies' own `read.json`; nothing is counted twice or kept in memory only. A study that
could not be read has a row with its reason. Columns without a value are null, never empty words or -1.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wetread.errors import RefusedInput

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

STUDIES_FILE, FINDINGS_FILE = "studies.parquet", "findings.parquet"


@dataclass(frozen=True, slots=True)
class Done:
    """A study that was read.

    Args:
        named: the input.
        name: of its folder.
        document: its `read.json`.
    """

    named: str
    name: str
    document: dict[str, Any]


def check_parquet() -> None:
    """Refuse before the work rather than after it.

    Raises:
        RefusedInput: pyarrow is not installed.
    """
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError as error:
        raise RefusedInput("the tables need the package pyarrow", "--cohort", "install wetread[cohort]") from error


def write_tables(done: Sequence[Done], failed: Mapping[str, str], folder: Path) -> None:
    """Write both files, each whole or not at all."""
    import pyarrow as pa

    text, number = pa.string(), pa.float64()
    studies = pa.schema([
        ("input", text), ("folder", text), ("outcome", text), ("reason", text), ("study_instance_uid", text),
        ("modality", text), ("kind", text), ("findings", pa.int32()), ("diagnoses", pa.list_(text)), ("read_uid", text),
        ("created", text), ("model", text), ("model_version", text), ("device_uid", text), ("seconds", number),
    ])  # fmt: skip
    findings = pa.schema([
        ("input", text), ("folder", text), ("read_uid", text), ("tracking_uid", text), ("label", text), ("code", text),
        ("scheme", text), ("meaning", text), ("presence", number), ("grounded", pa.bool_()), ("plane", pa.int32()),
        ("x_min", number), ("y_min", number), ("x_max", number), ("y_max", number), ("instances", pa.int32()),
        ("mask_pixels", pa.int64()), ("area_mm2", number), ("volume_ml", number), ("start_s", number),
        ("end_s", number), ("leads", pa.list_(text)), ("description", text),
    ])  # fmt: skip
    rows = [_study(one) for one in done]
    rows += [{"input": named, "outcome": "failed", "reason": reason} for named, reason in failed.items()]
    _write(pa.Table.from_pylist(rows, schema=studies), folder / STUDIES_FILE)
    listed = [_finding(one, finding) for one in done for finding in one.document["findings"]]
    _write(pa.Table.from_pylist(listed, schema=findings), folder / FINDINGS_FILE)


def _study(one: Done) -> dict[str, Any]:
    said, model = one.document, one.document["model"]
    abstained = said["abstention"] is not None
    return {
        "input": one.named, "folder": one.name, "outcome": "abstained" if abstained else "read",
        "reason": said["abstention"], "study_instance_uid": said["source"]["study_instance_uid"],
        "modality": said["modality"], "kind": said["kind"], "findings": len(said["findings"]),
        "diagnoses": said["diagnoses"], "read_uid": said["uid"], "created": said["created"], "model": model["name"],
        "model_version": model["version"], "device_uid": model["device_uid"], "seconds": model["seconds"],
    }  # fmt: skip


def _finding(one: Done, said: dict[str, Any]) -> dict[str, Any]:
    mask, interval = said["mask"] or {}, said.get("interval") or {}
    corners = said["box"]["image_pixels"] if said["box"] else (None,) * 4
    return {
        "input": one.named, "folder": one.name, "read_uid": one.document["uid"], "tracking_uid": said["tracking_uid"],
        "label": said["label"], "code": said["type"]["code"], "scheme": said["type"]["scheme"],
        "meaning": said["type"]["meaning"], "presence": said["presence"], "grounded": said["grounded"],
        "plane": said["plane"]["index"] if said["plane"] else None,
        **dict(zip(("x_min", "y_min", "x_max", "y_max"), corners, strict=True)),
        "instances": len(said["instances"]) if said["instances"] else None, "mask_pixels": mask.get("pixels"),
        "area_mm2": mask.get("key_plane_area_mm2"), "volume_ml": mask.get("volume_ml"),
        "start_s": interval.get("start_s"), "end_s": interval.get("end_s"), "leads": interval.get("leads"),
        "description": said["description"],
    }  # fmt: skip


def _write(table: Any, path: Path) -> None:
    import pyarrow.parquet

    part = path.with_name(f".{path.name}.part")
    pyarrow.parquet.write_table(table, part)
    part.replace(path)
