"""The table of families and checkpoints, held against the published facts, and boxes of every family in the image."""

from __future__ import annotations

import pytest

from wetread.findings import Box, BoxFrame
from wetread.geometry import Resize
from wetread.model.answers import parse_answer
from wetread.model.families import (
    FAMILIES,
    KNOWN_CHECKPOINTS,
    QWEN2_5_VL,
    QWEN2_VL,
    QWEN3_VL,
    WETREAD_MINI,
    PromptVariant,
    family_named,
    family_of_type,
    known_checkpoint,
)
from wetread.model.location import is_hub_id
from wetread.model.processing import Preprocessing
from wetread.model.prompts import INSTRUCTIONS, user_text
from wetread.terminology import Modality


@pytest.mark.parametrize(
    ("model_type", "frame", "cell", "mean"),
    [
        ("qwen2_vl", BoxFrame.MODEL, 28, 0.48145466),
        ("qwen2_5_vl", BoxFrame.RESIZED, 28, 0.48145466),
        ("time_series_qwen2_5_vl", BoxFrame.RESIZED, 28, 0.48145466),
        ("qwen3_vl", BoxFrame.MODEL, 32, 0.5),
    ],
)
def test_each_model_type_has_its_box_frame_cell_and_mean(
    model_type: str, frame: BoxFrame, cell: int, mean: float
) -> None:
    family = family_of_type(model_type)
    assert family is not None
    assert (family.box_frame, family.patch * family.merge, family.mean[0]) == (frame, cell, mean)


def test_the_small_model_is_its_own_row_because_it_states_a_side() -> None:
    assert family_named("qwen3_vl", side=256) is WETREAD_MINI
    assert family_named("qwen3_vl") is QWEN3_VL
    assert family_named("llama") is None
    assert not WETREAD_MINI.videos
    assert all(family.videos for family in FAMILIES if family is not WETREAD_MINI)


def test_only_qwen3_writes_times_between_the_steps_of_a_video() -> None:
    assert [family.name for family in FAMILIES if family.videos and family.frame_times] == ["qwen3_vl"]


def test_every_known_checkpoint_has_a_valid_id_and_known_families() -> None:
    for known in KNOWN_CHECKPOINTS:
        assert is_hub_id(known.hub_id)
        assert known.families
        assert all(family_named(name) for name in known.families)
        assert known.prompt in INSTRUCTIONS


@pytest.mark.parametrize(
    ("name", "variant"),
    [
        ("ddvd233/QoQ-Med-VL-7B", PromptVariant.QOQ_MED),
        ("QoQ-Med3-VL-8B", PromptVariant.QOQ_MED3),
        ("qoq-med3-vl-8b-mimic", PromptVariant.QOQ_MED3),
        ("Qwen/Qwen2.5-VL-7B-Instruct", PromptVariant.PLAIN),
    ],
)
def test_a_checkpoint_is_known_by_hub_id_or_by_its_folders_name(name: str, variant: PromptVariant) -> None:
    known = known_checkpoint(name)
    assert known is not None
    assert known.prompt is variant


@pytest.mark.parametrize(
    ("variant", "thinks", "boxes"),
    [(PromptVariant.MINI, False, False), (PromptVariant.PLAIN, True, True), (PromptVariant.QOQ_MED, True, True),
     (PromptVariant.QOQ_MED3, True, False)],
)  # fmt: skip
def test_a_prompt_variant_asks_for_what_its_model_was_trained_to_write(
    variant: PromptVariant, thinks: bool, boxes: bool
) -> None:
    text = user_text(Modality.XRAY, "Is there an effusion?", variant)
    assert text.startswith("Modality: X-ray. Is there an effusion?")
    assert ("<think>" in text, "bbox_2d" in text) == (thinks, boxes)
    assert ("\\boxed{}" in text) == thinks


def test_a_models_own_instruction_replaces_the_variants() -> None:
    assert user_text(Modality.CT, "What?", PromptVariant.QOQ_MED, "Answer in one word.") == (
        "Modality: CT. What?\nAnswer in one word."
    )


@pytest.mark.parametrize(("family", "rows", "columns"), [(f, r, c) for f in FAMILIES
                                                         for r, c in ((1000, 700), (512, 512), (90, 400))])  # fmt: skip
def test_a_box_written_in_the_familys_frame_comes_back_in_the_image(family, rows: int, columns: int) -> None:
    rule = Preprocessing(family.patch, family.merge, family.temporal, family.mean, family.std, family.least_pixels,
                         family.most_pixels, family.side)  # fmt: skip
    resize = Resize((rows, columns), rule.size(rows, columns))
    known = Box(0.1 * columns, 0.2 * rows, 0.6 * columns, 0.8 * rows, BoxFrame.IMAGE)
    written = resize.convert(known, family.box_frame)
    numbers = [round(value) for value in written.corners]
    answer = parse_answer(f'```json\n[{{"bbox_2d": {numbers}, "label": "liver"}}]\n```', family.box_frame)
    box = answer.objects[0].box
    assert box is not None
    assert resize.convert(box, BoxFrame.IMAGE).iou(known) > 0.97
    if family.box_frame is BoxFrame.RESIZED:  # absolute pixels of what the model saw, not thousandths
        assert numbers[2] == round(0.6 * resize.resized[1])
    else:
        assert numbers == [100, 200, 600, 800]


def test_pixel_limits_are_those_of_the_published_processors() -> None:
    assert (QWEN2_VL.least_pixels, QWEN2_VL.most_pixels) == (3136, 12845056)
    assert (QWEN2_5_VL.least_pixels, QWEN2_5_VL.most_pixels) == (3136, 12845056)
    assert (QWEN3_VL.least_pixels, QWEN3_VL.most_pixels) == (65536, 16777216)
