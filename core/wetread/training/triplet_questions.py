"""Questions about a picture with coloured regions, with the answers that its attributes give.

Colour to class, class to colour, colour to location, location to mask, and RCMed's own: segment this class. A question
is asked only where it has one answer: a colour that marks one region, a class that is there once, a place that holds
one region. Several phrasings, chosen by the seed.
"""

from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING, Any

from wetread.terminology import PROMPT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wetread.terminology import Modality

KINDS = ("colour to class", "class to colour", "colour to location", "location to mask", "class to mask")

_ASKED = {
    "colour to class": ("What is the {colour} region?", "Which structure is marked in {colour}?",
                        "What does {colour} mark here?"),
    "class to colour": ("Which colour marks {label}?", "In which colour is {label} drawn?",
                        "What is the colour for {label}?"),
    "colour to location": ("Where in the image is the {colour} region?", "In which part of the image lies {colour}?",
                           "Where is {colour}?"),
    "location to mask": ("Mark what lies in the {place} of the image.", "Which region is in the {place} of the image?",
                         "Segment the region in the {place} of the image."),
}  # fmt: skip
_ANSWERED = {
    "colour to class": "The {colour} region shows {label}.",
    "class to colour": "Marked in {colour}: {label}.",
    "colour to location": "The {colour} region is in the {place} of the image.",
    "location to mask": "In the {place} of the image: {label}. <SEG>",
}


def questions(regions: Sequence[dict[str, Any]], modality: Modality, seed: int) -> list[dict[str, Any]]:
    """Questions with answers.

    Args:
        regions: with `label`, `colour`, `place`, `mask` and `value`.
        modality: of the picture.
        seed: chooses the phrasings.

    Returns:
        For each: kind, question, answer, and the (mask file, value) pairs that the answer points at.
    """
    rng = random.Random(seed)
    count = {key: Counter(region[key] for region in regions) for key in ("label", "colour", "place")}
    asked = []
    for region in regions:
        for kind, phrasings in _ASKED.items():
            key = {"colour": "colour", "class": "label", "location": "place"}[kind.split(" ")[0]]
            if count[key][region[key]] > 1:
                continue
            question = rng.choice(phrasings).format(**region)
            asked.append(_item(kind, question, _ANSWERED[kind].format(**region), [region]))
    for label in count["label"]:
        shown = [region for region in regions if region["label"] == label]
        answer = f"Sure, this is {_article(modality.value)} {modality.value} image of {label}. <SEG>"
        asked.append(_item("class to mask", PROMPT.format(label), answer, shown))
    return asked


def _item(kind: str, question: str, answer: str, regions: Sequence[dict[str, Any]]) -> dict[str, Any]:
    masks = [[region["mask"], region["value"]] for region in regions]
    return {"kind": kind, "question": question, "answer": answer, "masks": masks}


def _article(word: str) -> str:
    return "an" if word[0] in "MXueOE" else "a"  # letters as they are spoken: an MR, an X-ray
