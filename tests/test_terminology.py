"""The one table of coded concepts: every code has the meaning its dictionary gives it, every name one target."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from pydicom.sr._cid_dict import cid_concepts
from pydicom.sr._concepts_dict import concepts as pydicom_concepts

from wetread.model.checkpoint import read_info
from wetread.model.prompts import asked_label, segment_question
from wetread.terminology import (
    MORPHOLOGICALLY_ABNORMAL,
    SIDES,
    TARGETS,
    Concept,
    Laterality,
    Modality,
    concepts,
    find_sided,
    find_target,
    suggestions,
)

SHIPPED = {  # what `wetread-mini` 0.1.0 was published with: label -> type, category, colour
    "nuclei": ("84640000", "91723000", (0, 158, 115)),
    "red blood cells": ("4421005", "91723000", (213, 94, 0)),
    "white blood cells": ("4421005", "91723000", (86, 180, 233)),
    "platelets": ("4421005", "91723000", (204, 121, 167)),
    "hippocampus": ("5366008", "91723000", (230, 159, 0)),
    "liver": ("10200004", "91723000", (213, 94, 0)),
    "spleen": ("78961009", "91723000", (0, 114, 178)),
    "kidneys": ("64033007", "91723000", (240, 228, 66)),
    "lesion": ("52988006", "49755003", (204, 121, 167)),
}
NINE = ("CT", "MR", "PET", "X-ray", "ultrasound", "pathology", "dermoscopy", "endoscopy", "fundus")
CATEGORIES = 7150  # CID of Segmentation Property Category


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
        assert find_target(f"the {name}") is target


def test_a_name_nobody_listed_finds_nothing():
    assert find_target("spleen or liver") is None
    assert find_target("") is None


def lab(colour):
    from skimage.color import rgb2lab

    return rgb2lab(np.array([[colour]]) / 255)[0, 0]


@pytest.mark.parametrize("modality", sorted({modality for target in TARGETS for modality in target.modalities}))
def test_targets_that_can_appear_on_one_picture_have_colours_that_can_be_told_apart(modality):
    """CIE76 distance in CIELAB of at least 13, five times a just noticeable difference of about 2.3."""
    shown = [target for target in TARGETS if modality in target.modalities]
    points = np.array([lab(target.colour) for target in shown])
    distances = np.linalg.norm(points[:, None] - points[None], axis=2) + 1000 * np.eye(len(shown))
    first, second = np.unravel_index(distances.argmin(), distances.shape)
    assert distances.min() > 13, f"{shown[first].label} and {shown[second].label}"


@pytest.mark.parametrize(("first", "second"), list(combinations(SHIPPED, 2)))
def test_the_shipped_models_targets_are_farther_apart(first, second):
    first, second = find_target(first), find_target(second)
    if first.modalities & second.modalities:
        assert np.linalg.norm(lab(first.colour) - lab(second.colour)) > 25


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.label)
def test_every_target_can_appear_somewhere_and_has_a_colour(target):
    assert target.modalities
    assert all(0 <= channel <= 255 for channel in target.colour)


def test_there_are_at_least_165_targets_over_the_nine_modalities_and_twenty_kinds_of_cancer():
    assert len(TARGETS) >= 165
    assert {str(m) for target in TARGETS for m in target.modalities} >= set(NINE)
    assert sum(target.group == "cancers" for target in TARGETS) >= 20
    assert all(sum(Modality(name) in target.modalities for target in TARGETS) >= 10 for name in NINE)


@pytest.mark.parametrize("label", SHIPPED)
def test_what_the_shipped_model_was_published_with_has_not_changed(label):
    target = find_target(label)
    assert (target.type.code, target.category.code, target.colour) == SHIPPED[label]
    assert target.label == label


def test_every_label_of_the_shipped_model_is_a_target():
    assert set(read_info("wetread-mini").labels) <= {target.label for target in TARGETS}


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.label)
def test_every_category_is_one_that_dicom_lists_for_segments(target):
    listed = {code for keyword in cid_concepts[CATEGORIES]["SCT"] for code in pydicom_concepts["SCT"][keyword]}
    assert target.category.code in listed


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.label)
def test_a_prompt_finds_its_way_back_to_the_target(target):
    assert target.prompt == segment_question(target.label) == f"Please segment {target.label} in the given image."
    assert asked_label(target.prompt) == target.label


@pytest.mark.parametrize("target", [t for t in TARGETS if t.site != t.type], ids=lambda target: target.label)
def test_a_region_is_a_place_and_never_a_lesion(target):
    lesions = {t.type for t in TARGETS if t.category == MORPHOLOGICALLY_ABNORMAL}
    assert target.site not in lesions or target.label in ("tumor cells", "inflammatory cells")


@pytest.mark.parametrize(
    ("written", "label"),
    [
        ("the Liver", "liver"), ("LIVER.", "liver"), ("kidney_left", "kidneys"), ("right kidney", "kidneys"),
        ("both kidneys", "kidneys"), ("Left-Hippocampus", "hippocampus"), ("liver tumours", "liver tumor"),
        ("oesophagus", "esophagus"), ("adrenal_gland_left", "adrenal glands"), ("lung_upper_lobe_left",
        "upper lobes of lung"), ("heart_ventricle_left", "left ventricle"), ("vertebrae T9", "t9 vertebra"),
        ("optic disk", "optic disc"), ("grey matter", "gray matter"), ("polyps", "polyp"), ("an ovary", "ovaries"),
        ("RBC", "red blood cells"), ("inferior_vena_cava", "inferior vena cava"), ("brain  metastases",
        "brain metastasis"), ("peritumoural oedema", "brain edema"), ("left heart ventricle", "left ventricle"),
    ],
)  # fmt: skip
def test_the_way_a_name_is_written_does_not_matter(written, label):
    assert find_target(written).label == label


@pytest.mark.parametrize(
    "written",
    ["left liver", "left right kidney", "liver kidney", "hip", "rib 9", "heart left", "ventricle", "background",
     "kidney tumor left", "enhancing lesion", "myocardial infarction", "sarcoma", "live", "not the liver",
     "liver and spleen"],
)  # fmt: skip
def test_a_meaning_is_never_guessed(written):
    assert find_target(written) is None


def test_a_side_is_kept_and_becomes_a_coded_modifier():
    target, side = find_sided("kidney, left")
    assert (target.label, side) == ("kidneys", Laterality.LEFT)
    left = target.on(side)
    assert (left.label, left.type, left.modifiers) == ("left kidney", target.type, (SIDES[Laterality.LEFT],))
    assert find_sided("kidneys") == (target, Laterality.PAIRED)
    assert find_sided("left atrium")[1] is Laterality.LEFT
    assert find_target("left atrium").modifiers == ()
    with pytest.raises(ValueError, match="no side"):
        find_target("liver").on(Laterality.LEFT)


@pytest.mark.parametrize("target", [t for t in TARGETS if t.laterality in SIDES], ids=lambda target: target.label)
def test_a_target_of_one_side_says_so_in_its_own_code(target):
    assert str(target.laterality) in target.type.meaning.lower()


def test_suggestions_are_the_prompts_of_what_the_model_and_the_picture_can_show():
    assert suggestions(Modality.FUNDUS) == tuple(t.prompt for t in TARGETS if Modality.FUNDUS in t.modalities)
    assert suggestions(Modality.CT, ("liver", "nuclei")) == ("Please segment liver in the given image.",)
    assert suggestions(Modality.ECG) == ()


def test_the_table_is_the_code_of_no_two_names():
    from wetread.terminology import _numbers, _plain

    forms = {}
    for target in TARGETS:
        for name in map(_plain, target.names()):
            for form in (name, *_numbers(name)):
                forms.setdefault(form, set()).add(target.label)
    assert {form: labels for form, labels in forms.items() if len(labels) > 1} == {}
