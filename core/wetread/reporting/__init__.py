"""Read to SEG, SR, picture and JSON, and the semantic verifier."""

from wetread.reporting.document import read_document
from wetread.reporting.overlay import overlay_picture
from wetread.reporting.segmentation import build_seg
from wetread.reporting.signed_objects import build_signed
from wetread.reporting.structured_report import build_sr
from wetread.reporting.verifier import Defect, verify_datasets, verify_files
from wetread.reporting.waveform_report import build_waveform_sr

__all__ = [
    "Defect", "build_seg", "build_signed", "build_sr", "build_waveform_sr", "overlay_picture", "read_document",
    "verify_datasets", "verify_files",
]  # fmt: skip
