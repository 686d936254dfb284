"""The label file lies voxel for voxel on the image that was given."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st

from lib.label_image import label_image
from wetread.errors import RefusedInput
from wetread.findings import Finding, Mask, Provenance, Read
from wetread.geometry import PlaneGeometry
from wetread.imaging.sample import Plane, Sample, SampleKind, Source
from wetread.terminology import Modality, find_target

SIZE = (5, 7, 9)
SPACING = (0.7, 1.3, 2.5)
ORIENTATIONS = [
    (axes, signs) for axes in itertools.permutations(range(3)) for signs in itertools.product((1, -1), repeat=3)
]
VALUES = {"hippocampus": 3, "liver": 1}


def rotation(angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def image_of(array: np.ndarray, direction: np.ndarray, spacing=SPACING) -> sitk.Image:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing)
    image.SetOrigin((-31.5, 12.25, 101.0))
    image.SetDirection(direction.ravel().tolist())
    return image


def sample_of(image: sitk.Image, axes: tuple[int, ...], signs: tuple[int, ...]) -> tuple[Sample, np.ndarray]:
    """The image's voxels as planes, its axes (columns, rows, planes) permuted and turned, and its array likewise."""
    turned = sitk.Flip(sitk.PermuteAxes(image, axes), [sign < 0 for sign in signs], False)
    direction = np.reshape(turned.GetDirection(), (3, 3))
    array = sitk.GetArrayFromImage(turned)
    source = Source("1.2", "1.2.3", "1.2.840.10008.5.1.4.1.1.4", "1.2.3.4")
    planes = tuple(
        Plane(
            plane.astype(np.float32),
            source,
            geometry=PlaneGeometry(
                turned.TransformIndexToPhysicalPoint((0, 0, z)),
                tuple(direction[:, 0]),
                tuple(direction[:, 1]),
                turned.GetSpacing()[1],
                turned.GetSpacing()[0],
                "1.2.9",
            ),
        )
        for z, plane in enumerate(array)
    )
    return Sample(SampleKind.VOLUME, Modality.MR, planes, ()), array


def read_of(*masks: tuple[str, np.ndarray]) -> Read:
    findings = tuple(
        Finding(find_target(label), f"1.2.{i}", 0.9, 0, mask=Mask.from_dense(mask))
        for i, (label, mask) in enumerate(masks)
    )
    provenance = Provenance("m", "1", "0" * 64, "1.2", "0", 0, 1, 1, 0.1)
    return Read("1.2.7", "q", "r", findings, (), None, "a", provenance)


@given(orientation=st.sampled_from(ORIENTATIONS), degrees=st.integers(-85, 85), seed=st.integers(0, 99))
def test_marked_voxels_are_the_ones_found_in_whatever_order_the_sample_holds_them(
    tmp_path_factory, orientation, degrees, seed
):
    array = (np.random.default_rng(seed).random(SIZE[::-1]) < 0.2).astype(np.uint8)
    image = image_of(array, rotation(np.radians(degrees)))
    path = tmp_path_factory.mktemp("image") / "image.nrrd"
    sitk.WriteImage(image, str(path))
    sample, turned = sample_of(image, *orientation)

    labels, present = label_image(read_of(("hippocampus", turned > 0)), sample, VALUES, path)

    np.testing.assert_array_equal(sitk.GetArrayFromImage(labels), array * 3)
    assert present == {"hippocampus": 3}
    assert labels.GetDirection() == pytest.approx(image.GetDirection())
    assert labels.GetOrigin() + labels.GetSpacing() == pytest.approx(image.GetOrigin() + image.GetSpacing())


