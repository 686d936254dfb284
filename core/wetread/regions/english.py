"""English words and sentences of region descriptions."""

from __future__ import annotations

from wetread.regions.attributes import BorderWord, Direction, Place, RelationKind, ShapeWord, SizeWord
from wetread.regions.colours import COLOUR_NAMES
from wetread.regions.language import Language, Words
from wetread.regions.palette import PALETTE
from wetread.terminology import Modality

_CONTRAST = {
    "density/higher": "hyperdense", "density/equal": "isodense", "density/lower": "hypodense",
    "intensity/higher": "hyperintense", "intensity/equal": "isointense", "intensity/lower": "hypointense",
    "echo/higher": "hyperechoic", "echo/equal": "isoechoic", "echo/lower": "hypoechoic", "echo/void": "anechoic",
    "opacity/higher": "an opacity", "opacity/equal": "of equal opacity", "opacity/lower": "a lucency",
    "uptake/higher": "of increased tracer uptake", "uptake/equal": "of equal tracer uptake",
    "uptake/lower": "of reduced tracer uptake",
    "reflectivity/higher": "hyperreflective", "reflectivity/equal": "isoreflective",
    "reflectivity/lower": "hyporeflective",
    "brightness/higher": "brighter", "brightness/equal": "equally bright", "brightness/lower": "darker",
}  # fmt: skip

_RELATION = {kind.value: kind.value for kind in RelationKind} | {
    "patient left of": "to the patient's left of",
    "patient right of": "to the patient's right of",
    "headward of": "nearer to the head than",
    "footward of": "nearer to the feet than",
}

ENGLISH = Language(
    code="en",
    words=Words(
        colour={colour.name: colour.name for colour in PALETTE},
        size={word.value: word.value for word in SizeWord},
        shape={word.value: word.value for word in ShapeWord},
        place={word.value: word.value for word in Place},
        modality={word.value: word.value for word in Modality},
        border={word.value: word.value for word in BorderWord},
        contrast=_CONTRAST,
        colour_name={name: name for name in COLOUR_NAMES},
        patient={
            Direction.LEFT.value: "left", Direction.RIGHT.value: "right", Direction.ANTERIOR.value: "front",
            Direction.POSTERIOR.value: "back", Direction.HEAD.value: "head", Direction.FOOT.value: "feet",
        },
        side={Direction.LEFT.value: "left", Direction.RIGHT.value: "right"},
        relation=_RELATION,
        comma=".",
        last=" and ",
        patch="{} ({} %, {})",
        counted="{}: {}",
    ),
    openings={
        "whole": (
            "The {colour} region is a {size}, {shape} area of {label} with a {border} border in the {place} of this "
            "{modality} image, {contrast} compared with its surroundings.",
            "In the {place} of this {modality} image, the {colour} region marks a {size}, {shape} area of {label} with "
            "a {border} border that is {contrast} compared with its surroundings.",
        ),
        "plain": (
            "The {colour} region is a {size}, {shape} area of {label} in the {place} of this {modality} image.",
            "In the {place} of this {modality} image, the {colour} region marks a {size}, {shape} area of {label}.",
            "A {size}, {shape} area of {label}, marked in {colour}, lies in the {place} of this {modality} image.",
        ),
        "unnamed": (
            "The {colour} region is {size} and {shape} and lies in the {place} of this {modality} image.",
            "In the {place} of this {modality} image, the {colour} region is {size} and {shape}.",
        ),
    },
    sentences={
        "border": ("Its border is {border}.", "It has a {border} border.", "The outline is {border}."),
        "contrast": (
            "It is {contrast} compared with its surroundings.",
            "Against the ring around it, it is {contrast}.",
        ),
        "hounsfield": (
            "The mean is {mean_hu} HU, against {ring_hu} HU around it.",
            "It measures {mean_hu} HU on average; its surroundings measure {ring_hu} HU.",
        ),
        "hounsfield alone": ("The mean is {mean_hu} HU.", "It measures {mean_hu} HU on average."),
        "colour": ("Its mean colour is {colour_name}.", "On average it is {colour_name}."),
        "patches": (
            "Within it are these colours: {colour_parts}.",
            "It is made up of these colours: {colour_parts}.",
        ),
        "share": ("It covers {share} % of the image.", "Its share of the image is {share} %."),
        "area": (
            "Its area is {area_mm2} mm², the diameter of an equal disc {diameter_mm} mm.",
            "It measures {area_mm2} mm², as much as a disc of {diameter_mm} mm.",
        ),
        "volume": (
            "Its volume is {volume_ml} ml, the diameter of an equal ball {diameter_mm} mm.",
            "It measures {volume_ml} ml, as much as a ball of {diameter_mm} mm.",
        ),
        "pixels": (
            "The diameter of an equal disc is {diameter_px} pixels.",
            "It is as large as a disc of {diameter_px} pixels across.",
        ),
        "components": (
            "It has {components} separate parts, the largest with {largest} % of it.",
            "Of its {components} separate parts the largest makes up {largest} %.",
        ),
        "slices": (
            "It spans slices {first} to {last} of {total}.",
            "It reaches from slice {first} to slice {last} of {total}.",
        ),
        "edge": ("It reaches the edge of the image.", "The edge of the image cuts it or touches it."),
        "patient": (
            "From the centre of the image it lies towards the patient's {patient}.",
            "In the patient it lies, seen from the centre of the image, towards {patient}.",
        ),
        "laterality": ("It is on the {laterality} side of the patient.", "This is the patient's {laterality} side."),
        "relation": ("It lies {kinds} the {other} region.", "Its place is {kinds} the {other} region."),
    },
    scenes={
        "several": (
            "This {modality} image shows {count} regions ({counts}), which cover {together} % of it.",
            "{count} regions ({counts}) cover {together} % of this {modality} image.",
        ),
        "described": (
            "The {described} largest regions are described.",
            "Described are the {described} largest regions.",
        ),
        "none": ("There is no region in this {modality} image.", "This {modality} image shows no region."),
        "absent": (
            "There is no region of {label} in this {modality} image.",
            "This {modality} image shows no region of {label}.",
        ),
    },
)  # fmt: skip
