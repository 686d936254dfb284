"""Whether two instances under one SOP Instance UID say the same.

Bytes are not the content: an archive may transcode, reorder the file meta group or pad. Two instances are the same
when every element of their data sets is equal, and the pixels are equal after decoding where the transfer syntaxes
differ. A PACS may also *coerce* patient and study identification to its own records (PS3.4 Annex B.4.1); those
attributes are declared here, so that a coercion is told and is not mistaken for other content.
"""

from __future__ import annotations

from io import BytesIO
from math import prod
from typing import TYPE_CHECKING

from pydicom import dcmread, dcmwrite
from pydicom.datadict import keyword_for_tag
from pydicom.dataset import FileMetaDataset
from pydicom.tag import Tag
from pydicom.uid import ExplicitVRLittleEndian

if TYPE_CHECKING:
    from pydicom import DataElement, Dataset


MAXIMUM_DECODED = 2 * 1024**3
"""Pixel data that promises more bytes than this is not decoded."""


def _tags(*keywords: str) -> frozenset[int]:
    return frozenset(int(Tag(keyword)) for keyword in keywords)


COERCIBLE = _tags(
    "PatientName", "PatientID", "IssuerOfPatientID", "IssuerOfPatientIDQualifiersSequence", "OtherPatientIDs",
    "OtherPatientIDsSequence", "PatientBirthDate", "PatientSex", "AccessionNumber",
    "IssuerOfAccessionNumberSequence", "StudyID", "StudyDescription", "ReferringPhysicianName", "InstitutionName",
    "OriginalAttributesSequence", "InstanceCoercionDateTime",
)  # fmt: skip
"""Attributes an archive may set to its own records; a difference is reported as coercion, not as conflict."""

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


def is_only_coerced(keywords: tuple[str, ...]) -> bool:
    """True where every difference is one that an archive may make to fit its own records."""
    return all(Tag(keyword) in COERCIBLE for keyword in keywords)


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

    return bool(np.array_equal(ours.pixel_array, theirs.pixel_array))
