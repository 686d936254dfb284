"""A model's measured figures, kept in its own `wetread.json`: what was measured, on which part, with intervals."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from wetread.errors import RefusedInput
from wetread.model.checkpoint import MODEL_FILE, locate

if TYPE_CHECKING:
    from pathlib import Path

FIGURES = ("dice", "volume_dice", "box_iou", "ap50", "instance_f1", "presence_f1", "marked_where_absent")


def record(model: str | Path, report: dict[str, Any]) -> None:
    """Write the figures of a report into the model's folder; the weights, and so the device UID, stay as they are.

    Args:
        model: the measured model's name or folder.
        report: what `evaluate` returned.

    Raises:
        RefusedInput: the report is of a few items only.
    """
    path = locate(model) / MODEL_FILE
    said = json.loads(path.read_text(encoding="utf-8"))
    data = report["data"]
    if data["limit"] is not None:
        raise RefusedInput(f"figures of {data['items']} items only", path, "record a run without --limit")
    measured = {
        label: {"items": figures["items"], **{name: figures[name] for name in FIGURES if name in figures}}
        for label, figures in report["labels"].items()
    }
    said["metrics"][f"{data['folder']}, {data['split']}"] = measured
    part = path.with_suffix(".part")
    part.write_text(json.dumps(said, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    part.replace(path)
