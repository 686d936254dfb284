"""Areas, volumes and outlines: real spacing, real slice positions, closed contours inside the image."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import dicom_phantoms
import reporting_reads as reads
from wetread.findings import Mask
from wetread.reporting.measurement import MAXIMUM_POINTS, mask_area, mask_size, outline, plane_contours, plane_slabs
from wetread.terminology import Modality


@pytest.mark.parametrize("missing", [None, 3])
def test_a_volume_is_voxels_times_spacing_even_with_a_missing_slice(missing):
    series = [d for i, d in enumerate(dicom_phantoms.ct_series(8)) if i != missing]
    sample = reads.slices_sample(series, Modality.CT)
    mask = reads.asymmetric_mask(sample, [1, 2, 4])
    assert mask_size(mask, sample).value == pytest.approx(mask.pixels * 1.25 * 1.0 * 5.0, rel=1e-4)


def test_a_tilted_volume_uses_the_distance_along_the_normal():
    sample = reads.slices_sample(dicom_phantoms.ct_series(6, orientation="tilted"), Modality.CT)
    mask = reads.asymmetric_mask(sample, [1, 2])
    expected = mask.pixels * 1.25 * 1.0 * 5.0 * np.cos(np.radians(15))
    assert mask_size(mask, sample).value == pytest.approx(expected, rel=1e-4)


def test_truly_varying_spacing_counts_half_the_way_to_each_neighbour():
    sample = reads.slices_sample(dicom_phantoms.ct_series(4), Modality.CT)
    heights = [0.0, 5.0, 12.0, 20.0]
    planes = tuple(
        replace(plane, geometry=replace(plane.geometry, position=(*plane.geometry.position[:2], height)))
        for plane, height in zip(sample.planes, heights, strict=True)
    )
    slabs = plane_slabs(replace(sample, planes=planes))
    np.testing.assert_allclose(slabs, [5.0, 6.0, 7.5, 8.0])


def test_an_area_is_in_square_millimetres_where_the_image_is_calibrated():
    sample = reads.image_sample(dicom_phantoms.dx_image()[0], Modality.XRAY)
    mask = reads.asymmetric_mask(sample, [0])
    area = mask_area(mask, sample)
    assert (area.unit, area.value) == ("mm2", pytest.approx(mask.pixels * 0.04))


def test_an_area_stays_in_pixels_where_nothing_tells_their_size():
    dataset = dicom_phantoms.dx_image()[0]
    del dataset.PixelSpacing  # Imager Pixel Spacing is left: it is not the patient's
    sample = reads.image_sample(dataset, Modality.XRAY)
    mask = reads.asymmetric_mask(sample, [0])
    assert mask_area(mask, sample).unit == "{pixels}"
    assert mask_area(mask, sample).value == mask.pixels


@given(arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9))))
def test_contours_are_closed_and_inside_the_image(marked):
    contours = plane_contours(marked)
    assert bool(contours) == bool(marked.any())
    for contour in contours:
        assert (contour[0] == contour[-1]).all()
        assert (contour >= 0).all()
        assert (contour <= [marked.shape[1], marked.shape[0]]).all()


def test_a_contour_goes_around_its_mask():
    marked = np.zeros((20, 30), dtype=bool)
    marked[4:10, 12:22] = True
    (contour,) = plane_contours(marked)
    # Marching squares cuts the four corners at the middle of the pixel edges.
    assert contour.min(axis=0).tolist() == [12.0, 4.0]
    assert contour.max(axis=0).tolist() == [22.0, 10.0]


def test_contours_are_capped_largest_first():
    marked = np.zeros((1, 60, 60), dtype=bool)
    for size, corner in ((2, 2), (9, 10), (5, 30), (7, 45)):
        marked[0, corner : corner + size, corner : corner + size] = True
    drawn = outline(Mask.from_dense(marked), most=2)
    assert drawn.total == 4
    assert [float(np.ptp(points[:, 0])) for _, points in drawn.contours] == [9.0, 7.0]


def test_a_long_contour_keeps_its_shape_with_fewer_points():
    y, x = np.mgrid[0:900, 0:900]
    mask = Mask.from_dense((x - 450) ** 2 + (y - 450) ** 2 <= 400**2)
    ((_, points),) = outline(mask).contours
    assert len(points) <= MAXIMUM_POINTS
    assert (points[0] == points[-1]).all()
    np.testing.assert_allclose(np.hypot(points[:, 0] - 450.5, points[:, 1] - 450.5), 400, atol=2)
