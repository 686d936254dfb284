"""Whether two instances under one SOP Instance UID say the same.

Bytes are not the content: an archive may transcode, reorder the file meta group or pad. Two instances are the same
when every element of their data sets is equal, and the pixels are equal after decoding where the transfer syntaxes
differ. A PACS may also *coerce* patient and study identification to its own records (PS3.4 Annex B.4.1), and add
notes of its own; those attributes are declared here, so that a coercion is told and is not mistaken for other content.
Pixels, segments, content tree and references are never among them.
"""

from __future__ import annotations

from io import BytesIO
from math import prod
from typing import TYPE_CHECKING

from pydicom import dcmread, dcmwrite
from pydicom.datadict import keyword_for_tag
from pydicom.dataset import FileMetaDataset
from pydicom.tag import BaseTag, Tag
from pydicom.uid import ExplicitVRLittleEndian

from wetread.imaging.soundness import panics_as_errors

if TYPE_CHECKING:
    from pydicom import DataElement, Dataset


MAXIMUM_DECODED = 2 * 1024**3
"""Pixel data that promises more bytes than this is not decoded."""


def _tags(*keywords: str) -> frozenset[int]:
    return frozenset(int(Tag(keyword)) for keyword in keywords)


PATIENT_GROUP = 0x0010
"""All of it describes the patient: an archive may set any of it to its own records."""
COERCIBLE = _tags(
    "SpecificCharacterSet", "AccessionNumber", "IssuerOfAccessionNumberSequence", "StudyID", "StudyDescription",
    "StudyDate", "StudyTime", "ReferringPhysicianName", "InstitutionName", "OriginalAttributesSequence",
    "InstanceCoercionDateTime",
)  # fmt: skip
"""Further attributes that an archive may set; a difference is reported as coercion, not as conflict."""
ADDABLE_GROUPS = frozenset({0x0012, 0x0032, 0x0038, 0x0400})
"""Trial, order and visit of the study, signatures and notes of coercion: what an archive may add, and not change."""
ADDABLE = _tags(
    "InstitutionAddress", "InstitutionalDepartmentName", "PhysiciansOfRecord", "NameOfPhysiciansReadingStudy",
    "ProcedureCodeSequence", "ReferencedStudySequence", "ReferencedPatientSequence", "RequestAttributesSequence",
    "RequestedProcedureID", "ReferencedRequestSequence", "TimezoneOffsetFromUTC", "ContributingEquipmentSequence",
)  # fmt: skip
"""Single attributes that an archive may add as well; private ones may be added too."""

_OF_THE_ARCHIVE = _tags("RetrieveURL", "RetrieveAETitle", "InstanceAvailability", "DataSetTrailingPadding")
_PIXELS = _tags("PixelData", "FloatPixelData", "DoubleFloatPixelData")
# What decompressing legitimately changes besides the pixels.
_OF_THE_ENCODING = _tags("PhotometricInterpretation", "PlanarConfiguration")


def encoded(dataset: Dataset) -> bytes:
    """A data set as a DICOM file (PS3.10); the data set itself is left as it is.

    Raises:
        ValueError, TypeError, AttributeError: as pydicom, where the data set cannot be written.
    """
    import copy

    meta = copy.deepcopy(dataset.file_meta) if hasattr(dataset, "file_meta") else FileMetaDataset()
    if "TransferSyntaxUID" not in meta:
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
    writable = copy.copy(dataset)
    writable.file_meta = meta
    buffer = BytesIO()
    dcmwrite(buffer, writable, enforce_file_format=True)
    return buffer.getvalue()


def decoded(content: bytes) -> Dataset:
    """A DICOM file's bytes as a data set."""
    return dcmread(BytesIO(content))


def decoded_bytes(dataset: Dataset) -> int:
    """What the pixels of a data set take when decoded, as it describes them; 0 where it does not."""
    numbers = (dataset.get(keyword) or 0 for keyword in ("Rows", "Columns", "SamplesPerPixel", "BitsAllocated"))
    return prod(int(number) for number in numbers) * int(dataset.get("NumberOfFrames") or 1) // 8


def differences(ours: Dataset, theirs: Dataset) -> tuple[str, ...]:
    """Keywords of the elements that differ, in tag order; empty where the content is the same."""
    transcoded = _syntax(ours) != _syntax(theirs)
    ignored = _OF_THE_ARCHIVE | (_OF_THE_ENCODING if transcoded else frozenset())
    differing: list[str] = []
    for tag in sorted(set(ours.keys()) | set(theirs.keys())):
        if tag in ignored or tag in _PIXELS or tag.element == 0:
            continue
        if tag not in ours or tag not in theirs or not _same_element(ours[tag], theirs[tag]):
            differing.append(_name(tag))
    # Where the description differs, pixels are not decoded by it: it may promise any size.
    if (transcoded and differing) or not _same_pixels(ours, theirs, transcoded):
        differing.append("PixelData")
    return tuple(differing)


def is_only_coerced(ours: Dataset, keywords: tuple[str, ...]) -> bool:
    """True where every difference from `ours` is one that an archive may make to fit its own records."""
    return all(_is_coercion(ours, Tag(keyword)) for keyword in keywords)


def _is_coercion(ours: Dataset, tag: BaseTag) -> bool:
    if tag.group == PATIENT_GROUP or tag in COERCIBLE:
        return True
    return tag not in ours and (tag.is_private or tag.group in ADDABLE_GROUPS or tag in ADDABLE)


def _name(tag: int) -> str:
    return keyword_for_tag(tag) or f"{tag:08X}"


def _syntax(dataset: Dataset) -> str:
    meta = getattr(dataset, "file_meta", None)
    return str(meta.get("TransferSyntaxUID", ExplicitVRLittleEndian)) if meta is not None else ExplicitVRLittleEndian


def _same_element(ours: DataElement, theirs: DataElement) -> bool:
    if ours.VR == "SQ" and theirs.VR == "SQ":
        if len(ours.value) != len(theirs.value):
            return False
        return all(not differences(a, b) for a, b in zip(ours.value, theirs.value, strict=True))
    return bool(_comparable(ours.value) == _comparable(theirs.value))


def _comparable(value: object) -> object:
    """A value without what its encoding adds: padding of texts and bytes, None for empty."""
    if value is None:
        return ""
    if isinstance(value, bytes):
        return value.rstrip(b"\0")
    if isinstance(value, str):
        return value.rstrip(" \0")
    if isinstance(value, (list, tuple)) or type(value).__name__ == "MultiValue":
        return [_comparable(item) for item in value]  # type: ignore[attr-defined]
    return value


def _same_pixels(ours: Dataset, theirs: Dataset, transcoded: bool) -> bool:
    in_ours, in_theirs = ([tag for tag in _PIXELS if tag in dataset] for dataset in (ours, theirs))
    if in_ours != in_theirs:
        return False
    if not in_ours:
        return True
    if not transcoded:
        first, second = ours[in_ours[0]].value, theirs[in_ours[0]].value
        # One byte of padding makes the length even (PS3.5 8.1.1).
        return bool(first == second or first.rstrip(b"\0") == second.rstrip(b"\0"))
    if decoded_bytes(ours) > MAXIMUM_DECODED or decoded_bytes(theirs) > MAXIMUM_DECODED:
        return False
    import numpy as np

    try:
        with panics_as_errors():
            return bool(np.array_equal(ours.pixel_array, theirs.pixel_array))
    except Exception:
        return False  # every decoder raises its own types; what cannot be decoded is not shown to be equal
