"""The one table of what Wetread can name: modalities, coded concepts and targets.

The model's answers, the viewers' suggestions, the SEG writer and the SR writer all read this table; its rows are in
`targets.csv` beside this file. A concept is (code, scheme, meaning) and its meaning is the scheme's own; where no
dictionary at hand has a code for the exact thing (red blood cell), the nearest true, broader concept is used, with
the anatomic region as its modifier where that says more, and the label says the rest. A code never carries another
code's meaning: a test looks every one of them up in pydicom's dictionaries.

`find_target` forgives how a name is written (case, plural, "the", underscores, British or American spelling, a side),
never what it means: a name that nobody listed finds nothing.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from pathlib import Path

PROMPT = "Please segment {} in the given image."
"""The question for one target, in the form of RCMed (method figure of xmed-lab/RCMed @0186124)."""


class Modality(StrEnum):
    """What kind of picture a Sample is, in the field's words; finer than the DICOM Modality attribute."""

    CT = "CT"
    MR = "MR"
    PET = "PET"
    XRAY = "X-ray"
    MAMMOGRAPHY = "mammography"
    ULTRASOUND = "ultrasound"
    PATHOLOGY = "pathology"
    MICROSCOPY = "microscopy"
    DERMOSCOPY = "dermoscopy"
    ENDOSCOPY = "endoscopy"
    FUNDUS = "fundus"
    OCT = "OCT"
    PHOTOGRAPH = "photograph"
    ECG = "ECG"


class Laterality(StrEnum):
    """How a target relates to the sides of the patient, who is never guessed to lie in any way."""

    NONE = ""
    """One in the body, or without a side."""
    PAIRED = "paired"
    """One on each side; the target means both, `Target.on` one of them."""
    LEFT = "left"
    """On the patient's left, by its own code (left atrium) or by a modifier (left kidney)."""
    RIGHT = "right"
    """On the patient's right."""


@dataclass(frozen=True, slots=True)
class Concept:
    """A coded concept as DICOM writes it (PS3.3 8.8)."""

    code: str
    scheme: str
    meaning: str


TISSUE = Concept("85756007", "SCT", "Tissue")
ANATOMICAL_STRUCTURE = Concept("91723000", "SCT", "Anatomical Structure")
MORPHOLOGICALLY_ABNORMAL = Concept("49755003", "SCT", "Morphologically Abnormal Structure")
SPATIAL_CONCEPT = Concept("309825002", "SCT", "Spatial and Relational Concept")
IMAGE_REGION = Concept("111030", "DCM", "Image Region")
LATERALITY = Concept("272741003", "SCT", "Laterality")
SIDES = {
    Laterality.LEFT: Concept("7771000", "SCT", "Left"),
    Laterality.RIGHT: Concept("24028007", "SCT", "Right"),
}


@dataclass(frozen=True, slots=True)
class Target:
    """One thing that can be asked for, found, segmented and coded.

    Args:
        label: the name used in prompts, answers and segment labels, lower case; plural where many are expected.
        type: Segmented Property Type (what it is).
        category: Segmented Property Category.
        site: Finding Site, where it is; the type itself where the table names no region.
        modalities: where it may appear.
        synonyms: other names a question or a data set may use, lower case; they mean the same, or a part or
            kind of it that the table does not tell apart: what is true of the label is true of them.
        countable: many separate objects are expected (cells), so the finding lists instances.
        colour: display colour, sRGB 0-255; on one modality at least 13 apart from any other target in CIELAB.
        laterality: see `Laterality`.
        singular: the name of one of several, "" where there is only one.
        group: heading in the catalogue ("brain", "cancers").
        modifiers: of the type (of the site, for lesions): the side, where the code itself does not name it.
    """

    label: str
    type: Concept
    category: Concept
    site: Concept
    modalities: frozenset[Modality]
    synonyms: tuple[str, ...] = ()
    countable: bool = False
    colour: tuple[int, int, int] = (230, 159, 0)
    laterality: Laterality = Laterality.NONE
    singular: str = ""
    group: str = ""
    modifiers: tuple[Concept, ...] = ()

    @property
    def prompt(self) -> str:
        """The question that asks for this target."""
        return PROMPT.format(self.label)

    def names(self) -> tuple[str, ...]:
        """The label, its singular and all synonyms, each once."""
        return tuple(dict.fromkeys(n for n in (self.label, self.singular, *self.synonyms) if n))

    def on(self, side: Laterality) -> Target:
        """This paired target on one side of the patient: "left kidney", with the side as a coded modifier.

        Raises:
            ValueError: the target is not paired, or `side` is not one side.
        """
        if self.laterality is not Laterality.PAIRED or side not in SIDES:
            raise ValueError(f"{self.label} has no side {side!r}.")
        names = tuple(f"{side} {name}" for name in self.names())
        label = f"{side} {self.singular or self.label}"
        return replace(self, label=label, singular="", synonyms=names, laterality=side, modifiers=(SIDES[side],))


def _rows() -> tuple[Target, ...]:
    with Path(__file__).with_name("targets.csv").open(encoding="utf-8", newline="") as table:
        return tuple(_target(row) for row in csv.DictReader(table))


