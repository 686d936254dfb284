"""What a text states of a region: the attributes, rounded to what a sentence says, under one name each.

Facts are the middle between attributes and words: `text` renders them, `parse` reads them back, and a text is right
when both are equal. A fact that was not measured is not there, so no sentence can be made of it. Numbers have three
significant digits; Hounsfield units are whole.
"""

from __future__ import annotations

from collections import Counter
from math import floor, log10
from typing import TYPE_CHECKING, Any

from wetread.regions.attributes import Contrast
from wetread.regions.intensity import HOUNSFIELD
from wetread.regions.palette import PALETTE
from wetread.regions.relations import INVERSE
from wetread.terminology import Modality

if TYPE_CHECKING:
    from wetread.regions.attributes import Region, Scene
    from wetread.regions.describing import Description

Facts = dict[str, Any]

MOST_TOLD = len(PALETTE)
MOST_RELATIONS = 3
MOST_COLOURS = 6
LEAST_COLOUR_PERCENT = 1.0

_FAMILIES = {
    Modality.CT: "density", Modality.MR: "intensity", Modality.ULTRASOUND: "echo", Modality.XRAY: "opacity",
    Modality.MAMMOGRAPHY: "opacity", Modality.PET: "uptake", Modality.OCT: "reflectivity",
}  # fmt: skip
"""In whose words a modality compares brightness; all others say brighter and darker."""


def rounded(value: float, digits: int = 3) -> float:
    """To so many significant digits; whole numbers keep all theirs."""
    if value == 0:
        return 0.0
    return round(value, max(digits - 1 - floor(log10(abs(value))), 0))


def told(description: Description) -> tuple[Region, ...]:
    """The regions that the whole text describes: all of up to ten, else the nine that have a colour of their own."""
    regions = description.regions
    if len(regions) <= MOST_TOLD:
        return regions
    bearers = Counter(region.colour for region in regions)
    return tuple(region for region in regions if bearers[region.colour] == 1)[: MOST_TOLD - 1]


def scene_facts(scene: Scene, described: int) -> Facts:
    """Facts of the image as a whole.

    Args:
        scene: the image.
        described: number of regions that the text goes on to describe.
    """
    facts: Facts = {"modality": scene.modality.value, "counts": scene.counts, "absent": scene.absent}
    total = sum(count for _, count in scene.counts)
    if total:
        facts |= {"count": total, "together": rounded(100 * scene.share)}
    if total > described:
        facts["described"] = described
    return facts


def region_facts(description: Description, region: Region) -> Facts:
    """Facts of one region."""
    facts: Facts = {
        "colour": region.colour.name,
        "label": region.label,
        "size": region.size.word.value,
        "shape": region.shape.word.value,
        "place": region.location.place.value,
        "modality": description.scene.modality.value,
        "share": rounded(100 * region.size.share),
    }
    facts |= _size_facts(region) | _place_facts(region) | _look_facts(region, description.scene.modality)
    if region.shape.border is not None:
        facts["border"] = region.shape.border.value
    if region.shape.components > 1:
        facts |= {"components": region.shape.components, "largest": rounded(100 * region.parts[0].share)}
    relations = _relation_facts(description, region)
    if relations:
        facts["relations"] = relations
    return facts


def _size_facts(region: Region) -> Facts:
    size = region.size
    if size.diameter_mm is None:
        return {"diameter_px": rounded(size.diameter_px)}
    facts: Facts = {"diameter_mm": rounded(size.diameter_mm)}
    if size.area_mm2 is not None:
        facts["area_mm2"] = rounded(size.area_mm2)
    if size.volume_ml is not None:
        facts["volume_ml"] = rounded(size.volume_ml)
    return facts


def _place_facts(region: Region) -> Facts:
    location, facts = region.location, Facts()
    if location.at_edge:
        facts["at_edge"] = True
    if location.slices is not None:
        facts["slices"] = location.slices
    if location.patient:
        facts["patient"] = tuple(direction.value for direction in location.patient)
    if location.laterality is not None:
        facts["laterality"] = location.laterality.value
    return facts


def _look_facts(region: Region, modality: Modality) -> Facts:
    intensity, facts = region.intensity, Facts()
    if intensity.contrast is not None:
        family = _FAMILIES.get(modality, "brightness")
        facts["contrast"] = f"{family}/{intensity.contrast.value}"
    if intensity.units == HOUNSFIELD:
        facts["mean_hu"] = round(intensity.mean)
        if intensity.ring is not None:
            facts["ring_hu"] = round(intensity.ring)
    if intensity.colour_name is not None:
        facts["colour_name"] = intensity.colour_name
    patches = tuple(
        (part.name, rounded(100 * part.share), part.place.value)
        for part in region.colour_parts[:MOST_COLOURS]
        if 100 * part.share >= LEAST_COLOUR_PERCENT
    )
    if patches:
        facts["colour_parts"] = patches
    return facts


def _relation_facts(description: Description, region: Region) -> tuple[tuple[tuple[str, ...], str], ...]:
    """(kinds, colour of the other region), contacts before mere directions; only regions of a colour of their own."""
    names = {other.index: other.colour.name for other in told(description)}
    if region.index not in names:
        return ()
    found = []
    for relation in description.relations:
        if relation.subject == region.index and relation.object in names:
            found.append((relation.kinds, names[relation.object]))
        elif relation.object == region.index and relation.subject in names:
            found.append((tuple(INVERSE[kind] for kind in relation.kinds), names[relation.subject]))
    kept = [(tuple(kind.value for kind in kinds), name) for kinds, name in found if kinds]
    kept.sort(key=lambda item: not _CONTACTS & set(item[0]))
    return tuple(kept[:MOST_RELATIONS])


_CONTACTS = {"inside", "around", "touching", "overlapping"}

CONTRAST_KEYS = tuple(
    f"{family}/{contrast.value}"
    for family in (*dict.fromkeys(_FAMILIES.values()), "brightness")
    for contrast in Contrast
    if family == "echo" or contrast is not Contrast.VOID
)
"""Every comparison there can be; a phrase table has a word for each."""
