"""Stands in for pydicom-seg 0.4.1, which cannot be imported beside pydicom 3.

MONAI Label 0.8.5 imports `pydicom_seg` when its server starts (`monailabel.datastore.utils.convert`) and uses it only
to turn label files into DICOM SEG, and back, for a DICOMweb datastore. The real package imports a module that pydicom
3 no longer has, so the server would not start at all. With this one in its place the server starts; writing SEG goes
through dcmqi's `itkimage2segimage` (MONAI Label's default) or, better, through Wetread's own reports.
"""

from typing import NoReturn


def __getattr__(name: str) -> NoReturn:
    """Say why a call that needs the real package cannot be served."""
    if name.startswith("__"):
        raise AttributeError(name)
    raise ImportError(
        f"pydicom_seg.{name} is not available: pydicom-seg 0.4.1 does not work with pydicom 3. "
        "MONAI Label can write DICOM SEG with dcmqi's itkimage2segimage (pip install dcmqi)."
    )