def test_a_nifti_and_its_single_precision_affine_round_trip(tmp_path):
    array = np.zeros(SIZE[::-1], np.uint8)
    array[2:4, 1:5, 0:3] = 1
    image = image_of(array, rotation(0.3))
    path = tmp_path / "image.nii.gz"
    sitk.WriteImage(image, str(path))
    sample, turned = sample_of(image, (2, 0, 1), (-1, 1, -1))

    labels, _ = label_image(read_of(("liver", turned > 0)), sample, VALUES, path)
    sitk.WriteImage(labels, str(tmp_path / "label.nii.gz"))

    written, given_image = sitk.ReadImage(str(tmp_path / "label.nii.gz")), sitk.ReadImage(str(path))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(written), array)
    assert written.GetSize() == given_image.GetSize()
    assert written.GetDirection() == pytest.approx(given_image.GetDirection(), abs=1e-6)
    assert written.GetOrigin() == pytest.approx(given_image.GetOrigin(), abs=1e-4)


def test_a_dicom_series_gives_its_own_grid(tmp_path):
    array = np.zeros(SIZE[::-1], np.uint8)
    array[4, 2, 1] = 1
    image = image_of(array, rotation(-0.4))
    sample, _ = sample_of(image, (0, 1, 2), (1, 1, 1))

    labels, _ = label_image(read_of(("liver", array > 0)), sample, VALUES, tmp_path)

    np.testing.assert_array_equal(sitk.GetArrayFromImage(labels), array)
    assert labels.GetSpacing() == pytest.approx(image.GetSpacing())
    assert labels.GetOrigin() == pytest.approx(image.GetOrigin())
    assert labels.GetDirection() == pytest.approx(image.GetDirection())


def picture(tmp_path, rows=6, columns=8):
    path = tmp_path / "cells.png"
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((rows, columns, 3), np.uint8), isVector=True), str(path))
    source = Source("1.2", "1.2.3", "1.2.840.10008.5.1.4.1.1.77.1.2", "1.2.3.4")
    plane = Plane(np.zeros((6, 8, 3), np.uint8), source)
    return path, Sample(SampleKind.IMAGE, Modality.MICROSCOPY, (plane,), ())


def test_a_picture_keeps_its_rows_and_columns(tmp_path):
    path, sample = picture(tmp_path)
    mask = np.zeros((6, 8), bool)
    mask[1:3, 4:8] = True
    labels, present = label_image(read_of(("nuclei", mask)), sample, VALUES, path)
    assert labels.GetDimension() == 2
    np.testing.assert_array_equal(sitk.GetArrayFromImage(labels), mask * 4)
    assert present == {"nuclei": 4}


def test_where_masks_overlap_the_smaller_one_stays_visible(tmp_path):
    path, sample = picture(tmp_path)
    large, small = np.ones((6, 8), bool), np.zeros((6, 8), bool)
    small[2, 2] = True
    for order in ((("liver", large), ("spleen", small)), (("spleen", small), ("liver", large))):
        labels, present = label_image(read_of(*order), sample, {"liver": 1, "spleen": 2}, path)
        assert sitk.GetArrayFromImage(labels)[2, 2] == 2
        assert list(present.items()) == [("liver", 1), ("spleen", 2)]


def test_nothing_found_is_a_label_of_zeros(tmp_path):
    path, sample = picture(tmp_path)
    labels, present = label_image(read_of(), sample, VALUES, path)
    assert not sitk.GetArrayFromImage(labels).any()
    assert present == {}


def test_another_grid_is_refused_instead_of_resampled(tmp_path):
    array = np.ones(SIZE[::-1], np.uint8)
    image = image_of(array, rotation(0.0))
    sitk.WriteImage(image, str(tmp_path / "image.nrrd"))
    sample, turned = sample_of(image, (0, 1, 2), (1, 1, 1))
    shifted = [
        replace(p, geometry=replace(p.geometry, position=(p.geometry.position[0] + 0.2, *p.geometry.position[1:])))
        for p in sample.planes
    ]
    with pytest.raises(RefusedInput, match="different grids"):
        label_image(
            read_of(("liver", turned > 0)), replace(sample, planes=tuple(shifted)), VALUES, tmp_path / "image.nrrd"
        )
    path, sample = picture(tmp_path, rows=5)
    with pytest.raises(RefusedInput, match="different grids"):
        label_image(read_of(("nuclei", np.ones((6, 8), bool))), sample, VALUES, path)