def _target(row: dict[str, str]) -> Target:
    kind = _concept(row["type"])
    red, green, blue = bytes.fromhex(row["colour"].removeprefix("#"))
    return Target(
        label=row["label"],
        type=kind,
        category=_concept(row["category"]),
        site=_concept(row["region"]) if row["region"] else kind,
        modalities=frozenset(map(Modality, row["modalities"].split())),
        synonyms=tuple(filter(None, row["synonyms"].split("|"))),
        countable=row["countable"] == "yes",
        colour=(red, green, blue),
        laterality=Laterality(row["laterality"]),
        singular=row["singular"],
        group=row["group"],
    )


@cache
def _concept(cell: str) -> Concept:
    """A cell of the table: ``78961009 Spleen`` is SNOMED CT, ``DCM:112001 Opacity`` any other scheme."""
    code, _, meaning = cell.partition(" ")
    scheme, _, code = code.rpartition(":")
    return Concept(code, scheme or "SCT", meaning)


TARGETS: tuple[Target, ...] = _rows()

_ARTICLE = re.compile(r"^(?:the|an?) ")
_SPELLINGS = {
    "tumour": "tumor", "tumours": "tumors", "oesophagus": "esophagus", "oesophageal": "esophageal",
    "oesophagitis": "esophagitis", "oedema": "edema", "haemorrhage": "hemorrhage", "haemorrhages": "hemorrhages",
    "haematoma": "hematoma", "haemangioma": "hemangioma", "grey": "gray", "foetal": "fetal", "foetus": "fetus",
    "faeces": "feces", "leucocyte": "leukocyte", "leucocytes": "leukocytes", "coeliac": "celiac", "naevus": "nevus",
    "naevi": "nevi", "disk": "disc", "disks": "discs", "ischaemic": "ischemic", "seborrhoeic": "seborrheic",
    "fibre": "fiber", "centre": "center", "peritumoural": "peritumoral",
}  # fmt: skip


def find_target(name: str) -> Target | None:
    """The target of this name; None where there is none.

    A side is left out for paired targets ("left kidney" and "kidney_left" are both `kidneys`); see `find_sided`.
    """
    found = find_sided(name)
    return found[0] if found else None


def find_sided(name: str) -> tuple[Target, Laterality] | None:
    """The target of this name, and the side that the name gives it.

    Returns:
        (target, LEFT or RIGHT) where a paired target is named with a side, else (target, its own laterality).
    """
    plain = _plain(name)
    known = _by_name()
    if plain in known:
        return known[plain], known[plain].laterality
    words = plain.split(" ")
    sides = [word for word in words if word in ("left", "right", "both", "bilateral")]
    if len(sides) != 1:
        return None
    found = known.get(" ".join(word for word in words if word != sides[0]))
    if found is None or found.laterality is not Laterality.PAIRED:
        return None
    return found, Laterality(sides[0]) if sides[0] in ("left", "right") else Laterality.PAIRED


def suggestions(modality: Modality, labels: tuple[str, ...] | None = None) -> tuple[str, ...]:
    """Questions that can be asked of a picture of this modality, one for each target.

    Args:
        modality: of the picture.
        labels: of the model's targets; all of the catalogue's when None.
    """
    return tuple(t.prompt for t in TARGETS if modality in t.modalities and (labels is None or t.label in labels))


def _plain(name: str) -> str:
    """A name as it is compared: lower case, one space between words, no article, American spelling."""
    words = re.sub(r"[\s_/,-]+", " ", name.lower()).strip(" .?!:;'\"")
    words = _ARTICLE.sub("", words)
    return " ".join(_SPELLINGS.get(word, word) for word in words.split(" "))


@cache
def _by_name() -> dict[str, Target]:
    """Every written form of every name; a form that two targets could have finds neither."""
    given: dict[str, Target] = {}
    for target in TARGETS:
        given |= dict.fromkeys(map(_plain, target.names()), target)
    derived: dict[str, Target | None] = {}
    for name, target in given.items():
        for form in _numbers(name):
            derived[form] = target if derived.get(form, target) is target else None
    return {form: target for form, target in derived.items() if target is not None} | given


def _numbers(name: str) -> tuple[str, ...]:
    """The regular English plural of a name, and what it may be the plural of."""
    forms = [name + ("es" if name.endswith(("s", "x", "ch", "sh")) else "s")]
    if name.endswith("y") and name[-2:-1] not in "aeiou":
        forms.append(name[:-1] + "ies")
    if name.endswith("ies"):
        forms.append(name[:-3] + "y")
    if name.endswith(("ses", "xes", "ches", "shes")):
        forms.append(name[:-2])
    if name.endswith("s") and not name.endswith(("ss", "us", "is")):
        forms.append(name[:-1])
    return tuple(forms)


def concepts() -> tuple[Concept, ...]:
    """Every concept of this table, once each."""
    fixed = (TISSUE, ANATOMICAL_STRUCTURE, MORPHOLOGICALLY_ABNORMAL, SPATIAL_CONCEPT, IMAGE_REGION, LATERALITY)
    of_targets = tuple(c for t in TARGETS for c in (t.type, t.category, t.site))
    return tuple(dict.fromkeys((*fixed, *SIDES.values(), *of_targets)))
