"""Lessons: what one training step shows the model, made on the fly from labelled folders and drawn phantoms.

A lesson is a 256 x 256 picture, a question, the answer that is true of it, and one mask for every `<seg>` of that
answer. The answer's words come from `regions.description`, so a lesson never says what its masks do not show. Some
lessons ask for what is absent, some show modalities or targets that the model does not cover (the answer is an
abstention), and some carry an answer borrowed from another picture of the same kind: those teach only masks and
presence, so that a finished answer can be grounded on every slice of a volume.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wetread.findings import BoxFrame, Mask
from wetread.geometry import Resize
from wetread.model.answers import ABSTAINED, NOTHING_FOUND, AnswerObject, write_answer
from wetread.model.prompts import FIND_ALL, asked_label, segment_question
from wetread.reading.pictures import fitted
from wetread.regions.description import measure, sentence
from wetread.terminology import Modality, find_target
from wetread.training import phantoms
from wetread.training.manifests import Example, index, split

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from numpy.typing import NDArray

    from wetread.training.manifests import Part

SIDE = phantoms.SIDE
LEAST_PIXELS = 12
UNKNOWN_LABELS = (
    "lungs", "heart", "polyp", "optic disc", "tumor", "bone", "retinal vessels", "stomach", "pancreas", "aorta",
    "fracture", "skin lesion", "brain", "gallbladder", "breast lesion", "pneumonia", "bladder", "prostate",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class SetConfig:
    """One labelled folder of a recipe.

    Args:
        folder: below the data root.
        weight: share of lessons, relative to the other sets and to the phantoms.
        labels: the targets of this set, in answer order.
        label_values: value of the label map -> label, for sets whose manifest names none.
        smallest_crop: least side of a random crop, as a share of the picture.
        turn: quarter turns and flips are allowed (no up or down in the picture).
        half_turn: half of the lessons are turned upside down (files stored in RAS beside DICOM's LPS).
        holdout: keep the fifth of the groups out that `manifests.is_holdout` names.
        field_mm: (least, most) mm across of the images the set teaches on, crops included; None for pictures
            without spacing. The reader answers for no other sizes.
        attribution: what the data is, whose, and its licence; goes into `wetread.json`.
    """

    folder: str
    weight: float
    labels: tuple[str, ...]
    label_values: tuple[tuple[int, str], ...] = ()
    smallest_crop: float = 0.8
    turn: bool = False
    half_turn: bool = False
    holdout: bool = True
    field_mm: tuple[float, float] | None = None
    attribution: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """One training item; `masks` has one (256, 256) bool array for each `<seg>` of `answer`."""

    picture: NDArray[np.uint8]
    modality: Modality
    question: str
    answer: str
    masks: tuple[NDArray[np.bool_], ...]
    teaches_words: bool = True


@dataclass(slots=True, eq=False)
class _Set:
    config: SetConfig
    examples: list[Example] = field(default_factory=list)
    shown: list[int] = field(default_factory=list)


class Lessons:
    """An endless, seeded source of lessons.

    Args:
        root: folder that holds the labelled folders.
        sets: which folders, how often.
        drawn: weight of the drawn cells.
        uncovered: weight of the drawn pictures of modalities that are not covered.
        seg: the mark written after each object.
        seed: of the generator; `state` and `restore` make a run resumable.
        part: of the sets that keep groups out: what may be trained on, or what was kept out, for measuring.
        covered: labels that the model answers for: it is never taught to abstain on them.
    """

    def __init__(
        self, root: Path, sets: list[SetConfig], drawn: float, uncovered: float, seg: str, seed: int,
        part: Part = "train", covered: Collection[str] = (),
    ) -> None:  # fmt: skip
        self._sets = [_load(root, config, part) for config in sets]
        self._seg = seg
        self._unknowns = [label for label in UNKNOWN_LABELS if label not in covered]
        weights = np.array([*(c.weight for c in sets), drawn, uncovered], dtype=np.float64)
        self._shares = weights / weights.sum()
        self._rng = np.random.default_rng(seed)

    def state(self) -> dict[str, Any]:
        """The generator's state."""
        return dict(self._rng.bit_generator.state)

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a state."""
        self._rng.bit_generator.state = state

    def reseed(self, seed: int) -> None:
        """Start again with another seed; the pictures stay in memory."""
        self._rng = np.random.default_rng(seed)

    def counts(self) -> dict[str, int]:
        """Examples in memory for each set."""
        return {s.config.folder: len(s.examples) for s in self._sets}

    def modalities(self) -> tuple[Modality, ...]:
        """Modalities of the labelled folders: what the model covers."""
        return tuple(dict.fromkeys(e.modality for s in self._sets for e in s.examples))

    def draw(self) -> Lesson:
        """The next lesson."""
        which = int(self._rng.choice(len(self._shares), p=self._shares))
        if which < len(self._sets):
            return self._from_set(self._sets[which])
        if which == len(self._sets):
            return self._from_drawn()
        return self._from_uncovered()

    def _from_uncovered(self) -> Lesson:
        """An abstention that must be learned from the word for the modality, or an empty picture of a covered one.

        Four in ten pictures belong to another modality than the prompt says, so that the word decides and not the
        look of a drawing; two in ten are shown under a covered modality and hold none of its targets.
        """
        picture, modality = phantoms.drawn_uncovered(self._rng)
        chance = self._rng.random()
        if chance < 0.2 and self._sets:
            source = self._sets[int(self._rng.integers(len(self._sets)))]
            example = source.examples[int(self._rng.integers(len(source.examples)))]
            return self._lesson(picture, {}, example.modality, source.config.labels)
        if chance < 0.6 and self._sets:
            source = self._sets[int(self._rng.integers(len(self._sets)))]
            picture, _ = _cropped(source.examples[int(self._rng.integers(len(source.examples)))], source.config,
                                  self._rng)  # fmt: skip
        question = FIND_ALL if self._rng.random() < 0.5 else segment_question(self._unknown())
        return Lesson(jittered(picture, self._rng), modality, question, abstaining_answer(modality, None), ())

    def _from_drawn(self) -> Lesson:
        labels: tuple[str, ...]
        if self._rng.random() < 0.6:
            picture, masks = phantoms.drawn_nuclei(self._rng)
            modality, labels = Modality.PATHOLOGY, ("nuclei",)
        else:
            picture, masks = phantoms.drawn_smear(self._rng)
            modality, labels = Modality.MICROSCOPY, ("red blood cells", "white blood cells", "platelets")
        return self._lesson(picture, masks, modality, labels)

    def _from_set(self, source: _Set) -> Lesson:
        config = source.config
        shown = source.shown if self._rng.random() < 0.9 else range(len(source.examples))
        example = source.examples[int(shown[int(self._rng.integers(len(shown)))])]
        picture, masks = _cropped(example, config, self._rng)
        lesson = self._lesson(picture, masks, example.modality, config.labels)
        if self._rng.random() < (0.35 if example.volume else 0.12):
            return self._borrowed(source, lesson, masks)
        return lesson

    def _lesson(
        self, picture: NDArray[np.uint8], masks: Mapping[str, NDArray[np.bool_]], modality: Modality,
        labels: tuple[str, ...],
    ) -> Lesson:  # fmt: skip
        picture = jittered(picture, self._rng)
        chance = self._rng.random()
        if chance < 0.06:
            label = self._unknown()
            return Lesson(picture, modality, segment_question(label), abstaining_answer(modality, label), ())
        question = FIND_ALL if chance < 0.55 else segment_question(labels[int(self._rng.integers(len(labels)))])
        asked = asked_label(question)
        wanted = labels if asked is None else (asked,)
        found = {n: masks[n] for n in wanted if n in masks and masks[n].sum() >= LEAST_PIXELS}
        return Lesson(picture, modality, question, true_answer(modality, wanted, found, picture, self._seg),
                      tuple(found.values()))  # fmt: skip

    def _borrowed(self, source: _Set, lesson: Lesson, masks: Mapping[str, NDArray[np.bool_]]) -> Lesson:
        """The same picture under the answer of another picture of the set: teaches masks and presence only."""
        other = source.examples[int(source.shown[int(self._rng.integers(len(source.shown)))])]
        picture, other_masks = _cropped(other, source.config, self._rng)
        found = {n: m for n, m in other_masks.items() if n in source.config.labels and m.sum() >= LEAST_PIXELS}
        if not found:
            return lesson
        answer = true_answer(lesson.modality, source.config.labels, found, picture, self._seg)
        empty = np.zeros((SIDE, SIDE), dtype=bool)
        return replace(lesson, question=FIND_ALL, answer=answer, masks=tuple(masks.get(n, empty) for n in found),
                       teaches_words=False)  # fmt: skip

    def _unknown(self) -> str:
        return self._unknowns[int(self._rng.integers(len(self._unknowns)))]


def true_answer(
    modality: Modality, wanted: tuple[str, ...], found: Mapping[str, NDArray[np.bool_]], picture: NDArray[np.uint8],
    seg: str,
) -> str:  # fmt: skip
    """The answer that is true of the found masks, in the order of `wanted`."""
    said, objects = [_opening(modality)], []
    resize = Resize((SIDE, SIDE), (SIDE, SIDE))
    for label in found:
        target = find_target(label)
        said.append(sentence(label, measure(found[label], picture), bool(target and target.countable)))
        box = Mask.from_dense(found[label]).box(0)
        objects.append(AnswerObject(label, resize.convert(box, BoxFrame.MODEL)))
    if not found:
        said.append(f"No {' or '.join(wanted)} seen.")
    return write_answer(" ".join(said), tuple(objects), tuple(found) or (NOTHING_FOUND,), seg)


def abstaining_answer(modality: Modality, label: str | None) -> str:
    """The answer to a modality, or to a target, that the model was not trained on."""
    reason = f"to find {label}" if label else f"on {modality.value}"
    return write_answer(f"{_opening(modality)} This model was not trained {reason}.", (), (ABSTAINED,))


def _opening(modality: Modality) -> str:
    article = "an" if modality.value[0] in "MXueOE" else "a"  # letters as they are spoken: an MR, an X-ray
    return f"This is {article} {modality.value} image."


def _load(root: Path, config: SetConfig, part: Part) -> _Set:
    loaded = _Set(config)
    entries = index(root / config.folder, slices=True, volumes_first=bool(config.label_values))
    for entry in split(entries, part if config.holdout else "all"):
        named = replace(entry, label_names=config.label_values) if config.label_values else entry
        example = named.load()
        masks = dict(example.masks) or _ellipses(example)
        kept = {name: mask for name, mask in masks.items() if name in config.labels}
        loaded.examples.append(replace(example, masks=kept))
        if any(mask.sum() >= LEAST_PIXELS for mask in kept.values()):
            loaded.shown.append(len(loaded.examples) - 1)
    return loaded


def _ellipses(example: Example) -> dict[str, NDArray[np.bool_]]:
    """Where the truth is boxes only (blood cells): the ellipse inscribed in each box stands for its mask."""
    from skimage.draw import ellipse

    masks: dict[str, NDArray[np.bool_]] = {}
    shape = example.picture.shape[:2]
    for label, boxes in example.boxes.items():
        mask = masks.setdefault(label, np.zeros(shape, dtype=bool))
        for x_min, y_min, x_max, y_max in boxes:
            rows, columns = ellipse((y_min + y_max) / 2, (x_min + x_max) / 2, (y_max - y_min) / 2, (x_max - x_min) / 2,
                                    shape=shape)  # fmt: skip
            mask[rows, columns] = True
    return masks


def _cropped(
    example: Example, config: SetConfig, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], dict[str, NDArray[np.bool_]]]:
    """A random crop, scaled to 256 x 256, perhaps turned; masks alike."""
    rows, columns = example.picture.shape[:2]
    share = rng.uniform(config.smallest_crop, 1.0) if rng.random() < 0.75 else 1.0
    height, width = max(int(rows * share), 16), max(int(columns * share), 16)
    top, left = int(rng.integers(rows - height + 1)), int(rng.integers(columns - width + 1))
    turns, flip = (int(rng.integers(4)), rng.random() < 0.5) if config.turn else (0, False)
    if config.half_turn and rng.random() < 0.5:
        turns = 2

    def cut(array: NDArray[Any]) -> NDArray[Any]:
        part = np.rot90(fitted(array[top : top + height, left : left + width], SIDE), turns)
        return np.ascontiguousarray(part[:, ::-1] if flip else part)

    masks = {name: cut(mask.astype(np.uint8) * 255) >= 128 for name, mask in example.masks.items()}
    return cut(example.picture), masks


def jittered(picture: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Random gain, offset and (colour pictures) channel gains."""
    colour = bool(np.ptp(picture[::16, ::16], axis=2).any())
    gain = rng.uniform(0.75, 1.25) * (rng.uniform(0.85, 1.15, 3) if colour else 1.0)
    offset = rng.uniform(-20, 20) + (rng.uniform(-15, 15, 3) if colour else 0.0)
    changed = (picture.astype(np.float32) - 128) * gain + 128 + offset
    return np.clip(changed, 0, 255).astype(np.uint8)
