"""The questions about an admission, in the published layout, and their reader.

Layout of QoQ-Med3: ``temporal_splits/qa_type_{1,2,3,5,6}/{train,val,test}.jsonl`` with `question`, `answer`,
`correct_choice`, `choices`, `images` and `time-series`, paths written ``../../`` from the file. The published
generator is not public, so what types 3, 5 and 6 ask is ours: 3 the primary diagnosis among four, 5 the length of
stay, 6 survival. `QaLines` reads such files, ours and the published ones, and does what the published consolidation
does: the words that say how to answer are appended, a question of more than 5,000 characters keeps its first and last
2,500, and at most two images are shown.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from wetread.errors import RefusedInput
from wetread.training.data.item import TrainingItem
from wetread.training.data.jsonl import JsonLines
from wetread.training.data.label_sets import read_options, without_placeholders
from wetread.training.data.mimic.stay import STAY_CLASSES, Admission, MortalityRule, stay_class, survives
from wetread.training.data.stream import FaultyItem

Part = Literal["train", "val", "test"]
PARTS: tuple[Part, ...] = ("train", "val", "test")
QA_TYPES = (1, 2, 3, 5, 6)
ALL_DIAGNOSES = "All diagnoses from this admission: "
PRIMARY_DIAGNOSIS = "The primary diagnosis of this admission is "
HOW_TO_ANSWER = {
    1: f'The answer should start with "{ALL_DIAGNOSES}"',
    2: f'The answer should start with "{PRIMARY_DIAGNOSIS}"',
    3: "Include the answer in \\boxed{} with a single letter",
    5: "Include the answer in \\boxed{}.",
    6: "Include the answer in \\boxed{} with a single letter",
}
LONGEST_QUESTION = 5000
MOST_IMAGES = 2
STAY_QUESTION = "How long will the patient stay in the hospital?"
SURVIVAL_QUESTION = "Will the patient survive for at least 48 hours?"
_LETTERS = "ABCD"


@dataclass(frozen=True, slots=True)
class Diagnoses:
    """Titles of an admission's diagnoses in their order; the first is the primary one where `seq_num` 1 is known."""

    titles: tuple[str, ...]
    primary: str | None


def part_of(subject: int, seed: int = 0) -> Part:
    """The part of a patient: 80, 10 and 10 of a hundred, by a hash, so that further patients move nobody."""
    digest = hashlib.sha256(f"{seed}:{subject}".encode()).digest()
    share = int.from_bytes(digest[:8], "big") / 2**64
    return "train" if share < 0.8 else "val" if share < 0.9 else "test"


def qa_lines(
    admission: Admission,
    record: str,
    diagnoses: Diagnoses,
    images: Sequence[str],
    ecgs: Sequence[str],
    vocabulary: Sequence[str],
    *,
    hours: float = 48.0,
    rule: MortalityRule = MortalityRule.FROM_ADMISSION,
    seed: int = 0,
) -> dict[int, dict[str, Any]]:
    """The lines of one admission, question type -> line; a type whose answer is not known is left out.

    Args:
        admission: whose it is.
        record: text of its first hours.
        diagnoses: given at discharge; they are answers and never evidence.
        images: paths as the file writes them.
        ecgs: paths as the file writes them.
        vocabulary: sorted titles that wrong choices are drawn from.
        hours: length of the evidence.
        rule: of the mortality question.
        seed: of the wrong choices.
    """
    shown = "<image>" * min(len(images), MOST_IMAGES) + "<time-series>" * len(ecgs)
    opening = f"{shown}\nThe record of the first {hours:g} hours of a hospital admission:\n{record}\n\n"
    base = {
        "subject_id": admission.subject, "hadm_id": admission.hadm, "images": list(images), "time-series": list(ecgs),
        "demo": _demo(admission), "choices": None, "correct_choice": None,
    }  # fmt: skip
    lines: dict[int, dict[str, Any]] = {}
    if diagnoses.titles:
        asked = opening + "Which diagnoses will be given for this admission? "
        lines[1] = base | {"question": asked, "answer": ALL_DIAGNOSES + "; ".join(diagnoses.titles)}
    if diagnoses.primary:
        asked = opening + "What is the primary diagnosis of this admission? "
        lines[2] = base | {"question": asked, "answer": PRIMARY_DIAGNOSIS + diagnoses.primary}
        choices, letter = _choices(diagnoses, vocabulary, admission.hadm, seed)
        if len(choices) == len(_LETTERS):
            lines[3] = base | _lettered(opening + "Which is the primary diagnosis of this admission?", choices, letter)
    stay = stay_class(admission)
    if stay is not None:
        asked = f"{opening}{STAY_QUESTION} Answer with one of the following:\n" + "\n".join(STAY_CLASSES) + "\n"
        lines[5] = base | {"question": asked, "choices": list(STAY_CLASSES), "correct_choice": stay, "answer": stay}
    alive = survives(admission, hours, rule)
    if alive is not None:
        lines[6] = base | _lettered(opening + SURVIVAL_QUESTION, ("Yes", "No"), "A" if alive else "B")
    return lines


