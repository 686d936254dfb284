"""The page of a read as a DICOM instance: Encapsulated PDF Storage (PS3.3 A.45.1), for archives and viewers of any age.

It says in its own attributes what the page says in words: made by a model, not verified, with the patient's name on it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import EncapsulatedPDFStorage, ExplicitVRLittleEndian

from wetread.reporting.content_items import coded
from wetread.reporting.identity import CHARACTER_SET, MANUFACTURER, derived_uid, name_text, source_headers, stamp
from wetread.reporting.pdf_page import TITLE, pdf_page
from wetread.terminology import Concept

if TYPE_CHECKING:
    from wetread.findings import Read
    from wetread.imaging.sample import Sample
    from wetread.imaging.waveform import Waveform

SERIES_NUMBER = 9903
_REPORT = Concept("18748-4", "LN", "Diagnostic Imaging Report")
_FROM_SOURCE = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "PatientAge", "IssuerOfPatientID", "StudyInstanceUID",
    "StudyDate", "StudyTime", "StudyID", "StudyDescription", "AccessionNumber", "ReferringPhysicianName",
)  # fmt: skip


def build_pdf(read: Read, sample: Sample | Waveform) -> Dataset:
    """The Encapsulated PDF of a read, complete with file meta information; UIDs derive from ``read.uid``."""
    headers = source_headers(sample)
    dataset = Dataset()
    dataset.SpecificCharacterSet = CHARACTER_SET
    for keyword in _FROM_SOURCE:
        if keyword in headers[0]:
            setattr(dataset, keyword, headers[0].get(keyword))
    dataset.SOPClassUID, dataset.SOPInstanceUID = EncapsulatedPDFStorage, derived_uid(read.uid, "pdf")
    dataset.SeriesInstanceUID, dataset.SeriesNumber = derived_uid(read.uid, "pdf series"), SERIES_NUMBER
    dataset.Modality, dataset.SeriesDescription, dataset.InstanceNumber = "DOC", TITLE, 1
    dataset.Manufacturer, dataset.ManufacturerModelName = MANUFACTURER, name_text(read.provenance.model)
    dataset.SoftwareVersions = name_text(read.provenance.wetread_version)
    dataset.DeviceSerialNumber = name_text(read.provenance.weights_sha256[:16])
    dataset.ConversionType, dataset.BurnedInAnnotation = "WSD", "YES"
    dataset.AcquisitionDateTime = None
    dataset.DocumentTitle, dataset.VerificationFlag = TITLE, "UNVERIFIED"
    dataset.ConceptNameCodeSequence = [coded(_REPORT)]
    dataset.SourceInstanceSequence = [_source(header) for header in headers]
    dataset.MIMETypeOfEncapsulatedDocument = "application/pdf"
    content = pdf_page(read, sample)
    dataset.EncapsulatedDocumentLength = len(content)
    dataset.EncapsulatedDocument = content + b"\0" * (len(content) % 2)
    stamp(dataset, read)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    return dataset


def _source(header: Dataset) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = header.SOPClassUID, header.SOPInstanceUID
    return item
