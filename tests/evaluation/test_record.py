"""Figures go into the model's own statement and never touch its weights."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from wetread.errors import RefusedInput
from wetread.evaluation.record import record
from wetread.model.checkpoint import MODEL_FILE


def report(limit: int | None = None) -> dict:
    figures = {"items": 3, "dice": {"value": 0.5, "low": 0.4, "high": 0.6}, "seconds_per_read": {"value": 1.0}}
    return {"data": {"folder": "cells", "split": "holdout", "items": 3, "limit": limit}, "labels": {"nuclei": figures}}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / MODEL_FILE).write_text(json.dumps({"name": "m", "metrics": {"old, all": {}}}))
    return tmp_path


def test_figures_are_added_beside_earlier_ones(model: Path) -> None:
    record(model, report())
    metrics = json.loads((model / MODEL_FILE).read_text())["metrics"]
    assert set(metrics) == {"old, all", "cells, holdout"}
    assert metrics["cells, holdout"]["nuclei"] == {"items": 3, "dice": {"value": 0.5, "low": 0.4, "high": 0.6}}


def test_figures_of_a_few_items_are_refused(model: Path) -> None:
    with pytest.raises(RefusedInput, match="without --limit"):
        record(model, report(limit=3))
    assert "cells, holdout" not in (model / MODEL_FILE).read_text()
