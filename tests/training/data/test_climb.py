"""CLIMB's two layouts, read as items; what is broken is counted, named and survived."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from climb_phantoms import CHEXPERT, climb_root, consolidated, picture, turn, write_lines
from wetread.cli import main
from wetread.errors import RefusedInput
from wetread.findings import Box, BoxFrame
from wetread.training.data.check import check
from wetread.training.data.climb import open_climb
from wetread.training.data.climb_catalogue import CLIMB_SETS, find_set
from wetread.training.data.climb_masks import frame_masks
from wetread.training.data.item import TrainingItem
from wetread.training.data.stream import FaultyItem, ItemStream


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = climb_root(tmp_path_factory.mktemp("climb"))
    consolidated(folder)
    return folder


def items(root: Path, name: str, part: str = "train") -> list[TrainingItem]:
    return list(ItemStream(open_climb(root, part, [name]), shuffle=False))


def faults(source: object) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for index in range(len(source)):
        try:
            source[index]
        except FaultyItem as error:
            found.setdefault(error.kind, []).append(int(error.where.rsplit(":", 1)[1]))
    return found


def test_the_catalogue_has_the_45_sets_of_the_list_and_the_30_of_the_tables() -> None:
    assert len(CLIMB_SETS) == 45
    assert sum(one.trained for one in CLIMB_SETS) == 30
    keys = [one.key for one in CLIMB_SETS if one.folder]
    assert len(set(keys)) == len(keys)
    assert find_set("mammo", "vindr").name == "VinDr-Mammo"
    assert find_set("chest_xray", "VINDR").name == "VinDr-CXR"


def test_a_line_becomes_an_item(root: Path) -> None:
    first = open_climb(root, "train", ["chexpert_full"])[0][0]
    assert first.question.startswith("Above is a chest X-ray image of a patient.")
    assert first.label_set == CHEXPERT
    assert (first.domain, first.dataset) == ("chest_xray", "chexpert_full")
    assert (first.answer, first.labels) == ("No Finding", ("No Finding",))
    assert first.group == "chest_xray/chexpert_full:patient00000"
    assert first.demographics == {"sex": "Male", "age": "40"}
    assert first.location == "chest_xray/chexpert_full/annotation_train.jsonl:1"
    assert first.pictures()[0].shape == (40, 60, 3)


def test_faulty_lines_are_told_by_line_number(root: Path) -> None:
    assert faults(open_climb(root, "train", ["chest_xray/chexpert_full"])[0]) == {
        "broken line": [9, 11, 15],
        "missing image": [12],
        "empty answer": [13],
        "path leaves the folder": [14],
    }


def test_masks_beside_the_picture_are_found_and_joined(root: Path) -> None:
    two, one, _, none = items(root, "busi")
    assert two.load_mask().sum() == 10 * 20 + 25
    assert one.load_mask().sum() == 10 * 20
    assert one.load_mask().shape == one.pictures()[0].shape[:2] == (40, 60)
    assert none.mask is None
    assert none.extra == {"missing": "mask"}


def test_a_patch_takes_its_part_of_the_region_s_mask(root: Path) -> None:
    (patch,) = items(root, "bcss")
    mask = patch.load_mask()
    assert mask.shape == patch.pictures()[0].shape[:2] == (120, 230)
    rows, columns = np.nonzero(mask)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (10, 109, 10, 209)


def test_a_video_shows_evenly_spaced_frames_and_its_volume_s_masks_lie_on_them(root: Path) -> None:
    (case,) = items(root, "kits23")
    assert case.group == "ct/kits23:case_00001"
    grey = [int(picture.mean()) for picture in case.pictures(frames=4)]
    assert grey == pytest.approx([0, 40, 100, 160], abs=6)
    masks = frame_masks(Path(case.extra["volume_mask"]), 4)
    assert [int(mask.sum()) for mask in masks] == [0, 0, 0, 60]
    assert masks[3].shape == case.pictures(frames=4)[3].shape[:2]


def test_a_question_may_show_two_images(root: Path) -> None:
    (item,) = items(root, "hemorrhage")
    assert len(item.pictures()) == 2
    assert item.label_set == ("No Hemorrhage", "Has Hemorrhage")


def test_the_consolidated_file_is_read_with_masks_boxes_and_waveforms(root: Path) -> None:
    (source,) = open_climb(root / "geom_train.jsonl")
    derm, box, mammo, video, ecg, maskless = (source[i] for i in range(6))
    assert derm.load_mask().sum() == 200
    assert derm.demographics == {"sex": "Male", "age": "68"}
    assert box.boxes == (Box(10, 5, 60, 40, BoxFrame.IMAGE),)
    assert (mammo.domain, mammo.dataset, mammo.group) == ("mammo", "vindr", "mammo/vindr:" + "0" * 32)
    assert (video.domain, video.dataset, len(video.pictures())) == ("ultrasound", "covid_us", 4)
    assert ecg.load_waveforms()[0].shape == (8, 2500)
    assert ecg.labels == ("MI", "A. Fib/Aflutter")
    assert maskless.mask is None
    assert maskless.extra == {"missing": "mask"}
    assert faults(source) == {
        "unusable box": [7], "more placeholders than images": [8], "broken line": [9],
        "path leaves the folder": [10], "missing image": [11],
    }  # fmt: skip
    assert box.loaded().is_loaded


def test_a_tensor_file_never_runs_code(tmp_path: Path) -> None:
    import pickle

    class Bad:
        def __reduce__(self) -> tuple:
            return (os.mkdir, (str(tmp_path / "ran"),))

    (tmp_path / "x.pt").write_bytes(pickle.dumps(Bad()))
    line = {"problem": "What?", "answer": "MI", "time-series": ["x.pt"]}
    (item,) = ItemStream(open_climb(write_lines(tmp_path / "a.jsonl", [line])))
    with pytest.raises(RefusedInput, match="unreadable waveform"):
        item.load_waveforms()
    assert not (tmp_path / "ran").exists()


def test_a_link_out_of_the_data_set_is_not_followed_but_a_data_set_may_be_a_link(tmp_path: Path) -> None:
    picture(tmp_path / "elsewhere" / "a.jpg")
    picture(tmp_path / "secret.jpg")
    (tmp_path / "elsewhere" / "b.jpg").symlink_to(tmp_path / "secret.jpg")
    (tmp_path / "root" / "derm").mkdir(parents=True)
    (tmp_path / "root" / "derm" / "mine").symlink_to(tmp_path / "elsewhere")
    lines = [turn("What?", "x", images=["a.jpg"]), turn("What?", "x", images=["b.jpg"])]
    write_lines(tmp_path / "elsewhere" / "annotation_train.jsonl", lines)
    (source,) = open_climb(tmp_path / "root", "train")
    assert source[0].pictures()[0].shape == (40, 60, 3)
    assert faults(source) == {"path leaves the folder": [2]}
    whole = write_lines(tmp_path / "root" / "all.jsonl",
                        [{"problem": "What?", "answer": "x", "images": ["derm/mine/a.jpg"]}])  # fmt: skip
    assert open_climb(whole)[0][0].dataset == "mine"


def test_nothing_there_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(RefusedInput, match="no annotation_train"):
        open_climb(tmp_path)
    with pytest.raises(RefusedInput, match="no folder"):
        check(tmp_path / "none")


def test_check_says_what_is_complete_broken_and_absent(root: Path) -> None:
    report = check(root, progress=False)
    sets = report["sets"]
    assert sets["derm/isic2020"]["state"] == "complete"
    assert sets["chest_xray/chexpert_full"]["state"] == "broken"
    assert sets["ecg/CPSC"]["state"] == "not on disk"
    assert len(sets["chest_xray/chexpert_full"]["label_sets"][0]["labels"]) == 14
    assert sets["chest_xray/chexpert_full"]["lines"] == {"train": 14, "valid": 2}
    assert sets["ultrasound/busi"]["faults"]["counts"] == {"missing mask": 1}
    assert sets["ultrasound/busi"]["groups_of_several_parts"] == 1
    assert sets["consolidated/geom_train.jsonl"]["faults"]["total"] == 5


def test_check_is_a_command(root: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["data", "check", str(root), "--json", "--quiet"]) == 0
    assert json.loads(capsys.readouterr().out)["sets"]["ct/kits23"]["masks"] == 2
    assert main(["data", "check", str(root), "--quiet"]) == 0
    assert "annotation_train.jsonl:14" in capsys.readouterr().out
    assert main(["data", "check", str(root / "none"), "--quiet"]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1
