r"""The reward functions of the two releases, number for number, defects included; for parity and for reproduction.

DDVD233/QoQ_Med @97f7f3d and DDVD233/qoq_med3 @d50c24d, examples/reward_function/medical.py (`medical_compute_score`).
What they do that one would not expect:

- labels are split by the first kind of separator found only, and compared with their case;
- the fence of the format score is the first line that is a fence; that of the boxes the first block that loads;
- a box is painted inclusive of its last row and column; the IoU is the mean over boxes, not the paper's maximum;
- with box truth, a second box makes the whole IoU 0 (their code fails on it and swallows the error);
- QoQ-Med3's IoU is always 0, because mask and box are set to None before they are used.
"""

from __future__ import annotations

import ast
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from wetread.training.rewards import LONG_ENOUGH, WEIGHTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

RELEASES = ("reference-qoqmed", "reference-qoqmed3")

_FENCE = "```"
_THINK, _THOUGHT = "<think>", "</think>"
_NO_ANSWER = "None"


def reference_score(
    answer: str, truth: str, *, mask: NDArray[np.generic] | None = None, box: Sequence[float] | None = None,
    release: str = "reference-qoqmed",
) -> dict[str, float]:  # fmt: skip
    """Score one answer as released.

    Args:
        answer: the model's text.
        truth: the true answer.
        mask: (H, W) or (1, H, W) in the model's own frame.
        box: [x1, y1, x2, y2] in the model's own frame; used where the mask is empty or missing.
        release: "reference-qoqmed" or "reference-qoqmed3".

    Returns:
        "total" and the parts "label_f1", "iou", "format", "jaccard", "length".

    Raises:
        ValueError: another release.
    """
    if release not in RELEASES:
        raise ValueError(f"release is one of {', '.join(RELEASES)}; found {release!r}.")
    boxed = _boxed(answer)
    parts = {
        "label_f1": 0.0 if boxed == _NO_ANSWER else _f1(_conditions(boxed), _conditions(truth)),
        "format": _format(answer),
        "jaccard": 0.0 if boxed == _NO_ANSWER else _jaccard(boxed, truth),
        "length": 1.0 if len(answer) > LONG_ENOUGH else 0.001 * len(answer),
        "iou": 0.0 if release == "reference-qoqmed3" else _iou(_written_boxes(answer), mask, box),
    }
    return {"total": sum(WEIGHTS[release][name] * value for name, value in parts.items())} | parts


def _boxed(text: str) -> str:
    r"""The last ``\boxed{…}``, as mathruler 0.1.0 extracts it: braces matched, stripped, "None" if absent."""
    start = text.rfind("\\boxed{")
    if start < 0:
        return _NO_ANSWER
    start += len("\\boxed{")
    depth = 1
    for place in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if depth == 0:
            return text[start:place].strip()
    return _NO_ANSWER


def _conditions(text: str) -> set[str]:
    text = text.replace("\\boxed{", "").replace("}", "")
    for separator in (", ", " and ", " & ", ",", "&"):
        if separator in text:
            return {part.strip() for part in text.split(separator)}
    return {text.strip()}


def _f1(found: set[str], truth: set[str]) -> float:
    hits = len(found & truth)
    if not hits:
        return 0.0
    precision, recall = hits / len(found), hits / len(truth)
    return 2 * precision * recall / (precision + recall)


def _jaccard(found: str, truth: str) -> float:
    one, two = set(_without_thoughts(found).lower().split()), set(truth.lower().split())
    if not one and not two:
        return 1.0
    return len(one & two) / len(one | two) if one and two else 0.0


def _without_thoughts(text: str) -> str:
    """Without what stands between <think> and the next </think>; an open one stays, as released."""
    kept = []
    start = 0
    while (thought := text.find(_THINK, start)) >= 0 and (end := text.find(_THOUGHT, thought)) >= 0:
        kept.append(text[start:thought])
        start = end + len(_THOUGHT)
    return "".join([*kept, text[start:]])


def _format(text: str) -> float:
    points = 0.2 * ("```" in text) + 0.1 * ("```json" in text)
    inside = _first_fence_line(text)
    if not inside:
        return points
    try:
        loaded = json.loads(inside)
        points += 0.2
    except (ValueError, RecursionError):
        loaded = _literal(inside)
        if loaded is _UNREADABLE:
            return points
        points += 0.1
    if not isinstance(loaded, list):
        return points
    points += 0.1
    if loaded:
        points += 0.4 * sum(_has_box_and_label(item) for item in loaded) / len(loaded)
    return points


