"""What a person stands for: findings of a read, who drew each, and who signs."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wetread.findings import Finding, Read


class Origin(StrEnum):
    """Who drew a finding, in the words of Segment Algorithm Type (0062,0008)."""

    AUTOMATIC = "AUTOMATIC"
    """The algorithm; a person agreed."""
    SEMIAUTOMATIC = "SEMIAUTOMATIC"
    """The algorithm began, a person corrected."""
    MANUAL = "MANUAL"
    """A person."""


@dataclass(frozen=True, slots=True)
class SignedFinding:
    """A finding that a person stands for, and who drew it."""

    finding: Finding
    origin: Origin


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signs: login as in the ledger, name as DICOM writes it (PN), organisation."""

    login: str
    name: str
    organisation: str = ""


@dataclass(frozen=True, slots=True)
class Signed:
    """A read as a person signs it.

    Args:
        uid: DICOM UID of this signature; the UIDs of its SR and SEG derive from it.
        read: what the model said.
        findings: what is signed, in the order of the report.
        signer: who.
        moment: when.
    """

    uid: str
    read: Read
    findings: tuple[SignedFinding, ...]
    signer: Signer
    moment: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def is_untouched(self) -> bool:
        """True where exactly the read's own findings are signed, as they are: its Segmentation stays."""
        return tuple(s.finding for s in self.findings) == self.read.findings and all(
            s.origin is Origin.AUTOMATIC for s in self.findings
        )
