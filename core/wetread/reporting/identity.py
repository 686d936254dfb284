"""What every object of one read shares: UIDs, times, the patient and study it belongs to, and clean text.

UIDs are derived, not drawn: 2.25.<uuid5(read UID, kind)> (PS3.5 B.2), so that building the objects of a read twice
gives the same objects and a repeated store is no duplicate. Source headers are copied, never changed: type 2
attributes that a source lacks are added empty, and names are re-encoded to ISO_IR 192 (UTF-8).
"""

from __future__ import annotations

import copy
import re
import warnings
from typing import TYPE_CHECKING

from pydicom import Dataset
from pydicom.dataelem import DataElement
from pydicom.uid import UID

from wetread.errors import RefusedInput
from wetread.uids import OBJECTS_OF_READS, derived

if TYPE_CHECKING:
    from datetime import datetime

    from wetread.findings import Read
    from wetread.imaging.sample import Sample
    from wetread.imaging.waveform import Waveform

CHARACTER_SET = "ISO_IR 192"
MANUFACTURER = "Wetread"

_TYPE_2 = (
    "PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyID", "StudyDate", "StudyTime",
    "AccessionNumber", "ReferringPhysicianName",
)  # fmt: skip
_AGE = re.compile("[0-9]{3}[DWMY]")
_DATE, _TIME = re.compile("[0-9]{8}"), re.compile(r"[0-9]{2}([0-9]{2}([0-9]{2}(\.[0-9]{1,6})?)?)?")
_PATTERNS = {
    "PatientBirthDate": _DATE, "StudyDate": _DATE, "StudyTime": _TIME, "PatientSex": re.compile("[MFO]"),
}  # fmt: skip
"""Type 2 attributes with a form; one that is malformed at the source becomes empty, which type 2 allows."""
_TEXT_REPRESENTATIONS = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
# C0 and C1 controls but for the line feed; lone surrogates, which cannot be encoded at all; and what stands for the
# half of a character that a byte-level tokenizer wrote: in a report it would look like text lost on the way.
_CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffd]")


def derived_uid(read_uid: str, *kind: object) -> str:
    """The UID of one object of a read, e.g. ``derived_uid(read.uid, "seg")``; the same for the same words."""
    name = " ".join(["wetread", read_uid, *map(str, kind)])
    return UID(derived(OBJECTS_OF_READS, name))


def content_moment(read: Read) -> datetime:
    """When the read was made, in this machine's time zone, as the study's own times are."""
    return read.provenance.created.astimezone()


def stamp(dataset: Dataset, read: Read) -> None:
    """Replace every time of writing by the time of the read, so that building twice gives the same bytes."""
    moment = content_moment(read)
    date, time = moment.strftime("%Y%m%d"), moment.strftime("%H%M%S.%f")
    for keyword in ("ContentDate", "InstanceCreationDate", "SeriesDate"):
        setattr(dataset, keyword, date)
    for keyword in ("ContentTime", "InstanceCreationTime", "SeriesTime"):
        setattr(dataset, keyword, time)
    for equipment in dataset.get("ContributingEquipmentSequence", []):
        equipment.ContributionDateTime = date + time


def clean_text(text: str, limit: int) -> str:
    """Text as a DICOM UT value may hold it: control characters out, line feeds kept, at most `limit` characters.

    A text that is cut says so in its last line.
    """
    plain = _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", " ")).strip()
    if len(plain) <= limit:
        return plain
    note = f"\n[cut: {len(plain)} characters]"
    return plain[: limit - len(note)].rstrip() + note


def name_text(text: str) -> str:
    """A name as a DICOM LO value may hold it: one line, no backslash (it would separate values), 64 characters."""
    one_line = " ".join(clean_text(text.replace("\\", "/"), 10_000).split())
    return one_line[:64].strip() or "unknown"


def person_name(text: str) -> str:
    """A name as a DICOM PN value may hold it: one component group, at most 64 characters (PS3.5 6.2)."""
    return name_text(text.replace("=", " "))


def source_headers(sample: Sample | Waveform) -> list[Dataset]:
    """Copies of the Sample's headers from which objects can be derived, in the Sample's order.

    Raises:
        RefusedInput: text of the source cannot be decoded, so it would be stored wrong under another character set.
    """
    _silence_patient_data()
    return [_derivable(header) for header in sample.headers]


def _silence_patient_data() -> None:
    """Two warnings of the libraries repeat the value they complain about, which may be the patient's name."""
    for message in ("The string .* is unlikely to represent the intended person name", "Invalid value for VR"):
        warnings.filterwarnings("ignore", message=message, category=UserWarning)


def _derivable(header: Dataset) -> Dataset:
    derivable = Dataset()  # copy.copy of a pydicom dataset shares its elements with the original
    for element in header:
        if element.VR in _TEXT_REPRESENTATIONS and not element.is_empty:
            derivable.add(DataElement(element.tag, element.VR, _decoded(element, header)))
        else:
            derivable.add(copy.copy(element))
    if not _AGE.fullmatch(str(derivable.get("PatientAge", "") or "")):
        derivable.pop("PatientAge", None)  # optional, and a malformed one would spoil every derived object
    for keyword, pattern in _PATTERNS.items():
        value = _modern(keyword, derivable)
        if value and not pattern.fullmatch(value):
            value = ""
        setattr(derivable, keyword, value)
    for keyword in _TYPE_2:
        if keyword not in derivable:
            setattr(derivable, keyword, "")
    derivable.SpecificCharacterSet = CHARACTER_SET
    return derivable


def _modern(keyword: str, header: Dataset) -> str:
    """A date or time without the separators of ACR-NEMA (``2026.01.02``, ``12:34:56``; PS3.5 6.2)."""
    value = str(header.get(keyword) or "").strip()
    if keyword.endswith("Date") and re.fullmatch(r"[0-9]{4}\.[0-9]{2}\.[0-9]{2}", value):
        return value.replace(".", "")
    return value.replace(":", "") if keyword.endswith("Time") else value


def _decoded(element: DataElement, header: Dataset) -> str | list[str]:
    values = [str(value) for value in element.value] if element.VM > 1 else [str(element.value)]
    if any("\ufffd" in value for value in values):
        raise RefusedInput(
            f"{element.keyword or element.tag} is not valid in character set {header.get('SpecificCharacterSet')}",
            header.SOPInstanceUID,
            "correct Specific Character Set (0008,0005) of the source before deriving objects from it.",
        )
    return values if len(values) > 1 else values[0]
