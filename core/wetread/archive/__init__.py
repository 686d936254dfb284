"""Folder and DICOMweb archives behind one protocol."""
