"""The six colours of dermoscopy against PH2: presence of each colour by the table, pixels by the drawn regions.

    python benchmarks/derm_colours.py ../shared/data/derm_ph2 --json benchmarks/results/derm-colours.json

A colour counts as present where `describe` lists it among the lesion's colours (at least 5 % of the lesion). Pixels:
of all pixels that lie in the lesion and in exactly one drawn colour region, the share that gets that region's colour.
PH2 (Mendonca et al. 2013) is for research: the figures are quoted with its name, and nothing of it is stored here.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from wetread.regions import describe
from wetread.regions.dermoscopy import SIX, six_colours
from wetread.terminology import Modality

NAMES = [name for name, _ in SIX]
CONSTANT = {"light brown", "dark brown"}


def main() -> None:
    """Measure, print, and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, metavar="DIR", help="folder with the manifest.jsonl of PH2")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here")
    options = parser.parse_args()
    lines = (options.data / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    items = [json.loads(line) for line in lines]
    found = [measure(options.data, item) for item in items]
    halves = {"all": found, "half A": [f for f in found if f["half"] == 0], "half B": [f for f in found if f["half"]]}
    figures = {name: summary(part) for name, part in halves.items()}
    text = json.dumps({"set": "PH2 (derm_ph2)", **figures}, indent=1)
    print(text)
    if options.json is not None:
        options.json.write_text(text + "\n", encoding="utf-8")


def measure(folder: Path, item: dict[str, Any]) -> dict[str, Any]:
    """Colours said and told for one picture, and the pixels of its drawn regions that are right."""
    picture = np.asarray(Image.open(folder / item["image"]).convert("RGB"))
    lesion = opened(folder / item["masks"][0]["path"])
    (region,) = describe(lesion, picture, None, Modality.DERMOSCOPY, "skin lesion").regions
    rows, columns = np.nonzero(lesion)
    box = (slice(int(rows.min()), int(rows.max()) + 1), slice(int(columns.min()), int(columns.max()) + 1))
    colours = six_colours(picture, box, lesion[box])
    drawn = np.full((len(NAMES), *colours.shape), False)
    for truth in item.get("color_masks", []):
        drawn[NAMES.index(word(truth["label"]))] |= opened(folder / truth["path"])[box]
    clear = (drawn.sum(axis=0) == 1) & lesion[box]
    return {
        "half": hashlib.sha256(item["group"].encode()).digest()[0] % 2,
        "said": {part.name for part in region.colour_parts},
        "told": {word(colour) for colour in item["attrs"]["colors"]},
        "confusion": np.bincount(
            drawn.argmax(axis=0)[clear] * len(NAMES) + colours[clear], minlength=len(NAMES) ** 2
        ).reshape(len(NAMES), -1),
    }


def summary(found: list[dict[str, Any]]) -> dict[str, Any]:
    """F1 for each colour and over all, and the share of drawn pixels that are right."""
    colours, total = {}, np.zeros(3, dtype=int)
    for name in NAMES:
        counts = np.array([
            sum(name in f["said"] and name in f["told"] for f in found),
            sum(name in f["said"] and name not in f["told"] for f in found),
            sum(name not in f["said"] and name in f["told"] for f in found),
        ])  # fmt: skip
        total += counts
        colours[name] = {"told": int(counts[0] + counts[2]), "said": int(counts[0] + counts[1]), "F1": f1(counts)}
    confusion = sum(f["confusion"] for f in found)
    drawn = int(confusion.sum())
    always = sum(
        np.array([len(CONSTANT & f["told"]), len(CONSTANT - f["told"]), len(f["told"] - CONSTANT)]) for f in found
    )
    return {
        "pictures": len(found),
        "colours": colours,
        "F1 over all colours": f1(total),
        "F1 of always saying light brown and dark brown": f1(always),
        "pictures with drawn regions": sum(bool(f["confusion"].any()) for f in found),
        "drawn pixels": drawn,
        "share of drawn pixels right": round(float(np.trace(confusion)) / drawn, 3) if drawn else None,
        "share of the commonest drawn colour": round(float(confusion.sum(axis=1).max()) / drawn, 3) if drawn else None,
        "drawn (row) as said (column)": {
            name: dict(zip(NAMES, row.tolist(), strict=True))
            for name, row in zip(NAMES, confusion, strict=True)
            if row.any()
        },
    }


def f1(counts: np.ndarray) -> float | None:
    """2 TP / (2 TP + FP + FN); None where there is nothing to find and nothing was found."""
    true, wrong, missed = counts
    return round(float(2 * true / (2 * true + wrong + missed)), 3) if counts.sum() else None


def opened(path: Path) -> np.ndarray:
    """A mask as bool."""
    return np.asarray(Image.open(path).convert("L")) > 127


def word(colour: str) -> str:
    """PH2's word for a colour as ours."""
    return colour if colour == "blue-gray" else colour.replace("-", " ")


if __name__ == "__main__":
    main()
