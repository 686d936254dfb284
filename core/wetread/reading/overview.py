"""Volumes and cines in two passes, within a budget of visual tokens.

A language model that learned several pictures is first shown an overview: up to 64 slices, evenly chosen, small, as
native video where the family has one. Its answer names key slices; they are shown again, up to 8 of them, as large
as the budget allows, and the question is answered about these. Every slice is then grounded by the head alone. The
budget is data of the family (`overview_tokens`, `key_tokens`); a model that learned one picture at a time
(wetread-mini) is asked about single planes instead (`answering`).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wetread.imaging.sample import SampleKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from wetread.imaging.sample import Sample
    from wetread.model.families import Family

MOST_OVERVIEW, OVERVIEW_SIDE = 64, 256
MOST_KEY, KEY_SIDE = 8, 1024
_THINK = re.compile(r"<think>.*?</think>", re.DOTALL)
_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Plan:
    """Which planes are shown, and how large.

    Args:
        planes: indices in reading order.
        side: longer side in pixels to which they are reduced; never enlarged.
        video: they are given as one video.
        tokens: visual tokens that this costs.
    """

    planes: tuple[int, ...]
    side: int
    video: bool
    tokens: int


def evenly(count: int, most: int) -> tuple[int, ...]:
    """At most `most` of `count` planes, evenly chosen, each the middle of its share."""
    chosen = min(count, most)
    return tuple(int((index + 0.5) * count / chosen) for index in range(chosen))


def tokens_of(rows: int, columns: int, side: int, cell: int) -> int:
    """Visual tokens of one picture whose longer side is reduced to `side`."""
    rows, columns = reduced_size(rows, columns, side)
    return max(round(rows / cell), 1) * max(round(columns / cell), 1)


def reduced_size(rows: int, columns: int, side: int) -> tuple[int, int]:
    """(rows, columns) with the longer side at most `side`, the aspect kept."""
    share = min(1.0, side / max(rows, columns))
    return max(round(rows * share), 1), max(round(columns * share), 1)


def plan_overview(family: Family, shape: tuple[int, int, int]) -> Plan:
    """The first pass: as many slices as the budget holds at 256 pixels, up to 64.

    Args:
        family: its cell, frames per visual token and budget.
        shape: (planes, rows, columns).
    """
    count, rows, columns = shape
    each = tokens_of(rows, columns, OVERVIEW_SIDE, family.patch * family.merge)
    # A small picture is enlarged to the least that the processor takes.
    each = max(each, math.ceil(family.least_pixels / (family.patch * family.merge) ** 2))
    per_token = family.temporal if family.videos else 1
    most = min(MOST_OVERVIEW, max(family.overview_tokens // each, 1) * per_token)
    planes = evenly(count, most)
    video = family.videos and len(planes) > 1
    steps = math.ceil(len(planes) / per_token) if video else len(planes)
    return Plan(planes, OVERVIEW_SIDE, video, steps * each)


def plan_key_slices(family: Family, shape: tuple[int, int, int], planes: Sequence[int]) -> Plan:
    """The second pass: the chosen slices in their order, reduced only as far as the budget asks."""
    _, rows, columns = shape
    chosen = tuple(sorted(dict.fromkeys(planes)))[:MOST_KEY]
    cell = family.patch * family.merge
    side = min(max(rows, columns), KEY_SIDE)
    while side > cell and len(chosen) * tokens_of(rows, columns, side, cell) > family.key_tokens:
        side -= cell
    return Plan(chosen, side, False, len(chosen) * tokens_of(rows, columns, side, cell))


def times_of(sample: Sample, planes: Sequence[int]) -> tuple[float, ...] | None:
    """What is written before each frame of the overview: centimetres along the normal, or one a second.

    A volume's slices carry their position from the first slice; frames without a place count up.
    """
    geometries = [sample.planes[plane].geometry for plane in planes]
    first = geometries[0]
    if sample.kind is not SampleKind.VOLUME or first is None or any(g is None for g in geometries):
        return None
    origin = np.asarray(first.position)
    return tuple(float(np.linalg.norm(np.asarray(g.position) - origin)) / 10.0 for g in geometries if g is not None)


def overview_text(sample: Sample, planes: Sequence[int], question: str) -> str:
    """What the first pass asks."""
    kind = "slices of one volume" if sample.kind is SampleKind.VOLUME else "frames of one recording"
    return (
        f"Modality: {sample.modality.value}. These are {len(planes)} {kind}, in order, numbered from 1 to "
        f"{len(planes)}. The question will be: {question.strip()} Which of them show best what it asks for? "
        f"Answer with up to {MOST_KEY} numbers, separated by commas, inside \\boxed{{}}."
    )


def chosen_planes(answer: str, planes: Sequence[int]) -> tuple[int, ...]:
    """The planes that an answer to `overview_text` names; evenly chosen ones where it names none.

    Numbers are taken from the last box, else from what follows the reasoning; those that number no slice are
    passed over.
    """
    boxed = answer[answer.rfind("\\boxed{") :] if "\\boxed{" in answer else _THINK.sub("", answer)
    numbers = [int(found) for found in _NUMBER.findall(boxed) if len(found) < 6]
    named = tuple(dict.fromkeys(planes[number - 1] for number in numbers if 1 <= number <= len(planes)))
    if named:
        return named[:MOST_KEY]
    return tuple(planes[index] for index in evenly(len(planes), MOST_KEY))


def reduced(picture: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """A picture (rows, columns, 3) with its longer side at most `side`."""
    from PIL import Image

    rows, columns = reduced_size(picture.shape[0], picture.shape[1], side)
    if (rows, columns) == picture.shape[:2]:
        return picture
    return np.asarray(Image.fromarray(picture).resize((columns, rows), Image.Resampling.BICUBIC))
