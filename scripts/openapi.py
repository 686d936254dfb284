"""Writes docs/openapi.json: what the service says of itself at /openapi.json, over a folder archive, with training."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

DOCUMENT = Path(__file__).parents[1] / "docs" / "openapi.json"


def described() -> dict[str, Any]:
    """The description of the whole service."""
    from wetread import DEFAULT_MODEL
    from wetread.archive import open_archive
    from wetread.model.versions import ModelVersions
    from wetread.reading import Reader
    from wetread.service.app import create_app
    from wetread.service.model_switch import SwitchingReader

    with tempfile.TemporaryDirectory() as folder:
        reader = SwitchingReader(ModelVersions(Path(folder) / "models", DEFAULT_MODEL), Reader)
        app = create_app(open_archive(Path(folder) / "archive"), reader, workers=0)
        app.state.backing.close()
        found: dict[str, Any] = app.openapi()
    return found


def text() -> str:
    """The description as the file holds it."""
    return json.dumps(described(), indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    DOCUMENT.write_text(text(), encoding="utf-8")
    sys.stdout.write(f"{DOCUMENT}\n")
