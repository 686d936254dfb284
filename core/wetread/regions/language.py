"""A language: its words for every attribute value, and its sentences.

A language module (`english`, `german`) fills a `Language` and nothing else. Sentences are grouped: an opening says
which region it is and where; the others each state one group of facts about "it". Every group has several phrasings,
among which a seed chooses. A test renders every phrasing of every language and reads it back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from wetread.regions.grammar import Slot, Template, free, listed, number, row, whole, words


@dataclass(frozen=True)
class Words:
    """The words of a language, by attribute value.

    Args:
        comma: decimal mark.
        last: between the last two items of a list, with its spaces.
        patch: a colour inside a region: name, percent, place.
        counted: a label and how many regions of it.
    """

    colour: Mapping[str, str]
    size: Mapping[str, str]
    shape: Mapping[str, str]
    place: Mapping[str, str]
    modality: Mapping[str, str]
    border: Mapping[str, str]
    contrast: Mapping[str, str]
    colour_name: Mapping[str, str]
    patient: Mapping[str, str]
    side: Mapping[str, str]
    relation: Mapping[str, str]
    comma: str
    last: str
    patch: str
    counted: str


@dataclass(frozen=True)
class Language:
    """One language.

    Args:
        code: ISO 639-1.
        words: its words.
        openings: group name -> phrasings; the group with the most facts that are all known is used. Groups whose
            name begins with ``unnamed`` are for regions without a label of their own.
        sentences: group name -> phrasings, in the order in which they are said.
        scenes: group name -> phrasings about the image.
    """

    code: str
    words: Words
    openings: Mapping[str, tuple[str, ...]]
    sentences: Mapping[str, tuple[str, ...]]
    scenes: Mapping[str, tuple[str, ...]]

    @cached_property
    def slots(self) -> dict[str, Slot]:
        """How each fact is written and read."""
        said, count, decimal = self.words, whole(), number(self.words.comma)
        numbers = ("share", "together", "area_mm2", "volume_ml", "diameter_mm", "diameter_px", "largest")
        wholes = ("count", "described", "components", "mean_hu", "ring_hu", "first", "last", "total")
        patch = row(said.patch, (words(said.colour_name), decimal, words(said.place)))
        return {
            **dict.fromkeys(numbers, decimal),
            **dict.fromkeys(wholes, count),
            "label": free(),
            "colour": words(said.colour),
            "other": words(said.colour),
            "size": words(said.size),
            "shape": words(said.shape),
            "place": words(said.place),
            "modality": words(said.modality),
            "border": words(said.border),
            "contrast": words(said.contrast),
            "colour_name": words(said.colour_name),
            "laterality": words(said.side),
            "patient": listed(words(said.patient), ", ", said.last),
            "kinds": listed(words(said.relation), ", ", said.last),
            "colour_parts": listed(patch, "; ", "; "),
            "counts": listed(row(said.counted, (free(), count)), "; ", "; "),
        }

    def templates(self, group: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[Template, ...]]:
        """The phrasings of one of the three groups as templates."""
        return {name: tuple(Template(text, self.slots) for text in texts) for name, texts in group.items()}

    @cached_property
    def opening_templates(self) -> dict[str, tuple[Template, ...]]:
        """Openings, compiled."""
        return self.templates(self.openings)

    @cached_property
    def sentence_templates(self) -> dict[str, tuple[Template, ...]]:
        """Sentences about a region, compiled."""
        return self.templates(self.sentences)

    @cached_property
    def scene_templates(self) -> dict[str, tuple[Template, ...]]:
        """Sentences about the image, compiled."""
        return self.templates(self.scenes)
