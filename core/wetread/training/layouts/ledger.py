"""The ledger, exported for training (`wetread ledger export --format training`): `ledger.jsonl`, one plane a line.

The least form of a line: `{"id", "group", "modality", "image": "images/1.png", "findings": [{"label": "liver",
"mask": "masks/1-1.png" or {"size": [rows, columns], "counts": [...] or "..."}, "verdict": "accept"}]}`. `licence` may
stand in any line. A finding counts with the verdict accept, correct or add (its mask is then the corrected one); what
was rejected, not yet judged, or has a box and no mask, gives no region and is left out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wetread.findings import Decision
from wetread.terminology import Modality
from wetread.training.layouts.coco import region_mask
from wetread.training.layouts.picture import (
    BadItem,
    Index,
    Options,
    Picture,
    inside,
    kept,
    modality_word,
    read_mask,
    read_picture,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TEACHING = (Decision.ACCEPT, Decision.CORRECT, Decision.ADD)
FILE = "ledger.jsonl"


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One read: (label, mask file or run lengths) of each finding that a person stands for."""

    id: str
    group: str
    modality: Modality
    root: Path
    image: str
    findings: tuple[tuple[str, Any], ...]

    def load(self) -> list[Picture]:
        """The picture."""
        shown, encoded = read_picture(inside(self.root, self.image, "image"))
        labels, masks = kept((label, self._mask(mask, shown.shape[:2])) for label, mask in self.findings)
        return [Picture(shown, shown, masks, labels, encoded=encoded)]

    def _mask(self, mask: object, shape: tuple[int, ...]) -> NDArray[np.bool_]:
        rows, columns = shape[0], shape[1]
        if isinstance(mask, Mapping):
            return region_mask(mask, rows, columns)
        return read_mask(inside(self.root, mask, "mask"), (rows, columns)) > 0


def detect(root: Path) -> bool:
    """True where there is a `ledger.jsonl`."""
    return (root / FILE).is_file()


def index(root: Path, options: Options) -> Index:
    """Every read with a finding that a person stands for."""
    found = Index(licence=options.licence)
    text = (root / FILE).read_text(encoding="utf-8", errors="replace")
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            item = json.loads(line)
            name = str(item["id"])
            findings = tuple(
                (str(f["label"]), f["mask"])
                for f in item.get("findings") or []
                if f.get("verdict") in TEACHING and f.get("mask")
            )
            image = str(item["image"])
            inside(root, image, "image")
            modality = modality_word(item.get("modality"), options.modality)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            found.bad.append((f"{FILE}#{number}", f"not a read ({type(error).__name__}: {error})"))
            continue
        except BadItem as error:
            found.bad.append((f"{FILE}#{number}", str(error)))
            continue
        found.licence = found.licence or str(item.get("licence") or "")
        if not findings:
            found.unmarked += 1
            continue
        found.entries.append(LedgerEntry(name, str(item.get("group") or name), modality, root, image, findings))
    return found
