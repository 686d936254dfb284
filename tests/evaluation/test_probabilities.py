"""AUROC, average precision, Brier score and calibration against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from wetread.evaluation.probabilities import expected_calibration_error, probability_figures
from wetread.evaluation.surfaces import mask_dice, surface_dice

GROUPS = list("abcd")


def test_by_hand() -> None:
    found = probability_figures([True, False, True, False], [0.9, 0.6, 0.4, 0.1], GROUPS)
    assert found.auroc.value == pytest.approx(3 / 4)
    assert found.average_precision.value == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert found.brier.value == pytest.approx((0.01 + 0.36 + 0.36 + 0.01) / 4)
    assert found.ece.value == pytest.approx((0.1 + 0.6 + 0.6 + 0.1) / 4)
    assert found.roc.x[0] == found.roc.y[0] == 0.0
    assert found.bins == (1, 1, 1, 1)


def test_the_calibration_error_takes_bins_together() -> None:
    truth, sure = np.array([True, True, False, True]), np.array([0.72, 0.78, 0.75, 0.2])
    assert expected_calibration_error(truth, sure) == pytest.approx(3 / 4 * abs(0.75 - 2 / 3) + 1 / 4 * 0.8)


def test_perfectly_calibrated_is_nearly_zero() -> None:
    draw = np.random.default_rng(0)
    sure = draw.random(20_000)
    assert expected_calibration_error(draw.random(20_000) < sure, sure) < 0.02


def test_one_kind_of_case_has_no_auroc_and_keeps_its_brier_score() -> None:
    found = probability_figures([True, True], [0.5, 1.0], ["a", "b"])
    assert found.auroc.value is None
    assert found.brier.value == pytest.approx(0.125)
    assert found.roc.x == ()
    assert found.as_dict()["auroc"]["value"] is None


def test_what_is_no_probability_is_an_error() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        probability_figures([True], [1.5], ["a"])


def test_dice_and_surface_dice_by_hand() -> None:
    truth, shifted = np.zeros((20, 20), bool), np.zeros((20, 20), bool)
    truth[5:15, 5:15], shifted[5:15, 8:18] = True, True
    assert mask_dice(shifted, truth) == pytest.approx(0.7)
    assert np.isnan(mask_dice(shifted, np.zeros_like(truth)))
    assert surface_dice(truth, truth) == 1.0
    assert surface_dice(shifted, truth, 3.0) == 1.0
    assert 0.3 < surface_dice(shifted, truth, 1.0) < 0.7
    assert surface_dice(np.zeros_like(truth), truth) == 0.0
    assert np.isnan(surface_dice(truth, np.zeros_like(truth)))


def test_our_dice_is_monai_s() -> None:
    from wetread.evaluation.metrics import dice

    draw = np.random.default_rng(0)
    for _ in range(10):
        a, b = draw.random((9, 7)) < 0.4, draw.random((9, 7)) < 0.4
        assert dice(a, b) == pytest.approx(mask_dice(a, b))
