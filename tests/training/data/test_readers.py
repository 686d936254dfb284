"""Manifest folders, BiomedParse-style folders and the ledger's export as items."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wetread.errors import RefusedInput
from wetread.findings import Box, BoxFrame
from wetread.training.data.readers import LedgerLines, biomedparse_items, manifest_items
from wetread.training.data.stream import FaultyItem, ItemStream

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"


def draw(path: Path, *, rows: int = 30, columns: int = 50) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.zeros((rows, columns), np.uint8)
    values[5:15, 10:30] = 255
    Image.fromarray(values).save(path)
    return path.name


def test_a_manifest_asks_for_its_labels_and_its_diagnoses(tmp_path: Path) -> None:
    lines = []
    for number, diagnosis in enumerate(("benign", "malignant")):
        draw(tmp_path / f"{number}.png")
        draw(tmp_path / f"{number}_m.png")
        lines.append({"id": str(number), "modality": "ultrasound", "image": f"{number}.png", "group": f"p{number}",
                      "masks": [{"label": "lesion", "path": f"{number}_m.png"}], "diagnosis": diagnosis,
                      "boxes": [{"label": "calipers", "xyxy": [1, 2, 3, 4]}], "attrs": {"sex": "F"}})  # fmt: skip
    (tmp_path / "manifest.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    items = manifest_items(tmp_path)
    assert [items[i].answer for i in range(3)] == ["calipers", "lesion", "benign"]
    assert items[0].boxes == (Box(1, 2, 3, 4, BoxFrame.IMAGE),)
    assert items[1].question == "Please segment lesion in the given image."
    assert items[1].loaded().mask.sum() == 200
    assert items[2].label_set == ("benign", "malignant")
    assert items[2].load_mask().sum() == 200
    assert items[2].group == f"{tmp_path.name}:p0"
    assert items[2].demographics == {"sex": "F"}


def test_biomedparse_masks_become_items(tmp_path: Path) -> None:
    draw(tmp_path / "train" / "case_7_CT_abdomen.png")
    draw(tmp_path / "train_mask" / "case_7_CT_abdomen_left+kidney.png")
    draw(tmp_path / "train_mask" / "nobody_CT_abdomen_liver.png")
    items = biomedparse_items(tmp_path)
    (item,) = items.items
    assert (item.answer, item.domain, item.extra["site"]) == ("left kidney", "CT", "abdomen")
    assert item.group.endswith(":case_7")
    assert item.loaded().mask.sum() == 200
    with pytest.raises(RefusedInput, match="no folders test"):
        biomedparse_items(tmp_path, "test")


def test_the_ledger_s_verdicts_become_truth_and_rejections_are_counted(tmp_path: Path) -> None:
    draw(tmp_path / "a.png")
    draw(tmp_path / "m.png")
    base = {"image": "a.png", "group": "x1", "modality": "CT"}
    lesion = {"label": "lesion"}
    drawn = [{"verdict": "accept", "mask": "m.png"}, {"verdict": "correct", "box": [1, 2, 30, 20]}]
    lines = [
        base | {"findings": [lesion | one for one in (*drawn, {"verdict": "reject"}, {"verdict": "maybe"})]},
        base | {"image": "../a.png", "findings": [lesion | {"verdict": "add"}]},
        base | {"findings": [lesion | {"verdict": "add", "mask": "none.png"}]},
    ]
    (tmp_path / "ledger.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    source = LedgerLines(tmp_path / "ledger.jsonl")
    assert source[0].loaded().mask.sum() == 200
    assert source[1].boxes == (Box(1, 2, 30, 20, BoxFrame.IMAGE),)
    assert source[0].group == source[1].group == "ledger:x1"
    for number, kind in ((2, "rejected finding"), (3, "unknown verdict"), (4, "path leaves"), (5, "missing mask")):
        with pytest.raises(FaultyItem, match=kind):
            source[number]
    stream = ItemStream([source], load=True)
    assert len(list(stream)) == 6
    assert stream.faults.total == 4


@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data is not there")
def test_real_sets_load() -> None:
    for name in ("us_busi_seg", "micro_bccd"):
        items = manifest_items(SHARED / name, "holdout")
        loaded = items[0].loaded()
        assert loaded.is_loaded
        assert loaded.images[0].dtype == np.uint8
    volumes = manifest_items(SHARED / "mr_hippocampus", "holdout", slices=True)
    assert volumes[5].loaded().mask.shape == volumes[5].pictures()[0].shape[:2]


def test_triplets_become_items_with_the_mask_their_question_points_at(tmp_path: Path) -> None:
    from wetread.training.data import triplet_items
    from wetread.training.data.triplet_items import TripletItems
    from wetread.training.triplets import Request, build

    source = tmp_path / "set"
    lines = []
    for number in range(6):
        draw(source / f"{number}.png")
        draw(source / f"{number}_m.png")
        lines.append({"id": str(number), "modality": "ultrasound", "image": f"{number}.png", "group": f"p{number}",
                      "masks": [{"label": "lesion", "path": f"{number}_m.png"}]})  # fmt: skip
    (source / "manifest.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    build(Request(source, tmp_path / "out", workers=1, shard_items=4))
    items = TripletItems(tmp_path / "out", pixels_only=True)
    assert len(items) == 6
    seen = list(ItemStream([items], load=True, seed=1))
    assert {item.answer for item in seen} == {"lesion"}
    assert all(item.mask.sum() == 200 for item in seen)
    mixed = TripletItems(tmp_path / "out", seed=3)
    kinds = {mixed[i].extra["kind"] for i in range(6)}
    assert len(kinds) > 1
    for i in range(6):
        item = mixed[i].loaded()
        assert (item.mask is not None) == (item.extra["kind"] in ("location to mask", "class to mask"))
    min((tmp_path / "out").glob("*.tar")).write_bytes(b"torn")
    triplet_items._shard.cache_clear()
    with pytest.raises(FaultyItem, match="unreadable shard"):
        mixed[0]
    with pytest.raises(RefusedInput, match="no finished triplets"):
        TripletItems(tmp_path)
