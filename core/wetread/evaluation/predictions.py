"""Answers of any model from a file, one JSON object a line, so that what was answered elsewhere can be measured here.

``{"id": item id or FILE:LINE, "answer": the model's whole text, "probabilities": {label: p}?, "probability": p?,
"boxes": [[x1, y1, x2, y2], ...]?, "frame": "image-pixels" | "model-0-1000"?, "mask": path?}``. `probability` is how
sure the model is of its answer as a whole; `probabilities` of each label. Without `boxes`, those of the answer's own
JSON are taken, in `frame` (0 to 1000 of the picture by default, as Qwen3-VL writes them). A mask's path is relative
to the file.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wetread.errors import RefusedInput
from wetread.findings import Box, BoxFrame
from wetread.model.answers import parse_answer
from wetread.training.data.item import Faults
from wetread.training.data.jsonl import JsonLines, inside
from wetread.training.data.stream import FaultyItem

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """One model's answer to one item.

    Args:
        text: the whole answer.
        probabilities: label -> probability that it is there.
        probability: how sure the answer as a whole is; None where not said.
        boxes: in `Box.frame`.
        mask: in the first image's own pixels: a file or a bool (rows, columns) array.
    """

    text: str
    probabilities: Mapping[str, float] = field(default_factory=dict)
    probability: float | None = None
    boxes: tuple[Box, ...] = ()
    mask: Path | NDArray[np.bool_] | None = None


def read_predictions(path: str | Path, faults: Faults) -> dict[str, Prediction]:
    """Read a file of answers; of a repeated id the first is taken.

    Args:
        path: the file.
        faults: takes the lines that cannot be used.

    Raises:
        RefusedInput: the file cannot be read, or no line of it can be used.
    """
    lines = JsonLines(Path(path))
    found: dict[str, Prediction] = {}
    for index in range(len(lines)):
        where = lines.where(index)
        try:
            line = lines[index]
            name = str(line.get("id") or line.get("location") or "")
            if not name:
                raise FaultyItem("answer without an id", where)
            if name in found:
                raise FaultyItem("answer said twice", where)
            found[name] = _prediction(line, lines.path.parent, where)
        except FaultyItem as error:
            faults.add(error.kind, error.where, error.why)
        except (TypeError, ValueError, AttributeError) as error:
            faults.add("broken answer", where, type(error).__name__)
    if not found:
        raise RefusedInput("no answer that can be used", path, "; ".join(faults.lines()[:2]) or "give a line an answer")
    return found


def _prediction(line: dict[str, Any], folder: Path, where: str) -> Prediction:
    said = line.get("answer", line.get("prediction"))
    if not isinstance(said, str):
        raise FaultyItem("answer that is no text", where, type(said).__name__)
    frame = BoxFrame(line.get("frame") or (BoxFrame.IMAGE if line.get("boxes") else BoxFrame.MODEL))
    if line.get("boxes"):
        boxes = tuple(_box(row, frame) for row in line["boxes"])
    else:
        boxes = tuple(one.box for one in parse_answer(said, frame).objects if one.box is not None)
    sure = {str(label): _share(p, where) for label, p in (line.get("probabilities") or {}).items()}
    whole = None if line.get("probability") is None else _share(line["probability"], where)
    mask = inside(folder, line["mask"], where) if line.get("mask") else None
    return Prediction(said, sure, whole, boxes, mask)


def _box(row: Any, frame: BoxFrame) -> Box:
    x_min, y_min, x_max, y_max = (float(v) for v in row)
    return Box(x_min, y_min, x_max, y_max, frame)


def _share(value: object, where: str) -> float:
    number = float(str(value))
    if not (math.isfinite(number) and 0 <= number <= 1):
        raise FaultyItem("probability outside 0 to 1", where, str(value))
    return number
