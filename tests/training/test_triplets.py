"""Triplets: every layout in its published form, broken items listed and skipped, runs that go on where they were."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

import labelled_sets
from wetread.cli import main
from wetread.errors import RefusedInput
from wetread.terminology import Modality, find_target
from wetread.training.layouts import rle
from wetread.training.layouts.coco import region_mask
from wetread.training.layouts.detecting import Layout
from wetread.training.layouts.picture import BadItem, Options, inside
from wetread.training.layouts.slices import chosen_slices
from wetread.training.triplet_questions import KINDS
from wetread.training.triplets import Request, build, make_plan, read_triplets

ENDOSCOPY = Options(Modality.ENDOSCOPY)
# layout -> (how it is drawn, options, good samples, targets, bad items, without a mask, licence)
SETS = {
    "biomedparse": (labelled_sets.biomedparse, Options(), 7, {"left hippocampus", "brain tumor", "glands"}, 5, 0,
                    "unknown"),
    "coco": (labelled_sets.coco, ENDOSCOPY, 2, {"polyp"}, 4, 1, "CC BY 4.0"),
    "labelmaps": (labelled_sets.labelmaps, Options(), 2, {"liver", "left kidney"}, 4, 0, "CC0"),
    "decathlon": (labelled_sets.decathlon, Options(), 4, {"hippocampus", "gizmo"}, 3, 0, "CC-BY-SA 4.0"),
    "dicom-seg": (labelled_sets.dicom_seg, Options(), 2, {"liver", "liver tumor"}, 1, 0, "unknown"),
    "manifest": (labelled_sets.manifest, Options(), 2, {"liver", "nuclei"}, 1, 1, "CC0"),
    "ledger": (labelled_sets.ledger, Options(), 2, {"lung nodule", "right lung"}, 2, 1, "own"),
}  # fmt: skip


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """A function: layout -> its folder, drawn once."""
    made: dict[str, Path] = {}

    def folder(name: str) -> Path:
        if name not in made:
            root = tmp_path_factory.mktemp(name) / "set"
            root.mkdir()
            made[name] = SETS[name][0](root)
        return made[name]

    return folder


def request(source: Path, out: Path, **more: object) -> Request:
    return Request(source, out, **{"workers": 1, "shard_items": 2} | more)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.parametrize("kind", ["webdataset", "parquet"])
@pytest.mark.parametrize("name", SETS)
def test_every_layout_is_found_and_read_and_its_broken_items_are_listed(name, kind, sets, tmp_path):
    _, options, samples, targets, bad, unmarked, licence = SETS[name]
    source, out = sets(name), tmp_path / "out"
    manifest = build(request(source, out, options=options, kind=kind, overlay=True))
    assert manifest["source"]["layout"] == name
    assert (manifest["samples"], manifest["bad_items"], manifest["unmarked_items"]) == (samples, bad, unmarked)
    assert set(manifest["targets"]) == targets
    assert manifest["licences"] == {licence: samples}
    assert set(manifest["questions"]) <= set(KINDS)
    lines = [json.loads(line) for line in (out / "bad_items.jsonl").read_text().splitlines()]
    assert len(lines) == bad
    assert all(line["item"] and line["reason"] for line in lines)
    assert b"".join(contents(out).values()).count(str(source).encode()) == 0
    triplets = list(read_triplets(out))
    assert len(triplets) == samples
    for triplet in triplets:
        data = triplet.data
        assert triplet.image.shape[:2] == tuple(data["size"]) == triplet.overlay.shape[:2]
        assert len(triplet.masks) == len(data["regions"]) > 0
        assert all(mask.any() for mask in triplet.masks)
        assert data["text"]
        assert len(data["group"]) == 16
        assert (triplet.image != triplet.overlay).any(axis=2).sum() <= np.logical_or.reduce(triplet.masks).sum()
        for region in data["regions"]:
            target = find_target(region["label"])
            assert region["code"] == (target and {"value": target.type.code, "scheme": target.type.scheme,
                                                  "meaning": target.type.meaning})  # fmt: skip


def test_masks_are_those_of_the_source(sets, tmp_path):
    build(request(sets("labelmaps"), tmp_path))
    expected = {name: labelled_sets.drawn(number)[1] for number, name in enumerate(("images/0.png", "images/1.png"))}
    for triplet in read_triplets(tmp_path):
        values = {"liver": 1, "left kidney": 2}
        for mask, region in zip(triplet.masks, triplet.data["regions"], strict=True):
            assert np.array_equal(mask, expected[triplet.data["id"]] == values[region["label"]])
        assert {r["side"] for r in triplet.data["regions"]} == {"", "left"}


def test_a_picture_is_passed_on_byte_for_byte(sets, tmp_path):
    build(request(sets("coco"), tmp_path, options=ENDOSCOPY))
    given = {path.read_bytes() for path in (sets("coco") / "images").iterdir()}
    assert {triplet.sample.image for triplet in read_triplets(tmp_path)} <= given


def test_a_segmentation_lies_on_the_image_that_its_frames_name(sets, tmp_path):
    build(request(sets("dicom-seg"), tmp_path))
    planes = {}
    for triplet in read_triplets(tmp_path):
        assert triplet.data["spacing_mm"] is not None
        for mask, region in zip(triplet.masks, triplet.data["regions"], strict=True):
            planes.setdefault(region["label"], []).append(int(mask.sum()))
    # Of planes 1, 2 and 4, each an L that is three pixels larger than the last: the fullest and the one before it.
    first = 12 * 4 + 3 * 5
    assert sorted(planes["liver"]) == [first + 3, first + 6]
    assert planes["liver tumor"] == [first]


def test_volumes_keep_their_millimetres(sets, tmp_path):
    build(request(sets("decathlon"), tmp_path))
    for triplet in read_triplets(tmp_path):
        assert triplet.data["spacing_mm"] == [0.5, 0.5]
        mask, region = triplet.masks[0], triplet.data["attributes"]["regions"][0]
        assert region["size"]["area_mm2"] == pytest.approx(mask.sum() * 0.25)


def test_nifti_label_maps_give_slices(tmp_path):
    source = labelled_sets.labelmaps(tmp_path / "set", "nii.gz")
    manifest = build(request(source, tmp_path / "out"))
    assert manifest["samples"] == 4
    assert manifest["modalities"] == {"CT": 4}


def test_many_objects_are_described_as_one_region_a_target(sets, tmp_path):
    build(request(sets("manifest"), tmp_path))
    cells = next(t for t in read_triplets(tmp_path) if t.data["modality"] == "pathology")
    assert [region["label"] for region in cells.data["regions"]] == ["nuclei"]
    assert cells.masks[0].sum() == 300 * 4


def test_questions_have_one_answer_each_and_it_is_true(sets, tmp_path):
    build(request(sets("biomedparse"), tmp_path))
    for triplet in read_triplets(tmp_path):
        regions = {(r["mask"], r["value"]): r for r in triplet.data["regions"]}
        kinds = {question["kind"] for question in triplet.data["questions"]}
        assert kinds >= {"colour to class", "class to colour", "colour to location", "class to mask"}
        for question in triplet.data["questions"]:
            for place in map(tuple, question["masks"]):
                region = regions[place]
                told = {"colour to class": "label", "class to colour": "colour", "colour to location": "place",
                        "location to mask": "label", "class to mask": "label"}[question["kind"]]  # fmt: skip
                assert region[told] in question["answer"]


def test_two_workers_give_the_bytes_of_one(sets, tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    build(request(sets("biomedparse"), one, workers=1))
    build(request(sets("biomedparse"), two, workers=2))
    assert contents(one) == contents(two)


def test_a_run_that_was_killed_goes_on_and_ends_with_the_same_bytes(tmp_path):
    source = labelled_sets.biomedparse(tmp_path / "set", count=24)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    build(request(source, whole))
    command = [sys.executable, "-m", "wetread", "triplets", str(source), "--out", str(broken), "--workers", "1",
               "--shard-size", "2", "--quiet"]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not list(broken.glob("shard-*.tar")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    finished = {path.name: path.stat().st_mtime_ns for path in broken.glob("shard-*.json")}
    assert not (broken / "manifest.json").exists(), "killed too late to show anything"
    (broken / "shard-000001.tar.part").write_bytes(b"torn")
    build(request(source, broken, workers=2))
    assert contents(broken) == contents(whole)
    assert all((broken / name).stat().st_mtime_ns == when for name, when in finished.items())


def test_a_finished_folder_is_left_as_it_is(sets, tmp_path):
    first = build(request(sets("manifest"), tmp_path))
    times = {path: path.stat().st_mtime_ns for path in tmp_path.glob("shard-*")}
    assert build(request(sets("manifest"), tmp_path)) == first
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("shard-*")} == times


def test_labels_that_changed_since_are_not_taken_for_finished(tmp_path):
    (tmp_path / "set").mkdir()
    source = labelled_sets.labelmaps(tmp_path / "set")
    build(request(source, tmp_path / "out"))
    names = source / "labels.json"
    names.write_text(names.read_text(encoding="utf-8").replace("liver", "spleen"), encoding="utf-8")
    with pytest.raises(RefusedInput, match="another source"):
        build(request(source, tmp_path / "out"))


def test_the_plan_does_not_depend_on_where_the_source_lies(tmp_path):
    plans = []
    for place in ("here", "there"):
        (tmp_path / place / "set").mkdir(parents=True)
        source = labelled_sets.biomedparse(tmp_path / place / "set")
        plans.append(make_plan(request(source, tmp_path / "out")).fingerprint)
    assert plans[0] == plans[1]


def test_another_seed_is_refused_in_a_folder_that_has_triplets(sets, tmp_path):
    build(request(sets("manifest"), tmp_path))
    with pytest.raises(RefusedInput, match="another source, seed or setting"):
        build(request(sets("manifest"), tmp_path, seed=1))


@pytest.mark.parametrize("world", [1, 2, 5])
@pytest.mark.parametrize("seed", [None, 3])
def test_ranks_share_the_triplets(sets, tmp_path, world, seed):
    build(request(sets("biomedparse"), tmp_path))
    keys = [[t.key for t in read_triplets(tmp_path, seed=seed, rank=rank, world=world)] for rank in range(world)]
    assert sorted(key for share in keys for key in share) == sorted(t.key for t in read_triplets(tmp_path))
    assert keys[0] == [t.key for t in read_triplets(tmp_path, seed=seed, rank=0, world=world)]
    if seed is not None and world == 1:
        assert keys[0] != sorted(keys[0])


def test_a_dry_run_writes_nothing(sets, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["triplets", str(sets("labelmaps")), "--out", str(out), "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "labelmaps" in said
    assert "Nothing was written" in said
    assert not out.exists()


def test_the_command_builds(sets, tmp_path, capsys):
    out = tmp_path / "out"
    arguments = ["triplets", str(sets("coco")), "--out", str(out), "--modality", "endoscopy", "--layout", "coco",
                 "--format", "parquet", "--limit", "4", "--workers", "1", "--quiet"]  # fmt: skip
    assert main(arguments) == 0
    assert "polyp 2" in capsys.readouterr().out
    assert [path.name for path in out.glob("*.parquet")] == ["shard-000000.parquet"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"shard_items": 0}, "shard-size"), ({"limit": 0}, "limit"), ({"workers": -1}, "workers"),
     ({"layout": Layout.DICOM_SEG}, "no usable item")],
)  # fmt: skip
def test_what_cannot_be_built_is_refused_before_anything_is_written(sets, tmp_path, change, reason):
    out = tmp_path / "out"
    with pytest.raises(RefusedInput, match=reason):
        build(request(sets("manifest"), out, **change))
    assert not out.exists()


def test_output_and_source_may_not_lie_in_one_another(sets, tmp_path):
    with pytest.raises(RefusedInput, match="lie in one another"):
        build(request(sets("manifest"), sets("manifest") / "out"))
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(RefusedInput, match="other files"):
        build(request(sets("manifest"), tmp_path))


def test_a_folder_of_nothing_is_refused(tmp_path):
    with pytest.raises(RefusedInput, match="no known layout"):
        make_plan(request(tmp_path, tmp_path / "out"))
    with pytest.raises(RefusedInput, match="no such folder"):
        make_plan(request(tmp_path / "none", tmp_path / "out"))


@pytest.mark.parametrize("name", ["../a", "/etc/passwd", "a/../../b", "", "C:\\a", "..\\a", "link", "none.png"])
def test_no_name_in_a_data_set_leads_out_of_it(name, tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "a").write_text("secret")
    (root / "link").symlink_to(tmp_path / "a")
    with pytest.raises(BadItem):
        inside(root, name)


def test_key_slices_are_the_fullest_and_its_neighbours():
    mask = np.zeros((20, 8, 8), dtype=bool)
    for plane, side in zip(range(4, 13), (1, 2, 3, 4, 6, 4, 3, 2, 1), strict=True):
        mask[plane, :side, :side] = True
    assert chosen_slices({"liver": mask}) == [6, 8, 10]
    assert chosen_slices({"liver": np.zeros_like(mask)}) == []


masks = arrays(bool, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=40), elements=st.booleans())


@given(masks)
@settings(max_examples=60, deadline=None)
def test_run_lengths_give_the_mask_back(mask):
    counts = rle.encode(mask)
    assert np.array_equal(rle.decode(counts, *mask.shape), mask)
    assert rle.unpack(rle.pack(counts)) == counts
    for form in (counts, rle.pack(counts)):
        assert np.array_equal(region_mask({"size": list(mask.shape), "counts": form}, *mask.shape), mask)


@given(st.lists(st.integers(0, 10**7), max_size=30))
@settings(max_examples=60, deadline=None)
def test_any_counts_survive_the_string(counts):
    assert rle.unpack(rle.pack(counts)) == counts


def test_the_string_is_cocos_own():
    """Worked out by hand by the rule of rleToString: 19 -> c0, 3, 6, three differences of 0, 50 - 6 = 44 -> \\1."""
    mask = np.zeros((9, 10), dtype=bool)
    mask[1:4, 2:5] = True
    assert rle.encode(mask) == [19, 3, 6, 3, 6, 3, 50]
    assert rle.pack(rle.encode(mask)) == "c036000\\1"


@pytest.mark.parametrize(
    "drawing",
    [[], [[1, 2, 3]], [[0, 0, 1, 1, "x", 2]], {"size": [4, 5], "counts": [20]}, {"size": [8, 8], "counts": "\x00"},
     {"size": [8, 8], "counts": [-1, 65]}, {"size": [8, 8]}, None, 3, [[0, 0, float("nan"), 1, 2, 2]]],
)  # fmt: skip
def test_broken_drawings_are_bad_items(drawing):
    with pytest.raises(BadItem):
        region_mask(drawing, 8, 8)


def test_a_polygon_marks_the_pixels_whose_centres_it_holds():
    mask = region_mask([[2, 1, 6, 1, 6, 4, 2, 4]], 8, 8)
    expected = np.zeros((8, 8), dtype=bool)
    expected[1:4, 2:6] = True
    assert np.array_equal(mask, expected)


def test_webdataset_reads_the_shards(sets, tmp_path):
    import webdataset

    build(request(sets("ledger"), tmp_path))
    found = list(webdataset.WebDataset([str(p) for p in sorted(tmp_path.glob("*.tar"))], shardshuffle=False))
    assert [item["__key__"] for item in found] == [t.key for t in read_triplets(tmp_path)]
    assert all({"png", "mask0.png", "json"} <= set(item) for item in found)
