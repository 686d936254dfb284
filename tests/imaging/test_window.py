"""The grey window: DICOM's formulas against the straight ramp that Wetread draws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset

from dicom_phantoms import ct_series, mr_series, secondary_capture
from wetread.imaging import to_sample
from wetread.imaging.window import INVALID_REMARK, LUT_REMARK, SIGMOID_REMARK


def linear_of_the_standard(values: np.ndarray, centre: float, width: float) -> np.ndarray:
    """PS3.3 C.11.2.1.2.1, output 0 to 255, written out as the standard has it."""
    low, high = centre - 0.5 - (width - 1) / 2, centre - 0.5 + (width - 1) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        inside = ((values - (centre - 0.5)) / (width - 1) + 0.5) * 255.0
    return np.where(values <= low, 0.0, np.where(values > high, 255.0, inside))


@settings(max_examples=60, deadline=None)
@given(st.integers(-1000, 3000), st.integers(2, 4000))
def test_linear_windows_are_shown_as_the_standard_says(centre: int, width: int) -> None:
    dataset = ct_series(1, rows=8, columns=8)[0]
    dataset.WindowCenter, dataset.WindowWidth = centre, width
    plane = to_sample([dataset]).planes[0]
    wanted = linear_of_the_standard(plane.values.astype(np.float64), centre, width)
    assert np.abs(plane.picture()[..., 0] - wanted).max() <= 0.51


@settings(max_examples=40, deadline=None)
@given(st.floats(-500, 500), st.floats(0.5, 4000))
def test_a_wider_window_never_turns_the_order_of_greys(centre: float, width: float) -> None:
    dataset = ct_series(1, rows=8, columns=8)[0]
    dataset.VOILUTFunction = "LINEAR_EXACT"
    dataset.WindowCenter, dataset.WindowWidth = f"{centre:.6g}", f"{width:.6g}"
    plane = to_sample([dataset]).planes[0]
    order = np.argsort(plane.values, axis=None)
    assert (np.diff(plane.picture()[..., 0].ravel()[order].astype(int)) >= 0).all()


def test_linear_exact_is_kept() -> None:
    dataset = ct_series(1)[0]
    dataset.VOILUTFunction = "LINEAR_EXACT"
    sample = to_sample([dataset])
    assert sample.planes[0].window == (40.0, 400.0)
    assert sample.remarks == ()


def test_sigmoid_is_shown_as_its_tangent_and_said() -> None:
    dataset = ct_series(1)[0]
    dataset.VOILUTFunction = "SIGMOID"
    sample = to_sample([dataset])
    assert sample.planes[0].window == (40.0, 400.0)
    assert sample.remarks == (SIGMOID_REMARK,)


def test_the_first_of_several_windows_is_taken() -> None:
    dataset = ct_series(1)[0]
    dataset.WindowCenter, dataset.WindowWidth = [-600, 40], [1500, 400]
    assert to_sample([dataset]).planes[0].window == (-600.5, 1499.0)


def test_a_voi_lut_is_shown_as_the_ramp_over_its_rise_and_said() -> None:
    dataset = secondary_capture()[0]
    table = Dataset()
    table.LUTDescriptor = [6, 100, 8]
    table.add_new(0x00283006, "US", [0, 0, 50, 100, 200, 200])
    dataset.VOILUTSequence = [table]
    sample = to_sample([dataset])
    assert sample.planes[0].window == (102.5, 3.0)
    assert sample.remarks == (LUT_REMARK,)


def test_a_window_without_width_is_ignored_and_said() -> None:
    dataset = ct_series(1)[0]
    dataset.WindowWidth = 0
    sample = to_sample([dataset])
    assert sample.planes[0].window == (40.0, 400.0)
    assert sample.remarks == (INVALID_REMARK,)


def test_defaults_are_soft_tissue_for_ct_and_percentiles_for_mr() -> None:
    ct, mr = ct_series(3), mr_series(3)
    for dataset in ct:
        del dataset.WindowCenter, dataset.WindowWidth
    assert {p.window for p in to_sample(ct).planes} == {(40.0, 400.0)}
    sample = to_sample(mr)
    low, high = np.percentile(np.stack([p.values for p in sample.planes]), [0.5, 99.5])
    assert len({p.window for p in sample.planes}) == 1
    assert sample.planes[0].window == pytest.approx(((low + high) / 2, high - low), abs=2)


def test_eight_bit_pictures_keep_their_whole_range() -> None:
    plane = to_sample(secondary_capture()).planes[0]
    assert np.array_equal(plane.picture()[..., 0], plane.values)
