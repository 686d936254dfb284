"""The vocabulary: frozen values that refuse what cannot be true."""

from __future__ import annotations

import dataclasses
import math
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from wetread.findings import Box, BoxFrame, Decision, Finding, Mask, PatientBox, Provenance, Read, Verdict
from wetread.terminology import TARGETS

NUCLEI = TARGETS[0]
PROVENANCE = Provenance("m", "1", "0" * 64, "2.25.1", "0.1.0", 0, 1, 1, 0.1)
VALUES = [
    Box(0, 0, 1, 1, BoxFrame.IMAGE),
    PatientBox(((0.0, 0.0, 0.0),) * 4, "1.2"),
    Mask((1, 2, 2)),
    Finding(NUCLEI, "2.25.2", 0.5, 0),
    PROVENANCE,
    Read("2.25.3", "?", "", (), (), None, "", PROVENANCE),
    Verdict("2.25.3", "2.25.2", Decision.ACCEPT, "reader"),
]
masks = arrays.arrays(bool, st.tuples(st.integers(1, 4), st.integers(1, 9), st.integers(1, 9)))


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_every_value_is_frozen(value):
    for field in dataclasses.fields(value):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(value, field.name, None)


class TestBox:
    @pytest.mark.parametrize("corners", [(2, 0, 1, 1), (0, 2, 1, 1)])
    def test_reversed_corners_are_refused(self, corners):
        with pytest.raises(ValueError, match="reversed"):
            Box(*corners, BoxFrame.IMAGE)

    @pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
    @pytest.mark.parametrize("place", range(4))
    def test_corners_are_finite(self, bad, place):
        corners = [0.0, 0.0, 1.0, 1.0]
        corners[place] = bad
        with pytest.raises(ValueError, match="finite"):
            Box(*corners, BoxFrame.IMAGE)

    def test_overlap_of_half(self):
        left, both = Box(0, 0, 1, 1, BoxFrame.IMAGE), Box(0, 0, 2, 1, BoxFrame.IMAGE)
        assert left.iou(both) == both.iou(left) == 0.5
        assert left.iou(left) == 1.0
        assert left.iou(Box(1, 0, 2, 1, BoxFrame.IMAGE)) == 0.0

    def test_overlap_across_frames_is_refused(self):
        with pytest.raises(ValueError, match="two frames"):
            Box(0, 0, 1, 1, BoxFrame.IMAGE).iou(Box(0, 0, 1, 1, BoxFrame.MODEL))


class TestMask:
    @given(masks)
    def test_dense_and_sparse_hold_the_same_pixels(self, dense):
        mask = Mask.from_dense(dense)
        np.testing.assert_array_equal(mask.dense(), dense)
        assert mask.pixels == dense.sum()
        assert mask.is_empty == (not dense.any())

    def test_planes_without_a_marked_pixel_are_dropped(self):
        marked = np.eye(3, dtype=bool)
        mask = Mask((4, 3, 3), {0: np.zeros((3, 3), bool), 3: marked, 2: marked})
        assert list(mask.planes) == [2, 3]

    def test_planes_cannot_be_written(self):
        mask = Mask.from_dense(np.eye(3, dtype=bool))
        with pytest.raises(ValueError, match="read-only"):
            mask.planes[0][0, 0] = False

    @given(masks.filter(lambda dense: dense.any()))
    def test_the_box_is_tight_on_every_plane(self, dense):
        mask = Mask.from_dense(dense)
        for index, plane in mask.planes.items():
            box = mask.box(index)
            x_min, y_min, x_max, y_max = (int(edge) for edge in box.corners)
            assert box.frame is BoxFrame.IMAGE
            assert plane[y_min:y_max, x_min:x_max].sum() == plane.sum()
            assert plane[y_min].any()
            assert plane[y_max - 1].any()
            assert plane[:, x_min].any()
            assert plane[:, x_max - 1].any()

    def test_the_key_plane_has_the_most_pixels_and_is_the_first_of_equals(self):
        dense = np.zeros((4, 2, 2), bool)
        dense[1, 0], dense[2], dense[3] = True, True, True
        assert Mask.from_dense(dense).key_plane == 2

    def test_an_empty_mask_has_no_key_plane(self):
        with pytest.raises(ValueError, match="no key plane"):
            _ = Mask((2, 3, 3)).key_plane

    @pytest.mark.parametrize("planes", [{5: np.ones((3, 3), bool)}, {-1: np.ones((3, 3), bool)}, {0: np.ones((3, 4))}])
    def test_planes_that_do_not_fit_the_sample_are_refused(self, planes):
        with pytest.raises(ValueError, match="does not fit"):
            Mask((2, 3, 3), planes)


class TestFinding:
    @pytest.mark.parametrize("presence", [-0.01, 1.01, math.nan])
    def test_presence_is_a_probability(self, presence):
        with pytest.raises(ValueError, match="probability"):
            Finding(NUCLEI, "2.25.1", presence, 0)

    @pytest.mark.parametrize("where", ["box", "text_box", "instances"])
    def test_boxes_in_the_models_frame_are_refused(self, where):
        box = Box(0, 0, 1, 1, BoxFrame.MODEL)
        with pytest.raises(ValueError, match="convert it first"):
            Finding(NUCLEI, "2.25.1", 0.5, 0, **{where: (box,) if where == "instances" else box})

    def test_the_label_is_the_targets(self):
        assert Finding(NUCLEI, "2.25.1", 0.5, 0).label == "nuclei"


def test_times_are_utc():
    verdict = Verdict("2.25.3", "2.25.2", Decision.REJECT, "reader")
    assert verdict.decided.utcoffset() == PROVENANCE.created.utcoffset() == timedelta(0)
