"""Resizing, normalising and cutting equal transformers' own PIL image processor, for every family and any size."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from wetread.model.families import QWEN2_VL, QWEN3_VL, WETREAD_MINI, Family
from wetread.model.processing import Preprocessing, normalise, patchify, patchify_video, smart_resize

SIZES = [(300, 200), (64, 1500), (1, 1), (1024, 1024), (37, 41)]


def rule_of(family: Family, most: int | None = None) -> Preprocessing:
    return Preprocessing(family.patch, family.merge, family.temporal, family.mean, family.std, family.least_pixels,
                         most or family.most_pixels, family.side)  # fmt: skip


@pytest.mark.parametrize("family", [QWEN2_VL, QWEN3_VL], ids=lambda f: f.name)
@pytest.mark.parametrize(("rows", "columns"), SIZES)
def test_a_picture_becomes_the_patches_of_qwens_own_processor(family: Family, rows: int, columns: int) -> None:
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    picture = np.random.default_rng(rows).integers(0, 256, (rows, columns, 3), dtype=np.uint8)
    rule = rule_of(family, most=200_000)
    processor = Qwen2VLImageProcessorPil(
        size={"shortest_edge": rule.least_pixels, "longest_edge": rule.most_pixels}, patch_size=rule.patch,
        merge_size=rule.merge, temporal_patch_size=rule.temporal, image_mean=list(rule.mean), image_std=list(rule.std),
    )  # fmt: skip
    theirs = processor(picture, return_tensors="pt", input_data_format="channels_last")
    fitted = rule.fit(picture)
    ours, grid = patchify(normalise(fitted[None], rule.mean, rule.std), rule.patch, rule.merge, rule.temporal)
    assert torch.equal(grid, theirs["image_grid_thw"])
    torch.testing.assert_close(ours, theirs["pixel_values"].float(), atol=1e-6, rtol=0)


@given(
    rows=st.integers(1, 5000), columns=st.integers(1, 5000), cell=st.sampled_from([28, 32]),
    least=st.integers(1000, 70_000), most=st.integers(100_000, 2_000_000),
)  # fmt: skip
def test_the_size_is_that_of_transformers_where_it_gives_one(
    rows: int, columns: int, cell: int, least: int, most: int
) -> None:
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize as theirs

    size = smart_resize(rows, columns, cell, least, most)
    assert all(side % cell == 0 and side > 0 for side in size)
    if max(rows, columns) / min(rows, columns) <= 200 and all(theirs(rows, columns, cell, least, most)):
        assert size == theirs(rows, columns, cell, least, most)


def test_a_strip_that_qwen_refuses_is_squeezed_instead() -> None:
    height, width = smart_resize(1, 4000, 28, 3136, 12_845_056)
    assert height >= 28
    assert width >= 28


def test_the_small_model_is_shown_a_square_resized_as_in_training() -> None:
    from wetread.reading.pictures import fitted

    picture = np.random.default_rng(0).integers(0, 256, (300, 170, 3), dtype=np.uint8)
    assert np.array_equal(rule_of(WETREAD_MINI).fit(picture), fitted(picture, 256))


def test_a_video_of_one_repeated_slice_is_the_still_picture() -> None:
    slices = normalise(np.random.default_rng(0).integers(0, 256, (1, 64, 96, 3), dtype=np.uint8))
    still, still_grid = patchify(slices, 16, 2, 2)
    video, grid = patchify_video(slices, 16, 2, 2)
    assert torch.equal(still, video)
    assert torch.equal(still_grid, grid)


def test_two_slices_share_one_visual_token_in_order() -> None:
    first, second = torch.zeros(1, 3, 32, 32), torch.ones(1, 3, 32, 32)
    values, grid = patchify_video(torch.cat([first, second, second]), 16, 2, 2)
    assert grid.tolist() == [[2, 2, 2]]
    by_time = values.reshape(8, 3, 2, 16, 16)
    assert by_time[:4, :, 0].max() == 0
    assert by_time[:4, :, 1].min() == 1
    assert by_time[4:].min() == 1
