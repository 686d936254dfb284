"""From DICOM, NIfTI and pictures to Sample: what the model is given, tied back to instances and geometry."""

from wetread.imaging.files import open_series
from wetread.imaging.load import load_sample, to_sample

__all__ = ["load_sample", "open_series", "to_sample"]
