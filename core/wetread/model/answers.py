r"""The answer format of QoQ-Med, written and read in one place.

``<think> reasoning </think>``, then the objects as JSON in a ```` ```json ```` fence with ``bbox_2d`` (corners) and
``label``, then the diagnosis in ``\boxed{}`` (DDVD233/QoQ_Med @97f7f3d, examples/format_prompt/medical_format.jinja;
MIT). `<seg>` follows each object; it is a special token and is gone from decoded text. The parser takes what real
models write (a missing fence, a dict for a list, reversed corners) and says what it could not take.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wetread.findings import Box, BoxFrame
from wetread.model.tokenizer import SEG_TOKEN

if TYPE_CHECKING:
    from wetread.terminology import Modality

ABSTAINED = "not covered"
NOTHING_FOUND = "none"

_THINK = re.compile(r"<think>(.*?)</think>", re.DOTALL)
_FENCE = re.compile(r"```(?:json)?\s*(.*?)```", re.DOTALL)


@dataclass(frozen=True, slots=True)
class AnswerObject:
    """One object of an answer: a label and, where the model wrote a usable one, a box in the model's frame."""

    label: str
    box: Box | None


@dataclass(frozen=True, slots=True)
class Answer:
    """A parsed answer; `defects` says in words what could not be taken."""

    reasoning: str
    objects: tuple[AnswerObject, ...]
    diagnoses: tuple[str, ...]
    defects: tuple[str, ...] = ()

    @property
    def abstained(self) -> bool:
        """True where the model boxed that it does not cover the question."""
        return self.diagnoses == (ABSTAINED,)


def write_answer(reasoning: str, objects: tuple[AnswerObject, ...], diagnoses: tuple[str, ...], mark: str = "") -> str:
    r"""The answer as text.

    Args:
        reasoning: goes between the think tags.
        objects: boxes in the model's 0-1000 frame, rounded to whole numbers.
        diagnoses: joined by ", " inside ``\boxed{}``.
        mark: written after each object (the `<seg>` token in training, nothing for people).
    """
    items = []
    for item in objects:
        fields = {"bbox_2d": [round(value) for value in item.box.corners]} if item.box else {}
        items.append(json.dumps(fields | {"label": item.label}) + mark)
    listed = "[" + ", ".join(items) + "]"
    return f"<think>\n{reasoning}\n</think>\n```json\n{listed}\n```\n\\boxed{{{', '.join(diagnoses)}}}"


def dictated_answer(modality: Modality, label: str) -> str:
    """The answer that names what a question asked for, without a box: equal for every picture of a modality."""
    return write_answer(f"{modality.value}: {label}?", (AnswerObject(label, None),), (label,), SEG_TOKEN)


def parse_answer(text: str, frame: BoxFrame = BoxFrame.MODEL) -> Answer:
    """Read an answer back; never raises on what a model may write.

    Args:
        text: decoded answer without special tokens.
        frame: the 2-D frame of the model family's boxes.
    """
    think = _THINK.search(text)
    reasoning = think.group(1).strip() if think else text.split("```")[0].replace("<think>", "").strip()
    after = text[think.end() :] if think else text
    objects, defects = _objects(after, frame)
    boxed = _last_boxed(after)
    if boxed is None:
        defects = (*defects, "no \\boxed{} diagnosis was written")
    diagnoses = tuple(part.strip() for part in (boxed or "").split(",") if part.strip())
    return Answer(reasoning, objects, diagnoses, defects)


def _last_boxed(text: str) -> str | None:
    r"""Content of the last ``\boxed{…}`` with matching braces."""
    start = text.rfind("\\boxed{")
    if start < 0:
        return None
    depth = 0
    for index in range(start + len("\\boxed"), len(text)):
        depth += {"{": 1, "}": -1}.get(text[index], 0)
        if depth == 0:
            return text[start + len("\\boxed{") : index]
    return None


def _objects(text: str, frame: BoxFrame) -> tuple[tuple[AnswerObject, ...], tuple[str, ...]]:
    for candidate in (*_FENCE.findall(text), text):
        loaded = _load(candidate)
        if loaded is not None:
            break
    else:
        return (), ("no readable JSON list of objects was written",)
    objects, defects = [], []
    for item in loaded:
        if not isinstance(item, dict) or not isinstance(item.get("label"), str):
            defects.append("an object without a label was left out")
            continue
        box = _box(item.get("bbox_2d"), frame)
        if box is None:
            defects.append(f"the box written for {item['label']!r} is not four usable numbers")
        objects.append(AnswerObject(item["label"].strip(), box))
    return tuple(objects), tuple(defects)


def _load(text: str) -> list[object] | None:
    try:
        loaded = json.loads(text)
    except json.JSONDecodeError:
        return None
    if isinstance(loaded, dict):
        nested = loaded.get("objects_of_interest")
        loaded = nested if isinstance(nested, list) else [loaded]
    return loaded if isinstance(loaded, list) else None


def _box(numbers: object, frame: BoxFrame) -> Box | None:
    if not isinstance(numbers, list) or len(numbers) != 4:
        return None
    if not all(isinstance(n, int | float) and not isinstance(n, bool) and abs(n) < 1e6 for n in numbers):
        return None
    x_min, x_max = sorted((float(numbers[0]), float(numbers[2])))
    y_min, y_max = sorted((float(numbers[1]), float(numbers[3])))
    if x_max <= x_min or y_max <= y_min:
        return None
    return Box(x_min, y_min, x_max, y_max, frame)
