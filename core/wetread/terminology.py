"""The one table of what Wetread can name: modalities, coded concepts and targets.

The model's answers, the viewers' suggestions, the SEG writer and the SR writer all read this table. A concept is
(code, scheme, meaning) and its meaning is the scheme's own; where no dictionary at hand has a code for the exact
thing (red blood cell), the nearest true, broader concept is used and the label says the rest. A code never carries
another code's meaning: a test looks every one of them up in pydicom's dictionaries.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


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

CELL = Concept("4421005", "SCT", "Cell")
NUCLEUS = Concept("84640000", "SCT", "Nucleus")
HIPPOCAMPUS = Concept("5366008", "SCT", "Hippocampus")
LIVER = Concept("10200004", "SCT", "Liver")
SPLEEN = Concept("78961009", "SCT", "Spleen")
KIDNEY = Concept("64033007", "SCT", "Kidney")
LESION = Concept("52988006", "SCT", "Lesion")


@dataclass(frozen=True, slots=True)
class Target:
    """One thing that can be asked for, found, segmented and coded.

    Args:
        label: the name used in prompts, answers and segment labels, lower case; plural where many are expected.
        type: Segmented Property Type (what it is).
        category: Segmented Property Category.
        site: Finding Site, where it is; the type itself for anatomical structures.
        modalities: where it may appear.
        synonyms: other names a question or a data set may use, lower case.
        countable: many separate objects are expected (cells), so the finding lists instances.
        colour: display colour, sRGB 0-255, colour-blind safe (Okabe-Ito).
    """

    label: str
    type: Concept
    category: Concept
    site: Concept
    modalities: frozenset[Modality]
    synonyms: tuple[str, ...] = ()
    countable: bool = False
    colour: tuple[int, int, int] = (230, 159, 0)

    def names(self) -> tuple[str, ...]:
        """The label and all synonyms."""
        return (self.label, *self.synonyms)


def _on(*modalities: Modality) -> frozenset[Modality]:
    return frozenset(modalities)


TARGETS: tuple[Target, ...] = (
    Target(
        "nuclei", NUCLEUS, ANATOMICAL_STRUCTURE, CELL, _on(Modality.PATHOLOGY, Modality.MICROSCOPY),
        ("nucleus", "nuclei (instances)", "cell nuclei"), countable=True, colour=(0, 158, 115),
    ),
    Target(
        "red blood cells", CELL, ANATOMICAL_STRUCTURE, CELL, _on(Modality.MICROSCOPY),
        ("rbc", "red blood cell", "erythrocytes", "erythrocyte"), countable=True, colour=(213, 94, 0),
    ),
    Target(
        "white blood cells", CELL, ANATOMICAL_STRUCTURE, CELL, _on(Modality.MICROSCOPY),
        ("wbc", "white blood cell", "leukocytes", "leukocyte"), countable=True, colour=(86, 180, 233),
    ),
    Target(
        "platelets", CELL, ANATOMICAL_STRUCTURE, CELL, _on(Modality.MICROSCOPY),
        ("platelet", "thrombocytes", "thrombocyte"), countable=True, colour=(204, 121, 167),
    ),
    Target(
        "hippocampus", HIPPOCAMPUS, ANATOMICAL_STRUCTURE, HIPPOCAMPUS, _on(Modality.MR),
        ("anterior hippocampus", "posterior hippocampus", "hippocampi"), colour=(230, 159, 0),
    ),
    Target("liver", LIVER, ANATOMICAL_STRUCTURE, LIVER, _on(Modality.CT, Modality.MR), colour=(213, 94, 0)),
    Target("spleen", SPLEEN, ANATOMICAL_STRUCTURE, SPLEEN, _on(Modality.CT, Modality.MR), colour=(0, 114, 178)),
    Target(
        "kidneys", KIDNEY, ANATOMICAL_STRUCTURE, KIDNEY, _on(Modality.CT, Modality.MR),
        ("kidney", "kidney_left", "kidney_right"), colour=(240, 228, 66),
    ),
    Target(
        "lesion", LESION, MORPHOLOGICALLY_ABNORMAL, LESION,
        _on(Modality.CT, Modality.MR, Modality.ULTRASOUND, Modality.XRAY, Modality.DERMOSCOPY, Modality.ENDOSCOPY),
        ("lesions", "mass", "nodule"), colour=(204, 121, 167),
    ),
)  # fmt: skip

_BY_NAME = {name: target for target in TARGETS for name in target.names()}


def find_target(name: str) -> Target | None:
    """The target with this label or synonym (case and surrounding space ignored); None where there is none."""
    return _BY_NAME.get(name.strip().lower())


def concepts() -> tuple[Concept, ...]:
    """Every concept of this table, once each."""
    fixed = (TISSUE, ANATOMICAL_STRUCTURE, MORPHOLOGICALLY_ABNORMAL, SPATIAL_CONCEPT, IMAGE_REGION)
    of_targets = tuple(c for t in TARGETS for c in (t.type, t.category, t.site))
    return tuple(dict.fromkeys(fixed + of_targets))
