"""What counts as the answer: the published evaluation's way, and ours."""

from __future__ import annotations

import pytest

from wetread.evaluation.answer_texts import named_labels, published_answer, published_labels, published_similarity


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("so \\boxed{Edema} and \\boxed{Pneumonia}", "Edema"),
        ("a [x] b", "x"),
        ("a [x] b \\boxed{y}", "y"),
        ("Edema", "Edema"),
        ("\\boxed{a {b} c}", "a {b"),
        ("\\boxed{}", ""),
    ],
)
def test_the_published_evaluation_takes_the_first_box_then_a_bracket_then_all(text: str, answer: str) -> None:
    assert published_answer(text) == answer


def test_the_published_labels_are_cut_at_one_separator_and_keep_their_case() -> None:
    assert published_labels("Edema, Pneumonia") == {"Edema", "Pneumonia"}
    assert published_labels("Edema and Cardiomegaly, Pneumonia") == {"Edema and Cardiomegaly", "Pneumonia"}
    assert published_labels("edema") != published_labels("Edema")
    assert published_labels("None") == frozenset()


def test_similarity_is_the_jaccard_of_words() -> None:
    assert published_similarity("\\boxed{acute heart failure}", "Heart failure") == pytest.approx(2 / 3)
    assert published_similarity("", "Heart failure") == 0.0
    assert published_similarity("<think>\\boxed{None}", "x") == 0.0


def test_ours_takes_the_last_balanced_box_by_the_label_set() -> None:
    offered = ("Edema", "Lung Opacity", "Mass and nodule")
    assert named_labels("\\boxed{Edema} no: \\boxed{lung opacity, mass and nodule}", offered) == (
        "Lung Opacity", "Mass and nodule",
    )  # fmt: skip
    assert named_labels("<think>Edema?</think> lung opacity.", offered) == ("Lung Opacity",)
    assert named_labels("```json\n[]\n``` Edema", offered) == ("Edema",)
    assert named_labels("something else", offered) == ("something else",)
    assert named_labels("", offered) == ()
