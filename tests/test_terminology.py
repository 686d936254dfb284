"""The one table of coded concepts: every code has the meaning its dictionary gives it, every name one target."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import pytest
from pydicom.sr._concepts_dict import concepts as pydicom_concepts

from wetread.terminology import TARGETS, Concept, Modality, concepts, find_target


def meanings(concept: Concept) -> set[str]:
    """Every meaning pydicom's dictionaries (PS3.16 context groups) list for this code in its scheme."""
    listed = pydicom_concepts[concept.scheme].values()
    return {entries[concept.code][0] for entries in listed if concept.code in entries}


@pytest.mark.parametrize("concept", concepts(), ids=lambda concept: f"{concept.scheme} {concept.code}")
def test_every_code_exists_with_exactly_this_meaning(concept):
    assert concept.meaning in meanings(concept)


def test_the_check_above_would_catch_a_code_with_another_codes_meaning():
    assert "Normal" not in meanings(Concept("52988006", "SCT", "Normal"))
    assert meanings(Concept("1", "SCT", "Spleen")) == set()


def test_a_code_is_written_with_one_meaning_throughout():
    by_code = Counter((concept.code, concept.scheme) for concept in concepts())
    assert max(by_code.values()) == 1


def test_labels_and_synonyms_belong_to_one_target_each():
    names = Counter(name for target in TARGETS for name in target.names())
    assert [name for name, count in names.items() if count > 1] == []


def test_names_are_lower_case_and_trimmed_because_they_are_looked_up_so():
    for target in TARGETS:
        for name in target.names():
            assert name == name.strip().lower()


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.label)
def test_every_name_finds_its_target_however_it_is_written(target):
    for name in target.names():
        assert find_target(name) is target
        assert find_target(f"  {name.upper()} ") is target


def test_a_name_nobody_listed_finds_nothing():
    assert find_target("spleen or liver") is None
    assert find_target("") is None


def shown_together() -> list[tuple[str, str, Modality]]:
    return [
        (first.label, second.label, modality)
        for first, second in combinations(TARGETS, 2)
        for modality in sorted(first.modalities & second.modalities)
    ]


@pytest.mark.parametrize(("first", "second", "modality"), shown_together())
def test_targets_that_can_appear_on_one_picture_have_colours_that_can_be_told_apart(first, second, modality):
    """CIE76 distance in CIELAB of at least 25, ten times a just noticeable difference of about 2.3."""
    import numpy as np
    from skimage.color import rgb2lab

    colours = np.array([[find_target(first).colour, find_target(second).colour]]) / 255
    lab = rgb2lab(colours)[0]
    assert np.linalg.norm(lab[0] - lab[1]) > 25, f"{first} and {second} on {modality}"


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.label)
def test_every_target_can_appear_somewhere_and_has_a_colour(target):
    assert target.modalities
    assert all(0 <= channel <= 255 for channel in target.colour)
