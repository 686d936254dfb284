"""Drawn questions for the CPU demonstration: one body in a small picture, four kinds of question, unequal in number.

Nothing here imitates a disease. Each kind is a domain of its own for DRPO, from common to rare. The answers are short,
so that a from-scratch model of a million weights can be taught and rewarded within minutes on one core; every item
also carries the body's mask and box, and `boxed=True` asks for them (slower: the answer is five times as long).
"""

from __future__ import annotations

import json

import numpy as np

from wetread.findings import Box, BoxFrame
from wetread.training.data.item import TrainingItem

SIDE = 64
GRID = 100
"""Boxes are taught on this grid of the 0-1000 frame: a small model learns them sooner."""
KINDS = {"polarity": 0.40, "side": 0.30, "height": 0.20, "extent": 0.10}
OPTIONS = {"polarity": ("bright", "dark"), "side": ("left", "right"), "height": ("upper", "lower"),
           "extent": ("large", "small")}  # fmt: skip


def drawn_questions(count: int, seed: int, boxed: bool = False) -> list[TrainingItem]:
    """`count` items; the same for the same seed.

    Args:
        count: how many.
        seed: held-out items take another seed.
        boxed: the truth holds mask and box, so that the answer's boxes are judged.
    """
    rng = np.random.default_rng(seed)
    kinds = rng.choice(list(KINDS), size=count, p=list(KINDS.values()))
    return [_item(rng, str(kind), f"{seed}-{number}", boxed) for number, kind in enumerate(kinds)]


def true_answer(item: TrainingItem) -> str:
    """The answer that a supervised step teaches: objects first where boxes are judged, then the boxed labels."""
    if not item.boxes:
        return f"\\boxed{{{item.answer}}}"
    rows, columns = np.shape(item.images[0])[:2] if isinstance(item.images[0], np.ndarray) else (SIDE, SIDE)
    objects = []
    for box in item.boxes:
        x_min, y_min, x_max, y_max = box.corners
        scale = (1000 / columns, 1000 / rows) if box.frame is BoxFrame.IMAGE else (1.0, 1.0)
        corners = [GRID * round(value * scale[k % 2] / GRID) for k, value in enumerate((x_min, y_min, x_max, y_max))]
        objects.append({"bbox_2d": corners, "label": item.answer})
    return f"```json\n{json.dumps(objects)}\n```\n\\boxed{{{item.answer}}}"


def _item(rng: np.random.Generator, kind: str, name: str, boxed: bool) -> TrainingItem:
    first, second = OPTIONS[kind]
    facts = {key: bool(rng.random() < 0.5) for key in KINDS}
    size = float(rng.uniform(13, 16) if facts["extent"] else rng.uniform(6, 9))
    half = (size, size * float(rng.uniform(0.75, 1.0)))
    # The body lies well on its side of the middle.
    row = float(rng.uniform(16, 24)) if facts["height"] else float(rng.uniform(40, 48))
    column = float(rng.uniform(16, 24)) if facts["side"] else float(rng.uniform(40, 48))
    y, x = np.mgrid[0:SIDE, 0:SIDE] + 0.5
    mask = ((y - row) / half[0]) ** 2 + ((x - column) / half[1]) ** 2 < 1
    grey = rng.normal(125, 12, (SIDE, SIDE))
    grey[mask] += 90 if facts["polarity"] else -90
    picture = np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[..., None], 3, axis=2)
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    box = Box(float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1), BoxFrame.IMAGE)
    return TrainingItem(
        id=name,
        question=f"Is the body {first} or {second}?",
        answer=first if facts[kind] else second,
        domain=kind,
        dataset=f"drawn-{kind}",
        group=name,
        images=(picture,),
        mask=mask if boxed else None,
        boxes=(box,) if boxed else (),
        label_set=(first, second),
    )
