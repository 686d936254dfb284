"""The cases that went worst, drawn: truth and answer side by side on the picture.

Only the few worst are kept while an evaluation runs, so a set of any size takes the memory of a handful of pictures.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from wetread.errors import RefusedInput
from wetread.findings import BoxFrame
from wetread.geometry import Resize

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wetread.evaluation.questions import Answered
    from wetread.evaluation.scores import Answer, Score, Truth
    from wetread.imaging.sample import Sample

KEPT = 6
_LONGEST_SIDE = 512
TRUTH_COLOUR, ANSWER_COLOUR = (0, 158, 115), (213, 94, 0)

Boxes = Sequence[Sequence[float]]


@dataclass(frozen=True, slots=True, eq=False)
class WorstCase:
    """One case to draw.

    Args:
        score: the lower, the worse.
        name: of the item.
        caption: what was there and what was said.
        picture: (rows, columns, 3) uint8, or None where there is none to show.
        truth_mask: bool (rows, columns) or None.
        answer_mask: bool (rows, columns) or None.
        truth_boxes: on pixel edges of the picture.
        answer_boxes: the same.
    """

    score: float
    name: str
    caption: str
    picture: NDArray[np.uint8] | None = None
    truth_mask: NDArray[np.bool_] | None = None
    answer_mask: NDArray[np.bool_] | None = None
    truth_boxes: Boxes = ()
    answer_boxes: Boxes = ()

    def drawn(self) -> bytes | None:
        """A PNG with truth on the left and answer on the right; None without a picture."""
        if self.picture is None:
            return None
        from PIL import Image

        left = _panel(self.picture, self.truth_mask, self.truth_boxes, TRUTH_COLOUR)
        right = _panel(self.picture, self.answer_mask, self.answer_boxes, ANSWER_COLOUR)
        gap = np.full((left.shape[0], 8, 3), 255, np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(np.concatenate([left, gap, right], axis=1)).save(buffer, "PNG", optimize=True)
        return buffer.getvalue()


class WorstCases:
    """Keeps the worst cases of all that it is shown."""

    def __init__(self, kept: int = KEPT) -> None:
        self.kept = kept
        self.cases: list[WorstCase] = []

    def wants(self, score: float) -> bool:
        """True where a case of this score would be kept: ask before drawing together what it needs."""
        return len(self.cases) < self.kept or score < self.cases[-1].score

    def take(self, case: WorstCase | None) -> None:
        """Keep a case if it is among the worst; of equal ones the earlier."""
        if case is not None and self.wants(case.score):
            self.cases = sorted([*self.cases, case], key=lambda one: one.score)[: self.kept]


def worst_answer(answer: Answered) -> WorstCase | None:
    """A wrong answer, or one that marked the wrong place, as a case to draw; None where all is right."""
    measures = [v for v in (answer.dice, answer.box_iou) if v is not None]
    right = answer.as_named.truth == answer.as_named.answer
    if right and not (measures and min(measures) < 0.5):
        return None
    item, prediction = answer.item, answer.prediction
    said = ", ".join(sorted(answer.as_named.answer)) or ("nothing" if prediction else "no answer")
    caption = f"truth: {', '.join(sorted(answer.as_named.truth))}; answer: {said[:200]}"
    caption += "".join(
        f"; {n} {v:.2f}" for n, v in (("Dice", answer.dice), ("box IoU", answer.box_iou)) if v is not None
    )
    score = answer.similarity + (sum(measures) / len(measures) if measures else 0.0)
    try:
        pictures: Sequence[Any] = item.pictures(frames=1)
        truth = item.load_mask()
    except RefusedInput:
        return None
    if not pictures:
        return WorstCase(score, item.id, caption)
    shape = pictures[0].shape[:2]
    resize = Resize((shape[0], shape[1]), (shape[0], shape[1]))
    boxes = () if prediction is None else prediction.boxes
    from wetread.training.data.media import read_mask

    marked = None if prediction is None or prediction.mask is None else read_mask(prediction.mask)
    return WorstCase(
        score, item.id, caption, pictures[0], truth, marked,
        [resize.convert(box, BoxFrame.IMAGE).corners for box in item.boxes],
        [resize.convert(box, BoxFrame.IMAGE).corners for box in boxes],
    )  # fmt: skip


def worst_finding(score: Score, truth: Truth, answer: Answer, sample: Sample) -> WorstCase | None:
    """A finding that was missed, misplaced or made up, as a case to draw; None where it is well."""
    measures = [float(np.mean(score.plane_dice))] if score.plane_dice else []
    measures += [score.box_iou] if score.box_iou is not None else []
    value = float(np.mean(measures)) if measures else float(score.present == score.said_present)
    marked = answer.box is not None or answer.mask is not None
    if value >= 0.9 or not (score.present or marked):
        return None
    plane = answer.plane
    if truth.mask is not None and truth.mask.any():
        plane = int(truth.mask.sum(axis=(1, 2)).argmax())
    elif truth.box:
        plane = next(iter(truth.box))
    said = "abstained" if score.abstained else f"presence {score.presence:.2f}"
    caption = f"{score.label}: {'there' if score.present else 'not there'}; {said}; measure {value:.2f}"
    # A mask says more than the box around all of it, and a set of objects more than their hull.
    there = () if truth.mask is not None else truth.objects or ([truth.box[plane]] if plane in truth.box else ())
    marks: Boxes = () if answer.mask is not None else answer.objects or ([answer.box] if answer.box is not None else ())
    return WorstCase(
        value, score.item, caption, sample.planes[plane].picture(),
        None if truth.mask is None else truth.mask[plane],
        None if answer.mask is None else answer.mask[plane],
        there, marks if plane == answer.plane else (),
    )  # fmt: skip


def _panel(
    picture: NDArray[np.uint8], mask: NDArray[np.bool_] | None, boxes: Boxes, colour: tuple[int, int, int]
) -> NDArray[np.uint8]:
    from PIL import Image, ImageDraw
    from scipy.ndimage import binary_dilation, binary_erosion

    scale = min(1.0, _LONGEST_SIDE / max(picture.shape[:2]))
    # Small pictures are enlarged by a whole factor, so that single pixels stay to be seen.
    scale = scale if scale < 1 else float(max(1, min(8, 256 // max(picture.shape[:2]))))
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    how = Image.Resampling.BILINEAR if scale < 1 else Image.Resampling.NEAREST
    shown = np.asarray(Image.fromarray(picture).resize(size, how)).astype(np.float64)
    if mask is not None and mask.shape == picture.shape[:2]:
        large = np.asarray(Image.fromarray(mask.astype(np.uint8)).resize(size, Image.Resampling.NEAREST)) > 0
        shown[large] = 0.65 * shown[large] + 0.35 * np.asarray(colour)
        edge = binary_dilation(large) & ~binary_erosion(large)
        shown[edge] = colour
    image = Image.fromarray(shown.round().astype(np.uint8))
    pen = ImageDraw.Draw(image)
    for x_min, y_min, x_max, y_max in boxes:
        corners = (
            x_min * scale,
            y_min * scale,
            max(x_max * scale - 1, x_min * scale),
            max(y_max * scale - 1, y_min * scale),
        )
        pen.rectangle(corners, outline=colour, width=2)
    return np.asarray(image)
