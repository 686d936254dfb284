"""`wetread read` with the shipped model, end to end: five kinds of study, four files each, no validator complains."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import highdicom
import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image
from pydicom import Dataset, dcmread

import dicom_phantoms as phantoms
import validators
from orthanc import orthanc  # noqa: F401
from wetread.archive import open_archive
from wetread.cli import main
from wetread.imaging import open_series
from wetread.model.checkpoint import SHIPPED
from wetread.training.manifests import index

pytestmark = pytest.mark.skipif(not (SHIPPED / "wetread-mini").is_dir(), reason="wetread-mini is not in the package")
SHARED = Path(__file__).parents[2] / "shared" / "data"
FILES = ("read.json", "seg.dcm", "sr.dcm", "overlay.png")

STUDIES: dict[str, Callable[[], list[Dataset]]] = {
    "ct": lambda: phantoms.ct_series(),
    "mr": lambda: phantoms.mr_series(),
    "dx": lambda: phantoms.dx_image(),
    "us": lambda: phantoms.ultrasound_cine(),
    "vl": lambda: phantoms.visible_light("microscopy"),
}


@pytest.mark.parametrize("kind", STUDIES)
def test_a_study_gives_four_valid_files(kind: str, tmp_path: Path) -> None:
    sources = phantoms.write(STUDIES[kind](), tmp_path / "study")
    out = tmp_path / "out"
    assert main(["read", str(tmp_path / "study"), "--out", str(out), "--quiet"]) == 0
    assert sorted(p.name for p in out.iterdir()) == sorted(FILES)
    seg, sr = out / "seg.dcm", out / "sr.dcm"
    for path in (seg, sr):
        assert validators.dciodvfy_errors(path) == []
    assert validators.dcentvfy_errors(*sources, seg, sr) == []
    validators.tid1500(sr, tmp_path)
    assert main(["verify", str(seg), str(sr), "--source", str(tmp_path / "study")]) == 0
    assert highdicom.seg.segread(seg).number_of_segments >= 1
    document = json.loads((out / "read.json").read_text())
    assert document["reasoning"] or document["abstention"]
    if kind in ("dx", "us"):
        assert "not trained" in document["abstention"]
    assert Image.open(out / "overlay.png").size[0] > 0


def test_the_read_of_stained_tissue_is_stored_in_a_folder_and_read_back(tmp_path: Path) -> None:
    from skimage import data

    picture = tmp_path / "tissue.png"
    Image.fromarray(data.immunohistochemistry()).save(picture)
    archive = tmp_path / "archive"
    arguments = [
        "read",
        str(picture),
        "--modality",
        "pathology",
        "--out",
        str(tmp_path / "out"),
        "--archive",
        str(archive),
    ]
    assert main([*arguments, "--archive", str(archive), "--quiet"]) == 0
    held = open_archive(archive).search_instances()
    uids = {str(i.SOPInstanceUID) for i in held}
    assert {str(dcmread(tmp_path / "out" / name).SOPInstanceUID) for name in ("seg.dcm", "sr.dcm")} <= uids


@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data is not here")
def test_a_real_hippocampus_comes_out_of_dcmqi_voxel_for_voxel(tmp_path: Path) -> None:
    entry = index(SHARED / "mr_hippocampus", slices=False)[0]
    out = tmp_path / "out"
    assert main(["read", str(entry.file), "--modality", "MR", "--out", str(out), "--quiet"]) == 0
    segments = highdicom.seg.segread(out / "seg.dcm")
    (image,) = (sitk.ReadImage(str(p)) for p in validators.segimage2itkimage(out / "seg.dcm", tmp_path / "itk"))
    marked = sitk.GetArrayFromImage(image) > 0
    assert marked.any()
    assert int(marked.sum()) == int(segments.pixel_array.sum())
    for frame, mask in zip(segments.PerFrameFunctionalGroupsSequence, segments.pixel_array, strict=True):
        position = [float(v) for v in frame.PlanePositionSequence[0].ImagePositionPatient]
        plane = image.TransformPhysicalPointToIndex(position)[2]
        assert np.array_equal(marked[plane], mask.astype(bool))


@pytest.mark.orthanc
def test_a_read_goes_to_orthanc_and_comes_back_pixel_equal(orthanc, tmp_path: Path, monkeypatch) -> None:  # noqa: F811
    from wetread.training.phantoms import drawn_nuclei

    Image.fromarray(drawn_nuclei(np.random.default_rng(4))[0]).save(tmp_path / "cells.png")
    monkeypatch.setenv("WETREAD_ARCHIVE_USER", orthanc.user)
    monkeypatch.setenv("WETREAD_ARCHIVE_PASSWORD", orthanc.password)
    out = tmp_path / "out"
    arguments = ["read", str(tmp_path / "cells.png"), "--modality", "pathology", "--out", str(out)]
    assert main([*arguments, "--archive", orthanc.url, "--quiet"]) == 0
    archive = open_archive(orthanc.url)
    sent = dcmread(out / "seg.dcm")
    held = archive.retrieve_instance(sent.StudyInstanceUID, sent.SeriesInstanceUID, sent.SOPInstanceUID)
    assert sent.pixel_array.any()
    assert np.array_equal(held.pixel_array, sent.pixel_array)
    (source,) = open_series(tmp_path / "cells.png", "pathology")
    image = archive.retrieve_instance(source.StudyInstanceUID, source.SeriesInstanceUID, source.SOPInstanceUID)
    assert np.array_equal(image.pixel_array, source.pixel_array)
