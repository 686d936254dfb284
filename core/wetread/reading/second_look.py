"""A second look: the model is shown what it marked, as a coloured overlay with a description, and may correct itself.

The outer loop of docs/model.md, after RCMed's colour-region descriptions; off unless it is asked for. The answer to
the overlay is grounded on the clean picture, never on the overlay. What is better is kept: findings that are
grounded count more than findings that are not, then the mean of presence and of the agreement between the box in the
words and the mask. An answer that abstains, or finds nothing, changes nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from wetread.model.answers import parse_answer
from wetread.reading.request import ReadEvent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from wetread.findings import Finding
    from wetread.reading.answering import Told
    from wetread.reading.groundedness import Blanked
    from wetread.reading.interpretation import Interpretation
    from wetread.reading.request import Request
    from wetread.reading.written import Written

MOST_ROUNDS = 2
SHARE_OF_COLOUR = 0.4
COLOURS = {"orange": (230, 159, 0), "sky blue": (86, 180, 233), "green": (0, 158, 115), "yellow": (240, 228, 66),
           "blue": (0, 114, 178), "vermilion": (213, 94, 0), "purple": (204, 121, 167)}  # fmt: skip
"""Okabe and Ito's, which colour-blind people can tell apart."""


def look_again(
    request: Request, told: Told, found: Interpretation, blanked: Blanked, rounds: int
) -> tuple[Told, Interpretation]:
    """Show the marked plane back, at most `rounds` times, and keep the better answer.

    Args:
        request: the read.
        told: the answer so far.
        found: what it came to; at least one finding.
        blanked: see `interpretation.interpret`.
        rounds: 1 or 2.
    """
    from wetread.reading.interpretation import interpret

    best_told, best, kept = told, found, 0
    for number in range(1, rounds + 1):
        marked = [f for f in best.findings if f.plane == best_told.plane][: len(COLOURS)]
        if not marked:
            break
        request.tell(ReadEvent("looking", 0.5))
        picture = request.fit(overlaid(request.shown(best_told.plane), marked))
        text = f"{told.text} {overlay_words(marked)}"
        written = request.engine.write(request.engine.encode([picture]), text, request.writing(1.0), request.cancel)
        answer = parse_answer(written.text, request.info.box_frame)
        if answer.abstained or not answer.objects:
            break
        told_again = replace(best_told, written=_about_the_clean_picture(best_told, written), answer=answer)
        again = interpret(request, told_again, blanked)
        if again.abstention or score(again.findings) <= score(best.findings):
            break
        best_told, best, kept = told_again, again, number
    remark = (f"second look: the answer of look {kept + 1} was kept" if kept
              else "second look: the first answer was kept")  # fmt: skip
    return best_told, replace(best, remarks=(*best.remarks, remark))


def score(findings: Sequence[Finding]) -> tuple[float, float]:
    """(share of grounded findings, mean of presence and agreement of words and mask); larger is better."""
    if not findings:
        return (0.0, 0.0)
    agreement = [f.presence + (f.text_box.iou(f.box) if f.text_box and f.box else 0.0) for f in findings]
    return float(np.mean([f.grounded for f in findings])), float(np.mean(agreement)) / 2


def overlaid(picture: NDArray[np.uint8], findings: Sequence[Finding]) -> NDArray[np.uint8]:
    """The plane (rows, columns, 3) with each finding in its colour: the mask tinted, or the box drawn."""
    shown = picture.astype(np.float32)
    for finding, colour in zip(findings, COLOURS.values(), strict=False):
        if finding.mask is not None and finding.plane in finding.mask.planes:
            marked = finding.mask.planes[finding.plane]
            shown[marked] = (1 - SHARE_OF_COLOUR) * shown[marked] + SHARE_OF_COLOUR * np.array(colour)
        elif finding.box is not None:
            x_min, y_min, x_max, y_max = (int(value) for value in finding.box.corners)
            rows, columns = slice(y_min, y_max + 1), slice(x_min, x_max + 1)
            shown[y_min, columns] = shown[min(y_max, len(shown) - 1), columns] = colour
            shown[rows, x_min] = shown[rows, min(x_max, shown.shape[1] - 1)] = colour
    return (shown + 0.5).astype(np.uint8)


def overlay_words(findings: Sequence[Finding]) -> str:
    """What the model is told of its own overlay."""
    said = [f"{colour} marks {finding.label}" + (f" ({finding.description})" if finding.description else "")
            for finding, colour in zip(findings, COLOURS, strict=False)]  # fmt: skip
    return f"A first look is drawn on the picture: {'; '.join(said)}. Confirm or correct it: answer again."


def _about_the_clean_picture(told: Told, written: Written) -> Written:
    """The new words as an answer about the clean picture: no state of the overlay reaches the grounding head."""
    return replace(written, prompt=told.written.prompt, hidden=None, about=told.written.about)
