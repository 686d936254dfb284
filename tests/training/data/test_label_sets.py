"""The answers that a question offers, in every form in which the published converters write them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from climb_phantoms import BCSS_QUESTION, BUSI_QUESTION, CHEXPERT, CHEXPERT_QUESTION, COVID_QUESTION, ISIC_QUESTION
from wetread.training.data.label_sets import read_label_set, read_options, split_answer, without_placeholders


@pytest.mark.parametrize(
    ("question", "labels"),
    [
        (CHEXPERT_QUESTION, CHEXPERT),
        (BUSI_QUESTION, ("Normal", "Benign", "Malignant")),
        (BCSS_QUESTION, ("Tumor", "Stroma", "Inflammatory", "Necrosis")),
        (ISIC_QUESTION, ("Benign", "Malignant")),
        (COVID_QUESTION, ()),
        ("Answer with one number. Answer with one phrase from the following: BIRAD 1\nBIRAD 2\nBIRAD 3\n",
         ("BIRAD 1", "BIRAD 2", "BIRAD 3")),
        ("What is it? Choose from the following options:\n- Lung adenocarcinomas\n- Colon benign tissue",
         ("Lung adenocarcinomas", "Colon benign tissue")),
        ("A nodule? Answer with one phrase of the following:\nno nodule\nhas nodule", ("no nodule", "has nodule")),
        ("Identify the tools present in the video, choosing from Grasper, Bipolar, Hook, and None.",
         ("Grasper", "Bipolar", "Hook", "None")),
        ("Is it malignant? Answer yes or no.", ("yes", "no")),
        ("Answer with one of A, B or C.", ("A", "B", "C")),
        ("Choose between benign and malignant.", ("benign", "malignant")),
        ("Answer with one of the following: Benign, Malignant.", ("Benign", "Malignant")),
        ("Which?\nA) one\nB) two\nC) three", ("A", "B", "C")),
        ("Answer with one of the following:\nEdema\nNone\n\nThe patient is 50 years old.", ("Edema", "None")),
        ("How old is the patient?", ()),
        ("", ()),
    ],
)  # fmt: skip
def test_label_sets_are_read_from_the_question(question: str, labels: tuple[str, ...]) -> None:
    assert read_label_set(question) == labels


def test_lettered_options_are_meant_as_texts_where_the_answer_is_one() -> None:
    question = "Which?\nA. sepsis\nB. stroke"
    assert read_options(question) == {"A": "sepsis", "B": "stroke"}
    assert read_label_set(question, "B") == ("A", "B")
    assert read_label_set(question, "stroke") == ("sepsis", "stroke")


def test_a_line_that_begins_with_a_letter_is_not_an_option() -> None:
    assert read_options("T. bili 3.2\nA. line placed\nSome more") == {}


words = st.lists(
    st.sampled_from("edema lung opacity pleural effusion no finding mass grade".split()), min_size=1, max_size=3
)
label_sets = st.lists(words.map(" ".join), min_size=2, max_size=8, unique=True)


@given(label_sets, st.sampled_from(("\n", "\n- ", "\n* ", "\n1. ")))
def test_a_list_of_lines_comes_back_whole(labels: list[str], mark: str) -> None:
    question = "<image>\nAbove is an image. What is it? Answer with one of the following:" + "".join(
        mark + n for n in labels
    )
    assert read_label_set(question) == tuple(labels)


@given(label_sets)
def test_a_list_inside_a_sentence_comes_back_whole(labels: list[str]) -> None:
    question = f"Name what is there, choosing from {', '.join(labels[:-1])}, and {labels[-1]}."
    assert read_label_set(question) == tuple(labels)


@given(label_sets, st.data())
def test_an_answer_of_labels_comes_apart_into_them(labels: list[str], data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.sampled_from(labels), min_size=1, unique=True))
    assert split_answer(", ".join(chosen), labels) == tuple(chosen)
    assert split_answer(", ".join(chosen).upper(), labels) == tuple(chosen)


@given(st.text(max_size=300))
def test_any_text_is_read_without_an_error(text: str) -> None:
    assert all(label.strip() for label in read_label_set(text))
    assert split_answer(text, read_label_set(text)) is not None
    assert not re.search("<image>|<video>", without_placeholders(text))


def test_a_label_that_holds_a_separator_stays_whole_where_the_question_offers_it() -> None:
    assert split_answer("A. Fib/Aflutter, Mass and nodule", ["Mass and nodule", "A. Fib/Aflutter"]) == (
        "A. Fib/Aflutter", "Mass and nodule",
    )  # fmt: skip


def test_without_a_label_set_only_the_first_published_separator_cuts() -> None:
    assert split_answer("Edema and Cardiomegaly, Pneumonia") == ("Edema and Cardiomegaly", "Pneumonia")
    assert split_answer("Edema and Cardiomegaly") == ("Edema", "Cardiomegaly")
    assert split_answer(" ") == ()