def _lettered(asked: str, choices: Sequence[str], letter: str) -> dict[str, Any]:
    listed = "".join(f"\n{name}. {choice}" for name, choice in zip(_LETTERS, choices, strict=False))
    return {
        "question": f"{asked}{listed}\n", "choices": list(choices), "correct_choice": letter,
        "answer": choices[_LETTERS.index(letter)],
    }  # fmt: skip


def _choices(diagnoses: Diagnoses, vocabulary: Sequence[str], hadm: int, seed: int) -> tuple[tuple[str, ...], str]:
    """Four titles, one of them the primary diagnosis and none of the others given in this admission."""
    digest = hashlib.sha256(f"{seed}:{hadm}".encode()).digest()
    draw = np.random.default_rng(int.from_bytes(digest[:8], "big"))
    right = diagnoses.primary or ""
    given = {*diagnoses.titles, right}
    wrong: list[str] = []
    for place in draw.permutation(len(vocabulary))[:50] if len(vocabulary) < 1000 else draw.integers(
        len(vocabulary), size=50
    ):  # fmt: skip
        title = vocabulary[int(place)]
        if title not in given and title not in wrong:
            wrong.append(title)
    at = int(draw.integers(len(_LETTERS)))
    choices = (*wrong[:3][:at], right, *wrong[:3][at:])
    return choices, _LETTERS[choices.index(right)]


def _demo(admission: Admission) -> str:
    facts = {"sex": {"F": "Female", "M": "Male"}.get(admission.sex, admission.sex),
             "age": "" if admission.age is None else str(admission.age), "race": admission.race}  # fmt: skip
    return ", ".join(f"{name}: {value}" for name, value in facts.items() if value)


