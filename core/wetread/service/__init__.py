"""The HTTP API: reads as jobs, and DICOMweb for the embedded archive."""
