r"""A model's text to the labels it names: as the published evaluation reads it, and as we do.

The published evaluation (QoQ-Med, `evaluation.py`) takes another part of the text than the published reward does: the
first ``\boxed{...}`` up to the first closing brace, else the first ``[...]``, else the whole text, reasoning
included; cuts it at the first separator that occurs; and compares letter by letter. Ours takes the last balanced
``\boxed{...}``, else what follows the reasoning, and reads it by the label set that the question offers, ignoring
case. Both are reported, because a model may lose half its score to a capital letter.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from wetread.training.data.label_sets import split_answer
from wetread.training.rewards import last_boxed

NO_ANSWER = "None"
_SEPARATORS = (", ", " and ", " & ", ",", "&")
_FIRST_BOXED = re.compile(r"\\boxed{([^}]*)}")
_FIRST_BRACKET = re.compile(r"\[(.*?)\]")
_REASONING = re.compile(r"<think>.*?</think>", re.DOTALL)
_FENCE = re.compile(r"```.*?```", re.DOTALL)


def published_answer(text: str) -> str:
    """The part of a text that the published evaluation takes for the answer."""
    for pattern in (_FIRST_BOXED, _FIRST_BRACKET):
        found = pattern.search(text)
        if found:
            return found.group(1)
    return text


def published_labels(text: str) -> frozenset[str]:
    """The labels of an answer or of a truth as the published evaluation cuts them; "None" has none."""
    if text == NO_ANSWER:
        return frozenset()
    plain = text.replace("\\boxed{", "").replace("}", "")
    separator = next((s for s in _SEPARATORS if s in plain), None)
    return frozenset(part.strip() for part in (plain.split(separator) if separator else [plain]))


def published_similarity(text: str, truth: str) -> float:
    """Jaccard similarity of the words of the answer and of the truth, lower case; 0 for no answer."""
    answer = published_answer(text)
    if answer in (NO_ANSWER, ""):
        return 0.0
    found, wanted = set(_REASONING.sub("", answer).lower().split()), set(truth.lower().split())
    if not found or not wanted:
        return float(not found and not wanted)
    return len(found & wanted) / len(found | wanted)


def named_labels(text: str, label_set: Sequence[str] = ()) -> tuple[str, ...]:
    """The labels of a model's text as we read it.

    Args:
        text: the whole text.
        label_set: what the question offers; an answer outside it is kept as written, and counts as wrong.
    """
    boxed = last_boxed(text)
    plain = boxed if boxed is not None else _FENCE.sub("", _REASONING.sub("", text))
    return split_answer(plain.strip().rstrip("."), label_set)
