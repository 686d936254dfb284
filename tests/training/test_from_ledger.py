"""What people decided becomes truth, plane by plane, and a patient stays on his side of the split for ever."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from judged_cases import NUCLEI, backing_with, correct_all
from wetread.errors import RefusedInput
from wetread.findings import Decision, Mask, Verdict
from wetread.model.prompts import asked_label
from wetread.training.from_ledger import examples_from_ledger, is_kept, judged_reads, plain_label, united
from wetread.training.ledger_lessons import LedgerLessons


@pytest.fixture
def drawn(tmp_path):
    backing, cases = backing_with(tmp_path, 2)
    yield backing, cases
    backing.close()


def decide(backing, case, decision, uid=None, person="ada", **more):
    if decision is Decision.REJECT:
        more.setdefault("reason", "an artefact")
    backing.desk.decide([Verdict(case.read_uid, uid or f"{case.read_uid}.1", decision, person, **more)])


def judged(backing):
    left_out = Counter()
    return {one.read_uid: one for one in judged_reads(backing.ledger, left_out)}, left_out


def test_a_corrected_mask_is_the_truth(drawn):
    backing, (first, _) = drawn
    correct_all(backing, [first])
    (one,) = judged(backing)[0].values()
    assert np.array_equal(one.present["nuclei"].dense(), first.truth.dense())
    assert (one.absent, one.touched, one.patient) == ({}, True, first.patient)


def test_what_was_accepted_is_the_truth_as_the_model_said_it(drawn):
    backing, (first, _) = drawn
    decide(backing, first, Decision.ACCEPT)
    (one,) = judged(backing)[0].values()
    assert np.array_equal(one.present["nuclei"].dense(), np.roll(first.truth.dense(), 9, axis=2))
    assert not one.touched


def test_what_was_rejected_is_not_there(drawn):
    backing, (first, _) = drawn
    decide(backing, first, Decision.REJECT)
    (one,) = judged(backing)[0].values()
    assert dict(one.present) == {}
    assert set(one.absent) == {"nuclei"}


def test_an_added_finding_outweighs_a_rejected_one_of_the_same_label(drawn):
    backing, (first, _) = drawn
    decide(backing, first, Decision.REJECT)
    decide(backing, first, Decision.ADD, uid="2.25.900", target=NUCLEI, mask=first.truth)
    (one,) = judged(backing)[0].values()
    assert (set(one.present), set(one.absent)) == ({"nuclei"}, set())


def test_the_last_verdict_counts_and_what_was_taken_back_teaches_nothing(drawn):
    backing, (first, second) = drawn
    decide(backing, first, Decision.ACCEPT)
    decide(backing, first, Decision.REJECT, person="bo")
    decide(backing, second, Decision.ACCEPT)
    decide(backing, second, Decision.WITHDRAW)
    assert [set(one.absent) for one in judged(backing)[0].values()] == [{"nuclei"}]


def test_a_box_alone_is_counted_and_left_out(drawn):
    from wetread.findings import Box, BoxFrame

    backing, (first, _) = drawn
    decide(backing, first, Decision.CORRECT, box=Box(1, 2, 30, 40, BoxFrame.IMAGE))
    found, left_out = judged(backing)
    assert found == {}
    assert left_out == {"finding without a mask": 1}


@given(st.text())
def test_a_patient_stays_where_he_is(name):
    assert is_kept(name) is is_kept(name)


def test_about_one_patient_in_five_is_kept():
    assert 0.17 < np.mean([is_kept(f"{number:016x}") for number in range(4000)]) < 0.23


def test_kept_patients_never_become_examples(tmp_path):
    backing, cases = backing_with(tmp_path, 12)
    correct_all(backing, cases)
    found = examples_from_ledger(backing.ledger, backing.archive)
    kept = {case.patient for case in cases if is_kept(case.patient)}
    assert {example.patient for example in found.examples} == {case.patient for case in cases} - kept
    assert {one.patient for one in found.kept} == kept
    assert found.counts()["reads"] + found.counts()["kept_reads"] == 12
    backing.close()


def test_what_was_learned_before_is_replay(tmp_path):
    backing, cases = backing_with(tmp_path, 6)
    correct_all(backing, cases[:3])
    until = backing.ledger.head()[0]
    correct_all(backing, cases[3:])
    found = examples_from_ledger(backing.ledger, backing.archive, since=until)
    earlier = {example.read_uid: example.earlier for example in found.examples}
    assert all(is_earlier == (uid in {c.read_uid for c in cases[:3]}) for uid, is_earlier in earlier.items())
    only_earlier = [example for example in found.examples if example.earlier]
    with pytest.raises(RefusedInput, match="nothing new"):
        LedgerLessons(only_earlier, 0)
    backing.close()


def test_a_series_that_is_gone_is_counted_and_left_out(drawn, tmp_path):
    backing, cases = drawn
    correct_all(backing, cases)
    from wetread.archive.folder import FolderArchive

    found = examples_from_ledger(backing.ledger, FolderArchive(tmp_path / "empty"))
    assert found.examples == []
    assert sum(found.left_out.values()) == sum(not is_kept(case.patient) for case in cases)


def test_lessons_say_what_was_decided_and_are_the_same_for_a_seed(tmp_path):
    backing, cases = backing_with(tmp_path, 8)
    there = [case for case in cases if not is_kept(case.patient)]
    correct_all(backing, there[:1])
    decide(backing, there[1], Decision.REJECT)
    examples = examples_from_ledger(backing.ledger, backing.archive).examples
    assert [(set(e.present), set(e.absent)) for e in examples] == [({"nuclei"}, set()), (set(), {"nuclei"})]
    first, second = (LedgerLessons(examples, 7) for _ in range(2))
    drawn_lessons = [first.draw() for _ in range(60)]
    assert [lesson.answer for lesson in drawn_lessons] == [second.draw().answer for _ in range(60)]
    about = [lesson for lesson in drawn_lessons if asked_label(lesson.question) == "nuclei"]
    assert any("No nuclei seen" in lesson.answer and not lesson.masks for lesson in about)
    assert any(lesson.masks and not lesson.masks[0].any() and not lesson.teaches_words for lesson in about)
    assert any(lesson.masks and lesson.masks[0].any() for lesson in about)
    backing.close()


def test_sides_are_united_under_the_label_that_the_model_learns():
    assert plain_label("left kidney") == plain_label("kidneys")
    left, right = np.zeros((2, 4, 4), bool), np.zeros((2, 4, 4), bool)
    left[0, 1], right[0, 2], right[1, 3] = True, True, True
    both = united(Mask.from_dense(left), Mask.from_dense(right))
    assert np.array_equal(both.dense(), left | right)
