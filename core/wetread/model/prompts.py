r"""What the model is asked, and nothing else: the kind of picture, the question, and the form of the answer.

The kind of picture is a word of `terminology.Modality`, taken from SOP class and Modality; no free text of a DICOM
header ever enters a prompt. The segmentation form is RCMed's ("Please segment <class name> in the given image.",
method figure of xmed-lab/RCMed @0186124). wetread-mini knows its answer form; larger models are told it after the
question. The QoQ variants ask for the same parts, in the same order and under the same names (think tags, fenced
JSON with ``bbox_2d``, ``\boxed{}``), as the templates these models were trained with
(DDVD233/QoQ_Med, examples/format_prompt); the words are ours, and ``instruction`` in `wetread.json` replaces them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from wetread.model.families import PromptVariant
from wetread.terminology import find_target

if TYPE_CHECKING:
    from wetread.model.checkpoint import ModelInfo
    from wetread.terminology import Modality

FIND_ALL = "Find and outline all objects of interest."
_SEGMENT = re.compile(r"^\s*please\s+segment\s+(?:the\s+)?(.+?)\s+in\s+the\s+given\s+image", re.IGNORECASE)

_REASON = (
    "First reason step by step, as an inner monologue between <think> and </think>. "
    "After it, write the final answer inside \\boxed{}."
)
_OBJECTS = (
    "Between the two, list all objects of interest as JSON inside ```json and ```: a list of objects, each with the "
    'key "bbox_2d" holding the box as [x1, y1, x2, y2] and the key "label" holding its name.'
)
_CLOSED = 'Inside \\boxed{} write the names of what is shown, separated by commas, or "none".'
INSTRUCTIONS = {
    PromptVariant.MINI: "",
    PromptVariant.PLAIN: f"{_REASON} {_OBJECTS} {_CLOSED}",
    PromptVariant.QOQ_MED: f"{_REASON} {_OBJECTS}",
    PromptVariant.QOQ_MED3: _REASON,
}


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


def user_text(
    modality: Modality, question: str, variant: PromptVariant = PromptVariant.MINI, instruction: str = ""
) -> str:
    """The text part of the user's turn; the picture comes before it.

    Args:
        modality: of the Sample.
        question: as asked.
        variant: what is said after the question.
        instruction: said in its place where it is not empty.
    """
    label = asked_label(question)
    asked = segment_question(label) if label else question.strip()
    said = instruction or INSTRUCTIONS[variant]
    return f"Modality: {modality.value}. {asked}" + (f"\n{said}" if said else "")


def words_for(info: ModelInfo, modality: Modality, question: str) -> str:
    """`user_text` as this model wants it."""
    return user_text(modality, question, info.prompt, info.instruction)
