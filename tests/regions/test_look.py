"""How regions look: against their ring, in the modality's own words, in their own colour; and how they are drawn."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from skimage.color import deltaE_ciede2000

from region_shapes import contrasted, disc
from wetread.regions import describe
from wetread.regions.attributes import Contrast
from wetread.regions.palette import DEFICIENCIES, PALETTE, lab_of, simulate
from wetread.terminology import Modality

MASK = disc(64, 64, 20)


def grey(inside: float, outside: float, noise: float = 2.0):
    return contrasted(MASK, inside, outside, noise)


@pytest.mark.parametrize(
    ("modality", "inside", "outside", "words"),
    [
        (Modality.CT, 90, 40, "hyperdense"), (Modality.CT, 40, 42, "isodense"), (Modality.CT, -20, 40, "hypodense"),
        (Modality.MR, 90, 40, "hyperintense"), (Modality.MR, 40, 40, "isointense"),
        (Modality.MR, 20, 60, "hypointense"),
        (Modality.ULTRASOUND, 200, 90, "hyperechoic"), (Modality.ULTRASOUND, 60, 120, "hypoechoic"),
        (Modality.ULTRASOUND, 8, 120, "anechoic"), (Modality.ULTRASOUND, 100, 100, "isoechoic"),
        (Modality.XRAY, 180, 90, "an opacity"), (Modality.XRAY, 60, 120, "a lucency"),
        (Modality.MAMMOGRAPHY, 180, 90, "an opacity"), (Modality.PET, 9, 2, "increased tracer uptake"),
        (Modality.OCT, 20, 90, "hyporeflective"), (Modality.DERMOSCOPY, 20, 90, "darker"),
    ],
)  # fmt: skip
def test_each_modality_has_its_own_words(modality, inside, outside, words) -> None:
    image = grey(inside, outside, 0.5).clip(-1000, 255)
    if modality is Modality.ULTRASOUND:
        image = image.astype(np.uint8)
    units = "[hnsf'U]" if modality is Modality.CT else "1"
    assert words in describe(MASK, image, None, modality, "lesion", units=units).text


def test_an_image_of_two_levels_is_measured_as_nought_and_one() -> None:
    description = describe(MASK, MASK, None, "microscopy", "cell")
    assert (description.regions[0].intensity.mean, description.regions[0].intensity.ring) == (1.0, 0.0)
    assert description.overlay.shape == (*MASK.shape, 3)


def test_the_ring_is_five_pixels_wide() -> None:
    image = grey(100, 50, 0.0)
    image[~disc(64, 64, 25.6)] = 999
    (region,) = describe(MASK, image, None, "MR", "lesion").regions
    assert region.intensity.ring == pytest.approx(50)
    assert region.intensity.mean == pytest.approx(100)


def test_noise_decides_whether_a_difference_is_one() -> None:
    assert _contrast(grey(103, 100, 1.0)) is Contrast.HIGHER
    assert _contrast(grey(103, 100, 20.0)) is Contrast.EQUAL


def test_hounsfield_units_are_said_and_under_ten_are_no_difference() -> None:
    image = grey(45, 40, 0.5)
    said = describe(MASK, image, None, "CT", "lesion", units="[hnsf'U]")
    assert said.regions[0].intensity.contrast is Contrast.EQUAL
    assert "45 HU" in said.text
    assert "HU" not in describe(MASK, image, None, "CT", "lesion").text


def _contrast(image):
    return describe(MASK, image, None, "MR", "lesion").regions[0].intensity.contrast


@pytest.mark.parametrize("modality", ["endoscopy", "fundus", "pathology", "photograph"])
@pytest.mark.parametrize(("rgb", "name"), [((200, 40, 35), "red"), ((240, 160, 180), "pink"),
                                           ((110, 60, 145), "purple"),
                                           ((235, 215, 60), "yellow")])  # fmt: skip
def test_colour_images_name_the_colour(modality, rgb, name) -> None:
    image = np.full((128, 128, 3), 120, np.uint8)
    image[MASK] = rgb
    assert describe(MASK, image, None, modality, "polyp").regions[0].intensity.colour_name == name


def test_patches_of_another_colour_are_found_with_share_and_place() -> None:
    image = np.full((128, 128, 3), 120, np.uint8)
    image[MASK] = (200, 40, 35)
    image[MASK & (np.arange(128) >= 64)[None, :]] = (235, 215, 60)
    parts = {p.name: p for p in describe(MASK, image, None, "endoscopy", "polyp").regions[0].colour_parts}
    assert set(parts) == {"red", "yellow"}
    assert parts["red"].share == pytest.approx(0.5, abs=0.03)
    assert (parts["red"].place, parts["yellow"].place) == ("middle left", "middle right")


@pytest.mark.parametrize("form", ["fractions", "sixteen", "alpha", "floats"])
def test_colour_images_of_any_number_format_are_the_same(form: str) -> None:
    image = np.full((128, 128, 3), 120, np.uint8)
    image[MASK] = (200, 40, 35)
    other = {
        "fractions": image / 255.0, "sixteen": image.astype(np.uint16) * 257, "floats": image.astype(np.float64),
        "alpha": np.concatenate([image, np.full((128, 128, 1), 255, np.uint8)], axis=2),
    }[form]  # fmt: skip
    assert describe(MASK, other, None, "endoscopy", "x").text == describe(MASK, image, None, "endoscopy", "x").text


def test_a_grey_channel_as_a_last_axis_is_a_grey_image() -> None:
    image = grey(90, 40)
    assert describe(MASK, image[..., None], None, "MR", "x").text == describe(MASK, image, None, "MR", "x").text


@pytest.mark.parametrize("light", [1.0, 0.75])
def test_dermoscopic_colours_are_seen_against_the_skin_in_any_light(light: float) -> None:
    image = np.full((128, 128, 3), (225, 180, 150), np.float64)
    six = {"white": (250, 250, 250), "red": (190, 60, 60), "light brown": (181, 134, 84), "dark brown": (101, 67, 33),
           "blue-gray": (105, 120, 140), "black": (20, 18, 18)}  # fmt: skip
    for number, rgb in enumerate(six.values()):
        image[34:94, 34 + 10 * number : 44 + 10 * number] = rgb
    lesion = np.zeros((128, 128), bool)
    lesion[34:94, 34:94] = True
    picture = (image * light).astype(np.uint8)
    parts = describe(lesion, picture, None, "dermoscopy", "skin lesion").regions[0].colour_parts
    assert {part.name for part in parts} == set(six)
    assert [part.share for part in parts] == pytest.approx([1 / 6] * 6, abs=0.03)


def test_the_colours_stay_apart_for_every_eye() -> None:
    rgb = np.array([colour.rgb for colour in PALETTE])
    assert len(PALETTE) <= 10
    for name in (None, *DEFICIENCIES):
        seen = rgb if name is None else 255 * simulate(rgb / 255.0, name)
        lab = lab_of(seen)
        least = min(float(deltaE_ciede2000(lab[i], lab[j])) for i, j in combinations(range(len(lab)), 2))
        assert least >= 15.0, name


def test_a_colour_is_chosen_against_the_picture() -> None:
    for colour in PALETTE:
        image = np.full((128, 128, 3), colour.rgb, np.uint8)
        chosen = describe(MASK, image, None, "photograph", "x").regions[0].colour
        assert chosen != colour


@pytest.mark.parametrize(("count", "own"), [(1, 1), (10, 10), (11, 9), (40, 9)])
def test_colours_are_unique_while_they_last_and_the_largest_keep_theirs(count: int, own: int) -> None:
    labels = np.zeros((20, 20 * count), np.int32)
    for number in range(count):
        labels[4 : 10 + number % 9, 20 * number + 3 : 20 * number + 12] = number + 1
    description = describe(labels, np.zeros(labels.shape, np.uint8), None, "pathology", "nuclei")
    colours = [region.colour for region in description.regions]
    unique = [region for region in description.regions if colours.count(region.colour) == 1]
    assert len(unique) == own
    others = [region.size.pixels for region in description.regions if region not in unique]
    assert not others or min(region.size.pixels for region in unique) >= max(others)


def test_the_overlay_is_the_formula_and_a_contour_of_two_pixels() -> None:
    image = np.full((128, 128), 100, np.uint8)
    description = describe(MASK, image, None, "MR", "lesion")
    colour = np.array(description.regions[0].colour.rgb)
    drawn = description.overlay
    assert np.array_equal(drawn[~MASK], np.full(drawn[~MASK].shape, 100))
    assert np.array_equal(drawn[64, 64], np.rint(0.6 * 100 + 0.4 * colour))
    row = (drawn[64] == colour).all(axis=1)
    assert np.flatnonzero(row).tolist() == [44, 45, 82, 83]


def test_a_volume_is_drawn_on_the_plane_with_most_pixels() -> None:
    mask = np.zeros((5, 32, 32), bool)
    mask[3, 4:20, 4:20] = True
    mask[1, 4:6, 4:6] = True
    description = describe(mask, np.zeros(mask.shape, np.float32), None, "MR", "lesion")
    assert description.key_plane == 3
    assert description.overlay_of(0).max() == 0
