"""What Wetread reads: one table from SOP class to family (how pixels are laid out) and modality.

Rule for the modality, in this order: what the caller says; the SOP class; the Modality attribute (for Secondary
Capture and other classes that may hold anything); else a photograph. Pictures of microscopy classes are pathology
(tissue), unless the series or specimen description names a smear, a film or a culture: then they are microscopy.
SOP classes: PS3.4 Annex B.5; Modality terms: PS3.3 C.7.3.1.1.1.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from wetread.errors import RefusedInput
from wetread.terminology import Modality

if TYPE_CHECKING:
    from pydicom import Dataset


class Family(StrEnum):
    """How the instances of a SOP class hold their pictures."""

    SLICES = "slices"
    """One slice an instance; a series is a stack."""
    ENHANCED = "enhanced"
    """Many frames an instance, each described by functional groups."""
    PICTURE = "picture"
    """One picture an instance, or a cine when it has several frames."""
    SLIDE = "slide"
    """Tiles of a whole-slide image."""
    WAVEFORM = "waveform"
    """No pixels: channels over time."""


_STORAGE = "1.2.840.10008.5.1.4.1.1."

_CLASSES: dict[str, tuple[Family, Modality | None]] = {
    "2": (Family.SLICES, Modality.CT),
    "2.1": (Family.ENHANCED, Modality.CT),
    "2.2": (Family.ENHANCED, Modality.CT),
    "4": (Family.SLICES, Modality.MR),
    "4.1": (Family.ENHANCED, Modality.MR),
    "4.3": (Family.ENHANCED, Modality.MR),
    "4.4": (Family.ENHANCED, Modality.MR),
    "128": (Family.SLICES, Modality.PET),
    "128.1": (Family.ENHANCED, Modality.PET),
    "130": (Family.ENHANCED, Modality.PET),
    "1": (Family.PICTURE, Modality.XRAY),
    "1.1": (Family.PICTURE, Modality.XRAY),
    "1.1.1": (Family.PICTURE, Modality.XRAY),
    "1.2": (Family.PICTURE, Modality.MAMMOGRAPHY),
    "1.2.1": (Family.PICTURE, Modality.MAMMOGRAPHY),
    "1.3": (Family.PICTURE, Modality.XRAY),
    "1.3.1": (Family.PICTURE, Modality.XRAY),
    "12.1": (Family.PICTURE, Modality.XRAY),
    "12.2": (Family.PICTURE, Modality.XRAY),
    "13.1.3": (Family.ENHANCED, Modality.MAMMOGRAPHY),
    "3": (Family.PICTURE, Modality.ULTRASOUND),
    "3.1": (Family.PICTURE, Modality.ULTRASOUND),
    "6": (Family.PICTURE, Modality.ULTRASOUND),
    "6.1": (Family.PICTURE, Modality.ULTRASOUND),
    "7": (Family.PICTURE, None),
    "7.1": (Family.PICTURE, None),
    "7.2": (Family.PICTURE, None),
    "7.3": (Family.PICTURE, None),
    "7.4": (Family.PICTURE, None),
    "77.1.1": (Family.PICTURE, Modality.ENDOSCOPY),
    "77.1.1.1": (Family.PICTURE, Modality.ENDOSCOPY),
    "77.1.2": (Family.PICTURE, Modality.PATHOLOGY),
    "77.1.2.1": (Family.PICTURE, Modality.PATHOLOGY),
    "77.1.3": (Family.PICTURE, Modality.PATHOLOGY),
    "77.1.4": (Family.PICTURE, Modality.PHOTOGRAPH),
    "77.1.4.1": (Family.PICTURE, Modality.PHOTOGRAPH),
    "77.1.5.1": (Family.PICTURE, Modality.FUNDUS),
    "77.1.5.2": (Family.PICTURE, Modality.FUNDUS),
    "77.1.5.5": (Family.PICTURE, Modality.FUNDUS),
    "77.1.5.6": (Family.PICTURE, Modality.FUNDUS),
    "77.1.5.4": (Family.ENHANCED, Modality.OCT),
    "77.1.5.7": (Family.PICTURE, Modality.OCT),
    "77.1.6": (Family.SLIDE, Modality.PATHOLOGY),
    "77.1.7": (Family.PICTURE, Modality.DERMOSCOPY),
    "9.1.1": (Family.WAVEFORM, Modality.ECG),
    "9.1.2": (Family.WAVEFORM, Modality.ECG),
    "9.1.3": (Family.WAVEFORM, Modality.ECG),
    "9.1.4": (Family.WAVEFORM, Modality.ECG),
}

_TERMS: dict[str, Modality] = {
    "CT": Modality.CT, "MR": Modality.MR, "PT": Modality.PET,
    "CR": Modality.XRAY, "DX": Modality.XRAY, "XA": Modality.XRAY, "RF": Modality.XRAY, "RG": Modality.XRAY,
    "IO": Modality.XRAY, "PX": Modality.XRAY, "MG": Modality.MAMMOGRAPHY,
    "US": Modality.ULTRASOUND, "GM": Modality.PATHOLOGY, "SM": Modality.PATHOLOGY, "DMS": Modality.DERMOSCOPY,
    "ES": Modality.ENDOSCOPY, "OP": Modality.FUNDUS, "OPT": Modality.OCT, "XC": Modality.PHOTOGRAPH,
}  # fmt: skip

_SMEAR_WORDS = ("smear", "blood film", "culture")


def family_of(dataset: Dataset, where: object) -> Family:
    """The family of an instance.

    Raises:
        RefusedInput: a SOP class that Wetread does not read.
    """
    return _entry(dataset, where)[0]


def modality_of(dataset: Dataset, where: object) -> Modality:
    """What kind of picture an instance holds, by the rule of this module.

    Raises:
        RefusedInput: a SOP class that Wetread does not read.
    """
    modality = _entry(dataset, where)[1]
    if modality is None:
        modality = _TERMS.get(str(dataset.get("Modality", "")), Modality.PHOTOGRAPH)
    if modality is Modality.PATHOLOGY and _is_smear(dataset):
        return Modality.MICROSCOPY
    return modality


def parse_modality(word: Modality | str | None) -> Modality | None:
    """A modality from the word a caller wrote ("pathology", "X-ray", "xray"); None stays None.

    Raises:
        RefusedInput: no such modality.
    """
    if word is None or isinstance(word, Modality):
        return word
    wanted = word.strip().lower().replace("-", "")
    for modality in Modality:
        if wanted in (modality.value.lower().replace("-", ""), modality.name.lower()):
            return modality
    known = ", ".join(m.value for m in Modality)
    raise RefusedInput("unknown modality", word, f"say one of: {known}.")


def class_uid_of(dataset: Dataset) -> str:
    """The SOP Class UID of an instance; a DICOM directory has one in its file meta only; empty where there is none."""
    if "SOPClassUID" in dataset or not hasattr(dataset, "file_meta"):
        return str(dataset.get("SOPClassUID", ""))
    return str(dataset.file_meta.get("MediaStorageSOPClassUID", ""))


def sop_class(suffix: str) -> str:
    """A storage SOP class UID from the part after ``1.2.840.10008.5.1.4.1.1.``."""
    return _STORAGE + suffix


def _entry(dataset: Dataset, where: object) -> tuple[Family, Modality | None]:
    uid = class_uid_of(dataset)
    found = _CLASSES.get(uid.removeprefix(_STORAGE)) if uid.startswith(_STORAGE) else None
    if found is None:
        from pydicom.uid import UID

        name = UID(uid).name if uid else "no SOP Class UID"
        raise RefusedInput(
            f"unsupported kind of DICOM object: {name}", where, "give images of a modality that Wetread reads."
        )
    return found


def _is_smear(dataset: Dataset) -> bool:
    texts = [str(dataset.get("SeriesDescription", ""))]
    for specimen in dataset.get("SpecimenDescriptionSequence") or []:
        texts.append(str(specimen.get("SpecimenShortDescription", "")))
        texts += [str(code.get("CodeMeaning", "")) for code in specimen.get("SpecimenTypeCodeSequence") or []]
    text = " ".join(texts).lower()
    return any(word in text for word in _SMEAR_WORDS)
