"""Lessons never say what their masks do not show."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from wetread.findings import BoxFrame, Mask
from wetread.model.answers import ABSTAINED, parse_answer
from wetread.model.tokenizer import SEG_TOKEN
from wetread.regions.description import measure, sentence
from wetread.terminology import find_target
from wetread.training.lessons import SIDE, Lesson, Lessons, SetConfig
from wetread.training.phantoms import drawn_nuclei, drawn_smear, drawn_uncovered

SHARED = Path(__file__).parents[3] / "shared" / "data"


def drawn(seed: int, count: int) -> list[Lesson]:
    lessons = Lessons(Path(), [], drawn=0.7, uncovered=0.3, seg=SEG_TOKEN, seed=seed)
    return [lessons.draw() for _ in range(count)]


def check(lesson: Lesson) -> None:
    answer = parse_answer(lesson.answer.replace(SEG_TOKEN, ""))
    assert answer.defects == ()
    assert lesson.picture.shape == (SIDE, SIDE, 3)
    assert lesson.picture.dtype == np.uint8
    assert lesson.answer.count(SEG_TOKEN) == len(lesson.masks) == len(answer.objects)
    if not lesson.teaches_words:
        return
    for item, mask in zip(answer.objects, lesson.masks, strict=True):
        target = find_target(item.label)
        assert target is not None
        assert item.box is not None
        tight = Mask.from_dense(mask).box(0)
        assert np.allclose(item.box.corners, [v * 1000 / SIDE for v in tight.corners], atol=0.51)
        assert item.box.frame is BoxFrame.MODEL
    if answer.abstained:
        assert lesson.masks == ()


@pytest.mark.parametrize("seed", [0, 1])
def test_drawn_lessons_are_true_of_their_masks(seed: int) -> None:
    lessons = drawn(seed, 40)
    for lesson in lessons:
        check(lesson)
    assert any(ABSTAINED in lesson.answer for lesson in lessons)
    assert any(lesson.masks for lesson in lessons)


def test_a_seed_repeats_the_lessons_and_a_state_resumes_them() -> None:
    assert [a.answer for a in drawn(5, 8)] == [b.answer for b in drawn(5, 8)]
    lessons = Lessons(Path(), [], 0.5, 0.5, SEG_TOKEN, 1)
    lessons.draw()
    state = lessons.state()
    first = [lessons.draw().answer for _ in range(5)]
    lessons.restore(state)
    assert [lessons.draw().answer for _ in range(5)] == first


def test_words_of_a_lesson_are_those_of_its_picture() -> None:
    lesson = next(m for m in drawn(2, 60) if len(m.masks) == 1 and m.teaches_words)
    label = parse_answer(lesson.answer.replace(SEG_TOKEN, "")).objects[0].label
    assert sentence(label, measure(lesson.masks[0], lesson.picture), countable=True) in lesson.answer


@pytest.mark.parametrize("draw", [drawn_nuclei, drawn_smear])
def test_phantoms_are_pictures_with_marked_cells(draw: object) -> None:
    picture, masks = draw(np.random.default_rng(3))
    assert picture.shape == (SIDE, SIDE, 3)
    assert all(mask.any() and not mask.all() for mask in masks.values())


def test_uncovered_phantoms_show_many_modalities() -> None:
    rng = np.random.default_rng(0)
    assert len({drawn_uncovered(rng)[1] for _ in range(80)}) >= 8


@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data is not here")
def test_real_lessons_are_true_of_their_masks() -> None:
    config = SetConfig("mr_hippocampus", 1.0, ("hippocampus",))
    lessons = Lessons(SHARED, [config], 0.0, 0.0, SEG_TOKEN, 0)
    drawn_ones = [lessons.draw() for _ in range(30)]
    for lesson in drawn_ones:
        check(lesson)
    assert any(not lesson.teaches_words for lesson in drawn_ones)
