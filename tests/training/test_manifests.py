"""A labelled folder becomes examples: names map to targets, paths stay inside, broken lines are told."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wetread.errors import RefusedInput
from wetread.terminology import Modality
from wetread.training.manifests import index, instance_boxes, is_holdout, read_manifest, split, tight_box

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


def write_manifest(folder: Path, *items: dict | str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    lines = [item if isinstance(item, str) else json.dumps(item) for item in items]
    (folder / "manifest.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def save(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


@pytest.fixture
def picture_folder(tmp_path: Path) -> Path:
    save(tmp_path / "a.png", np.full((20, 30, 3), 120, np.uint8))
    left, right = np.zeros((20, 30), np.uint8), np.zeros((20, 30), np.uint8)
    left[2:5, 3:9] = 255
    right[10:12, 20:25] = 255
    save(tmp_path / "left.png", left)
    save(tmp_path / "right.png", right)
    labels = np.zeros((20, 30), np.uint16)
    labels[1:3, 1:4] = 1
    labels[6:9, 10:15] = 700
    save(tmp_path / "cells.png", labels)
    return tmp_path


def item(**fields: object) -> dict:
    return {"id": "a", "modality": "CT", "image": "a.png", "group": "p1", **fields}


def test_synonyms_of_one_target_become_one_mask(picture_folder: Path) -> None:
    masks = [{"label": "kidney_left", "path": "left.png"}, {"label": "Kidney_Right", "path": "right.png"}]
    example = index(write_manifest(picture_folder, item(masks=masks)))[0].load()
    assert set(example.masks) == {"kidneys"}
    assert example.masks["kidneys"].sum() == 3 * 6 + 2 * 5
    assert example.boxes == {"kidneys": ((3.0, 2.0, 25.0, 12.0),)}
    assert example.picture.shape == (20, 30, 3)
    assert example.picture.dtype == np.uint8


def test_a_label_without_a_target_keeps_its_name(picture_folder: Path) -> None:
    entries = index(write_manifest(picture_folder, item(masks=[{"label": " Gizmo ", "path": "left.png"}])))
    assert entries[0].labels == ("gizmo",)
    assert entries[0].load().masks["gizmo"].sum() == 18


def test_a_value_picks_one_label_out_of_a_map(picture_folder: Path) -> None:
    masks = [
        {"label": "liver", "path": "cells.png", "value": 700},
        {"label": "spleen", "path": "cells.png", "value": 1},
    ]
    example = index(write_manifest(picture_folder, item(label_map="cells.png", masks=masks)))[0].load()
    assert example.masks["liver"].sum() == 15
    assert example.masks["spleen"].sum() == 6
    assert example.instances == {}


def test_an_instance_map_gives_the_union_and_a_box_for_each_object(picture_folder: Path) -> None:
    masks = [{"label": "nuclei (instances)", "path": "cells.png"}]
    line = item(modality="pathology", label_map="cells.png", masks=masks)
    example = index(write_manifest(picture_folder, line))[0].load()
    assert example.masks["nuclei"].sum() == 6 + 15
    assert example.instances["nuclei"] == ((1.0, 1.0, 4.0, 3.0), (10.0, 6.0, 15.0, 9.0))


def test_boxes_of_countable_targets_are_instances_and_others_are_not(picture_folder: Path) -> None:
    boxes = [{"label": "RBC", "xyxy": [1, 2, 3, 4]}, {"label": "rbc", "xyxy": [5, 6, 9, 9]},
             {"label": "lesion", "xyxy": [0, 0, 3, 3]}]  # fmt: skip
    example = index(write_manifest(picture_folder, item(modality="microscopy", boxes=boxes)))[0].load()
    assert example.boxes["red blood cells"] == ((1.0, 2.0, 3.0, 4.0), (5.0, 6.0, 9.0, 9.0))
    assert set(example.instances) == {"red blood cells"}
    assert example.masks == {}


@pytest.mark.parametrize("path", ["../outside.png", "/etc/hostname", "sub/../../outside.png", "..\\outside.png"])
def test_a_path_that_leaves_the_folder_is_never_opened(picture_folder: Path, path: str) -> None:
    save(picture_folder.parent / "outside.png", np.zeros((4, 4), np.uint8))
    manifest = read_manifest(write_manifest(picture_folder, item(), item(image=path)))
    assert len(manifest.entries) == 1
    assert "leaves the folder" in manifest.problems[0]
    assert "line 2" in manifest.problems[0]


def test_a_link_that_leads_out_of_the_folder_is_refused(picture_folder: Path) -> None:
    save(picture_folder.parent / "outside2.png", np.zeros((4, 4), np.uint8))
    (picture_folder / "link.png").symlink_to(picture_folder.parent / "outside2.png")
    manifest = read_manifest(write_manifest(picture_folder, item(), item(image="link.png")))
    assert "leaves the folder" in manifest.problems[0]


def test_broken_lines_are_told_and_the_rest_is_used(picture_folder: Path) -> None:
    broken = ["{not json", item(image="gone.png"), item(modality="smell"), {"id": "x"}, "[]",
              item(boxes=[{"label": "lesion", "xyxy": [5, 5, 2, 9]}]), item(masks=[{"label": "liver"}])]  # fmt: skip
    manifest = read_manifest(write_manifest(picture_folder, *broken, item(id="good")))
    assert [entry.id for entry in manifest.entries] == ["good"]
    assert len(manifest.problems) == len(broken)
    assert "missing" in manifest.problems[1]


def test_a_folder_without_a_usable_item_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RefusedInput, match=r"manifest\.jsonl"):
        index(tmp_path)
    with pytest.raises(RefusedInput, match="no usable item"):
        index(write_manifest(tmp_path, "{", ""))


def test_a_waveform_is_left_out_with_a_reason(picture_folder: Path) -> None:
    manifest = read_manifest(write_manifest(picture_folder, item(), {"id": "e", "modality": "ECG", "record": "r"}))
    assert "waveforms" in manifest.problems[0]


def test_a_mask_of_another_size_is_refused(picture_folder: Path) -> None:
    save(picture_folder / "small.png", np.ones((5, 5), np.uint8))
    entry = index(write_manifest(picture_folder, item(masks=[{"label": "liver", "path": "small.png"}])))[0]
    with pytest.raises(RefusedInput, match="picture's size"):
        entry.load()


def test_a_volume_gives_one_entry_a_slice(tmp_path: Path) -> None:
    import SimpleITK as sitk

    values = np.arange(4 * 6 * 5, dtype=np.int16).reshape(4, 6, 5)
    labels = np.zeros((4, 6, 5), np.uint8)
    labels[1, 2:4, 1:3], labels[2, 0, 0] = 1, 2
    for name, array in (("v.nii.gz", values), ("s.nii.gz", labels)):
        image = sitk.GetImageFromArray(array)
        image.SetSpacing((0.5, 0.7, 2.0))
        sitk.WriteImage(image, str(tmp_path / name))
    names = {"1": "anterior hippocampus", "2": "posterior hippocampus"}
    line = {"id": "v", "modality": "MR", "volume": "v.nii.gz", "seg": "s.nii.gz", "label_names": names, "group": "p"}
    write_manifest(tmp_path, line)
    entries = index(tmp_path)
    assert [entry.slice_index for entry in entries] == [0, 1, 2, 3]
    second = entries[1].load()
    assert second.volume == ("v", 1)
    assert second.picture.shape == (6, 5, 3)
    assert second.masks["hippocampus"].sum() == 4
    assert second.boxes["hippocampus"] == ((1.0, 2.0, 3.0, 4.0),)
    assert entries[0].load().boxes == {}
    whole = index(tmp_path, slices=False)
    assert len(whole) == 1
    volume = whole[0].load_volume()
    assert volume.masks["hippocampus"].sum() == 5
    assert volume.spacing == pytest.approx((0.5, 0.7, 2.0))
    with pytest.raises(ValueError, match="load_volume"):
        whole[0].load()


def test_the_first_and_last_half_percent_of_mr_grey_values_are_clipped(tmp_path: Path) -> None:
    values = np.zeros((1, 10, 100), np.float32)
    values[0] = np.arange(1000).reshape(10, 100)
    np.savez(tmp_path / "v.npz", imgs=values, gts=np.zeros((1, 10, 100), np.uint8))
    write_manifest(tmp_path, {"id": "v", "modality": "MR", "volume": "v.npz", "group": "p"})
    picture = index(tmp_path)[0].load().picture[..., 0].ravel()
    low, high = 0.005 * 999, 0.995 * 999
    expected = np.clip((np.arange(1000) - low) / (high - low), 0, 1) * 255
    assert np.abs(picture - expected).max() <= 0.51


def test_ct_grey_values_are_windowed_to_soft_tissue(tmp_path: Path) -> None:
    values = np.array([[[-1000, -160, 40, 240, 3000]]], np.int16)
    np.savez(tmp_path / "v.npz", imgs=values)
    write_manifest(tmp_path, {"id": "v", "modality": "CT", "volume": "v.npz", "group": "p"})
    assert index(tmp_path)[0].load().picture[0, :, 0].tolist() == [0, 0, 128, 255, 255]


def test_the_split_is_by_group_complete_and_the_same_everywhere(picture_folder: Path) -> None:
    items = [item(id=f"i{n}", group=f"patient {n // 3}") for n in range(300)]
    entries = index(write_manifest(picture_folder, *items))
    train, holdout = split(entries, "train"), split(entries, "holdout")
    assert len(train) + len(holdout) == len(split(entries, "all")) == 300
    assert not {e.group for e in train} & {e.group for e in holdout}
    assert 10 <= len({e.group for e in holdout}) <= 30
    # The first bytes of SHA-256 of a, b, c and d, as sha256sum prints them.
    assert [is_holdout(g) for g in ("a", "b", "c", "d")] == [0xCA % 5 == 0, 0x3E % 5 == 0, 0x2E % 5 == 0, 0x18 % 5 == 0]
    with pytest.raises(ValueError, match="Parts are"):
        split(entries, "test")  # type: ignore[arg-type]


def test_an_entry_travels_to_a_worker_process(picture_folder: Path) -> None:
    entry = index(write_manifest(picture_folder, item(masks=[{"label": "liver", "path": "left.png"}])))[0]
    copy = pickle.loads(pickle.dumps(entry))
    assert copy == entry
    assert np.array_equal(copy.load().masks["liver"], entry.load().masks["liver"])
    assert len(pickle.dumps(entry)) < 2000


def test_tight_box_and_instance_boxes_lie_on_pixel_edges() -> None:
    labels = np.zeros((4, 5), np.int64)
    labels[3, 4] = 2
    assert tight_box(labels > 0) == (4.0, 3.0, 5.0, 4.0)
    assert instance_boxes(labels) == ((4.0, 3.0, 5.0, 4.0),)


@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data is absent")
@pytest.mark.parametrize(
    ("name", "entries", "label", "modality"),
    [
        ("micro_dsbowl_nuclei", 193, "nuclei", None),
        ("micro_bccd", 219, "red blood cells", Modality.MICROSCOPY),
        ("mr_hippocampus", 169, "hippocampus", Modality.MR),
    ],
)
def test_real_folders_are_read_whole(name: str, entries: int, label: str, modality: Modality | None) -> None:
    manifest = read_manifest(SHARED / name)
    assert len(manifest.entries) == entries
    assert manifest.problems == ()
    assert label in manifest.labels
    assert modality is None or {e.modality for e in manifest.entries} == {modality}
