"""Lessons from a ledger's examples, mixed with replay so that what was learned before is not forgotten.

The replay is what people accepted or corrected before the last run, and drawn phantoms (`phantoms.py`): the data that
the shipped model was trained on is not in the package (rehearsal; Robins, Connection Science 7:123, 1995). Targets
that the language model has no name for are taught to a head of their own (`taught.py`), which has nothing to forget.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from wetread.errors import RefusedInput
from wetread.model.answers import dictated_answer
from wetread.model.prompts import segment_question
from wetread.model.tokenizer import SEG_TOKEN
from wetread.training.augmented import augmented
from wetread.training.lessons import LEAST_PIXELS, Lesson, Lessons, true_answer

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from wetread.training.from_ledger import LedgerExample

REPLAY = 0.4
"""Share of lessons that are replay, half of it drawn."""


class LedgerLessons:
    """An endless, seeded source of lessons.

    Args:
        examples: to learn from; at least one that is not replay.
        seed: of the generator.
        covered: labels that the model answers for.

    Raises:
        RefusedInput: nothing new to learn.
    """

    def __init__(self, examples: Sequence[LedgerExample], seed: int, covered: Collection[str] = ()) -> None:
        self._new = [example for example in examples if not example.earlier]
        self._earlier = [example for example in examples if example.earlier]
        if not self._new:
            raise RefusedInput("nothing new to learn", "the ledger", "decide on more findings of more patients first")
        self._drawn = Lessons(Path(), [], 0.7, 0.3, SEG_TOKEN, seed, covered=covered)
        self._rng = np.random.default_rng(seed)

    def draw(self) -> Lesson:
        """The next lesson."""
        chance = self._rng.random()
        if chance < REPLAY / 2 or (chance < REPLAY and not self._earlier):
            return self._drawn.draw()
        pool = self._earlier if chance < REPLAY else self._new
        return self._lesson(pool[int(self._rng.integers(len(pool)))])

    def _lesson(self, example: LedgerExample) -> Lesson:
        label = _drawn_label(example, self._rng)
        question = segment_question(label)
        there = label in example.present
        picture, mask = augmented(example.picture, (example.present if there else example.absent)[label],
                                  example.modality, self._rng)  # fmt: skip
        if there:
            found = {label: mask} if mask.sum() >= LEAST_PIXELS else {}
            answer = true_answer(example.modality, (label,), found, picture, SEG_TOKEN)
            return Lesson(picture, example.modality, question, answer, tuple(found.values()))
        if mask.any() and self._rng.random() < 0.5:
            # The words as the model said them: presence and mask learn that nothing is there, the words do not.
            said = true_answer(example.modality, (label,), {label: mask}, picture, SEG_TOKEN)
            return Lesson(picture, example.modality, question, said, (np.zeros_like(mask),), teaches_words=False)
        return Lesson(picture, example.modality, question,
                      true_answer(example.modality, (label,), {}, picture, SEG_TOKEN), ())  # fmt: skip


class DictatedLessons:
    """An endless, seeded source of lessons for the head of taught targets.

    The answer is the one that a read will dictate, so no word of it gives the mask away. Corrections of all runs count
    alike: the head is taught from them anew, and nothing else is its concern.

    Args:
        examples: at least one, of taught targets only.
        seed: of the generator.
    """

    def __init__(self, examples: Sequence[LedgerExample], seed: int) -> None:
        self._examples = list(examples)
        self._rng = np.random.default_rng(seed)

    def draw(self) -> Lesson:
        """The next lesson."""
        example = self._examples[int(self._rng.integers(len(self._examples)))]
        label = _drawn_label(example, self._rng)
        there = example.present.get(label)
        picture, mask = augmented(example.picture, np.zeros_like(example.absent[label]) if there is None else there,
                                  example.modality, self._rng)  # fmt: skip
        if mask.sum() < LEAST_PIXELS:
            mask = np.zeros_like(mask)
        return Lesson(picture, example.modality, segment_question(label), dictated_answer(example.modality, label),
                      (mask,), teaches_words=False)  # fmt: skip


def _drawn_label(example: LedgerExample, rng: np.random.Generator) -> str:
    names = [*example.present, *example.absent]
    return names[int(rng.integers(len(names)))]
