"""De-identified copies of images, SEG and SR after the Basic Application Confidentiality Profile (PS3.15 Annex E).

What is done with which attribute is Table E.1-1, as the package dicom-anonymizer keeps it; this module applies it at
every level of nesting, which that package does not. UIDs become others, the same for the same UID under one key, so
that a SEG still points to its images. Structured content keeps codes, numbers, regions and references; of its texts
only names of algorithms and devices and tracking identifiers stay (Clean Structured Content Option). Pixels are not
looked at: what may carry burned-in text is refused, unless a person says that he has looked.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import uuid
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from pydicom.datadict import dictionary_has_tag
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from wetread.archive.content import decoded, encoded
from wetread.errors import RefusedInput

if TYPE_CHECKING:
    from pydicom import DataElement
    from pydicom.tag import BaseTag

EDITION = "2026c"
_BASIC = ("113100", "Basic Application Confidentiality Profile")
_STRUCTURED = ("113104", "Clean Structured Content Option")
_KEPT_TEXTS = frozenset({"112039", "111001", "111002", "111003", "121013", "121014", "121015"})
"""DCM concepts whose TEXT stays: tracking identifier, algorithm, name, maker and model of a device."""
_REMOVED = "[removed]"
_IDENTIFYING = (
    "PatientName", "PatientID", "OtherPatientIDs", "OtherPatientNames", "PatientBirthName", "PatientBirthDate",
    "AccessionNumber", "ReferringPhysicianName", "PerformingPhysicianName", "OperatorsName", "PatientAddress",
    "PatientTelephoneNumbers", "MedicalRecordLocator",
)  # fmt: skip
_SHORTEST_SECRET = 4
_LONGEST_BYTES = 1 << 16  # longer ones are pixels and samples
_MAY_SHOW_TEXT = frozenset({"US", "OT", "SC", "XA", "RF"})
"""Modalities whose pixels often carry names; not refused where the instance says that they do not."""
_TEXTS = frozenset({"AE", "LO", "LT", "PN", "SH", "ST", "UC", "UT", "UN", "OB", "UR"})
_CODED = frozenset({"CodeValue", "CodeMeaning", "Manufacturer", "ManufacturerModelName"})
"""A patient may be called White or Siemens; what is coded or printed on the device is not about him."""
_DUMMIES: dict[str, object] = {
    "AS": "000Y", "DA": "19000101", "DT": "19000101000000", "TM": "000000", "PN": "Anonymised", "UR": "urn:removed",
    "CS": "REMOVED", "AE": "REMOVED", "DS": "0", "IS": "0", "OB": b"\0\0", "UN": b"", "LO": "removed", "LT": "removed",
    "SH": "removed", "ST": "removed", "UC": "removed", "UT": "removed",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Deidentifier:
    """Makes de-identified copies under one key.

    Args:
        key: secret from which pseudonyms and UIDs are made; the same key gives the same ones.
        pixels_checked: a person has looked that no pixel carries identifying text.
    """

    key: bytes = field(repr=False)
    pixels_checked: bool = False

    def copy_of(self, source: Dataset, where: object) -> Dataset:
        """The de-identified copy of an instance; the instance stays as it is.

        Args:
            source: an image, waveform, SEG or SR.
            where: for messages; the file.

        Raises:
            RefusedInput: a kind of object that cannot be cleaned, pixels that may carry text, or an identifying text
                in an attribute that the profile keeps.
        """
        self._refuse(source, where)
        cleaned = decoded(encoded(source))  # not a deep copy: that keeps items shared which are shared here
        secrets = _secrets(source)
        self._clean(cleaned)
        pseudonym = self.pseudonym(f"{source.get('IssuerOfPatientID') or ''}|{source.get('PatientID') or ''}")
        cleaned.PatientID = cleaned.PatientName = pseudonym
        _declare(cleaned, has_content="ContentSequence" in source)
        meta = FileMetaDataset()
        meta.TransferSyntaxUID = source.file_meta.get("TransferSyntaxUID", ExplicitVRLittleEndian)
        meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = cleaned.SOPClassUID, cleaned.SOPInstanceUID
        cleaned.file_meta = meta
        for element in cleaned.iterall():
            if element.VR in _TEXTS and element.keyword not in _CODED and _holds(element, secrets):
                raise RefusedInput(f"{element.keyword or element.tag} repeats an identifying text", where,
                                   "correct it at the source, or leave this instance out")  # fmt: skip
        return cleaned

    def pseudonym(self, identity: str) -> str:
        """Ten characters that stand for a patient under this key."""
        digest = hmac.new(self.key, b"patient|" + identity.encode(), hashlib.sha256).digest()
        return "ANON-" + base64.b32encode(digest)[:10].decode()

    def uid(self, uid: str) -> str:
        """The UID that stands for another under this key (2.25 and a UUID, PS3.5 B.2)."""
        digest = hmac.new(self.key, b"uid|" + uid.encode(), hashlib.sha256).digest()
        return f"2.25.{uuid.UUID(bytes=digest[:16], version=4).int}"

    def _refuse(self, source: Dataset, where: object) -> None:
        is_image = "PixelData" in source or "FloatPixelData" in source or "DoubleFloatPixelData" in source
        if not is_image and "WaveformSequence" not in source and "ContentSequence" not in source:
            raise RefusedInput("an object that is no image, waveform or report", where,
                               "leave it out: nothing is known about cleaning it")  # fmt: skip
        burned = str(source.get("BurnedInAnnotation") or "")
        suspicious = is_image and burned != "NO" and str(source.get("Modality") or "") in _MAY_SHOW_TEXT
        if (burned == "YES" or suspicious) and not self.pixels_checked:
            raise RefusedInput("pixels that may carry the patient's name", where,
                               "look at them, then say so with --pixels-checked")  # fmt: skip

    def _clean(self, dataset: Dataset, *, all_texts: bool = False) -> None:
        for tag in list(dataset.keys()):
            if tag.is_private or not dictionary_has_tag(tag) or tag.group & 0xFF00 in (0x5000, 0x6000):
                del dataset[tag]
                continue
            self._apply(dataset, dataset[tag], _table().get(tag, ""), all_texts)
        if dataset.get("ValueType") == "TEXT" and "TextValue" in dataset and not _is_kept(dataset):
            dataset.TextValue = _REMOVED

    def _apply(self, dataset: Dataset, element: DataElement, action: str, all_texts: bool) -> None:
        if element.keyword in ("ContentSequence", "TextValue"):
            action = ""  # structured content is cleaned item by item
        if action == "X" or (action == "X/D" and element.VR == "SQ"):
            del dataset[element.tag]
        elif element.VR == "SQ" and action in ("Z", "X/Z", "X/Z/D", "Z/D"):
            element.value = []
        elif element.VR == "SQ":
            for item in element.value:
                self._clean(item, all_texts=all_texts or action == "D")
        elif element.VR == "UI":
            if action:
                values = element.value if element.VM > 1 else [element.value]
                element.value = [self.uid(str(value)) for value in values if value]
        elif action in ("Z", "X/Z"):
            element.value = None
        elif action or (all_texts and element.VR in _DUMMIES):
            element.value = _DUMMIES.get(element.VR, 0)


@cache
def _table() -> dict[BaseTag, str]:
    """Tag -> action of Table E.1-1; repeating groups are removed whole and are not in it."""
    from dicomanonymizer.dicomfields_selector import dicom_anonymization_database_selector
    from pydicom.tag import Tag

    tags = dicom_anonymization_database_selector(f"dicomfields_{EDITION}")
    names = {"D_TAGS": "D", "Z_TAGS": "Z", "X_TAGS": "X", "U_TAGS": "U", "Z_D_TAGS": "Z/D", "X_Z_TAGS": "X/Z",
             "X_D_TAGS": "X/D", "X_Z_D_TAGS": "X/Z/D", "X_Z_U_STAR_TAGS": "X/Z/U*"}  # fmt: skip
    return {Tag(*tag): action for name, action in names.items() for tag in tags[name] if len(tag) == 2}


def _is_kept(item: Dataset) -> bool:
    names = item.get("ConceptNameCodeSequence")
    return bool(names) and names[0].get("CodingSchemeDesignator") == "DCM" and names[0].get("CodeValue") in _KEPT_TEXTS


def _declare(dataset: Dataset, *, has_content: bool) -> None:
    """What was done, in the words of PS3.3 C.7.1.1."""
    dataset.PatientIdentityRemoved, dataset.LongitudinalTemporalInformationModified = "YES", "REMOVED"
    dataset.DeidentificationMethod = f"Wetread, PS3.15 {EDITION} Table E.1-1"
    codes = []
    for value, meaning in (_BASIC, _STRUCTURED) if has_content else (_BASIC,):
        code = Dataset()
        code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, "DCM", meaning
        codes.append(code)
    dataset.DeidentificationMethodCodeSequence = codes


def _secrets(source: Dataset) -> set[str]:
    """Texts by which the patient could be recognised, in lower case, in their parts."""
    values = [str(value) for keyword in _IDENTIFYING if (value := source.get(keyword))]
    parts = {part.strip().lower() for value in values for part in value.replace("=", "^").split("^")}
    return {part for part in parts if len(part) >= _SHORTEST_SECRET}


def _holds(element: DataElement, secrets: set[str]) -> bool:
    value = element.value
    if isinstance(value, bytes):
        return False if len(value) > _LONGEST_BYTES else any(s.encode() in value.lower() for s in secrets)
    return any(secret in str(value).lower() for secret in secrets)
