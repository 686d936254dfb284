"""A text says its attributes and nothing else: every phrasing is read back to the facts it was made of."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from region_shapes import contrasted, disc, ellipse, ellipsoid, ring, star
from wetread.errors import RefusedInput
from wetread.geometry import PlaneGeometry
from wetread.regions import describe
from wetread.regions.attributes import BorderWord, Direction, Place, RelationKind, ShapeWord, SizeWord
from wetread.regions.colours import COLOUR_NAMES
from wetread.regions.facts import CONTRAST_KEYS, region_facts, scene_facts, told
from wetread.regions.labels import UNNAMED, label_of
from wetread.regions.palette import PALETTE
from wetread.regions.text import LANGUAGES, parse, phrases_of, write_region
from wetread.terminology import TARGETS, Modality

IMAGES = [modality for modality in Modality if modality is not Modality.ECG]
languages = pytest.mark.parametrize("language", LANGUAGES)

words = st.one_of(
    st.sampled_from([target.label for target in TARGETS]),
    st.text(max_size=40).map(label_of),
    st.sampled_from(["liver in the upper left", "a smooth border", "5 mm. It is on the left side of the patient.",
                     "region of liver", "x, marked in red, lies in the centre of this CT image"]).map(label_of),
)  # fmt: skip
decimals = st.floats(0.001, 99999, allow_nan=False).map(lambda v: float(f"{v:.3g}"))


def one_of(kind) -> st.SearchStrategy[str]:
    return st.sampled_from([member.value for member in kind])


colours = st.sampled_from([colour.name for colour in PALETTE])
kinds = st.lists(one_of(RelationKind), min_size=1, max_size=4, unique=True).map(tuple)
facts = st.fixed_dictionaries(
    {"colour": colours, "label": words, "size": one_of(SizeWord), "shape": one_of(ShapeWord), "place": one_of(Place),
     "modality": st.sampled_from([m.value for m in IMAGES]), "share": decimals},
    optional={
        "border": one_of(BorderWord), "contrast": st.sampled_from(CONTRAST_KEYS), "mean_hu": st.integers(-1024, 3000),
        "colour_name": st.sampled_from(COLOUR_NAMES), "diameter_px": decimals,
        "laterality": st.sampled_from(["left", "right"]),
        "at_edge": st.just(True),
        "slices": st.tuples(st.integers(1, 99), st.integers(1, 99), st.integers(1, 99)),
        "patient": st.lists(one_of(Direction), min_size=1, max_size=3, unique=True).map(tuple),
        "colour_parts": st.lists(
            st.tuples(st.sampled_from(COLOUR_NAMES), decimals, one_of(Place)), min_size=1, max_size=6
        ).map(tuple),
        "relations": st.lists(st.tuples(kinds, colours), min_size=1, max_size=3).map(tuple),
    },
)  # fmt: skip


@languages
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(facts, st.integers(0, 10**6), st.data())
def test_any_facts_are_read_back_from_any_phrasing(language: str, stated: dict, seed: int, data) -> None:
    extra = data.draw(
        st.sampled_from([
            {}, {"area_mm2": 12.5, "diameter_mm": 3.99}, {"volume_ml": 0.012, "diameter_mm": 3.0},
            {"components": 3, "largest": 50.1},
        ])
    )  # fmt: skip
    if "mean_hu" in stated and seed % 2:
        extra = extra | {"ring_hu": -7}
    stated = stated | extra
    text = " ".join(write_region(stated, phrases_of(language), seed))
    assert parse(text, language).regions == (stated,)


@languages
def test_every_word_of_every_table_is_used_for_one_value(language: str) -> None:
    said = phrases_of(language).words
    assert set(said.contrast) == set(CONTRAST_KEYS)
    assert set(said.relation) == {kind.value for kind in RelationKind}
    assert set(said.colour_name) == set(COLOUR_NAMES)
    assert phrases_of(language).slots  # raises where two values share a word


@languages
def test_every_group_of_sentences_has_several_phrasings(language: str) -> None:
    spoken = phrases_of(language)
    groups = [*spoken.openings.values(), *spoken.sentences.values(), *spoken.scenes.values()]
    assert min(len(group) for group in groups) >= 2
    sentences = [text for group in groups for text in group]
    assert len(set(sentences)) == len(sentences)


@languages
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 10**6), st.sampled_from(IMAGES), st.integers(1, 13), st.booleans(), st.booleans())
def test_the_text_of_any_picture_is_its_attributes(
    language: str, seed: int, modality: Modality, count: int, colour: bool, placed: bool
) -> None:
    generator = np.random.default_rng(seed)
    shape = (64, 80)
    masks = []
    for _ in range(count):
        row, column, height, width = (*generator.uniform(5, 60, 2), *generator.uniform(0.5, 14, 2))
        draw = (ellipse(row, column, height, width, shape), ring(row, column, height + 2, height / 2, shape),
                star(5, height + 3, 0.4, 64), np.zeros(shape, bool))[generator.integers(0, 4)]  # fmt: skip
        mask = np.zeros(shape, bool)
        mask[:, : draw.shape[1]] = draw[:, :80]
        masks.append(mask)
    image = generator.integers(0, 256, (*shape, 3) if colour else shape, dtype=np.uint8)
    geometry = PlaneGeometry((0, 0, 0), (1, 0, 0), (0, 1, 0), 1.3, 1.3, "1.2") if placed else None
    target = TARGETS[seed % len(TARGETS)].label
    units = "[hnsf'U]" if modality is Modality.CT else "1"
    description = describe(masks, image, geometry, modality, target, language, seed=seed, units=units)
    assert_true(description)


@languages
def test_the_text_of_a_volume_is_its_attributes(language: str) -> None:
    a = ellipsoid((5, 20, 20), (4, 8, 8), (12, 48, 48))
    b = ellipsoid((8, 34, 30), (3, 6, 9), (12, 48, 48))
    planes = [PlaneGeometry((0, 0, 3.0 * z), (1, 0, 0), (0, 1, 0), 2.5, 2.5, "1.2") for z in range(12)]
    for seed in range(20):
        description = describe([a, b], contrasted(a, 80, 30), planes, "CT", ["kidney", "spleen"], language, seed=seed)
        assert_true(description)


def assert_true(description) -> None:
    read = parse(description.text, description.language)
    described = told(description)
    assert read.regions == tuple(region_facts(description, region) for region in described)
    known = scene_facts(description.scene, len(described))
    assert {key: value for key, value in read.scene.items() if known.get(key) != value} == {}
    assert read.scene.get("absent", ()) == known["absent"]
    for region, sentence in zip(description.regions, description.sentences, strict=True):
        assert parse(sentence, description.language).regions == (region_facts(description, region),)


def test_seeds_change_the_phrasing_but_never_the_facts() -> None:
    mask, image = disc(40, 40, 12), contrasted(disc(40, 40, 12), 90, 40)
    made = [describe(mask, image, None, "MR", "liver", seed=seed) for seed in range(12)]
    assert len({one.text for one in made}) > 5
    assert len({str(one.regions) for one in made}) == 1
    assert made[3].text == describe(mask, image, None, "MR", "liver", seed=3).text


def test_no_region_is_said_in_words() -> None:
    empty = np.zeros((8, 8), bool)
    for seed in range(6):
        assert "no region" in describe(empty, np.zeros((8, 8)), None, "CT", "liver", seed=seed).text
        assert "no region in" in (bare := describe(empty, np.zeros((8, 8)), None, "CT", None, seed=seed)).text.replace(
            "shows no region.", "no region in"
        )
        assert parse(bare.text).scene["absent"] == (UNNAMED,)


@pytest.mark.parametrize(
    "text",
    ["", "The liver looks ill.", "Its border is smooth.",
     "The blue region is a small, round area of liver in the centre of this CT image. It is malignant.",
     "The blue region is a small, round area of liver in the centre of this CT image. Its border is smooth. "
     "The outline is lobulated."],
    ids=["empty", "other", "no opening", "more than was measured", "contradiction"],
)  # fmt: skip
def test_other_texts_and_contradictions_are_refused(text: str) -> None:
    with pytest.raises(RefusedInput):
        parse(text)
