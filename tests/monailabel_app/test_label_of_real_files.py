"""Files as clients give them, through imaging: voxels above a threshold are marked there and must be found here."""

import numpy as np
import pytest
import SimpleITK as sitk

import dicom_phantoms
from lib.label_image import label_image
from wetread.findings import Finding, Mask, Provenance, Read
from wetread.imaging import load_sample
from wetread.terminology import find_target


def read_above(sample, threshold):
    """A read whose one finding is every pixel above a value in the sample's own units."""
    marked = np.stack([plane.values > threshold for plane in sample.planes])
    if marked.ndim == 4:
        marked = marked.any(axis=-1)
    finding = Finding(find_target("lesion"), "1.2.1", 0.9, 0, mask=Mask.from_dense(marked))
    provenance = Provenance("m", "1", "0" * 64, "1.2", "0", 0, 1, 1, 0.1)
    return Read("1.2.7", "q", "r", (finding,), (), None, "a", provenance)


def assert_marked_above(label, image, threshold):
    array = sitk.GetArrayFromImage(image)
    expected = array > threshold if array.ndim == label.GetDimension() else (array > threshold).any(axis=-1)
    assert expected.any()
    assert label.GetSize() == image.GetSize()
    assert label.GetOrigin() == pytest.approx(image.GetOrigin(), abs=1e-3)
    assert label.GetSpacing() == pytest.approx(image.GetSpacing(), abs=1e-4)
    assert label.GetDirection() == pytest.approx(image.GetDirection(), abs=1e-4)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(label) > 0, expected)


@pytest.mark.parametrize(
    "direction",
    [
        (1, 0, 0, 0, 1, 0, 0, 0, 1),
        (-1, 0, 0, 0, -1, 0, 0, 0, 1),
        (0, 0, 1, 1, 0, 0, 0, -1, 0),
        (0.8, 0.6, 0, 0.6, -0.8, 0, 0, 0, -1),
        (0.8, -0.36, 0.48, 0.6, 0.48, -0.64, 0, 0.8, 0.6),
    ],
    ids=["identity", "ras", "sagittal", "mirrored", "oblique"],
)
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_nifti(tmp_path, direction, suffix):
    values = np.random.default_rng(4).integers(0, 900, (7, 11, 9)).astype(np.int16)
    image = sitk.GetImageFromArray(values)
    image.SetSpacing((1.0, 1.25, 2.5))
    image.SetOrigin((-30.25, 14.5, 99.0))
    image.SetDirection(direction)
    path = tmp_path / f"image{suffix}"
    sitk.WriteImage(image, str(path))
    sample = load_sample(path, "MR")

    label, _ = label_image(read_above(sample, 700), sample, {"lesion": 1}, path)

    assert_marked_above(label, sitk.ReadImage(str(path)), 700)


@pytest.mark.parametrize("orientation", ["axial", "coronal", "sagittal", "oblique"])
def test_dicom_series(tmp_path, orientation):
    dicom_phantoms.write(dicom_phantoms.ct_series(orientation=orientation), tmp_path)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(tmp_path)))
    sample = load_sample(tmp_path)

    label, _ = label_image(read_above(sample, 120), sample, {"lesion": 1}, tmp_path)

    assert_marked_above(label, reader.Execute(), 120)


def test_a_dicom_series_that_monai_label_converted(tmp_path):
    """Its DICOMweb cache keeps NAME.nii.gz beside the folder NAME; the client shows the NIfTI, the read uses DICOM."""
    folder = tmp_path / "1.2.3"
    folder.mkdir()
    dicom_phantoms.write(dicom_phantoms.mr_series(orientation="oblique"), folder)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    converted = tmp_path / "1.2.3.nii.gz"
    sitk.WriteImage(reader.Execute(), str(converted))
    sample = load_sample(folder)

    label, _ = label_image(read_above(sample, 1150), sample, {"lesion": 1}, converted)

    assert_marked_above(label, sitk.ReadImage(str(converted)), 1150)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".bmp"])
def test_pictures(tmp_path, suffix):
    picture = dicom_phantoms.stained_tissue(40, 56)
    path = tmp_path / f"tissue{suffix}"
    sitk.WriteImage(sitk.GetImageFromArray(picture, isVector=True), str(path))
    sample = load_sample(path, "pathology")

    label, _ = label_image(read_above(sample, 200), sample, {"lesion": 1}, path)

    assert_marked_above(label, sitk.ReadImage(str(path)), 200)
