"""Every mask of the real data is described, and its text read back without a contradiction."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wetread.commands.gallery import describe_entry, entries_of
from wetread.commands.mask_files import read_picture_labels
from wetread.regions import describe
from wetread.regions.facts import region_facts, told
from wetread.regions.text import parse

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
needs_data = pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data is not there")
SAMPLED = 15


def check(entries: list) -> tuple[int, int]:
    """Describe and re-parse; items and regions seen."""
    items = regions = 0
    for number, entry in enumerate(entries):
        description = describe_entry(entry, seed=number)
        read = parse(description.text)
        assert read.regions == tuple(region_facts(description, r) for r in told(description)), entry.id
        for region, text in zip(description.regions, description.sentences, strict=True):
            assert parse(text).regions == (region_facts(description, region),), entry.id
        items, regions = items + 1, regions + len(description.regions)
    return items, regions


@needs_data
def test_a_sample_of_all_real_masks_is_described_without_contradiction() -> None:
    entries = [e for e in entries_of(SHARED, []) if e.kind == "picture"]
    items, regions = check(entries[:: max(len(entries) // SAMPLED, 1)])
    assert items >= SAMPLED
    assert regions >= items // 2


@needs_data
@pytest.mark.slow
def test_every_real_mask_is_described_without_contradiction() -> None:
    items, regions = check(list(entries_of(SHARED, [])))
    print(f"{items} items, {regions} regions")
    assert items >= 500


@needs_data
def test_masks_of_a_set_whose_modality_is_not_one() -> None:
    """The manifest says "CT/MR", which the reader of manifests leaves out; the files are described all the same."""
    folder = SHARED / "multi_sammed2d_demo"
    for line in (folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines():
        item = json.loads(line)
        image = np.asarray(Image.open(folder / item["image"]).convert("RGB"))
        masks = [read_picture_labels(folder / mask["path"]) > 0 for mask in item["masks"]]
        labels = [mask["label"] for mask in item["masks"]]
        description = describe(masks, image, None, "CT", labels)
        assert [region.label for region in description.regions] == labels
        assert parse(description.text).regions == tuple(region_facts(description, r) for r in told(description))
