"""What a ledger teaches beyond a model's own targets: which examples, how told, what the new version covers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taught_cases import drawn_spot
from wetread.model.answers import parse_answer
from wetread.model.checkpoint import read_info
from wetread.model.tokenizer import SEG_TOKEN
from wetread.terminology import Modality
from wetread.training.augmented import MIRRORED, TURNED, augmented
from wetread.training.fine_tune import FineTune
from wetread.training.from_ledger import LedgerExample
from wetread.training.ledger_lessons import DictatedLessons
from wetread.training.lessons import UNKNOWN_LABELS, Lessons
from wetread.training.taught import LEAST_TAUGHT, parted, statement_of


@pytest.fixture
def info():
    return read_info("wetread-mini")


def example(number, modality=Modality.DERMOSCOPY, present=("skin lesion",), absent=(), **more):
    picture, mask = drawn_spot(np.random.default_rng(number))
    return LedgerExample(f"r{number}", f"p{number}", modality, picture, dict.fromkeys(present, mask),
                         dict.fromkeys(absent, mask), **more)  # fmt: skip


def test_a_target_needs_several_patients(info):
    few = [example(number) for number in range(LEAST_TAUGHT - 1)]
    assert parted(info, few) == ([], [], {"skin lesion": LEAST_TAUGHT - 1})
    same_patient = [replace(example(number), patient="p0") for number in range(9)]
    assert parted(info, same_patient)[1] == []
    enough = [*few, example(99)]
    known, taught, counts = parted(info, enough)
    assert (known, len(taught), counts) == ([], LEAST_TAUGHT, {"skin lesion": LEAST_TAUGHT})


def test_one_example_can_hold_both_kinds(info):
    mixed = [example(n, Modality.CT, ("liver", "pancreas")) for n in range(LEAST_TAUGHT)]
    known, taught, _ = parted(info, mixed)
    assert {name for one in known for name in one.present} == {"liver"}
    assert {name for one in taught for name in one.present} == {"pancreas"}


def test_a_name_that_the_model_writes_is_not_taught_on_another_modality(info):
    foreign = [example(n, Modality.ULTRASOUND, ("liver",)) for n in range(LEAST_TAUGHT)]
    assert parted(info, foreign) == ([], [], {})


def test_the_statement_widens_by_what_was_taught_and_no_more(info):
    sized = [example(n, Modality.CT, ("pancreas",), field_mm=size) for n, size in enumerate((300.0, 350.0, 400.0))]
    _, taught, counts = parted(info, sized)
    said = statement_of(info, taught, counts)
    assert said["taught"] == {"pancreas": 3}
    assert said["labels"] == [*info.labels, "pancreas"]
    assert said["modalities"] == [modality.value for modality in info.modalities]
    assert said["field_mm"]["pancreas"] == [240.0, 500.0]
    assert said["field_mm"]["liver"] == list(info.field_mm["liver"])


def test_a_statement_without_anything_taught_covers_what_the_model_covered(info):
    said = statement_of(info, [], {})
    assert (said["labels"], said["taught"]) == (list(info.labels), {})


def test_dictated_lessons_give_nothing_of_the_mask_away():
    lessons = DictatedLessons([example(0), example(1, present=(), absent=("skin lesion",))], 3)
    drawn = [lessons.draw() for _ in range(40)]
    assert len({lesson.answer for lesson in drawn}) == 1
    (item,) = parse_answer(drawn[0].answer.replace(SEG_TOKEN, "")).objects
    assert (item.label, item.box) == ("skin lesion", None)
    shown = [lesson.masks[0].any() for lesson in drawn]
    assert any(shown)
    assert not all(shown), "what was rejected is taught as not there"
    again = DictatedLessons([example(0), example(1, present=(), absent=("skin lesion",))], 3)
    assert all(np.array_equal(one.picture, again.draw().picture) for one in drawn)


@given(st.integers(0, 2**32 - 1), st.sampled_from(sorted(Modality)))
def test_picture_and_mask_stay_together(seed, modality):
    picture, mask = drawn_spot(np.random.default_rng(5))
    shown, marked = augmented(picture, mask, modality, np.random.default_rng(seed))
    assert shown.shape == (256, 256, 3)
    assert marked.shape == (256, 256)
    if marked.any() and not marked.all():
        assert shown[marked].mean() < shown[~marked].mean(), "the spot is dark wherever it has gone"


@pytest.mark.parametrize("modality", sorted(set(Modality) - MIRRORED))
def test_left_stays_left_where_it_means_something(modality):
    picture = np.zeros((64, 64, 3), np.uint8)
    mask = np.zeros((64, 64), bool)
    mask[:, :20] = True
    rng = np.random.default_rng(0)
    for _ in range(20):
        _, marked = augmented(picture, mask, modality, rng)
        left, right = marked[:, :128].sum(), marked[:, 128:].sum()
        assert left >= right
    assert modality not in TURNED


def test_a_rate_that_falls_ends_low_and_one_that_does_not_stays():
    falling, flat = FineTune("head", 100, decay=True), FineTune("head", 100)
    assert falling.rate_at(99) < 0.05 * falling.rate
    assert falling.rate_at(5) > 0.9 * falling.rate
    assert flat.rate_at(99) == flat.rate


def test_nobody_is_taught_to_abstain_on_what_is_covered(tmp_path):
    covered = UNKNOWN_LABELS[:-1]
    lessons = Lessons(tmp_path, [], 0.5, 0.5, SEG_TOKEN, 0, covered=covered)
    asked = {lesson.question for lesson in (lessons.draw() for _ in range(200))}
    assert any(UNKNOWN_LABELS[-1] in question for question in asked)
    assert not any(label in question for label in covered for question in asked if "Please" in question)
