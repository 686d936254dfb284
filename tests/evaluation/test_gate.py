"""The gate: not worse by a margin, on patients; too few of them is no answer."""

from __future__ import annotations

import numpy as np
import pytest

from judged_cases import backing_with, correct_all
from wetread.evaluation.gate import LEAST_PATIENTS, Ruling, Scored, judge, measured
from wetread.findings import Decision, Mask, Verdict
from wetread.training.from_ledger import judged_reads


def scored(changes, old=0.8, present=True):
    return [Scored(f"p{i}", "nuclei", present, old, old + change) for i, change in enumerate(changes)]


def test_a_better_model_is_promoted():
    found = judge(scored([0.02, 0.05, 0.03, 0.04, 0.06]))
    assert found.ruling is Ruling.PROMOTE
    assert found.figures["difference"]["value"] == pytest.approx(0.04)
    assert found.figures["labels"]["nuclei"]["new"]["dice"] == pytest.approx(0.84)


def test_a_worse_model_is_refused():
    assert judge(scored([-0.05, -0.1, -0.03, -0.2, -0.08, -0.1])).ruling is Ruling.REFUSE


def test_an_equal_model_is_not_worse():
    assert judge(scored([0.0] * 6)).ruling is Ruling.PROMOTE


def test_a_model_that_may_be_worse_is_refused_although_its_mean_is_better():
    changes = [0.5, -0.2, 0.3, -0.3, 0.4, -0.3]
    assert np.mean(changes) > 0
    assert judge(scored(changes)).ruling is Ruling.REFUSE


def test_many_findings_of_few_patients_are_few_patients():
    one = Scored("p1", "nuclei", True, 0.5, 0.9)
    found = judge([one] * 50)
    assert found.ruling is Ruling.ASK
    assert str(LEAST_PATIENTS) in found.reason
    assert judge([]).ruling is Ruling.ASK


def test_what_is_still_claimed_though_rejected_counts():
    found = judge([Scored(f"p{i}", "liver", False, 0.0, 1.0) for i in range(5)])
    assert found.ruling is Ruling.PROMOTE
    assert found.figures["labels"]["liver"]["old"]["dice"] is None
    mixed = judge([*scored([0.0] * 5), *(Scored(f"p{i}", "nuclei", False, 1.0, 0.0) for i in range(5))])
    assert (mixed.figures["labels"]["nuclei"]["old"]["presence_f1"], mixed.ruling) == (1.0, Ruling.REFUSE)
    assert mixed.figures["labels"]["nuclei"]["new"]["presence_f1"] == pytest.approx(2 / 3, abs=1e-4)


class Marks:
    """A double that marks what it is told, by study."""

    def __init__(self, masks):
        self.masks = masks

    def read(self, sample, question=None):
        from reporting_reads import finding, read_of

        mask = self.masks.get(str(sample.study_uid))
        return read_of([] if mask is None else [finding(sample, "nuclei", mask)])


def test_both_models_are_asked_for_every_kept_finding(tmp_path):
    from collections import Counter

    backing, (first, second, third) = backing_with(tmp_path, 3)
    correct_all(backing, [first, second])
    backing.desk.decide([Verdict(third.read_uid, f"{third.read_uid}.1", Decision.REJECT, "ada", reason="artefact")])
    kept = list(judged_reads(backing.ledger, Counter()))
    half = first.truth.dense()
    half[:, :128] = False
    old = Marks({case.study_uid: case.truth for case in (first, second, third)})
    new = Marks({first.study_uid: Mask.from_dense(half)})
    found, missing = measured(kept, backing.archive, old, new)
    assert missing == 0
    assert [(one.present, one.old) for one in found] == [(True, 1.0), (True, 1.0), (False, 0.0)]
    assert 0.0 < found[0].new < 1.0
    assert [one.new for one in found[1:]] == [0.0, 1.0]
    backing.close()


def new_target(dices, squares=0.35, patients=None):
    names = patients or [f"p{i}" for i in range(len(dices))]
    return [Scored(name, "polyp", True, 0.0, value, (0.1, squares)) for name, value in zip(names, dices, strict=True)]


def test_a_new_target_must_reach_the_floor_and_beat_a_square():
    added = frozenset({"polyp"})
    assert judge(new_target([0.5] * 6), added).ruling is Ruling.PROMOTE
    low = judge(new_target([0.2] * 6, squares=0.1), added)
    assert (low.ruling, low.figures["labels"]["polyp"]["best_square"]) == (Ruling.REFUSE, 0.1)
    blind = judge(new_target([0.5] * 6, squares=0.6), added)
    assert blind.ruling is Ruling.REFUSE
    assert "0.600" in blind.reason
    assert judge(new_target([0.2] * 6, squares=0.1)).ruling is Ruling.PROMOTE, "what was covered before is compared"


def test_a_new_target_on_few_kept_patients_waits_for_a_person():
    found = judge([*scored([0.0] * 6), *new_target([0.9, 0.9])], frozenset({"polyp"}))
    assert found.ruling is Ruling.ASK
    assert "polyp" in found.reason
    gone = judge(scored([0.0] * 6), frozenset({"polyp"}))
    assert gone.ruling is Ruling.ASK


def test_the_squares_know_nothing_of_the_picture():
    from wetread.evaluation.gate import SQUARES, square_scores

    truth = np.zeros((2, 100, 80), bool)
    truth[1, 30:70, 24:56] = True
    found = dict(zip(SQUARES, square_scores(Mask.from_dense(truth)), strict=True))
    assert found[0.4] == 1.0
    assert found[1.0] == pytest.approx(2 * 0.16 / 1.16)
