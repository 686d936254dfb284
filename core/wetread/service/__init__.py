"""The HTTP API: reads as jobs, and DICOMweb for the embedded archive."""

from wetread.service.serving import serve

__all__ = ["serve"]
