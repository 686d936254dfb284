"""Pictures and volumes that are not DICOM become proper DICOM: same pixels, same place, valid, and honest."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dicom_phantoms import stained_tissue, tissue_at
from wetread.errors import RefusedInput
from wetread.imaging import load_sample, open_series, to_sample
from wetread.imaging import wrap_volume as wrap_volume_module
from wetread.imaging.sample import SampleKind
from wetread.imaging.wrap_picture import wrap_picture
from wetread.imaging.wrap_volume import wrap_stack, wrap_volume
from wetread.imaging.wrapped import MODALITY_ASSUMED, SCALED, SPACING_ASSUMED, WRAPPED
from wetread.terminology import Modality

GREY16 = (np.arange(35, dtype=np.uint16).reshape(5, 7) * 1800) + 3


@pytest.mark.parametrize("modality", [m for m in Modality if m is not Modality.ECG])
@pytest.mark.parametrize("picture", [stained_tissue(9, 13), stained_tissue(9, 13)[..., 0], GREY16])
def test_a_picture_keeps_its_pixels_and_its_modality(modality: Modality, picture: np.ndarray) -> None:
    dataset = wrap_picture(picture, modality)
    sample = to_sample([dataset])
    assert sample.modality is modality
    assert np.array_equal(sample.planes[0].values, picture)
    assert dataset.BitsStored == picture.dtype.itemsize * 8
    assert sample.remarks == (WRAPPED[0].lower() + WRAPPED[1:],)


def test_a_picture_without_a_modality_is_a_photograph() -> None:
    assert to_sample([wrap_picture(stained_tissue())]).modality is Modality.PHOTOGRAPH


def test_wrapping_twice_gives_the_same_instance_and_other_content_another() -> None:
    first, second = wrap_picture(stained_tissue(), "pathology"), wrap_picture(stained_tissue(), "pathology")
    assert first == second
    other = stained_tissue()
    other[0, 0] = 0
    changed, as_photograph = wrap_picture(other, "pathology"), wrap_picture(stained_tissue(), "photograph")
    uids = {d.SOPInstanceUID for d in (first, changed, as_photograph)}
    assert len(uids) == 3
    assert all(uid.startswith("2.25.") and len(uid) <= 64 for uid in uids)


def test_no_patient_is_invented() -> None:
    dataset = wrap_picture(stained_tissue())
    assert not dataset.PatientName
    assert not dataset.PatientBirthDate
    assert not dataset.StudyDate
    assert dataset.SpecificCharacterSet == "ISO_IR 192"


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp"])
def test_picture_files_are_read_exactly(tmp_path, suffix: str) -> None:
    path = tmp_path / f"tissue.{suffix}"
    Image.fromarray(stained_tissue()).save(path)
    sample = load_sample(path, "pathology")
    assert (sample.kind, sample.modality) == (SampleKind.IMAGE, Modality.PATHOLOGY)
    assert np.array_equal(sample.planes[0].picture(), stained_tissue())
    assert len(open_series(tmp_path, "pathology")) == 1, "a folder with one picture too"


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bit_grey_stays_sixteen_bit(tmp_path, suffix: str) -> None:
    path = tmp_path / f"grey.{suffix}"
    Image.fromarray(GREY16).save(path)
    assert np.array_equal(load_sample(path, "X-ray").planes[0].values, GREY16)


def test_exif_orientation_is_applied(tmp_path) -> None:
    turned = Image.fromarray(np.rot90(stained_tissue(16, 24), 1))
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(tmp_path / "turned.png", exif=exif)
    assert np.array_equal(load_sample(tmp_path / "turned.png").planes[0].values, stained_tissue(16, 24))


def test_transparent_pixels_lie_on_white(tmp_path) -> None:
    layer = np.zeros((4, 4, 4), dtype=np.uint8)
    layer[..., 0], layer[:2, :, 3] = 200, 255
    Image.fromarray(layer, "RGBA").save(tmp_path / "layer.png")
    for sample in (load_sample(tmp_path / "layer.png"), to_sample([wrap_picture(layer)])):
        assert sample.planes[0].values[0, 0].tolist() == [200, 0, 0]
        assert sample.planes[0].values[3, 0].tolist() == [255, 255, 255]


@pytest.mark.parametrize("mode", ["1", "P", "LA", "CMYK", "L"])
def test_every_mode_of_picture_is_read(tmp_path, mode: str) -> None:
    path = tmp_path / ("odd.tif" if mode == "CMYK" else "odd.png")
    Image.fromarray(stained_tissue()).convert(mode).save(path)
    assert load_sample(path).shape == (1, 64, 64)


def test_floating_point_values_are_scaled_and_it_is_said(tmp_path) -> None:
    np.save(tmp_path / "map.npy", np.linspace(-1.5, 2.5, 12).reshape(3, 4))
    sample = load_sample(tmp_path / "map.npy")
    assert sample.planes[0].values.min() == 0
    assert sample.planes[0].values.max() == 65535
    assert SCALED[0].lower() + SCALED[1:] in sample.remarks


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((3, 4, 5, 6)), "an array of shape"),
        (np.zeros((0, 4), dtype=np.uint8), "a picture of 0 x 4 pixels"),
        (np.full((2, 2), np.nan), "not finite"),
        (np.zeros((2, 2, 3)), "colour pixels of type float64"),
    ],
)
def test_arrays_that_are_no_picture_are_refused(array: np.ndarray, message: str) -> None:
    with pytest.raises(RefusedInput, match=message):
        wrap_picture(array)


def test_a_broken_picture_file_is_refused(tmp_path) -> None:
    path = tmp_path / "tissue.png"
    Image.fromarray(stained_tissue()).save(path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(RefusedInput, match="not a readable picture"):
        load_sample(path)


def test_several_pictures_in_a_folder_are_refused(tmp_path) -> None:
    for name in ("a.png", "b.png"):
        Image.fromarray(stained_tissue()).save(tmp_path / name)
    with pytest.raises(RefusedInput, match="2 pictures and no DICOM series"):
        load_sample(tmp_path)


def drawn_nifti(path, direction: np.ndarray, spacing=(3.0, 2.5, 6.0)) -> None:
    """The phantom of the DICOM tests as NIfTI, written by SimpleITK with the given LPS directions (columns)."""
    import SimpleITK as sitk

    size = (20, 24, 9)
    matrix = direction * np.asarray(spacing)
    origin = -matrix @ ((np.asarray(size) - 1) / 2)
    k, j, i = np.meshgrid(*(np.arange(n) for n in size[::-1]), indexing="ij")
    points = np.stack([i, j, k], axis=-1) @ matrix.T + origin
    image = sitk.GetImageFromArray(tissue_at(points.round(6)).astype(np.int16))
    image.SetSpacing(spacing)
    image.SetOrigin(origin.tolist())
    image.SetDirection(direction.ravel().tolist())
    sitk.WriteImage(image, str(path))


def rotation(z: float, x: float) -> np.ndarray:
    turn_z = np.array([[np.cos(z), -np.sin(z), 0], [np.sin(z), np.cos(z), 0], [0, 0, 1]])
    turn_x = np.array([[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]])
    return turn_z @ turn_x


@pytest.mark.parametrize(
    "direction",
    [np.eye(3), np.diag([-1.0, -1, 1]), np.diag([1.0, 1, -1]), np.eye(3)[[1, 2, 0]], rotation(0.4, -0.7)],
    ids=["LPS", "RAS", "feet first", "turned axes", "oblique"],
)
@pytest.mark.parametrize("suffix", ["nii", "nii.gz"])
def test_every_voxel_of_a_nifti_volume_stays_where_it_is(tmp_path, direction: np.ndarray, suffix: str) -> None:
    path = tmp_path / f"volume.{suffix}"
    drawn_nifti(path, direction)
    sample = load_sample(path, "CT")
    assert (sample.kind, sample.modality, sample.units) == (SampleKind.VOLUME, Modality.CT, "[hnsf'U]")
    y, x = np.meshgrid(np.arange(24) + 0.5, np.arange(20) + 0.5, indexing="ij")
    points = np.column_stack([x.ravel(), y.ravel()])
    found = np.stack([p.values for p in sample.planes])
    lps = np.stack([p.geometry.image_to_patient(points) for p in sample.planes if p.geometry])
    drawn = tissue_at(lps.round(4)).reshape(found.shape)
    assert (np.abs(found - drawn) <= 1).mean() > 0.995


def test_a_volume_that_does_not_say_its_modality_is_judged_by_air_and_it_is_said(tmp_path) -> None:
    drawn_nifti(tmp_path / "volume.nii", np.eye(3))
    sample = load_sample(tmp_path / "volume.nii")
    assert sample.modality is Modality.CT
    assert MODALITY_ASSUMED[0].lower() + MODALITY_ASSUMED[1:] in sample.remarks


@settings(max_examples=40, deadline=None)
@given(st.floats(-4e4, 4e4), st.floats(1e-3, 7e4))
def test_values_of_a_volume_are_kept_to_half_a_step_of_its_scale(low: float, extent: float) -> None:
    values = np.linspace(low, low + extent, 24).reshape(2, 3, 4)
    sample = to_sample(wrap_volume(values, np.eye(4), "MR"))
    found = np.stack([p.values for p in sample.planes])
    assert np.abs(found - values).max() <= extent / 65000 + np.abs(values).max() * 3e-6


def test_whole_numbers_of_a_volume_are_kept_exactly() -> None:
    for offset in (0, -1000, 40000):
        values = np.arange(24).reshape(2, 3, 4) * 7 + offset
        sample = to_sample(wrap_volume(values, np.eye(4), "MR"))
        assert np.array_equal(np.stack([p.values for p in sample.planes]), values)


def test_a_sheared_volume_is_refused() -> None:
    affine = np.eye(4)
    affine[0, 1] = 0.3
    with pytest.raises(RefusedInput, match="a sheared volume"):
        wrap_volume(np.zeros((2, 3, 4)), affine, "MR")


def test_more_slices_than_one_read_takes_are_refused_before_they_are_wrapped(monkeypatch) -> None:
    monkeypatch.setattr(wrap_volume_module, "_slice", lambda *_: pytest.fail("a slice was made"))
    with pytest.raises(RefusedInput, match="5,000 slices"):
        wrap_volume(np.zeros((5000, 4, 4), dtype=np.int16), np.eye(4), "CT")


def test_slices_sheared_against_each_other_keep_their_places() -> None:
    affine = np.diag([1.0, 1, 3, 1])
    affine[1, 2] = 0.8
    sample = to_sample(wrap_volume(np.zeros((3, 4, 5), dtype=np.int16), affine, "MR"))
    assert [p.geometry.position for p in sample.planes if p.geometry] == [(0, 0, 0), (0, 0.8, 3), (0, 1.6, 6)]
    assert any("gantry tilt" in remark for remark in sample.remarks)


def test_a_left_handed_volume_keeps_every_voxel() -> None:
    values = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    sample = to_sample(wrap_volume(values, np.diag([1.0, 1, -2, 1]), "MR"))
    assert np.array_equal(np.stack([p.values for p in sample.planes]), values[::-1])
    assert [p.geometry.position[2] for p in sample.planes if p.geometry] == [-2, 0]


def test_a_multi_page_tiff_is_a_volume_and_says_that_its_spacing_is_assumed(tmp_path) -> None:
    pages = [Image.fromarray(np.full((4, 6), 10 * n, dtype=np.uint8)) for n in range(3)]
    pages[0].save(tmp_path / "stack.tif", save_all=True, append_images=pages[1:])
    sample = load_sample(tmp_path / "stack.tif", "MR")
    assert [int(p.values[0, 0]) for p in sample.planes] == [0, 10, 20]
    assert SPACING_ASSUMED[0].lower() + SPACING_ASSUMED[1:] in sample.remarks
    with pytest.raises(RefusedInput, match="in colour or of different size"):
        wrap_stack([stained_tissue(), stained_tissue()], "MR", "stack")


@pytest.mark.parametrize("name", ["volume.nii", "volume.nii.gz"])
def test_a_nifti_file_cut_short_is_refused(tmp_path, name: str) -> None:
    path = tmp_path / name
    sitk.WriteImage(sitk.GetImageFromArray(np.random.default_rng(0).integers(0, 999, (6, 20, 30), np.int16)), path)
    assert load_sample(path).shape == (6, 20, 30)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(RefusedInput, match="a NIfTI file cut short"):
        load_sample(path)


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_numbers_of_a_nifti_file_that_are_none_are_refused(tmp_path, number: float, kind: type) -> None:
    values = np.ones((6, 20, 30), dtype=kind)
    values[3, 4, 5] = number
    sitk.WriteImage(sitk.GetImageFromArray(values), tmp_path / "volume.nii.gz")
    with pytest.raises(RefusedInput, match="NaN or infinite values"):
        load_sample(tmp_path / "volume.nii.gz")


def test_an_array_whose_range_no_number_holds_is_refused() -> None:
    with pytest.raises(RefusedInput, match="range is not finite"):
        wrap_picture(np.array([[1e308, -1e308]]))


def test_an_array_file_that_promises_more_than_it_holds_is_refused(tmp_path) -> None:
    with (tmp_path / "picture.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": (60000, 60000)})
    with pytest.raises(RefusedInput, match="not a readable NumPy array"):
        load_sample(tmp_path / "picture.npy")


@pytest.mark.parametrize("content", [b"", b"nothing like NIfTI" * 40])
def test_a_broken_nifti_file_is_refused(tmp_path, content: bytes) -> None:
    path = tmp_path / "volume.nii.gz"
    path.write_bytes(content)
    with pytest.raises(RefusedInput, match="not a readable NIfTI file"):
        load_sample(path)


def test_a_volume_of_time_points_is_refused(tmp_path) -> None:
    import SimpleITK as sitk

    frames = sitk.JoinSeries([sitk.Image([4, 4, 3], sitk.sitkInt16)] * 2)
    sitk.WriteImage(frames, str(tmp_path / "time.nii"))
    with pytest.raises(RefusedInput, match="a NIfTI file of 4 dimensions"):
        load_sample(tmp_path / "time.nii")
