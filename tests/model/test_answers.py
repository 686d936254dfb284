"""The answer format: what is written is read back, and what real models write wrong is said, never fatal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wetread.findings import Box, BoxFrame
from wetread.model.answers import ABSTAINED, AnswerObject, parse_answer, write_answer

WHOLE = st.integers(0, 499)
LABELS = (
    st.text(st.characters(codec="ascii", categories=["L", "Zs"]), min_size=1, max_size=20).map(str.strip).filter(bool)
)


@st.composite
def boxes(draw: st.DrawFn) -> Box:
    x, y = draw(WHOLE), draw(WHOLE)
    return Box(x, y, x + draw(st.integers(1, 500)), y + draw(st.integers(1, 500)), BoxFrame.MODEL)


@given(st.lists(st.tuples(LABELS, boxes()), max_size=4))
def test_a_written_answer_is_read_back(items: list[tuple[str, Box]]) -> None:
    objects = tuple(AnswerObject(label, box) for label, box in items)
    diagnoses = tuple(label for label, _ in items) or ("none",)
    parsed = parse_answer(write_answer("It is seen.", objects, diagnoses))
    assert parsed.objects == objects
    assert parsed.reasoning == "It is seen."
    assert parsed.diagnoses == diagnoses
    assert parsed.defects == ()


def test_the_seg_mark_follows_each_object() -> None:
    objects = (AnswerObject("liver", Box(1, 2, 3, 4, BoxFrame.MODEL)), AnswerObject("spleen", None))
    text = write_answer("", objects, ("liver", "spleen"), mark="<seg>")
    assert text.count("}<seg>") == 2
    assert parse_answer(text.replace("<seg>", "")).objects == objects


@given(st.text(max_size=300))
def test_no_text_makes_the_parser_fail(text: str) -> None:
    parsed = parse_answer(text)
    assert isinstance(parsed.reasoning, str)


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ('```json\n{"bbox_2d": [1, 2, 3, 4], "label": "edema"}\n```\\boxed{edema}', ["edema"]),
        ('{"objects_of_interest": [{"bbox_2d": [1, 2, 3, 4], "label": "a"}]}', ["a"]),
        ('[{"bbox_2d": [9, 9, 1, 1], "label": "reversed"}]', ["reversed"]),
    ],
)
def test_what_real_models_write_is_taken(text: str, labels: list[str]) -> None:
    parsed = parse_answer(text)
    assert [item.label for item in parsed.objects] == labels
    assert all(item.box is not None for item in parsed.objects)


@pytest.mark.parametrize("numbers", ["[1, 2, 3]", '["a", 2, 3, 4]', "[1, 1, 1, 1]", "[1e9, 0, 2e9, 5]", "null"])
def test_an_unusable_box_is_said(numbers: str) -> None:
    parsed = parse_answer(f'```json\n[{{"bbox_2d": {numbers}, "label": "x"}}]\n```\\boxed{{x}}')
    assert parsed.objects == (AnswerObject("x", None),)
    assert "x" in parsed.defects[0]


def test_the_last_boxed_answer_counts_and_braces_match() -> None:
    parsed = parse_answer("[] \\boxed{first} \\boxed{a {b}, c}")
    assert parsed.diagnoses == ("a {b}", "c")


def test_a_missing_diagnosis_is_said() -> None:
    assert "boxed" in parse_answer("[]").defects[-1]


def test_abstention_is_one_word_for_all() -> None:
    assert parse_answer(write_answer("Not mine.", (), (ABSTAINED,))).abstained
    assert not parse_answer(write_answer("Nothing.", (), ("none",))).abstained
