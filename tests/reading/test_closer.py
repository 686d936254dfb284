"""A closer look: windows cover the picture, and joining equal logits changes nothing."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from wetread.reading.closer import joined, weight, windows


@given(st.integers(384, 1500), st.integers(384, 1500))
def test_windows_cover_every_pixel_and_stay_inside(rows: int, columns: int) -> None:
    seen = np.zeros((rows, columns), dtype=bool)
    for top, left, height, width in windows(rows, columns, 256):
        assert 0 <= top <= top + height <= rows
        assert 0 <= left <= left + width <= columns
        seen[top : top + height, left : left + width] = True
    assert seen.all()


def test_small_pictures_are_looked_at_once() -> None:
    assert windows(383, 2000, 256) == []


def test_joining_what_agrees_changes_nothing() -> None:
    logits = np.random.default_rng(0).normal(size=(400, 500)).astype(np.float32)
    parts = [(w, logits[w[0] : w[0] + w[2], w[1] : w[1] + w[3]]) for w in windows(400, 500, 256)]
    np.testing.assert_allclose(joined(logits, parts), logits, atol=1e-5)


def test_weights_fade_towards_the_edges() -> None:
    fading = weight(100, 80)
    assert fading[50, 40] == 1.0
    assert fading[0, 0] < fading[0, 40] < 1.0
