"""Folder and DICOMweb archives behind one protocol."""

from wetread.archive.location import open_archive
from wetread.archive.protocol import Archive, NotTaken, StoredInstance, StoreReport, StoreState, checked_uid

__all__ = ["Archive", "NotTaken", "StoreReport", "StoreState", "StoredInstance", "checked_uid", "open_archive"]
