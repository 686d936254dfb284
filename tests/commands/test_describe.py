"""`wetread describe` with real kinds of file: pictures, label maps, NIfTI in another orientation, DICOM SEG."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from region_shapes import disc, ellipsoid
from wetread.cli import main
from wetread.regions.text import parse

MASK = disc(40, 40, 15)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    image = np.full((128, 128, 3), (220, 170, 150), np.uint8)
    image[MASK] = (90, 55, 40)
    Image.fromarray(image).save(tmp_path / "image.png")
    return tmp_path / "image.png"


def save(path: Path, labels: np.ndarray) -> Path:
    Image.fromarray(labels.astype(np.uint8)).save(path)
    return path


def described(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict:
    assert main(["describe", *map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_text_on_the_screen_and_two_files(picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mask, out = save(tmp_path / "mask.png", MASK * 255), tmp_path / "out"
    arguments = [str(picture), str(mask), "--modality", "dermoscopy", "--target", "skin lesion", "--out", str(out)]
    assert main(["describe", *arguments]) == 0
    text, written = capsys.readouterr().out.splitlines()
    assert "skin lesion" in text
    assert "round" in text
    assert sorted(p.name for p in out.iterdir()) == ["description.json", "overlay.png"]
    assert "overlay.png" in written
    kept = json.loads((out / "description.json").read_text())
    assert kept["text"] == text
    assert parse(text).regions[0] == parse(kept["regions"][0]["text"]).regions[0]
    drawn = np.asarray(Image.open(out / "overlay.png"))
    assert np.array_equal(drawn[~MASK], np.asarray(Image.open(picture))[~MASK])


@pytest.mark.parametrize("kind", ["label map", "colours", "smoothed", "jpeg", "npy", "palette"])
def test_masks_as_pictures(kind: str, picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = disc(95, 95, 9)
    path, count = tmp_path / "mask.png", 2
    if kind == "label map":
        save(path, MASK * 1 + other * 2)
    elif kind == "colours":
        save(path, np.stack([MASK * 200, other * 90, other * 10], axis=-1))
    elif kind == "palette":
        image = Image.fromarray((MASK * 1 + other * 2).astype(np.uint8), mode="P")
        image.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
        image.save(path)
    elif kind == "npy":
        path = tmp_path / "mask.npy"
        np.save(path, MASK.astype(np.int16) + 300 * other)
    else:
        from scipy.ndimage import gaussian_filter

        count = 1
        path = tmp_path / ("mask.jpg" if kind == "jpeg" else "mask.png")
        save(path, gaussian_filter(255.0 * MASK, 0.6))
    found = described(capsys, picture, path, "--modality", "endoscopy")
    assert len(found["regions"]) == count
    assert max(region["size"]["pixels"] for region in found["regions"]) == pytest.approx(MASK.sum(), rel=0.03)


def test_targets_in_order_and_by_value(picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = save(tmp_path / "mask.png", MASK * 1 + disc(95, 95, 9) * 5)
    for targets in (["polyp", "instrument"], ["5=instrument", "1=polyp"]):
        options = [word for target in targets for word in ("--target", target)]
        found = described(capsys, picture, path, "--modality", "endoscopy", *options)
        assert [region["label"] for region in found["regions"]] == ["polyp", "instrument"]


def test_a_nifti_mask_is_laid_on_through_millimetres(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import SimpleITK as sitk

    kidney = ellipsoid((6, 20, 12), (3, 6, 5), (14, 48, 60))
    values = np.random.default_rng(0).normal(40, 5, kidney.shape).astype(np.int16)
    values[kidney] += 60
    values[0, 0, 0] = -1000
    image, mask = sitk.GetImageFromArray(values), sitk.GetImageFromArray(kidney.astype(np.uint8))
    for volume in (image, mask):
        volume.SetSpacing((2.0, 2.0, 3.0))
        volume.SetOrigin((-60.0, -48.0, 0.0))
    sitk.WriteImage(image, str(tmp_path / "image.nii.gz"))
    sitk.WriteImage(mask, str(tmp_path / "mask.nii.gz"))
    turned = sitk.PermuteAxes(sitk.Flip(mask, (True, False, True)), (2, 0, 1))
    sitk.WriteImage(turned, str(tmp_path / "turned.nii.gz"))
    found = [
        described(capsys, tmp_path / "image.nii.gz", tmp_path / name, "--modality", "CT", "--target", "kidney")
        for name in ("mask.nii.gz", "turned.nii.gz")
    ]
    assert found[0]["regions"] == found[1]["regions"]
    region = found[0]["regions"][0]
    assert region["size"]["volume_ml"] == pytest.approx(kidney.sum() * 12 / 1000)
    assert region["location"]["laterality"] == "right"
    assert region["intensity"]["contrast"] == "higher"
    assert "hyperdense" in found[0]["text"]


def test_a_dicom_seg_brings_its_labels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import highdicom as hd
    from pydicom.data import get_testdata_file
    from pydicom.sr.codedict import codes

    source = get_testdata_file("CT_small.dcm", read=True)
    mask = disc(60, 50, 14).astype(np.uint8)
    about = hd.seg.SegmentDescription(
        1, "liver", codes.SCT.Organ, codes.SCT.Liver, hd.seg.SegmentAlgorithmTypeValues.MANUAL
    )
    seg = hd.seg.Segmentation(
        [source], mask[None], hd.seg.SegmentationTypeValues.BINARY, [about], hd.UID(), 1, hd.UID(), 1, "Wetread",
        "test", "0", "1",
    )  # fmt: skip
    seg.save_as(tmp_path / "seg.dcm")
    found = described(capsys, get_testdata_file("CT_small.dcm"), tmp_path / "seg.dcm")
    (region,) = found["regions"]
    assert (region["label"], region["size"]["pixels"]) == ("liver", int(mask.sum()))
    assert region["facts"]["mean_hu"] == round(region["intensity"]["mean"])


@pytest.mark.parametrize("trouble", ["missing", "size", "not a mask", "nothing", "language", "other images"])
def test_refusals_are_one_line(trouble: str, picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mask = save(tmp_path / "mask.png", MASK * 255)
    arguments = [str(picture), str(mask)]
    if trouble == "missing":
        arguments[1] = str(tmp_path / "none.png")
    elif trouble == "size":
        save(mask, MASK[:50] * 255)
    elif trouble == "not a mask":
        mask.write_bytes(b"no picture")
    elif trouble == "nothing":
        arguments = []
    elif trouble == "language":
        arguments += ["--language", "xx"]
    else:
        from pydicom.data import get_testdata_file

        arguments[1] = str(get_testdata_file("CT_small.dcm"))
    assert main(["describe", *arguments, "--out", str(tmp_path / "out")]) == 1
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert not list((tmp_path / "out").glob("*"))


def test_the_gallery_is_one_self_contained_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for modality, label in (("dermoscopy", "skin lesion"), ("endoscopy", "polyp")):
        folder = tmp_path / "data" / modality
        folder.mkdir(parents=True)
        image = np.full((128, 128, 3), (220, 170, 150), np.uint8)
        image[MASK] = (90, 55, 40)
        Image.fromarray(image).save(folder / "a.png")
        save(folder / "m.png", MASK * 255)
        item = {"id": "a<b>", "modality": modality, "image": "a.png", "group": "a",
                "masks": [{"label": label, "path": "m.png"}]}  # fmt: skip
        (folder / "manifest.jsonl").write_text(json.dumps(item) + "\n")
    assert main(["describe", "--gallery", str(tmp_path / "data"), "--out", str(tmp_path / "out")]) == 0
    page = (tmp_path / "out" / "index.html").read_text()
    assert page.count("<article") == 2
    assert page.count("data:image/png;base64,") == 4
    assert "a&lt;b&gt;" in page
    assert "http" not in page.replace("http-equiv", "")
    assert "prefers-color-scheme: dark" in page
