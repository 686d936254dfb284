"""Every conversion between coordinate frames, as properties that hold for any plane and any box.

Planes: the three standard orientations, gantry-tilted ones and arbitrary oblique ones, all with non-square pixels.
Independent witnesses: highdicom's SCOORD transformers and SimpleITK's index transform.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import SimpleITK
from highdicom.spatial import ImageToReferenceTransformer, ReferenceToImageTransformer
from hypothesis import assume, example, given
from hypothesis import strategies as st

from wetread.findings import Box, BoxFrame, PatientBox
from wetread.geometry import (
    MODEL_EXTENT,
    PlaneGeometry,
    Resize,
    box_from_patient,
    box_to_patient,
    clip_to_image,
)

AXIAL = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0))
CORONAL = ((1.0, 0.0, 0.0), (0.0, 0.0, -1.0))
SAGITTAL = ((0.0, 1.0, 0.0), (0.0, 0.0, -1.0))
FRAME = "1.2.826.0.1.3680043.8.498.1"


def tilted(degrees: float) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """An axial plane tilted about the patient's left-right axis, as a CT gantry does."""
    angle = math.radians(degrees)
    return (1.0, 0.0, 0.0), (0.0, math.cos(angle), math.sin(angle))


def oblique(w: float, x: float, y: float, z: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Row and column cosines: the first two columns of the rotation of a quaternion, which need not be normalised."""
    w, x, y, z = np.array([w, x, y, z]) / np.linalg.norm([w, x, y, z])
    row = (1 - 2 * (y * y + z * z), 2 * (x * y + z * w), 2 * (x * z - y * w))
    column = (2 * (x * y - z * w), 1 - 2 * (x * x + z * z), 2 * (y * z + x * w))
    return tuple(map(float, row)), tuple(map(float, column))


numbers = st.floats(-1, 1, allow_nan=False, width=32)
orientations = st.one_of(
    st.sampled_from([AXIAL, CORONAL, SAGITTAL]),
    st.floats(-30, 30).map(tilted),
    st.tuples(numbers, numbers, numbers, numbers)
    .filter(lambda q: float(np.linalg.norm(q)) > 0.1)
    .map(lambda q: oblique(*q)),
)


@st.composite
def planes(draw: st.DrawFn) -> PlaneGeometry:
    row, column = draw(orientations)
    millimetres = st.floats(-2000, 2000, allow_nan=False)
    return PlaneGeometry(
        position=draw(st.tuples(millimetres, millimetres, millimetres)),
        row_cosines=row,
        column_cosines=column,
        row_spacing=draw(st.floats(0.02, 10)),
        column_spacing=draw(st.floats(0.02, 10)),
        frame_of_reference_uid=FRAME,
    )


@st.composite
def image_boxes(draw: st.DrawFn, extent: float = 4096.0) -> Box:
    edges = st.floats(0, extent, allow_nan=False)
    (x_min, x_max), (y_min, y_max) = sorted([draw(edges), draw(edges)]), sorted([draw(edges), draw(edges)])
    return Box(x_min, y_min, x_max, y_max, BoxFrame.IMAGE)


sizes = st.tuples(st.integers(1, 4096), st.integers(1, 4096))


class TestImageAndPatient:
    @given(planes(), st.lists(st.tuples(st.floats(-5000, 5000), st.floats(-5000, 5000)), min_size=1, max_size=5))
    def test_points_return_to_float_precision_and_lie_on_the_plane(self, plane, points):
        returned = plane.patient_to_image(plane.image_to_patient(points))
        np.testing.assert_allclose(returned[:, :2], points, rtol=0, atol=1e-7)
        np.testing.assert_allclose(returned[:, 2], 0, atol=1e-8)

    @pytest.mark.parametrize(
        "orientation",
        [AXIAL, CORONAL, SAGITTAL, tilted(15), tilted(-23.5), oblique(0.9, 0.1, 0.3, -0.2)],
        ids=["axial", "coronal", "sagittal", "tilted 15", "tilted -23.5", "oblique"],
    )
    @given(box=image_boxes())
    def test_boxes_return_to_float_precision(self, orientation, box):
        plane = PlaneGeometry((-120.5, 33.25, 710.0), *orientation, 0.7, 1.9, FRAME)
        returned = box_from_patient(box_to_patient(box, plane), plane)
        assert returned.frame is BoxFrame.IMAGE
        np.testing.assert_allclose(returned.corners, box.corners, rtol=0, atol=1e-9)

    @given(planes(), image_boxes())
    def test_a_box_in_the_patient_keeps_its_area(self, plane, box):
        a, b, _, d = np.asarray(box_to_patient(box, plane).corners)
        area = np.linalg.norm(b - a) * np.linalg.norm(d - a)
        assert area == pytest.approx(box.area * plane.row_spacing * plane.column_spacing, rel=1e-5, abs=1e-3)

    @given(planes())
    def test_the_position_is_the_centre_of_the_first_pixel(self, plane):
        np.testing.assert_allclose(plane.image_to_patient([(0.5, 0.5)])[0], plane.position, atol=1e-9)

    def test_x_runs_along_the_row_with_column_spacing_and_y_down_with_row_spacing(self):
        plane = PlaneGeometry(
            (0.0, 0.0, 0.0), *CORONAL, row_spacing=3.0, column_spacing=0.5, frame_of_reference_uid="1"
        )
        step_x, step_y = np.diff(plane.image_to_patient([(0, 0), (1, 0), (1, 1)]), axis=0)
        np.testing.assert_allclose(step_x, (0.5, 0, 0))
        np.testing.assert_allclose(step_y, (0, 0, -3.0))

    @given(planes(), st.floats(-50, 50))
    def test_distance_from_the_plane_is_signed_along_the_normal(self, plane, distance):
        point = plane.image_to_patient([(17.0, 4.0)]) + distance * plane.normal
        np.testing.assert_allclose(plane.patient_to_image(point), [(17.0, 4.0, distance)], atol=1e-7)


class TestAgainstOtherSoftware:
    @given(planes(), st.tuples(st.floats(0, 1024), st.floats(0, 1024)))
    def test_highdicom_puts_image_points_in_the_same_place(self, plane, point):
        described = {
            "image_position": plane.position,
            "image_orientation": (*plane.row_cosines, *plane.column_cosines),
            "pixel_spacing": (plane.row_spacing, plane.column_spacing),
        }
        ours = plane.image_to_patient([point])
        np.testing.assert_allclose(ours, ImageToReferenceTransformer(**described)(np.array([point])), atol=1e-7)
        theirs = ReferenceToImageTransformer(**described)(ours)
        np.testing.assert_allclose(plane.patient_to_image(ours)[:, :2], theirs[:, :2], atol=1e-6)

    @given(planes(), st.tuples(st.floats(0, 63), st.floats(0, 63)))
    def test_simpleitk_puts_pixel_centres_in_the_same_place(self, plane, index):
        image = SimpleITK.Image(64, 64, 1, SimpleITK.sitkUInt8)
        image.SetOrigin(plane.position)
        image.SetSpacing((plane.column_spacing, plane.row_spacing, 1.0))
        image.SetDirection(np.column_stack([plane.row_cosines, plane.column_cosines, plane.normal]).ravel().tolist())
        theirs = image.TransformContinuousIndexToPhysicalPoint((*index, 0.0))
        ours = plane.image_to_patient([(index[0] + 0.5, index[1] + 0.5)])[0]
        np.testing.assert_allclose(ours, theirs, atol=1e-7)


class TestRefusals:
    plane = PlaneGeometry((0.0, 0.0, 5.0), *AXIAL, 1.0, 1.0, FRAME)

    @given(st.floats(0.01, 1000), st.booleans())
    def test_a_box_off_the_plane_is_refused_with_its_distance(self, distance, below):
        z = 5.0 + (-distance if below else distance)
        box = PatientBox(((0.0, 0.0, z), (9.0, 0.0, z), (9.0, 9.0, z), (0.0, 9.0, z)), FRAME)
        with pytest.raises(ValueError, match=r"mm off the plane"):
            box_from_patient(box, self.plane)

    def test_a_box_in_another_frame_of_reference_is_refused(self):
        box = box_to_patient(Box(1, 1, 4, 4, BoxFrame.IMAGE), self.plane)
        with pytest.raises(ValueError, match="another frame of reference"):
            box_from_patient(dataclasses.replace(box, frame_of_reference_uid="1.2.3"), self.plane)

    @pytest.mark.parametrize("frame", [BoxFrame.MODEL, BoxFrame.RESIZED])
    def test_only_image_boxes_go_to_the_patient_or_are_clipped(self, frame):
        with pytest.raises(ValueError, match="image-pixels"):
            box_to_patient(Box(1, 1, 4, 4, frame), self.plane)
        with pytest.raises(ValueError, match="image-pixels"):
            clip_to_image(Box(1, 1, 4, 4, frame), 8, 8)

    @pytest.mark.parametrize(
        "cosines",
        [((1.0, 0.0, 0.0), (0.5, 0.5, 0.0)), ((2.0, 0.0, 0.0), (0.0, 1.0, 0.0)), ((0.0, 0.0, 0.0), (0.0, 1.0, 0.0))],
        ids=["not perpendicular", "not of unit length", "zero"],
    )
    def test_cosines_that_are_no_orientation_are_refused(self, cosines):
        with pytest.raises(ValueError, match="perpendicular unit vectors"):
            PlaneGeometry((0.0, 0.0, 0.0), *cosines, 1.0, 1.0, FRAME)

    @pytest.mark.parametrize("spacing", [(0.0, 1.0), (1.0, -0.5), (math.nan, 1.0)])
    def test_spacing_that_is_not_positive_is_refused(self, spacing):
        with pytest.raises(ValueError, match="spacing must be positive"):
            PlaneGeometry((0.0, 0.0, 0.0), *AXIAL, *spacing, FRAME)

    def test_a_patient_box_has_four_corners(self):
        with pytest.raises(ValueError, match="four corners"):
            PatientBox(((0.0, 0.0, 0.0),) * 3, FRAME)


class TestModelResizedAndImage:
    @given(sizes, sizes, image_boxes(), st.sampled_from(list(BoxFrame)), st.sampled_from(list(BoxFrame)))
    @example((1, 4096), (4096, 1), Box(0, 0, 4096, 1, BoxFrame.IMAGE), BoxFrame.MODEL, BoxFrame.RESIZED)
    def test_any_way_round_returns_to_float_precision(self, image, resized, box, first, second):
        resize = Resize(image, resized)
        there = resize.convert(resize.convert(box, first), second)
        assert there.frame is second
        np.testing.assert_allclose(resize.convert(there, BoxFrame.IMAGE).corners, box.corners, rtol=1e-12, atol=1e-9)

    @given(sizes, sizes)
    def test_the_whole_picture_is_the_whole_picture_in_every_frame(self, image, resized):
        resize = Resize(image, resized)
        whole = Box(0, 0, image[1], image[0], BoxFrame.IMAGE)
        assert resize.convert(whole, BoxFrame.MODEL).corners == pytest.approx((0, 0, MODEL_EXTENT, MODEL_EXTENT))
        assert resize.convert(whole, BoxFrame.RESIZED).corners == pytest.approx((0, 0, resized[1], resized[0]))

    def test_x_and_y_are_scaled_separately(self):
        resize = Resize(image=(100, 400), resized=(200, 200))
        box = resize.convert(Box(100, 25, 200, 50, BoxFrame.IMAGE), BoxFrame.RESIZED)
        assert box.corners == (50, 50, 100, 100)
        assert resize.convert(box, BoxFrame.MODEL).corners == (250, 250, 500, 500)

    @given(sizes, sizes, image_boxes(), image_boxes())
    def test_overlap_does_not_depend_on_the_frame(self, image, resized, first, second):
        assume(min(first.area, second.area) > 1e-3)
        resize = Resize(image, resized)
        converted = [resize.convert(box, BoxFrame.MODEL) for box in (first, second)]
        assert converted[0].iou(converted[1]) == pytest.approx(first.iou(second), abs=1e-6)


class TestClipping:
    @given(st.integers(1, 64), st.integers(1, 64), image_boxes(extent=96.0))
    def test_what_remains_lies_inside_both_and_what_is_lost_lies_outside(self, rows, columns, box):
        clipped = clip_to_image(box, rows, columns)
        whole = Box(0, 0, columns, rows, BoxFrame.IMAGE)
        if clipped is None:
            assert box.iou(whole) == 0.0
        else:
            assert clipped.iou(box) * max(box.area, 1e-12) == pytest.approx(clipped.area, rel=1e-6)
            assert clip_to_image(clipped, rows, columns) == clipped
