"""DICOM UIDs (PS3.5 chapter 9): what passes as one, and how Wetread makes its own.

A UID of ours is derived, not drawn: 2.25 and the UUID of a name in one of the namespaces below (PS3.5 B.2; version 5
of RFC 9562), so that the same content gives the same UID and nothing is stored twice. A namespace never changes: with
it, every UID that was ever derived in it would.
"""

from __future__ import annotations

import re
import uuid

LONGEST = 64
WRAPPED_FILES = uuid.UUID("6f0f0a0e-6a55-5c0b-9d3c-9a1f6d0c7e21")
OBJECTS_OF_READS = uuid.UUID("5d0c5f0e-3a4c-5d0b-9a55-8a3e1a7a6d10")
DEVICES = uuid.UUID("6b1f0c52-8d5e-5c0e-9a53-5d6c7b1f9e10")
READS = uuid.UUID("0d6c6c0e-3f0b-5f2c-8a9d-7a6f1f5b9f42")

_STRICT = re.compile(r"(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*))+")
_TOLERATED = re.compile(r"[0-9]+(\.[0-9]+)*")


def is_uid(text: str) -> bool:
    """True for a UID as PS3.5 9.1 allows it: what Wetread writes, and what the verifier asks of others."""
    return len(text) <= LONGEST and _STRICT.fullmatch(text) is not None


def is_tolerated(text: str) -> bool:
    """True for digits and single dots as well: archives hold components with leading zeros. Safe in paths and URLs."""
    return len(text) <= LONGEST and _TOLERATED.fullmatch(text) is not None


def derived(namespace: uuid.UUID, name: str) -> str:
    """The UID of a name in a namespace; the same for the same name."""
    return f"2.25.{uuid.uuid5(namespace, name).int}"
