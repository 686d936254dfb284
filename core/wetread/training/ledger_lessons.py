"""Lessons from a ledger's examples, mixed with replay so that what was learned before is not forgotten.

The replay is what people accepted or corrected before the last run, and drawn phantoms (`phantoms.py`): the data that
the shipped model was trained on is not in the package (rehearsal; Robins, Connection Science 7:123, 1995).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wetread.errors import RefusedInput
from wetread.model.prompts import segment_question
from wetread.model.tokenizer import SEG_TOKEN
from wetread.reading.pictures import fitted
from wetread.training.lessons import LEAST_PIXELS, SIDE, Lesson, Lessons, true_answer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from wetread.training.from_ledger import LedgerExample

REPLAY = 0.4
"""Share of lessons that are replay, half of it drawn."""


class LedgerLessons:
    """An endless, seeded source of lessons.

    Args:
        examples: to learn from; at least one that is not replay.
        seed: of the generator.

    Raises:
        RefusedInput: nothing new to learn.
    """

    def __init__(self, examples: Sequence[LedgerExample], seed: int) -> None:
        self._new = [example for example in examples if not example.earlier]
        self._earlier = [example for example in examples if example.earlier]
        if not self._new:
            raise RefusedInput("nothing new to learn", "the ledger", "decide on more findings of more patients first")
        self._drawn = Lessons(Path(), [], 0.7, 0.3, SEG_TOKEN, seed)
        self._rng = np.random.default_rng(seed)

    def draw(self) -> Lesson:
        """The next lesson."""
        chance = self._rng.random()
        if chance < REPLAY / 2 or (chance < REPLAY and not self._earlier):
            return self._drawn.draw()
        pool = self._earlier if chance < REPLAY else self._new
        return self._lesson(pool[int(self._rng.integers(len(pool)))])

    def _lesson(self, example: LedgerExample) -> Lesson:
        names = [*example.present, *example.absent]
        label = names[int(self._rng.integers(len(names)))]
        picture = _jittered(fitted(example.picture, SIDE), self._rng)
        question = segment_question(label)
        if label in example.present:
            mask = _fitted(example.present[label])
            found = {label: mask} if mask.sum() >= LEAST_PIXELS else {}
            answer = true_answer(example.modality, (label,), found, picture, SEG_TOKEN)
            return Lesson(picture, example.modality, question, answer, tuple(found.values()))
        rejected = _fitted(example.absent[label])
        if rejected.any() and self._rng.random() < 0.5:
            # The words as the model said them: presence and mask learn that nothing is there, the words do not.
            said = true_answer(example.modality, (label,), {label: rejected}, picture, SEG_TOKEN)
            return Lesson(picture, example.modality, question, said, (np.zeros_like(rejected),), teaches_words=False)
        return Lesson(picture, example.modality, question,
                      true_answer(example.modality, (label,), {}, picture, SEG_TOKEN), ())  # fmt: skip


def _fitted(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return fitted(mask.astype(np.uint8) * 255, SIDE) >= 128


def _jittered(picture: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Random gain and offset."""
    changed: NDArray[Any] = (picture.astype(np.float32) - 128) * rng.uniform(0.85, 1.15) + 128 + rng.uniform(-12, 12)
    return np.clip(changed, 0, 255).astype(np.uint8)
