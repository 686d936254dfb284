"""A labelled folder through imaging and a reader, measured at the original resolution.

The reader here is a double that looks: it marks what is bright in the Sample it is given. Pictures are
drawn so that bright pixels are the truth, or known to differ from it, and every figure follows by counting.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wetread.errors import ModelUnavailable, RefusedInput
from wetread.evaluation.evaluate import evaluate
from wetread.evaluation.report import markdown
from wetread.evaluation.truths import load_case
from wetread.findings import Box, BoxFrame, Finding, Mask, Provenance, Read
from wetread.imaging import load_sample
from wetread.imaging.sample import Sample
from wetread.model.prompts import asked_label
from wetread.terminology import Modality, find_target
from wetread.training.manifests import index, is_holdout

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


class BrightReader:
    """Marks bright pixels as whatever it is asked for, except where it abstains."""

    def __init__(self, abstain_on: Modality | None = None) -> None:
        self.abstain_on = abstain_on
        self.questions: list[str] = []

    def read(self, sample: Sample, question: str | None = None) -> Read:
        assert question is not None
        self.questions.append(question)
        target = find_target(asked_label(question) or "")
        assert target is not None
        bright = np.stack([plane.picture()[..., 0] > 200 for plane in sample.planes])
        mask = Mask.from_dense(bright)
        findings: tuple[Finding, ...] = ()
        reason = f"not trained on {sample.modality.value}" if sample.modality is self.abstain_on else None
        if reason is None and not mask.is_empty:
            key = mask.key_plane
            findings = (Finding(target, "2.25.1", 0.9, key, mask.box(key), mask, self._parts(mask, key)),)
        made = Provenance("bright", "1", "0" * 64, "2.25.2", "0", 0, 1, 1, 0.0)
        return Read("2.25.3", question, "", findings, (), reason, "", made)

    def _parts(self, mask: Mask, plane: int) -> tuple[Box, ...]:
        from scipy.ndimage import find_objects, label

        found = find_objects(label(mask.planes[plane])[0])
        return tuple(Box(s[1].start, s[0].start, s[1].stop, s[0].stop, BoxFrame.IMAGE) for s in found)


def draw(path: Path, *boxes: tuple[int, int, int, int], values: int = 255) -> str:
    array = np.zeros((40, 60), np.uint8)
    for x_min, y_min, x_max, y_max in boxes:
        array[y_min:y_max, x_min:x_max] = values
    Image.fromarray(array).save(path)
    return path.name


def write(folder: Path, *items: dict) -> Path:
    (folder / "manifest.jsonl").write_text("\n".join(json.dumps(item) for item in items), encoding="utf-8")
    return folder


@pytest.fixture
def cells(tmp_path: Path) -> Path:
    """Two pictures of cells: on the first the truth is what is bright, on the second half of it is."""
    left, right = (5, 5, 15, 15), (30, 20, 40, 30)
    draw(tmp_path / "a.png", left, right)
    draw(tmp_path / "b.png", left, right)
    both = np.zeros((40, 60), np.uint16)
    both[5:15, 5:15], both[20:30, 30:40] = 1, 2
    one = np.where(both == 1, both, 0).astype(np.uint16)
    Image.fromarray(both).save(tmp_path / "a_labels.png")
    Image.fromarray(one).save(tmp_path / "b_labels.png")
    return write(
        tmp_path,
        *({"id": name, "modality": "microscopy", "image": f"{name}.png", "label_map": f"{name}_labels.png",
           "masks": [{"label": "nuclei (instances)", "path": f"{name}_labels.png"}], "group": name}
          for name in "ab"),
    )  # fmt: skip


def test_every_figure_follows_by_counting(cells: Path) -> None:
    reader = BrightReader()
    report = evaluate(data_dir=cells, reader=reader, progress=False, show=False)
    figures = report["labels"]["nuclei"]
    assert figures["dice"]["value"] == pytest.approx((1 + 2 * 100 / 300) / 2, abs=1e-6)
    # On the second picture the box holds both bright squares, 35 x 25, and the truth is one of 10 x 10.
    assert figures["box_iou"]["value"] == pytest.approx((1 + 100 / (35 * 25)) / 2, abs=1e-6)
    assert figures["instance_f1"]["value"] == pytest.approx(2 * 3 / (4 + 3), abs=1e-6)
    assert figures["ap50"]["value"] == pytest.approx(3 / 4, abs=1e-6)
    assert figures["presence_f1"]["value"] == 1.0
    assert (figures["items"], figures["present"], figures["absent"], figures["abstained"]) == (2, 2, 0, 0)
    assert reader.questions == ["Please segment nuclei in the given image."] * 2
    assert report["model"]["name"] == "bright"


def test_the_report_is_written_whole_and_printed_as_a_table(cells: Path, capsys: pytest.CaptureFixture) -> None:
    target = cells / "report.json"
    report = evaluate(data_dir=cells, reader=BrightReader(), json_path=target, progress=False)
    assert json.loads(target.read_text(encoding="utf-8")) == report
    assert not list(cells.glob("*.part"))
    printed = capsys.readouterr().out
    assert printed.strip() == markdown(report).strip()
    assert "| nuclei | 2 (2) | 0.833 [0.667, 1.000] |" in printed


def test_a_report_that_cannot_be_written_is_refused_before_anything_is_read(cells: Path) -> None:
    reader = BrightReader()
    for path in (cells / "none" / "r.json", cells):
        with pytest.raises(RefusedInput, match="cannot be written"):
            evaluate(data_dir=cells, reader=reader, json_path=path, progress=False)
    assert reader.questions == []


def test_an_abstention_is_counted_with_its_words_and_scores_nothing(cells: Path) -> None:
    report = evaluate(data_dir=cells, reader=BrightReader(Modality.MICROSCOPY), progress=False, show=False)
    figures = report["labels"]["nuclei"]
    assert figures["abstained"] == 2
    assert figures["dice"]["value"] == 0.0
    assert figures["presence_f1"]["value"] == 0.0
    assert report["abstentions"] == {"not trained on microscopy": 2}
    assert "abstained 2 times: not trained on microscopy" in markdown(report)


def test_labels_that_nobody_can_name_are_listed_and_not_asked(tmp_path: Path) -> None:
    draw(tmp_path / "a.png", (0, 0, 9, 9))
    folder = write(
        tmp_path,
        {
            "id": "a",
            "modality": "CT",
            "image": "a.png",
            "masks": [{"label": "gizmo", "path": "a.png"}, {"label": "liver", "path": "a.png"}],
        },
    )
    reader = BrightReader()
    report = evaluate(data_dir=folder, reader=reader, progress=False, show=False)
    assert list(report["labels"]) == ["liver"]
    assert "terminology" in report["skipped_labels"]["gizmo"]
    assert len(reader.questions) == 1
    only = write(
        tmp_path, {"id": "a", "modality": "CT", "image": "a.png", "masks": [{"label": "gizmo", "path": "a.png"}]}
    )
    with pytest.raises(RefusedInput, match="gizmo"):
        evaluate(data_dir=only, reader=reader, progress=False)


def test_a_label_that_an_item_does_not_list_is_absent_there(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        draw(tmp_path / f"{name}.png", *(() if name == "c" else ((0, 0, 9, 9),)))
    liver = [{"label": "liver", "path": "a.png"}]
    folder = write(tmp_path, *({"id": n, "modality": "CT", "image": f"{n}.png", "masks": liver if n == "a" else []}
                               for n in ("a", "b", "c")))  # fmt: skip
    figures = evaluate(data_dir=folder, reader=BrightReader(), progress=False, show=False)["labels"]["liver"]
    assert (figures["present"], figures["absent"]) == (1, 2)
    assert figures["dice"]["value"] == 1.0
    assert (figures["marked_where_absent"]["value"], figures["marked_where_absent"]["n"]) == (0.5, 2)
    assert figures["presence_f1"]["value"] == pytest.approx(2 / 3, abs=1e-6)


def test_boxes_without_masks_are_measured_as_boxes(tmp_path: Path) -> None:
    draw(tmp_path / "a.png", (5, 5, 15, 15), (30, 20, 40, 30))
    boxes = [{"label": "RBC", "xyxy": [5, 5, 15, 16]}, {"label": "RBC", "xyxy": [50, 30, 60, 40]}]
    folder = write(tmp_path, {"id": "a", "modality": "microscopy", "image": "a.png", "boxes": boxes})
    figures = evaluate(data_dir=folder, reader=BrightReader(), progress=False, show=False)["labels"]["red blood cells"]
    assert "dice" not in figures
    assert figures["box_iou"]["value"] == pytest.approx(35 * 25 / (55 * 35), abs=1e-6)
    assert figures["instance_f1"]["value"] == 0.5
    assert figures["ap50"]["value"] == pytest.approx(0.5 * 0.5)


def test_an_item_that_cannot_be_read_is_listed_and_the_others_are_measured(cells: Path) -> None:
    (cells / "a.png").write_bytes(b"not a picture")
    report = evaluate(data_dir=cells, reader=BrightReader(), progress=False, show=False)
    assert report["labels"]["nuclei"]["items"] == 1
    assert [one["item"] for one in report["refused_items"]] == ["a"]
    (cells / "b.png").write_bytes(b"not a picture")
    with pytest.raises(RefusedInput, match="none of 2 items"):
        evaluate(data_dir=cells, reader=BrightReader(), progress=False, show=False)


def test_weights_that_do_not_load_end_the_evaluation(cells: Path) -> None:
    class Broken(BrightReader):
        def read(self, sample: Sample, question: str | None = None) -> Read:
            raise ModelUnavailable("no weights", "model", "download it again")

    with pytest.raises(ModelUnavailable):
        evaluate(data_dir=cells, reader=Broken(), progress=False)


def test_parts_and_limits_choose_the_same_items_every_time(tmp_path: Path) -> None:
    draw(tmp_path / "a.png", (5, 5, 15, 15))
    items = [{"id": f"i{n}", "modality": "CT", "image": "a.png", "masks": [{"label": "liver", "path": "a.png"}],
              "group": f"g{n}"} for n in range(20)]  # fmt: skip
    folder = write(tmp_path, *items)

    def measured(**options: object) -> list[str]:
        report = evaluate(data_dir=folder, reader=BrightReader(), progress=False, show=False, **options)
        return [one["item"] for one in report["scores"]]

    held_out = [f"i{n}" for n in range(20) if is_holdout(f"g{n}")]
    assert measured(split="holdout") == held_out
    assert sorted([*measured(split="train"), *held_out]) == sorted(measured())
    assert measured(limit=4) == measured(limit=9)[:4]
    assert measured(limit=4) != measured()[:4]
    with pytest.raises(RefusedInput, match="limit"):
        measured(limit=0)
    with pytest.raises(RefusedInput, match="split"):
        measured(split="test")


@pytest.mark.parametrize("direction", [(1, 0, 0, 0, 1, 0, 0, 0, 1), (-1, 0, 0, 0, -1, 0, 0, 0, 1),
                                       (1, 0, 0, 0, 1, 0, 0, 0, -1), (0, 0, 1, 1, 0, 0, 0, 1, 0),
                                       (-1, 0, 0, 0, 0, 1, 0, 1, 0)])  # fmt: skip
@pytest.mark.parametrize("suffix", ["nii.gz", "npz"])
def test_volumes_are_compared_voxel_for_voxel_however_they_lie(
    tmp_path: Path, direction: tuple[int, ...], suffix: str
) -> None:
    import SimpleITK as sitk

    labels = (np.random.default_rng(5).random((4, 9, 7)) < 0.3).astype(np.uint8)
    labels[2] = 0
    values = labels.astype(np.int16) * 1000
    if suffix == "npz":
        np.savez(tmp_path / "v.npz", imgs=values, gts=labels, spacing=(0.5, 0.7, 2.0), origin=(3, 4, 5),
                 direction=direction)  # fmt: skip
        item = {"volume": "v.npz", "masks": [{"label": "hippocampus", "path": "v.npz"}]}
    else:
        for name, array in (("v", values), ("s", labels)):
            image = sitk.GetImageFromArray(array)
            image.SetSpacing((0.5, 0.7, 2.0))
            image.SetOrigin((3, 4, 5))
            image.SetDirection(direction)
            sitk.WriteImage(image, str(tmp_path / f"{name}.nii.gz"))
        item = {"volume": "v.nii.gz", "seg": "s.nii.gz", "label_names": {"1": "anterior hippocampus"}}
    folder = write(tmp_path, {"id": "v", "modality": "MR", "group": "p", **item})
    figures = evaluate(data_dir=folder, reader=BrightReader(), progress=False, show=False)["labels"]["hippocampus"]
    assert figures["dice"] == {"value": 1.0, "low": None, "high": None, "n": 3, "groups": 1}
    assert figures["volume_dice"]["value"] == 1.0
    assert figures["box_iou"]["value"] == 1.0
    assert (figures["marked_where_absent"]["value"], figures["marked_where_absent"]["n"]) == (0.0, 1)


def test_truth_on_another_grid_is_refused_rather_than_compared(tmp_path: Path) -> None:
    np.savez(tmp_path / "v.npz", imgs=np.zeros((3, 8, 8), np.int16), gts=np.zeros((3, 8, 8), np.uint8))
    line = {"id": "v", "modality": "MR", "volume": "v.npz", "masks": [{"label": "hippocampus", "path": "v.npz"}]}
    entry = index(write(tmp_path, line), slices=False)[0]
    case = load_case(entry)
    volume = entry.load_volume()
    from dataclasses import replace

    from wetread.evaluation.truths import voxels_of

    with pytest.raises(RefusedInput, match="voxels off"):
        voxels_of(replace(volume, spacing=(1.0, 1.3, 1.0)), case.sample)


@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data is absent")
@pytest.mark.parametrize("name", ["micro_dsbowl_nuclei", "micro_bccd", "ct_btcv2d"])
def test_training_sees_the_picture_that_a_read_sees(name: str) -> None:
    for entry in index(SHARED / name)[::60]:
        sample = load_sample(entry.file, entry.modality)
        assert np.array_equal(entry.load().picture, sample.planes[0].picture())


@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data is absent")
def test_training_sees_the_slices_that_a_read_sees() -> None:
    for entry in index(SHARED / "mr_hippocampus", slices=False)[::60]:
        volume, case = entry.load_volume(), load_case(entry)
        drawn = np.stack([volume.picture(i) for i in range(len(volume.values))]).astype(int)
        seen = np.stack([plane.picture() for plane in case.sample.planes]).astype(int)
        assert np.abs(drawn - seen).max() <= 1
