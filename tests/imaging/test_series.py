"""A CT or MR series becomes a volume whose every plane lies where DICOM says; faults are said or refused."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dicom_phantoms import ORIENTATIONS, ct_series, localizer, mr_series, tissue_at, uid, write
from wetread.errors import RefusedInput
from wetread.imaging import load_sample, open_series, to_sample
from wetread.imaging.sample import Sample, SampleKind
from wetread.terminology import Modality


def expected_values(sample: Sample) -> np.ndarray:
    """What the phantom holds at the centre of every pixel, recomputed from the geometry of the planes."""
    rows, columns = sample.shape[1:]
    y, x = np.meshgrid(np.arange(rows) + 0.5, np.arange(columns) + 0.5, indexing="ij")
    points = np.column_stack([x.ravel(), y.ravel()])
    planes = []
    for plane in sample.planes:
        assert plane.geometry is not None
        lps = plane.geometry.image_to_patient(points).round(6)
        planes.append(tissue_at(lps).reshape(rows, columns))
    return np.stack(planes)


def agreement(sample: Sample, offset: float = 0.0) -> float:
    """Share of voxels equal to the drawn phantom; voxels exactly on a drawn border may round either way."""
    values = np.stack([p.values for p in sample.planes])
    return float((np.abs(values - offset - expected_values(sample)) <= 1.0).mean())


@pytest.mark.parametrize("orientation", sorted(ORIENTATIONS))
def test_every_voxel_of_a_ct_lies_where_its_geometry_says(orientation: str) -> None:
    sample = to_sample(ct_series(orientation=orientation))
    assert (sample.kind, sample.modality, sample.units) == (SampleKind.VOLUME, Modality.CT, "[hnsf'U]")
    assert agreement(sample) > 0.999
    along = [float(np.dot(p.geometry.position, p.geometry.normal)) for p in sample.planes]
    assert along == sorted(along)


def test_every_voxel_of_an_mr_lies_where_its_geometry_says() -> None:
    assert agreement(to_sample(mr_series()), offset=1000.0) > 0.999


@settings(max_examples=20, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_order_of_the_files_does_not_matter(shuffler: random.Random) -> None:
    series = ct_series(5, rows=12, columns=10)
    wanted = to_sample(series)
    shuffled = [*series, series[2]]
    shuffler.shuffle(shuffled)
    sample = to_sample(shuffled)
    assert [p.source for p in sample.planes] == [p.source for p in wanted.planes]
    assert all(np.array_equal(a.values, b.values) for a, b in zip(sample.planes, wanted.planes, strict=True))
    assert [h.SOPInstanceUID for h in sample.headers] == [h.SOPInstanceUID for h in wanted.headers]


def test_a_clean_series_agrees_with_simpleitk_voxel_for_voxel(tmp_path) -> None:
    import SimpleITK as sitk

    write(ct_series(orientation="oblique"), tmp_path)
    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(tmp_path))
    image = sitk.ReadImage(names)
    sample = load_sample(tmp_path)
    assert np.array_equal(sitk.GetArrayFromImage(image), np.stack([p.values for p in sample.planes]))
    for index in (0, len(sample.planes) - 1):
        theirs = image.TransformIndexToPhysicalPoint((3, 4, index))
        ours = sample.planes[index].geometry.image_to_patient([(3.5, 4.5)])[0]
        assert np.allclose(theirs, ours, atol=1e-4)


def test_headers_keep_everything_but_the_pixels() -> None:
    series = ct_series(3)
    sample = to_sample(series)
    assert len(sample.headers) == 3
    for header, original in zip(sample.headers, series, strict=True):
        assert "PixelData" not in header
        assert set(original.keys()) - set(header.keys()) == {0x7FE00010}
        assert header.file_meta.TransferSyntaxUID == original.file_meta.TransferSyntaxUID
    assert "PixelData" in series[0], "the caller's datasets stay as they are"


def test_duplicate_instances_are_left_out_and_counted() -> None:
    series = ct_series()
    sample = to_sample(series + series[2:4])
    assert sample.shape[0] == len(series)
    assert sample.remarks == ("2 duplicate instances (same SOP Instance UID) left out",)


def test_a_slice_stored_twice_under_two_uids_is_left_out_and_counted() -> None:
    series, again = ct_series(), ct_series()[3]
    again.SOPInstanceUID = uid("again")
    sample = to_sample([*series, again])
    assert sample.shape[0] == len(series)
    assert sample.remarks == ("1 duplicate slice (same place, same pixels) left out",)


def test_one_place_with_two_contents_is_refused() -> None:
    series, other = ct_series(), ct_series()[3]
    other.SOPInstanceUID = uid("other")
    other.PixelData = other.PixelData[::-1]
    with pytest.raises(RefusedInput, match="1 slice at a place that another slice holds with other pixels"):
        to_sample([*series, other])


def test_one_uid_with_two_contents_is_refused() -> None:
    series, other = ct_series(), ct_series()[3]
    other.PixelData = other.PixelData[::-1]
    with pytest.raises(RefusedInput, match="share the SOP Instance UID"):
        to_sample([*series, other])


def test_a_localizer_of_another_orientation_is_left_out() -> None:
    sample = to_sample([localizer(), *ct_series()])
    assert agreement(sample) > 0.999
    assert sample.remarks == ("1 slice of another orientation (localizer) left out",)


def test_a_slice_marked_as_localizer_is_left_out_though_it_is_parallel() -> None:
    series = ct_series()
    series[5].ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    sample = to_sample(series)
    assert sample.shape[0] == 7
    assert sample.remarks[0] == "1 slice marked as localizer left out"


def test_stacks_of_equal_weight_are_refused() -> None:
    mixed = ct_series(4, orientation="axial") + ct_series(4, orientation="coronal")
    for number, dataset in enumerate(mixed):
        dataset.SOPInstanceUID = uid("mixed", number)
    with pytest.raises(RefusedInput, match=r"2 stacks of different orientation in one series \(4, 4 slices\)"):
        to_sample(mixed)


def test_a_missing_slice_is_kept_as_a_gap_with_true_positions() -> None:
    series = ct_series()
    del series[3]
    sample = to_sample(series)
    assert agreement(sample) > 0.999
    assert sample.remarks == ("1 slice missing in 1 gap (usual step 5 mm): kept as a gap",)


def test_uneven_spacing_is_kept_and_said() -> None:
    series = ct_series()
    series[-1].ImagePositionPatient[2] += 1.7
    assert to_sample(series).remarks == ("uneven slice spacing (5 to 6.7 mm): every slice keeps its true place",)


def test_a_gantry_tilt_is_kept_and_said() -> None:
    sample = to_sample(ct_series(orientation="tilted"))
    assert sample.remarks == ("gantry tilt of 15.0 degrees: every slice keeps its true place",)


def test_jitter_of_the_orientation_below_the_tolerance_is_accepted() -> None:
    series = ct_series()
    series[2].ImageOrientationPatient = [1.0, 1e-4, 0.0, -1e-4, 1.0, 0.0]
    assert to_sample(series).remarks == ()


def test_mixed_pixel_spacing_is_refused() -> None:
    series = ct_series()
    series[2].PixelSpacing = [1.25, 1.1]
    with pytest.raises(RefusedInput, match="mixed pixel spacing in one series"):
        to_sample(series)


def test_mixed_sizes_are_refused() -> None:
    odd = ct_series(rows=20)[2]
    series = ct_series()
    series[2] = odd
    with pytest.raises(RefusedInput, match=r"slices of different size in one series \(7 of 40 x 48, 1 of 20 x 48\)"):
        to_sample(series)


def test_two_frames_of_reference_are_refused() -> None:
    series = ct_series()
    series[0].FrameOfReferenceUID = uid("elsewhere")
    with pytest.raises(RefusedInput, match="2 frames of reference"):
        to_sample(series)


def test_slices_without_orientation_are_refused_but_one_picture_is_read() -> None:
    series = ct_series()
    for dataset in series:
        del dataset.ImageOrientationPatient
    with pytest.raises(RefusedInput, match="8 of 8 slices without position, orientation or pixel spacing"):
        to_sample(series)
    alone = to_sample(series[:1])
    assert alone.planes[0].geometry is None
    assert alone.remarks == ("no place in the patient recorded",)


def test_an_orientation_that_cannot_be_meant_is_refused() -> None:
    series = ct_series()
    series[4].ImageOrientationPatient = [1, 0, 0, 1, 0, 0]
    with pytest.raises(RefusedInput, match="cannot be meant"):
        to_sample(series)


def test_two_series_are_refused_with_their_uids_and_counts(tmp_path) -> None:
    write(ct_series(3), tmp_path)
    write(ct_series(2, name="second"), tmp_path)
    with pytest.raises(RefusedInput) as refusal:
        open_series(tmp_path)
    assert f"{uid('ct', 'series')} (3)" in str(refusal.value)
    assert f"{uid('second', 'series')} (2)" in str(refusal.value)
