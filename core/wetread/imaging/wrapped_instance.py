r"""The attributes that all wrapped instances share.

A wrapped instance is honest about where it comes from: ImageType DERIVED\SECONDARY, the fixed sentences of `wrapped`
in Derivation Description, no invented patient or date (type 2 attributes stay empty), and UIDs that are derived
from the content (2.25.<uuid5>), so that wrapping a file twice gives the same instance and an archive keeps one.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from wetread.errors import RefusedInput
from wetread.imaging.wrapped import WRAPPED
from wetread.uids import WRAPPED_FILES, derived

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pydicom import Dataset


def content_hash(pixels: NDArray[Any], *words: object) -> str:
    """SHA-256 of pixels, their shape and type, and the words that make the instance another one."""
    digest = hashlib.sha256(repr((pixels.shape, pixels.dtype.str, *map(str, words))).encode())
    digest.update(np.ascontiguousarray(pixels).tobytes())
    return digest.hexdigest()


def role_uid(content: str, role: str) -> str:
    """The UID of one role ("study", "series", "instance 3") of wrapped content."""
    return derived(WRAPPED_FILES, f"{content}/{role}")


def new_instance(
    sop_class_uid: str, modality_term: str, content: str, number: int, remarks: tuple[str, ...]
) -> Dataset:
    """An instance without pixels: patient, study, series, equipment and general image modules.

    Args:
        sop_class_uid: what it is.
        modality_term: DICOM Modality.
        content: hash of the whole wrapped content.
        number: 1-based instance number.
        remarks: sentences of `wrapped` beside the first one.
    """
    from pydicom import Dataset
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import UID, ExplicitVRLittleEndian

    from wetread import __version__

    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = UID(sop_class_uid)
    dataset.file_meta.MediaStorageSOPInstanceUID = UID(role_uid(content, f"instance {number}"))
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class_uid, role_uid(content, f"instance {number}")
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = role_uid(content, "study"), role_uid(content, "series")
    for keyword in ("PatientName", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime",
                    "ReferringPhysicianName", "AccessionNumber", "Laterality"):  # fmt: skip
        setattr(dataset, keyword, None)
    dataset.PatientID, dataset.StudyID = f"WRAPPED-{content[:12].upper()}", "1"
    dataset.StudyDescription = "Wrapped picture"
    dataset.Modality, dataset.SeriesNumber, dataset.InstanceNumber = modality_term, 1, number
    dataset.ImageType = ["DERIVED", "SECONDARY"]
    dataset.DerivationDescription = "; ".join((WRAPPED, *remarks))
    dataset.Manufacturer, dataset.ManufacturerModelName = "Wetread", "Wetread"
    dataset.DeviceSerialNumber, dataset.SoftwareVersions = "none", __version__
    return dataset


def set_pixels(dataset: Dataset, pixels: NDArray[Any]) -> None:
    """Native pixel data: (rows, columns) of 8 or 16 bits, or (rows, columns, 3) uint8 RGB."""
    colour = pixels.ndim == 3
    bits = pixels.dtype.itemsize * 8
    dataset.SamplesPerPixel = 3 if colour else 1
    dataset.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
    if colour:
        dataset.PlanarConfiguration = 0
    dataset.Rows, dataset.Columns = pixels.shape[:2]
    dataset.BitsAllocated = dataset.BitsStored = bits
    dataset.HighBit = bits - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    data = np.ascontiguousarray(pixels.astype(pixels.dtype.newbyteorder("<"))).tobytes()
    dataset.PixelData = data + b"\0" * (len(data) % 2)
    dataset["PixelData"].VR = "OB" if bits == 8 else "OW"


def refuse_size(shape: tuple[int, ...], where: object) -> None:
    """DICOM counts rows and columns in 16 bits.

    Raises:
        RefusedInput: a side of zero or more than 65535 pixels.
    """
    if min(shape[:2]) < 1 or max(shape[:2]) > 65535:
        raise RefusedInput(f"a picture of {shape[0]} x {shape[1]} pixels", where, "give 1 to 65535 pixels a side.")
