"""Intervals by resampling patients: repeatable, honest about one patient, close to the formula where there is one."""

from __future__ import annotations

import numpy as np
import pytest

from wetread.evaluation.bootstrap import group_counts, ratio_estimate, weighted_estimate


def test_every_resample_draws_as_many_groups_as_there_are() -> None:
    counts = group_counts(7)
    assert counts.shape == (2000, 7)
    assert (counts.sum(axis=1) == 7).all()
    assert np.array_equal(counts, group_counts(7))
    assert not np.array_equal(counts, group_counts(7, seed=1))


def test_a_mean_and_its_interval_agree_with_the_normal_approximation() -> None:
    values = np.random.default_rng(3).normal(0.8, 0.1, 400)
    found = ratio_estimate(values, np.ones(400), [f"p{i}" for i in range(400)])
    half = 1.96 * values.std(ddof=1) / 20
    assert found.value == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert found.high == pytest.approx(values.mean() + half, abs=0.1 * half)
    assert (found.n, found.groups) == (400, 400)


def test_pictures_of_one_patient_do_not_narrow_the_interval() -> None:
    values = np.random.default_rng(4).random(20)
    once = ratio_estimate(values, np.ones(20), [str(i) for i in range(20)])
    ten_times = ratio_estimate(np.repeat(values, 10), np.ones(200), [str(i) for i in np.repeat(np.arange(20), 10)])
    assert ten_times.value == pytest.approx(once.value)
    assert (ten_times.low, ten_times.high) == (pytest.approx(once.low), pytest.approx(once.high))


def test_a_ratio_is_of_sums_and_items_with_nothing_to_measure_are_left_out() -> None:
    found = ratio_estimate([1, 0, 6], [2, 0, 6], ["a", "b", "c"])
    assert found.value == pytest.approx(7 / 8)
    assert (found.n, found.groups) == (8, 2)


def test_one_patient_gives_a_value_without_an_interval_and_none_gives_nothing() -> None:
    one = ratio_estimate([0.5, 0.7], [1, 1], ["a", "a"])
    assert (one.value, one.low, one.high) == (pytest.approx(0.6), None, None)
    assert ratio_estimate([], [], []).value is None
    assert ratio_estimate([0.0], [0], ["a"]).as_dict() == {"value": None, "low": None, "high": None, "n": 0,
                                                           "groups": 0}  # fmt: skip


def test_resamples_without_anything_to_measure_are_dropped() -> None:
    def statistic(counts: np.ndarray) -> np.ndarray:
        return np.where(counts[:, 0] > 0, 0.25, np.nan)

    found = weighted_estimate(statistic, 3, n=1)
    assert (found.value, found.low, found.high) == (0.25, 0.25, 0.25)
