"""Region descriptions are measured: move, mirror or scale the mask and the words follow."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wetread.regions.description import component_boxes, count_words, measure, sentence, without_specks


def disc(row: float, column: float, radius: float, side: int = 120) -> np.ndarray:
    rows, columns = np.mgrid[0:side, 0:side]
    return (rows - row) ** 2 + (columns - column) ** 2 <= radius**2


def picture(mask: np.ndarray, inside: int, outside: int) -> np.ndarray:
    grey = np.where(mask, inside, outside).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


@pytest.mark.parametrize(
    ("row", "column", "place"),
    [(20, 20, "in the upper left part"), (60, 60, "in the centre"), (100, 60, "in the lower part"),
     (60, 100, "in the right part")],
)  # fmt: skip
def test_place_follows_the_centroid(row: int, column: int, place: str) -> None:
    mask = disc(row, column, 8)
    assert measure(mask, picture(mask, 200, 20)).place == place


def test_mirroring_swaps_left_and_right_only() -> None:
    mask = disc(20, 20, 8)
    mirrored = measure(mask[:, ::-1], picture(mask[:, ::-1], 200, 20))
    original = measure(mask, picture(mask, 200, 20))
    assert mirrored.place == original.place.replace("left", "right")
    assert (mirrored.size, mirrored.brightness, mirrored.count) == (original.size, original.brightness, original.count)


def test_scaling_up_moves_the_size_word_up() -> None:
    words = [measure(m := disc(60, 60, r), picture(m, 9, 200)).size for r in (3, 11, 25, 45)]
    assert words == ["tiny", "small", "medium", "large"]


@pytest.mark.parametrize(("inside", "outside", "word"), [(200, 40, "brighter than"), (10, 200, "darker than"),
                                                         (100, 100, "as bright as")])  # fmt: skip
def test_brightness_is_against_the_ring(inside: int, outside: int, word: str) -> None:
    mask = disc(60, 60, 12)
    assert measure(mask, picture(mask, inside, outside)).brightness == word


@given(st.integers(1, 6))
def test_separate_discs_are_counted_and_boxed(count: int) -> None:
    mask = np.zeros((40, 40 * count), dtype=bool)
    for i in range(count):
        mask[:, 40 * i : 40 * i + 40] |= disc(20, 20, 9, 40)
    assert measure(mask, picture(mask, 9, 99)).count == count
    assert len(component_boxes(mask)) == count
    assert component_boxes(mask)[0].corners == (11.0, 11.0, 30.0, 30.0)


def test_specks_are_taken_away_and_the_rest_stays() -> None:
    clean = disc(60, 60, 9)
    mask = clean.copy()
    mask[0, 0] = True
    assert np.array_equal(without_specks(mask, 2), clean)
    assert np.array_equal(without_specks(mask, 1), mask)


def test_an_empty_mask_has_no_words() -> None:
    empty = np.zeros((9, 9), dtype=bool)
    with pytest.raises(ValueError, match="no region"):
        measure(empty, picture(empty, 0, 0))


def test_the_sentence_says_the_attributes_and_nothing_else() -> None:
    mask = disc(20, 100, 8)
    text = sentence("liver", measure(mask, picture(mask, 200, 20)), countable=False)
    assert text == "The liver, small in area, in the upper right part, brighter than the surroundings."


def test_count_words_never_promise_more_than_was_counted() -> None:
    assert [count_words(n) for n in (0, 1, 5, 6, 11, 31, 101)] == [
        "no", "one", "five", "several", "many", "dozens of", "over a hundred",
    ]  # fmt: skip
