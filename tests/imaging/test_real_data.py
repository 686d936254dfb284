"""Real files: all that pydicom installs, and the shared data where it is at hand, gives a Sample or one clear line."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from pydicom.data import get_testdata_file

from wetread.errors import RefusedInput
from wetread.imaging import load_sample
from wetread.imaging.sample import Sample, SampleKind
from wetread.terminology import Modality

PYDICOM_FILES = Path(str(get_testdata_file("CT_small.dcm"))).parent
SHARED = Path(__file__).parents[2] / ".." / "shared" / "data"
needs_shared_data = pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data is not beside the repository")


def outcome(path: Path) -> Sample | str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return load_sample(path)
        except RefusedInput as refusal:
            return str(refusal)


def test_every_file_that_pydicom_installs_gives_a_sample_or_one_line() -> None:
    files = [p for p in PYDICOM_FILES.rglob("*") if p.is_file() and p.suffix != ".py"]
    outcomes = {path: outcome(path) for path in files}
    samples = {p: o for p, o in outcomes.items() if isinstance(o, Sample)}
    assert len(samples) >= 60
    assert all("\n" not in line for line in outcomes.values() if isinstance(line, str))
    for path, sample in samples.items():
        for plane in sample.planes:
            assert np.isfinite(plane.values).all(), path
            assert plane.picture().shape == (*sample.shape[1:], 3), path


@needs_shared_data
@pytest.mark.parametrize(
    ("folder", "shape"),
    [("Study1/13_HCropVolume", (32, 51, 35)), ("Study3/11-T1post-18670", (22, 320, 280))],
)
def test_real_mr_series_are_clean_volumes(folder: str, shape: tuple[int, int, int]) -> None:
    sample = load_sample(SHARED / "dicom_mr_brain" / folder)
    assert (sample.kind, sample.modality, sample.shape, sample.remarks) == (SampleKind.VOLUME, Modality.MR, shape, ())


@needs_shared_data
def test_every_dicom_file_of_the_shared_data_gives_a_sample_or_one_line() -> None:
    files = [p for folder in ("dicom_misc", "ecg_dicom") for p in (SHARED / folder).rglob("*.dcm")]
    outcomes = [outcome(path) for path in files]
    assert sum(isinstance(o, Sample) for o in outcomes) >= 25
    assert all("\n" not in line for line in outcomes if isinstance(line, str))


@needs_shared_data
def test_a_real_nifti_volume_lies_where_simpleitk_says() -> None:
    import SimpleITK as sitk

    path = sorted((SHARED / "mr_hippocampus").rglob("*.nii.gz"))[0]
    image, sample = sitk.ReadImage(str(path)), load_sample(path, "MR")
    values = sitk.GetArrayFromImage(image)
    assert np.allclose(np.stack([p.values for p in sample.planes]), values, atol=np.ptp(values) / 65000)
    for index, plane in enumerate(sample.planes):
        assert plane.geometry is not None
        there = image.TransformIndexToPhysicalPoint((5, 7, index))
        assert np.allclose(plane.geometry.image_to_patient([(5.5, 7.5)])[0], there, atol=1e-3)
