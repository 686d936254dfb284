"""UIDs for jobs and for findings of the reader's own (PS3.5 B.2: derived from a UUID)."""

import uuid


def newUid() -> str:
    """A DICOM UID that nobody else has."""
    return f"2.25.{uuid.uuid4().int}"
