"""From DICOM, NIfTI, pictures and ECG files to what the model is given, tied back to instances and geometry."""

from wetread.imaging.files import open_series
from wetread.imaging.load import images, load_sample, to_sample

__all__ = ["images", "load_sample", "open_series", "to_sample"]
