"""Read to SEG, SR, picture, JSON, FHIR and PDF; taking objects back; and the semantic verifier."""

from wetread.reporting.document import read_document
from wetread.reporting.encapsulated_pdf import build_pdf
from wetread.reporting.fhir import fhir_bundle
from wetread.reporting.overlay import overlay_picture
from wetread.reporting.segmentation import build_seg
from wetread.reporting.signed_objects import build_signed
from wetread.reporting.structured_report import build_sr
from wetread.reporting.verifier import Defect, verify_datasets, verify_files
from wetread.reporting.waveform_report import build_waveform_sr
from wetread.reporting.withdrawal import build_withdrawal

__all__ = [
    "Defect", "build_pdf", "build_seg", "build_signed", "build_sr", "build_waveform_sr", "build_withdrawal",
    "fhir_bundle", "overlay_picture", "read_document", "verify_datasets", "verify_files",
]  # fmt: skip
