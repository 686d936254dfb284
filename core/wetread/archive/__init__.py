"""Folder and DICOMweb archives behind one protocol."""

from wetread.archive.location import open_archive
from wetread.archive.protocol import Archive, StoredInstance, StoreReport, StoreState, checked_uid

__all__ = ["Archive", "StoreReport", "StoreState", "StoredInstance", "checked_uid", "open_archive"]
