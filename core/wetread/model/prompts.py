"""What the model is asked, and nothing else: the question and the kind of picture.

The kind of picture is a word of `terminology.Modality`, taken from SOP class and Modality; no free text of a DICOM
header ever enters a prompt. The segmentation form is RCMed's ("Please segment <class name> in the given image.",
method figure of xmed-lab/RCMed @0186124).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from wetread.terminology import find_target

if TYPE_CHECKING:
    from wetread.terminology import Modality

FIND_ALL = "Find and outline all objects of interest."
_SEGMENT = re.compile(r"^\s*please\s+segment\s+(?:the\s+)?(.+?)\s+in\s+the\s+given\s+image", re.IGNORECASE)


def segment_question(label: str) -> str:
    """The question that asks for one target."""
    return f"Please segment {label} in the given image."


def asked_label(question: str) -> str | None:
    """The label a segmentation question asks for: the target's own label where it is one; None for open questions."""
    match = _SEGMENT.match(question)
    if match is None:
        return None
    target = find_target(match.group(1))
    return target.label if target else match.group(1).strip().lower()


def user_text(modality: Modality, question: str) -> str:
    """The text part of the user's turn; the picture comes before it."""
    label = asked_label(question)
    asked = segment_question(label) if label else question.strip()
    return f"Modality: {modality.value}. {asked}"
