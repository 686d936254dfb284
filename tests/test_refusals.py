"""What cannot be read is refused in one line that says what, where and what to do; nothing is left half-written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom import Dataset

import dicom_phantoms as phantoms
from wetread.cli import main
from wetread.errors import RefusedInput
from wetread.imaging import to_sample
from wetread.imaging.inflation import MAXIMUM_PLANES, check_count
from wetread.model.checkpoint import SHIPPED

needs_weights = pytest.mark.skipif(not (SHIPPED / "wetread-mini").is_dir(), reason="wetread-mini is not in the package")


def colour_ct() -> list[Dataset]:
    series = phantoms.ct_series(slices=2)
    for dataset in series:
        pixels = np.zeros((int(dataset.Rows), int(dataset.Columns), 3), dtype=np.uint8)
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PlanarConfiguration = 3, "RGB", 0
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 8, 8, 7, 0
        dataset.PixelData = pixels.tobytes()
    return series


@pytest.mark.parametrize(
    ("make", "said"),
    [(colour_ct, "3 samples per pixel"), (lambda: phantoms.ct_series(slices=4), "4 slices or frames in one read")],
    ids=["3-channel CT", "too many slices"],
)  # fmt: skip
def test_a_series_that_cannot_be_read_is_refused_in_one_line(
    make: Callable[[], list[Dataset]], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("wetread.imaging.inflation.MAXIMUM_PLANES", 3)
    phantoms.write(make(), tmp_path / "study")
    assert main(["read", str(tmp_path / "study"), "--out", str(tmp_path / "out"), "--quiet"]) == 1
    complaint = capsys.readouterr().err.strip()
    assert said in complaint
    assert "\n" not in complaint
    assert "Traceback" not in complaint
    assert not (tmp_path / "out").exists()


def test_ten_thousand_frames_of_one_instance_are_refused_before_they_are_decoded() -> None:
    (cine,) = phantoms.ultrasound_cine(frames=2)
    frame = cine.PixelData[: len(cine.PixelData) // 2]
    cine.NumberOfFrames = 10_000
    cine.PixelData = frame * 10_000
    with pytest.raises(RefusedInput, match="10,000 slices or frames"):
        to_sample([cine])


def test_planes_too_large_together_are_refused_by_their_headers_alone() -> None:
    header = Dataset()
    header.Rows = header.Columns = 2048
    with pytest.raises(RefusedInput, match=r"8\.6 GB in memory"):
        check_count(512, "a series", header)
    check_count(256, "a series", header)
    check_count(MAXIMUM_PLANES, "a series")


@pytest.mark.parametrize("keyword", ["float", "double"])
def test_pixels_that_are_no_number_are_refused(keyword: str, tmp_path: Path) -> None:
    values = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
    values[3, 4] = np.nan if keyword == "float" else np.inf
    np.save(tmp_path / "picture.npy", values)
    assert main(["read", str(tmp_path / "picture.npy"), "--modality", "MR", "--out", str(tmp_path / "out")]) == 1
    assert not (tmp_path / "out").exists()


@needs_weights
def test_an_image_of_one_pixel_is_read_or_refused_but_never_breaks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.fromarray(np.full((1, 1, 3), 90, dtype=np.uint8)).save(tmp_path / "dot.png")
    code = main(["read", str(tmp_path / "dot.png"), "--modality", "pathology", "--out", str(tmp_path / "out"),
                 "--quiet"])  # fmt: skip
    complaint = capsys.readouterr().err.strip()
    assert code == 1
    assert "1 x 1" in complaint
    assert "\n" not in complaint
