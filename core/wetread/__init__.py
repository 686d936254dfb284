"""Wetread: preliminary reads of medical images, grounded in pixels, reviewed by people, kept as DICOM."""

__version__ = "0.1.0"
DEFAULT_MODEL = "wetread-mini"
"""The model that reads where nobody names another; ships inside the package."""
