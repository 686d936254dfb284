"""Verdicts: the last one counts, each person's own, and what is signed says who drew it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reporting_reads import box_finding, read_of, target
from wetread.errors import RefusedInput
from wetread.findings import Box, BoxFrame, Decision, Interval, Mask, Verdict
from wetread.review.verdicts import review
from wetread.signed import Origin

LIVER, SPLEEN, NEW = "2.25.881", "2.25.882", "2.25.900"
BOX = Box(10, 10, 20, 24, BoxFrame.IMAGE)


@pytest.fixture
def read():
    return read_of([box_finding("liver", (1, 2, 8, 9), number=1), box_finding("spleen", (3, 4, 9, 11), number=2)])


def verdict(decision, uid=LIVER, person="ada", **more):
    if decision is Decision.REJECT:
        more.setdefault("reason", "an artefact")
    return Verdict("2.25.4711", uid, decision, person, **more)


def mask_of(*planes):
    drawn = np.zeros((30, 40), dtype=bool)
    drawn[5:9, 6:12] = True
    return Mask((6, 30, 40), dict.fromkeys(planes, drawn))


def test_without_verdicts_everything_is_undecided(read):
    state = review(read, [], "ada")
    assert state.undecided == read.findings
    assert not state.is_complete
    assert state.signable == ()


def test_what_is_accepted_stays_the_algorithms_own(read):
    state = review(read, [verdict(Decision.ACCEPT), verdict(Decision.ACCEPT, SPLEEN)], "ada")
    assert [(s.finding, s.origin) for s in state.signable] == [(f, Origin.AUTOMATIC) for f in read.findings]
    assert state.is_complete


def test_a_corrected_box_keeps_its_tracking_uid_and_loses_what_no_longer_belongs_to_it(read):
    (signed,) = review(read, [verdict(Decision.CORRECT, box=BOX)], "ada").signable
    assert (signed.finding.tracking_uid, signed.finding.box, signed.origin) == (LIVER, BOX, Origin.SEMIAUTOMATIC)
    assert signed.finding.mask is None
    assert signed.finding.description == ""


def test_a_corrected_mask_brings_its_own_box_and_plane(read):
    (signed,) = review(read, [verdict(Decision.CORRECT, mask=mask_of(3), box=BOX)], "ada").signable
    assert (signed.finding.plane, signed.finding.box) == (3, Box(6, 5, 12, 9, BoxFrame.IMAGE))


def test_a_corrected_label_keeps_box_and_mask(read):
    (signed,) = review(read, [verdict(Decision.CORRECT, target=target("kidneys"))], "ada").signable
    assert (signed.finding.label, signed.finding.box) == ("kidneys", read.findings[0].box)


def test_a_corrected_interval_of_an_ecg(read):
    (signed,) = review(read, [verdict(Decision.CORRECT, interval=Interval(1, 2, ("II",)))], "ada").signable
    assert signed.finding.interval == Interval(1, 2, ("II",))


def test_what_is_rejected_is_signed_by_nobody(read):
    state = review(read, [verdict(Decision.REJECT), verdict(Decision.ACCEPT, SPLEEN)], "ada")
    assert state.rejected == (read.findings[0],)
    assert [s.finding.label for s in state.signable] == ["spleen"]
    assert state.is_complete


def test_what_is_added_is_a_persons_own(read):
    state = review(read, [verdict(Decision.ADD, NEW, target=target("kidneys"), box=BOX, plane=2)], "ada")
    (signed,) = state.signable
    assert (signed.origin, signed.finding.label, signed.finding.plane) == (Origin.MANUAL, "kidneys", 2)
    assert signed.finding.presence == 1.0


def test_what_is_added_can_be_corrected_and_taken_back(read):
    add = verdict(Decision.ADD, NEW, target=target("kidneys"), box=BOX)
    moved = verdict(Decision.CORRECT, NEW, target=target("kidneys"), box=Box(0, 0, 5, 5, BoxFrame.IMAGE))
    assert review(read, [add, moved], "ada").signable[0].finding.box.x_max == 5
    assert review(read, [add, moved, verdict(Decision.WITHDRAW, NEW)], "ada").signable == ()


def test_the_last_verdict_counts_and_can_be_taken_back(read):
    verdicts = [verdict(Decision.ACCEPT), verdict(Decision.REJECT)]
    assert review(read, verdicts, "ada").rejected == (read.findings[0],)
    assert review(read, [*verdicts, verdict(Decision.WITHDRAW)], "ada").undecided == read.findings


def test_two_readers_of_one_study_keep_both(read):
    verdicts = [verdict(Decision.ACCEPT), verdict(Decision.REJECT, person="bo")]
    assert review(read, verdicts, "ada").signable[0].finding.label == "liver"
    assert review(read, verdicts, "bo").rejected[0].label == "liver"


def test_verdicts_on_other_reads_are_passed_over(read):
    other = Verdict("2.25.1", LIVER, Decision.ACCEPT, "ada")
    assert review(read, [other], "ada").undecided == read.findings


@pytest.mark.parametrize(("wrong", "word"), [
    (verdict(Decision.ACCEPT, "2.25.404"), "no such finding"),
    (verdict(Decision.REJECT, reason=" "), "without a reason"),
    (verdict(Decision.CORRECT), "changes nothing"),
    (verdict(Decision.ADD, NEW, box=BOX), "without a target"),
    (verdict(Decision.ADD, NEW, target=target("liver")), "without a place"),
    (verdict(Decision.ADD, LIVER, target=target("liver"), box=BOX), "of the read's own"),
])  # fmt: skip
def test_a_verdict_that_cannot_be_meant_is_refused_in_words(read, wrong, word):
    with pytest.raises(RefusedInput, match=word):
        review(read, [wrong], "ada")


def test_a_box_in_another_frame_is_no_verdict():
    with pytest.raises(ValueError, match="image-pixels"):
        verdict(Decision.CORRECT, box=Box(0, 0, 1, 1, BoxFrame.MODEL))


@given(
    st.lists(
        st.tuples(
            st.sampled_from([LIVER, SPLEEN]),
            st.sampled_from([Decision.ACCEPT, Decision.REJECT, Decision.CORRECT, Decision.WITHDRAW]),
        )
    )
)
def test_every_finding_is_in_exactly_one_place_whatever_was_decided(decided):
    read = read_of([box_finding("liver", (1, 2, 8, 9), number=1), box_finding("spleen", (3, 4, 9, 11), number=2)])
    verdicts = [verdict(d, uid, box=BOX if d is Decision.CORRECT else None) for uid, d in decided]
    state = review(read, verdicts, "ada")
    places = [f.tracking_uid for f in (*(s.finding for s in state.signable), *state.rejected, *state.undecided)]
    assert sorted(places) == [LIVER, SPLEEN]