class QaLines:
    """One file of questions as items.

    Args:
        path: ``.../qa_type_N/PART.jsonl``.
        kind: N; from the folder's name where it is None.
        media: further folders that the paths may lead into, e.g. CLIMB's root.

    Raises:
        RefusedInput: the file cannot be read, or its folder names no known type.
    """

    def __init__(self, path: str | Path, kind: int | None = None, media: Sequence[str | Path] = ()) -> None:
        place = Path(path)
        named = place.parent.name.rpartition("_")[2]
        self.kind = kind if kind is not None else int(named) if named.isdigit() else 0
        if self.kind not in QA_TYPES:
            raise RefusedInput(f"question type {named!r}", place, "give a file of qa_type_1, 2, 3, 5 or 6")
        self.name = f"mimic_qa/qa_type_{self.kind}/{place.name}"
        self.lines = JsonLines(place, self.name)
        home = place.parent.parent.parent
        # Links below the home (to the pictures) are followed: whoever made the home put them there.
        links = [entry for entry in home.iterdir() if entry.is_symlink()] if home.is_dir() else []
        self.roots = tuple(root.resolve() for root in (home, *links, *map(Path, media)))

    def __len__(self) -> int:
        return len(self.lines)

    def __getitem__(self, index: int) -> TrainingItem:
        """One line.

        Raises:
            FaultyItem: broken, without question or answer, or a file it names is missing.
        """
        where, line = self.lines.where(index), self.lines[index]
        from wetread.training.data.climb import read_demographics

        question = str(line.get("question") or "")
        told = line.get("correct_choice") if self.kind in (3, 5, 6) else line.get("answer")
        answer = "" if told is None else str(told).strip()
        if not question.strip():
            raise FaultyItem("empty question", where)
        if not answer:
            raise FaultyItem("empty answer", where)
        images = self._files(line.get("images"), "image", where)[:MOST_IMAGES]
        ecgs = self._files(line.get("time-series"), "time series", where)
        choices = tuple(str(choice) for choice in line.get("choices") or () if str(choice))
        letters = tuple(read_options(question)) or tuple(_LETTERS[: len(choices)])
        subject = line.get("subject_id") or line.get("hadm_id") or ""
        return TrainingItem(
            id=f"mimic_qa/{where.rsplit('/', 2)[-2]}/{line.get('hadm_id') or ''}/{where.rsplit('/', 1)[-1]}",
            question=without_placeholders(complete_question(question, self.kind)),
            answer=answer,
            domain="mimic_qa",
            dataset=f"qa_type_{self.kind}",
            group=f"mimic:{subject}" if subject else where,
            images=tuple(images),
            waveforms=tuple(ecgs),
            label_set=letters if self.kind in (3, 6) else choices if self.kind == 5 else (),
            demographics=read_demographics(line),
            extra={"question_type": str(self.kind)},
            location=where,
        )

    def _files(self, paths: object, kind: str, where: str) -> list[Path]:
        if paths in (None, ""):
            return []
        if not isinstance(paths, list) or not all(isinstance(path, str) and path for path in paths):
            raise FaultyItem("unusable path", where)
        found = []
        for path in paths:
            # Written from the file's own folder; normalised in words first, so that links cannot take part in "..".
            full = Path(os.path.normpath(self.lines.path.parent / path))
            if Path(path).is_absolute() or not any(full.resolve().is_relative_to(root) for root in self.roots):
                raise FaultyItem("path leaves the folder", where)
            if not (full.is_file() or full.with_suffix(".hea").is_file()):
                raise FaultyItem(f"missing {kind}", where, Path(path).name)
            found.append(full)
        return found


def complete_question(question: str, kind: int) -> str:
    """The question with the words on how to answer, cut in the middle where it is longer than 5,000 characters."""
    whole = question + HOW_TO_ANSWER[kind]
    half = LONGEST_QUESTION // 2
    return whole if len(whole) <= LONGEST_QUESTION else f"{whole[:half]} ... {whole[-half:]}"


def open_qa(
    root: str | Path, part: Part = "train", kinds: Sequence[int] = QA_TYPES, media: Sequence[str | Path] = ()
) -> list[QaLines]:
    """The files of one part below a folder with `temporal_splits`.

    Raises:
        RefusedInput: none there.
    """
    home = Path(root)
    home = home if (home / "temporal_splits").is_dir() else home / "multimodal" / "mimiciv"
    paths = [home / "temporal_splits" / f"qa_type_{kind}" / f"{part}.jsonl" for kind in kinds]
    found = [QaLines(path, kind, media) for path, kind in zip(paths, kinds, strict=True) if path.is_file()]
    if not found:
        raise RefusedInput(
            f"no qa_type_N/{part}.jsonl", Path(root), "build them with `wetread data mimic ROOT --out DIR`"
        )
    return found
