"""Published and usual figures of labels, each against numbers worked out by hand or by scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score, multilabel_confusion_matrix

from wetread.evaluation.label_metrics import (
    Labelled,
    count_labels,
    exact_match,
    label_table,
    published,
    published_nested,
    usual,
)


def one(group: str, truth: str, answer: str) -> Labelled:
    return Labelled(group, frozenset(truth.split()), frozenset(answer.split()))


# A: TP 1, FN 1, FP 1, TN 1 -> accuracy 1/2, F1 1/2. B: TP 1, FN 1, FP 0, TN 2 -> 3/4, 2/3. C is only ever said.
FOUR = [one("p1", "A", "A"), one("p1", "A B", "B"), one("p2", "B", "A C"), one("p3", "", "")]


def test_the_published_figures_by_hand() -> None:
    accuracy, f1 = published([FOUR])
    assert accuracy.value == pytest.approx((1 / 2 + 3 / 4) / 2)
    assert f1.value == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert (f1.n, f1.groups) == (4, 3)


def test_a_majority_class_is_seen_through() -> None:
    # As published for a data set that every method answers with one class: accuracy 0.5 and F1 0.333.
    accuracy, f1 = published([[one("a", "no", "no"), one("b", "has", "no")]])
    assert accuracy.value == pytest.approx(0.5)
    assert f1.value == pytest.approx(1 / 3)


def test_domains_are_means_of_sets_and_all_is_the_mean_of_domains() -> None:
    right, wrong = [one("a", "A", "A")], [one("b", "A", "B")]
    _, domain = published([right, wrong])
    assert domain.value == 0.5
    _, nested = published_nested([[right, wrong], [right]])
    assert nested.value == pytest.approx((0.5 + 1.0) / 2)
    _, by_sets = published([right, wrong, right])
    assert by_sets.value == pytest.approx(2 / 3)


def test_labels_one_by_one_by_hand() -> None:
    table = label_table(FOUR)
    assert sorted(table) == ["A", "B"]
    assert {k: e.value for k, e in table["A"].items()} == {
        "accuracy": 0.5,
        "f1": 0.5,
        "recall": 0.5,
        "specificity": 0.5,
    }
    assert table["B"]["specificity"].value == 1.0


def test_the_usual_figures_are_scikit_learn_s() -> None:
    figures = usual([one("a", "x", "x"), one("b", "y", "x"), one("c", "y", "y"), one("d", "y", "")], ("x", "y", "z"))
    assert figures["balanced_accuracy"] == pytest.approx((1 + 1 / 3) / 2)
    assert figures["macro_f1"] == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)
    assert figures["label_jaccard"] == pytest.approx(2 / 4)
    assert "balanced_accuracy" not in usual(FOUR)
    assert usual([one("a", "x", "x"), one("b", "x", "")])["macro_f1"] == pytest.approx(2 / 3)
    assert exact_match(FOUR).value == pytest.approx(2 / 4)


sets_of_labels = st.frozensets(st.sampled_from("abcd"), max_size=3)
answer_lists = st.lists(
    st.builds(Labelled, st.sampled_from("pqrs"), sets_of_labels, sets_of_labels), min_size=1, max_size=12
)


@settings(deadline=None, max_examples=60)
@given(answer_lists)
def test_counts_agree_with_scikit_learn(answers: list[Labelled]) -> None:
    groups = sorted({a.group for a in answers})
    found = count_labels(answers, groups)
    if not found.labels:
        return
    # A label that is nowhere keeps scikit-learn from taking a single column for two classes.
    columns = [*found.labels, ""]
    truth = np.array([[label in a.truth for label in columns] for a in answers])
    said = np.array([[label in a.answer for label in columns] for a in answers])
    for index, matrix in enumerate(multilabel_confusion_matrix(truth, said)[:-1]):
        (tn, fp), (fn, tp) = matrix
        assert found.counts[:, index].sum(axis=1).tolist() == [tp, fp, fn, tn]
    _, f1 = found.figures(np.ones((1, len(groups))))
    assert f1[0] == pytest.approx(f1_score(truth, said, average=None, zero_division=0)[:-1])


def test_the_interval_resamples_patients_and_not_answers() -> None:
    many = [one("p", "A", "A")] * 50 + [one("q", "A", "B")] * 50
    accuracy, _ = published([many])
    assert (accuracy.low, accuracy.high) == (0.0, 1.0)
    spread = [one(f"p{i}", "A", "A" if i % 2 else "B") for i in range(100)]
    accuracy, _ = published([spread])
    assert 0.35 < accuracy.low < accuracy.value == 0.5 < accuracy.high < 0.65
