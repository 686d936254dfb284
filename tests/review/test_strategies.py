"""Active learning: what is worth a look comes first, the same for the same ledger and seed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wetread.errors import RefusedInput
from wetread.records.database import Database
from wetread.review.descriptors import descriptors, keep_descriptor
from wetread.review.doubt import Measure, disagreement, entropy, uncertainty
from wetread.review.ledger import Ledger
from wetread.review.strategies import STRATEGIES, k_centres, order, ranked


@dataclass(frozen=True)
class Case:
    series_uid: str


CASES = [Case(f"1.2.{number}") for number in range(1, 6)]


@pytest.fixture
def ledger(tmp_path):
    database = Database(tmp_path / "records.sqlite")
    yield Ledger(database)
    database.close()


def finding(presence=0.99, grounded=True, box=(0, 0, 10, 10), text_box=(0, 0, 10, 10)):
    return {
        "presence": presence,
        "grounded": grounded,
        "box": box and list(box),
        "text_box": text_box and list(text_box),
    }


def body(series, *findings, remarks=(), checks=()):
    return {"series": {"study_uid": "1.2", "series_uid": series, "instances": []}, "findings": list(findings),
            "remarks": list(remarks), "provenance": {"grounding": list(checks)}}  # fmt: skip


def read(ledger, case, *findings, uid="", **more):
    ledger.append("read", "2.25.1", body(case.series_uid, *findings, **more), study_uid="1.2",
                  read_uid=uid or f"2.25.{case.series_uid[-1]}")  # fmt: skip


def decide(ledger, case, uid=""):
    said = {"series": {"study_uid": "1.2", "series_uid": case.series_uid}, "decision": "accept"}
    ledger.append("verdict", "ada", said, study_uid="1.2", read_uid=uid or f"2.25.{case.series_uid[-1]}")


def uids(cases):
    return [case.series_uid[-1] for case in cases]


@given(st.floats(0, 1))
def test_entropy_is_shannons(p):
    expected = sum(-q * math.log2(q) for q in (p, 1 - p) if q > 0)
    assert entropy(p) == pytest.approx(expected, abs=1e-12)


def test_a_read_is_as_uncertain_as_its_most_doubtful_finding():
    assert uncertainty(body("1", finding(0.5), finding(0.999))) == Measure(1.0, ("presence",))


def test_a_finding_that_is_not_tied_to_the_pixels_is_fully_in_doubt():
    measured = uncertainty(body("1", finding(0.999, grounded=False), checks=[{}]))
    assert measured == Measure(1.0, ("presence", "grounding"))


def test_a_read_without_findings_gives_nothing_to_measure():
    assert uncertainty(body("1")).value is None
    assert disagreement(body("1")).value is None


def test_words_and_mask_disagree_by_what_they_do_not_share():
    half = disagreement(body("1", finding(text_box=(0, 0, 10, 5)), finding()))
    assert half == Measure(0.5, ("words and mask",))
    assert disagreement(body("1", finding(text_box=None))).value is None


def test_a_round_that_overturned_the_first_is_a_disagreement():
    kept, overturned = "second look: the first answer was kept", "second look: the answer of look 2 was kept"
    assert disagreement(body("1", finding(), remarks=[kept])) == Measure(0.0, ("words and mask", "rounds"))
    assert disagreement(body("1", finding(), remarks=[overturned])).value == 1.0


def test_the_most_uncertain_case_comes_first(ledger):
    for case, presence in zip(CASES, (0.99, 0.5, 0.7, 0.95, 0.8), strict=True):
        read(ledger, case, finding(presence))
    assert uids(order(CASES, ledger, strategy="uncertainty")) == ["2", "3", "5", "4", "1"]


def test_the_case_whose_words_and_mask_differ_most_comes_first(ledger):
    for case, width in zip(CASES, (9, 1, 5, 7, 3), strict=True):
        read(ledger, case, finding(text_box=(0, 0, width, 10)))
    assert uids(order(CASES, ledger, strategy="disagreement")) == ["2", "5", "3", "4", "1"]


def test_the_last_read_counts_and_what_was_decided_comes_last(ledger):
    for case, presence in zip(CASES, (0.5, 0.6, 0.7, 0.8, 0.9), strict=True):
        read(ledger, case, finding(presence))
    decide(ledger, CASES[0])
    decide(ledger, CASES[1])
    read(ledger, CASES[1], finding(0.55), uid="2.25.99")
    assert uids(order(CASES, ledger, strategy="uncertainty")) == ["2", "3", "4", "5", "1"]


def test_cases_that_cannot_be_measured_come_after_those_that_can_and_it_is_said(ledger):
    read(ledger, CASES[3], finding(0.9))
    found = ranked(CASES, ledger, strategy="uncertainty")
    assert uids(found.cases)[0] == "4"
    assert "4 of 5 cases without a measure" in found.said
    assert "random instead" in ranked(CASES[:2], ledger, strategy="uncertainty").said


def test_representative_takes_what_is_farthest_from_what_was_decided_on(ledger):
    places = {"1": (1, 0, 0), "2": (0.99, 0.1, 0), "3": (0, 1, 0), "4": (0, 0.9, 0.1), "5": (0, 0, 1)}
    for case in CASES:
        keep_descriptor(ledger, case.series_uid, "2.25.7", np.array(places[case.series_uid[-1]]))
    read(ledger, CASES[0], finding())
    decide(ledger, CASES[0])
    first = uids(order(CASES, ledger, strategy="representative"))
    assert set(first[:2]) == {"3", "5"}, "one of each far group before the second of a near one"
    assert first[-1] == "1"


def test_representative_without_descriptors_is_random_and_says_so(ledger):
    found = ranked(CASES, ledger, seed=3, strategy="representative")
    assert "random instead" in found.said
    assert found.cases == ranked(CASES, ledger, seed=3, strategy="random").cases


def test_descriptors_of_two_models_are_never_compared(ledger):
    keep_descriptor(ledger, "1.2.1", "2.25.7", np.array([1.0, 0.0]))
    keep_descriptor(ledger, "1.2.2", "2.25.8", np.array([3.0, 4.0]))
    (only,) = descriptors(ledger).items()
    assert only[0] == "1.2.2"
    assert only[1].tolist() == pytest.approx([0.6, 0.8])
    with pytest.raises(ValueError, match="finite"):
        keep_descriptor(ledger, "1.2.3", "2.25.8", np.zeros(4))


@given(st.integers(2, 12), st.integers(0, 100))
def test_every_next_centre_is_the_farthest_of_those_left(count, seed):
    points = np.random.default_rng(seed).standard_normal((count, 3))
    sequence = k_centres(points)
    assert sorted(sequence) == list(range(count))
    for place in range(1, count):
        far = [min(np.linalg.norm(points[i] - points[j]) for j in sequence[:place]) for i in sequence[place:]]
        assert far[0] == pytest.approx(max(far))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_equal_seed_gives_equal_order_however_the_cases_are_listed(ledger, strategy):
    for case in CASES[:3]:
        read(ledger, case, finding(0.7))
    first = order(CASES, ledger, 5, strategy)
    assert order(CASES[::-1], ledger, 5, strategy) == first
    assert sorted(uids(first)) == ["1", "2", "3", "4", "5"]
    assert order([], ledger, 5, strategy) == []


def test_another_seed_gives_another_random_order(ledger):
    assert len({tuple(uids(order(CASES, ledger, seed, "random"))) for seed in range(6)}) > 1


def test_mixed_weighs_the_ranks(ledger):
    for case, presence in zip(CASES, (0.99, 0.5, 0.97, 0.95, 0.98), strict=True):
        read(ledger, case, finding(presence, text_box=(0, 0, 1, 10) if presence == 0.5 else (0, 0, 10, 10)))
    found = ranked(CASES, ledger, strategy="mixed")
    assert uids(found.cases)[0] == "2"
    assert "uncertainty by presence" in found.said
    assert "representative: no descriptors" in found.said


def test_an_unknown_strategy_is_refused(ledger):
    with pytest.raises(RefusedInput, match="no strategy"):
        order(CASES, ledger, strategy="best")
