"""Files to arrays: the published pixel rule, and masks that stay on their pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from wetread.errors import RefusedInput
from wetread.training.data.media import (
    MAX_PIXELS,
    MIN_PIXELS,
    evenly_spaced,
    fitted_size,
    read_mask,
    read_picture,
    read_waveform,
    resize_mask,
    resize_picture,
)


@given(st.integers(1, 5000), st.integers(1, 5000))
def test_the_pixel_rule_holds_for_every_size(rows: int, columns: int) -> None:
    fitted = fitted_size(rows, columns)
    assert fitted[0] * fitted[1] <= max(MAX_PIXELS, max(fitted) if min(fitted) == 1 else 0)
    assert fitted[0] * fitted[1] >= MIN_PIXELS
    if MIN_PIXELS <= rows * columns <= MAX_PIXELS:
        assert fitted == (rows, columns)


@pytest.mark.parametrize(
    ("size", "fitted"), [((1024, 1024), (724, 724)), ((100, 100), (256, 256)), ((2048, 512), (1448, 362))]
)
def test_the_pixel_rule_by_hand(size: tuple[int, int], fitted: tuple[int, int]) -> None:
    assert fitted_size(*size) == fitted


def test_the_mask_of_a_picture_that_is_not_square_stays_on_it() -> None:
    picture = np.zeros((100, 300, 3), np.uint8)
    picture[20:60, 200:280] = 255
    size = fitted_size(100, 300)
    small, mask = resize_picture(picture, size, "nearest"), resize_mask(picture[..., 0] > 0, size)
    assert small.shape[:2] == mask.shape == size
    assert size[0] < size[1]
    assert ((small[..., 0] > 127) == mask).mean() == 1.0


def test_frames_run_from_the_first_to_the_last() -> None:
    assert evenly_spaced(10, 4) == [0, 3, 6, 9]
    assert evenly_spaced(101, 3) == [0, 50, 100]
    assert evenly_spaced(2, 4) == [0, 1]
    assert evenly_spaced(9, 1) == [0]


def test_deep_grey_and_transparent_and_palette_pictures_are_read(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 30000], [60000, 15000]], np.uint16)).save(tmp_path / "deep.png")
    assert read_picture(tmp_path / "deep.png")[..., 0].tolist() == [[0, 128], [255, 64]]
    Image.fromarray(np.full((4, 6, 4), 200, np.uint8)).save(tmp_path / "alpha.png")
    assert read_picture(tmp_path / "alpha.png").shape == (4, 6, 3)
    opaque = np.zeros((4, 6, 4), np.uint8)
    opaque[..., 3] = 255
    opaque[1, 2] = 255
    Image.fromarray(opaque).save(tmp_path / "mask.png")
    assert read_mask(tmp_path / "mask.png").sum() == 1


def test_waveforms_that_are_none_are_refused(tmp_path: Path) -> None:
    import torch

    torch.save({"a": torch.zeros(3)}, tmp_path / "dict.pt")
    torch.save(torch.zeros(1, 8, 2500), tmp_path / "batch.pt")
    torch.save(torch.full((8, 10), float("nan")), tmp_path / "nan.pt")
    assert read_waveform(tmp_path / "batch.pt").shape == (8, 2500)
    for name, reason in (
        ("dict.pt", "instead of a tensor"),
        ("nan.pt", "not numbers"),
        ("none.pt", "missing waveform"),
    ):
        with pytest.raises(RefusedInput, match=reason):
            read_waveform(tmp_path / name)
