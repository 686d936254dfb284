"""Facts to sentences, and sentences back to facts.

`render` says what is true of the image, then of each described region: an opening, then one sentence for each group of
facts that the opening did not state. `parse` takes any such text apart again, whatever phrasing was chosen.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wetread.errors import RefusedInput
from wetread.regions.facts import Facts, region_facts, scene_facts, told
from wetread.regions.labels import UNNAMED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wetread.regions.attributes import Region
    from wetread.regions.describing import Description
    from wetread.regions.grammar import Template
    from wetread.regions.language import Language

LANGUAGES = ("en", "de")
_SENTENCE_END = re.compile(r"(?<=\.) (?=[^\s])")
_SCENE_FACTS = ("modality", "count", "counts", "together", "described", "absent")


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a text states.

    Args:
        scene: facts of the image; without the modality where the text says nothing of the image.
        regions: facts of each region, in the order of the text.
    """

    scene: Facts
    regions: tuple[Facts, ...]


def phrases_of(language: str) -> Language:
    """The words and sentences of a language.

    Raises:
        RefusedInput: a language that has none.
    """
    if language == "en":
        from wetread.regions.english import ENGLISH

        return ENGLISH
    if language == "de":
        from wetread.regions.german import GERMAN

        return GERMAN
    raise RefusedInput("no such language", language, f"say one of: {', '.join(LANGUAGES)}.")


def render(description: Description) -> str:
    """The whole text: the image, then each described region."""
    parts = [render_scene(description), *(render_region(description, region) for region in told(description))]
    return " ".join(part for part in parts if part)


def render_scene(description: Description) -> str:
    """The sentences about the image as a whole; empty where there is one region and nothing else to say."""
    facts = scene_facts(description.scene, len(told(description)))
    return " ".join(_scene(facts, phrases_of(description.language), description.seed))


def render_region(description: Description, region: Region) -> str:
    """All sentences about one region."""
    facts = region_facts(description, region)
    return " ".join(write_region(facts, phrases_of(description.language), description.seed, region.index))


def write_region(facts: Facts, language: Language, seed: int, index: int = 0) -> list[str]:
    """Sentences that state these facts and nothing else.

    Args:
        facts: of one region.
        language: its words.
        seed: chooses the phrasings.
        index: of the region, so that neighbours are phrased differently.
    """
    draw = random.Random(f"{seed}/{index}")
    unnamed = facts["label"] == UNNAMED
    flat = facts | dict(zip(("first", "last", "total"), facts.get("slices", ()), strict=False))
    if unnamed:
        del flat["label"]
    fitting = [
        group for name, group in language.opening_templates.items()
        if name.startswith("unnamed") == unnamed and set(group[0].names) <= flat.keys()
    ]  # fmt: skip
    opening = draw.choice(draw.choice(fitting))
    sentences, open_facts = [opening.write(flat)], set(flat) - set(opening.names)
    for name, group in language.sentence_templates.items():
        template = draw.choice(group)
        if name == "relation":
            sentences += [
                draw.choice(group).write({"kinds": kinds, "other": other})
                for kinds, other in facts.get("relations", ())
            ]
        elif name == "edge":
            sentences += [template.text] if "at_edge" in facts else []
        elif set(template.names) <= flat.keys() and open_facts & set(template.names):
            sentences.append(template.write(flat))
            open_facts -= set(template.names)
    return sentences


def parse(text: str, language: str = "en") -> Parsed:
    """The facts that a text states.

    Args:
        text: as `render` or `render_region` writes it.
        language: that it is written in.

    Raises:
        RefusedInput: a sentence of another form, or one that contradicts an earlier one.
    """
    spoken = phrases_of(language)
    scene: Facts = {}
    regions: list[Facts] = []
    for number, sentence in enumerate(_SENTENCE_END.split(text.strip()), start=1):
        opened = _read(sentence, spoken.opening_templates)
        if opened is not None:
            regions.append({"label": UNNAMED} | opened[1])
            continue
        said = _read(sentence, spoken.sentence_templates) if regions else None
        if said is not None:
            _add_to_region(regions[-1], *said, number)
            continue
        said = _read(sentence, spoken.scene_templates) if not regions else None
        if said is None:
            raise RefusedInput("not a sentence of a region description", f"sentence {number}", "give its own text.")
        _add_to_scene(scene, *said, number)
    return Parsed(scene, tuple(regions))


def _scene(facts: Facts, language: Language, seed: int) -> list[str]:
    draw = random.Random(f"{seed}/scene")
    templates = language.scene_templates
    lines = []
    if facts.get("count", 0) > 1:
        lines.append(draw.choice(templates["several"]).write(facts))
    if "described" in facts:
        lines.append(draw.choice(templates["described"]).write(facts))
    for label in facts["absent"]:
        name = "none" if label == UNNAMED else "absent"
        lines.append(draw.choice(templates[name]).write(facts | {"label": label}))
    if not lines and not facts["counts"]:
        lines.append(draw.choice(templates["none"]).write(facts))
    return lines


def _read(sentence: str, groups: Mapping[str, tuple[Template, ...]]) -> tuple[str, dict[str, Any]] | None:
    for name, templates in groups.items():
        for template in templates:
            found = template.read(sentence)
            if found is not None:
                return name, found
    return None


def _add_to_region(facts: Facts, name: str, found: dict[str, Any], number: int) -> None:
    if name == "relation":
        facts["relations"] = (*facts.get("relations", ()), (found["kinds"], found["other"]))
        return
    if name == "edge":
        found = {"at_edge": True}
    if name == "slices":
        found = {"slices": (found["first"], found["last"], found["total"])}
    _agree(facts, found, number)
    facts |= found


def _add_to_scene(scene: Facts, name: str, found: dict[str, Any], number: int) -> None:
    if name in ("none", "absent"):
        label = found.pop("label", UNNAMED)
        found["absent"] = (*scene.pop("absent", ()), label)
    _agree(scene, found, number)
    scene |= found


def _agree(facts: Facts, found: dict[str, Any], number: int) -> None:
    for key in facts.keys() & found.keys():
        if facts[key] != found[key]:
            raise RefusedInput(
                f"two statements about {key} that differ", f"sentence {number}", "the text is not one description."
            )
