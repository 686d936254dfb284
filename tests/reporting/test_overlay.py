"""The overlay: findings in their colours at their places, in the image's true proportions, with the notice below."""

import numpy as np
import pytest

import dicom_phantoms
import reporting_reads as reads
from reporting_cases import CASES
from wetread.findings import Mask
from wetread.reporting.overlay import overlay_picture, shown_planes
from wetread.terminology import Modality


@pytest.mark.parametrize("name", CASES)
def test_every_kind_of_read_can_be_drawn(name):
    _, sample, read = CASES[name]()
    picture = overlay_picture(read, sample)
    assert picture.dtype == np.uint8
    assert picture.shape[2] == 3
    assert min(picture.shape[:2]) >= 300
    assert _has_colour(picture, (255, 196, 61))  # the notice


def test_mask_and_contour_are_drawn_where_they_are_in_the_targets_colour():
    sample = reads.image_sample(dicom_phantoms.visible_light()[0], Modality.MICROSCOPY)
    marked = np.zeros((64, 64), dtype=bool)
    marked[32:48, 8:24] = True
    read = reads.read_of([reads.finding(sample, "nuclei", Mask.from_dense(marked))])
    bare, drawn = (overlay_picture(r, sample)[:768].astype(int) for r in (reads.read_of(()), read))
    changed = np.abs(drawn - bare).sum(axis=2) > 0
    rows, columns = np.nonzero(changed[400:])  # below the tag
    scale = 768 / 64
    assert columns.min() == pytest.approx(8 * scale, abs=3)
    assert columns.max() == pytest.approx(24 * scale, abs=3)
    assert rows.max() + 400 == pytest.approx(48 * scale, abs=3)
    inside = drawn[40 * 12, 16 * 12] - bare[40 * 12, 16 * 12]
    expected = 0.3 * (np.array(read.findings[0].target.colour) - bare[40 * 12, 16 * 12])
    np.testing.assert_allclose(inside, expected, atol=2)


def test_pixels_that_are_not_square_are_drawn_in_their_true_proportions():
    series = dicom_phantoms.ct_series(1, rows=40, columns=40, row_spacing=2.0, column_spacing=1.0)
    sample = reads.slices_sample(series, Modality.CT)
    picture = overlay_picture(reads.read_of(()), sample)
    shown = picture[:768]
    used = np.flatnonzero((shown != shown[0, 0]).any(axis=(0, 2)))
    assert used.max() - used.min() + 1 == pytest.approx(384, abs=4)


def test_at_most_six_planes_are_shown_the_key_plane_among_them():
    sample = reads.slices_sample(dicom_phantoms.ct_series(12), Modality.CT)
    mask = reads.asymmetric_mask(sample, range(12))
    planes = shown_planes(reads.read_of([reads.finding(sample, "liver", mask)]), sample)
    assert len(planes) == 6
    assert mask.key_plane in planes
    assert planes == sorted(planes)


def test_the_same_read_gives_the_same_picture():
    _, sample, read = CASES["ct axial"]()
    np.testing.assert_array_equal(overlay_picture(read, sample), overlay_picture(read, sample))


def _has_colour(picture, colour):
    return bool((picture == colour).all(axis=2).any())
