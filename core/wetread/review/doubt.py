"""How much a read is worth a person's look: doubt and disagreement, from what the ledger keeps of it.

Uncertainty is the entropy of a finding's presence (Shannon, 1948), in bits; a finding that the check of groundedness
did not tie to the pixels is fully in doubt. Disagreement is one minus the overlap of the box that the language model
wrote with the box of the mask (query by committee; Seung et al., COLT 1992: here words and pixels are the committee),
and a later round of the reading loop that overturned the first. Engines keep no probabilities of tokens with a read,
so these take no part; `parts` says what did.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wetread.review.memory import recalled_box

if TYPE_CHECKING:
    from collections.abc import Mapping

PRESENCE, GROUNDING, WORDS_AND_MASK, ROUNDS = "presence", "grounding", "words and mask", "rounds"
OVERTURNED = "second look: the answer of look"
"""How `reading/second_look.py` begins its remark where a later look was better than the first."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One number about a read.

    Args:
        value: 0 to 1, larger is more worth a look; None where the read gives nothing to measure.
        parts: what it was measured by.
    """

    value: float | None
    parts: tuple[str, ...] = ()


def entropy(probability: float) -> float:
    """Of a yes with this probability, in bits: 0 where it is sure, 1 at one half."""
    if probability <= 0.0 or probability >= 1.0:
        return 0.0
    return -(probability * math.log2(probability) + (1 - probability) * math.log2(1 - probability))


def uncertainty(read: Mapping[str, Any]) -> Measure:
    """The doubt about the most doubtful finding.

    Args:
        read: body of a ledger entry of kind "read".
    """
    findings = read["findings"]
    if not findings:
        return Measure(None)
    checked = bool(read["provenance"].get("grounding"))
    doubts = [1.0 if checked and not finding["grounded"] else entropy(finding["presence"]) for finding in findings]
    return Measure(max(doubts), (PRESENCE, GROUNDING) if checked else (PRESENCE,))


def disagreement(read: Mapping[str, Any]) -> Measure:
    """The widest gap between words and mask, or between rounds.

    Args:
        read: body of a ledger entry of kind "read".
    """
    gaps, parts = [], []
    for finding in read["findings"]:
        written, marked = recalled_box(finding["text_box"]), recalled_box(finding["box"])
        if written is not None and marked is not None:
            gaps.append(1.0 - written.iou(marked))
    if gaps:
        parts.append(WORDS_AND_MASK)
    looks = [remark for remark in read["remarks"] if remark.startswith("second look:")]
    if looks:
        parts.append(ROUNDS)
        gaps += [1.0 if remark.startswith(OVERTURNED) else 0.0 for remark in looks]
    return Measure(max(gaps), tuple(parts)) if gaps else Measure(None)
