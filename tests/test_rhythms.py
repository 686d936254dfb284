"""ECG statements: one name, one code, one meaning each, and no code with another code's meaning."""

from __future__ import annotations

from collections import Counter

import pytest
from pydicom.sr._concepts_dict import concepts as pydicom_concepts

from wetread.rhythms import ECG_FINDING, HEART, RHYTHMS, find_rhythm, rhythm_of_code
from wetread.terminology import Concept, Modality, find_target

CINC_2021 = {
    "atrial fibrillation": "164889003", "atrial flutter": "164890007", "sinus rhythm": "426783006",
    "sinus bradycardia": "426177001", "sinus tachycardia": "427084000", "pacing rhythm": "10370003",
    "1st degree av block": "270492004", "right bundle branch block": "59118001", "t wave inversion": "59931005",
    "left bundle branch block": "164909002", "premature ventricular contractions": "427172004",
    "myocardial infarction": "164865005", "prolonged qt interval": "111975006", "st depression": "429622005",
}  # fmt: skip
"""Label and SNOMED CT code as PhysioNet/CinC 2021 publishes them."""


def meanings(concept: Concept) -> set[str]:
    listed = pydicom_concepts[concept.scheme].values()
    return {entries[concept.code][0] for entries in listed if concept.code in entries}


@pytest.mark.parametrize("concept", [ECG_FINDING, HEART, *(t.type for t in RHYTHMS)], ids=lambda c: c.meaning)
def test_a_code_that_the_dictionary_knows_has_its_meaning(concept):
    known = meanings(concept)
    assert not known or concept.meaning in known


def test_enough_of_them_are_known_to_the_dictionary_for_this_to_mean_something():
    assert sum(bool(meanings(target.type)) for target in RHYTHMS) >= 10


@pytest.mark.parametrize(("label", "code"), CINC_2021.items())
def test_labels_and_codes_are_those_of_the_challenge(label, code):
    assert find_rhythm(label).type.code == code
    assert rhythm_of_code(code).label == label


def test_no_name_and_no_code_is_used_twice():
    names = Counter(name for target in RHYTHMS for name in target.names())
    codes = Counter(target.type.code for target in RHYTHMS)
    assert [key for key, count in (names + codes).items() if count > 1] == []
    elsewhere = [target for name in names if (target := find_target(name)) is not None]
    assert all(Modality.ECG not in target.modalities for target in elsewhere), "an ECG's words are looked up here only"


def test_names_are_found_however_they_are_written():
    for target in RHYTHMS:
        assert target.modalities == {Modality.ECG}
        for name in (*target.names(), target.type.meaning):
            assert find_rhythm(f"  {name.upper()}. ") is target
    assert find_rhythm("AF").label == "atrial fibrillation"
    assert find_rhythm("normal ECG") is None
    assert rhythm_of_code("17366009") is None, "two sources disagree about what this code means"
