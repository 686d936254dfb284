"""The model is shown the grey scale it was taught on, whatever window is stored."""

from __future__ import annotations

import numpy as np
import pytest

from wetread.imaging.sample import Plane, Sample, SampleKind, Source
from wetread.reading.pictures import pictures
from wetread.terminology import Modality

SOURCE = Source("1", "2", "3", "4")


def sample(modality: Modality, window: tuple[float, float], values: np.ndarray) -> Sample:
    return Sample(SampleKind.IMAGE, modality, (Plane(values, SOURCE, window=window),), ())


@pytest.mark.parametrize("modality", [Modality.MR, Modality.CT])
def test_a_stored_window_changes_nothing(modality: Modality) -> None:
    values = np.linspace(-300, 400, 10_000, dtype=np.float32).reshape(100, 100)
    first, second = (pictures(sample(modality, w, values))(0) for w in ((40.0, 400.0), (5000.0, 10.0)))
    np.testing.assert_array_equal(first, second)
    assert first.min() == 0
    assert first.max() == 255


def test_ct_is_shown_at_forty_four_hundred() -> None:
    values = np.array([[-160.0, 40.0, 240.0]], dtype=np.float32)
    assert pictures(sample(Modality.CT, (0.0, 1.0), values))(0)[0, :, 0].tolist() == [0, 128, 255]


def test_other_pictures_are_shown_as_a_person_sees_them() -> None:
    values = np.linspace(0, 255, 400, dtype=np.float32).reshape(20, 20)
    shown = sample(Modality.XRAY, (128.0, 50.0), values)
    np.testing.assert_array_equal(pictures(shown)(0), shown.planes[0].picture())