def _first_fence_line(text: str) -> str:
    """What follows the first line that is a fence, up to the next fence; the whole text where no line is one."""
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if line == "```json" or line.strip() == "```":
            return "\n".join(lines[number + 1 :]).split("```")[0]
    return text


def _has_box_and_label(item: object) -> bool:
    if not isinstance(item, dict) or "bbox_2d" not in item or "label" not in item:
        return False
    corners = item["bbox_2d"]
    return isinstance(corners, list) and len(corners) == 4 and all(isinstance(c, int | float) for c in corners)


_UNREADABLE = object()


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text.replace("'", '"'))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return _UNREADABLE


def _blocks(text: str) -> list[str]:
    """What stands between each two fences, stripped; by search, for their expression is quadratic in blanks."""
    found = []
    start = text.find(_FENCE)
    while start >= 0 and (end := text.find(_FENCE, start + 3)) >= 0:
        found.append(text[start + 3 : end].removeprefix("json").strip())
        start = text.find(_FENCE, end + 3)
    return found


def _written_boxes(text: str) -> list[Any]:
    blocks = _blocks(text)
    loaded: Any = None
    for block in blocks:
        try:
            loaded = json.loads(block)
            break
        except (ValueError, RecursionError):
            continue
    else:
        for block in blocks:
            loaded = _literal(block)
            if loaded is not _UNREADABLE:
                break
        else:
            loaded = None
    if isinstance(loaded, dict):
        if "bbox_2d" in loaded:
            return [loaded["bbox_2d"]]
        loaded = loaded.get("objects_of_interest")
        # Their loop over it sits inside the same swallowed error.
        if not isinstance(loaded, list | tuple | str | dict):
            return []
    elif not isinstance(loaded, list):
        return []
    return [item["bbox_2d"] for item in loaded if isinstance(item, dict) and "bbox_2d" in item]


def _iou(boxes: list[Any], mask: NDArray[np.generic] | None, truth: Sequence[float] | None) -> float:
    if not boxes:
        return 0.0
    if not isinstance(boxes[0], list):
        boxes = [boxes]
    try:
        if mask is not None and np.asarray(mask).sum() > 0:
            return float(np.float32(sum(_painted_iou(box, np.asarray(mask)) for box in boxes) / len(boxes)))
        if truth is None:
            return 0.0
        usable = [box for box in boxes if len(box) >= 4]
        # The second usable box makes their code fail, and a failure counts as 0.
        return 0.0 if len(usable) != 1 else _corner_iou(usable[0], [float(c) for c in truth]) / len(boxes)
    except (TypeError, ValueError, OverflowError, IndexError, KeyError):
        return 0.0


def _painted_iou(box: Any, mask: NDArray[np.generic]) -> float:
    if len(box) < 4:
        return 0.0
    marked = np.greater(mask[0] if mask.ndim == 3 else mask, 0)
    rows, columns = marked.shape
    try:
        x1, x2 = sorted(max(0, min(int(box[k]), columns - 1)) for k in (0, 2))
        y1, y2 = sorted(max(0, min(int(box[k]), rows - 1)) for k in (1, 3))
    except (TypeError, ValueError, OverflowError, KeyError):
        return 0.0
    total = int(marked.sum())
    if x1 == x2 or y1 == y2:
        return 0.0
    inside = int(marked[y1 : y2 + 1, x1 : x2 + 1].sum())
    return inside / ((y2 - y1 + 1) * (x2 - x1 + 1) + total - inside)


def _corner_iou(box: Any, truth: list[float]) -> float:
    left, top, right, bottom = (
        max(box[0], truth[0]), max(box[1], truth[1]), min(box[2], truth[2]), min(box[3], truth[3])
    )  # fmt: skip
    if left >= right or top >= bottom:
        return 0.0
    inside = (right - left) * (bottom - top)
    union = (box[2] - box[0]) * (box[3] - box[1]) + (truth[2] - truth[0]) * (truth[3] - truth[1]) - inside
    return float(inside / union) if union > 0 else 0.0
