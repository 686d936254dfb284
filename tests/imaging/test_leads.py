"""Twelve leads, eight signals: names, codes and Einthoven's law."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.sr._concepts_dict import concepts

from wetread.imaging.leads import STANDARD, code_of, lead_of_code, lead_of_words, lead_signal, origin_of

LIMB = STANDARD[:6]


@pytest.mark.parametrize("lead", STANDARD)
def test_a_lead_is_written_with_its_code_of_cid_3001_and_read_back(lead):
    value, scheme, meaning = code_of(lead)
    listed = {entries[value][0] for entries in concepts["MDC"].values() if value in entries}
    assert meaning in listed
    assert lead_of_code(scheme, value) == lead_of_words(meaning) == lead_of_words(lead.upper()) == (lead, 1.0)


@pytest.mark.parametrize(
    ("words", "lead"),
    [
        ("Lead I (Einthoven)", ("I", 1.0)),
        ("Derived Lead V3", ("V3", 1.0)),
        ("MDC_ECG_LEAD_AVF", ("aVF", 1.0)),
        ("\u2212aVR", ("aVR", -1.0)),
        ("AVL", ("aVL", 1.0)),
        ("Lead V4R", None),
        ("V10", None),
        ("Frank Lead I", None),
        ("MLII", None),
        ("pleth", None),
        ("", None),
    ],
)
def test_words_that_name_a_lead_and_words_that_do_not(words, lead):
    assert lead_of_words(words) == lead


@pytest.mark.parametrize("given_leads", list(combinations(LIMB, 2)), ids=lambda pair: "+".join(pair))
def test_any_two_limb_leads_give_the_other_four(given_leads):
    generator = np.random.default_rng(0)
    first, second = generator.normal(size=(2, 50))
    whole = {"I": first, "II": second, "III": second - first, "aVR": -(first + second) / 2, "aVL": first - second / 2,
             "aVF": second - first / 2}  # fmt: skip
    known = {lead: whole[lead] for lead in given_leads}
    for lead in LIMB:
        assert np.allclose(lead_signal(lead, known), whole[lead], atol=1e-6)


@given(st.sets(st.sampled_from(STANDARD)))
def test_chest_leads_follow_from_nothing(known):
    for lead in STANDARD[6:]:
        assert (origin_of(lead, dict.fromkeys(known)) is not None) == (lead in known)
