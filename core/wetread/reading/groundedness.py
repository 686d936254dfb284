"""Grounded or silent: is a finding there because of what the picture shows?

The picture is blanked to its mean colour and the same answer is grounded again. A mask that stays where it was,
with the same presence, has nothing to do with the pixels; the finding is kept, marked as ungrounded, and the figures
of the check go into the read's provenance. The blank rides in the batch of the planes, so the check costs one
prefill. A stricter check can be asked for: only the marked region is blanked, one picture for each finding. Where a
model gives boxes alone, it is asked again about the blank: the same box for the same label is no observation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from wetread.findings import GroundingCheck
from wetread.reading.planes import ground_on, mask_iou

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from wetread.findings import Box, Finding
    from wetread.reading.planes import PlaneMasks
    from wetread.reading.request import Request
    from wetread.reading.written import Written

Blanked = Literal["picture", "region"]
SAME_MASK, SAME_PRESENCE, SAME_BOX = 0.8, 0.1, 0.9
"""IoU above which a mask stayed, change of presence below which it stayed, IoU above which a box stayed."""


def check_mask(label: str, key_plane: int, masks: PlaneMasks) -> GroundingCheck:
    """The check of a mask against what the same answer marks on the blank picture."""
    presence = float(masks.on_planes[key_plane])
    return _judged(label, "picture", masks.like_blank[key_plane], presence, masks.on_blank)


def check_region(request: Request, written: Written, index: int, finding: Finding, presence: float) -> GroundingCheck:
    """The check of a mask against what the same answer marks once the marked pixels themselves are blanked.

    Args:
        request: the read.
        written: its answer.
        index: place of the finding's `<seg>` among the answer's.
        finding: with a mask.
        presence: on the key plane.
    """
    assert finding.mask is not None
    marked = finding.mask.planes[finding.plane]
    fitted = request.fit(region_blanked(request.shown(finding.plane), marked))
    shown = request.fit(request.shown(finding.plane))
    both = ground_on(request, written, [shown, fitted])
    same = mask_iou(both.logits[0, index] > 0, both.logits[1, index] > 0)
    return _judged(finding.label, "region", same, presence, float(both.presence[1, index]))


def check_box(label: str, box: Box, again: Sequence[tuple[str, Box | None]]) -> GroundingCheck:
    """The check of a box against the boxes that the model writes about the blank picture.

    Args:
        label: of the finding.
        box: what was written about the picture.
        again: label and box, in the same frame, of each object written about the blank.
    """
    best = max((box.iou(other) for name, other in again if name == label and other is not None), default=0.0)
    return GroundingCheck(label, "box", best, None, None, best <= SAME_BOX)


def region_blanked(picture: NDArray[np.uint8], marked: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """The picture (rows, columns, 3) with marked pixels in the mean colour of the others."""
    around = picture[~marked] if not marked.all() else picture.reshape(-1, 3)
    blanked = picture.copy()
    blanked[marked] = (around.mean(axis=0) + 0.5).astype(np.uint8)
    return blanked


def _judged(label: str, blanked: Blanked, overlap: float, presence: float, on_blank: float) -> GroundingCheck:
    stayed = overlap > SAME_MASK and abs(presence - on_blank) < SAME_PRESENCE
    return GroundingCheck(label, blanked, round(overlap, 4), round(presence, 4), round(on_blank, 4), not stayed)
