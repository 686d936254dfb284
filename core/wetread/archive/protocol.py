"""What every archive can do, and how it answers.

Two archives stand behind this protocol: a folder (the embedded default) and any DICOMweb PACS. Searching takes and
gives QIDO-RS attributes (PS3.18 10.6) by keyword. Storing never overwrites: an instance is told to be stored, to be
there already with the same content, to be in conflict with other content under its UID, or to be refused and why.
Nothing counts as stored that could not be read back.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from wetread.errors import ArchiveRefused
from wetread.uids import is_tolerated

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pydicom import Dataset


class NotInArchive(ArchiveRefused):
    """The archive answers, and does not hold what was asked for."""


class NotTaken(ArchiveRefused):
    """The archive answered, and does not hold what it was sent; `report` says what became of each instance."""

    def __init__(self, report: StoreReport, what: str, where: object, remedy: str) -> None:
        super().__init__(what, where, remedy)
        self.report = report


class NotUid(ArchiveRefused):
    """What was given as a UID is none."""


def checked_uid(uid: object, keyword: str) -> str:
    """The UID as text, when it is one (PS3.5 9.1): digits and single dots, at most 64 characters.

    Every UID passes here before it becomes part of a path or a URL; ``../../etc/passwd`` and ``..`` do not pass.

    Raises:
        NotUid: the offending text is not repeated: it may hold anything.
    """
    text = str(uid)
    if not is_tolerated(text):
        raise NotUid("not a DICOM UID", keyword, "give digits separated by dots, at most 64 characters")
    return text


class StoreState(StrEnum):
    """What became of one instance."""

    STORED = "stored"
    IDENTICAL = "already there"
    CONFLICT = "conflict"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class StoredInstance:
    """What became of one instance that was handed to `store`.

    Args:
        sop_class_uid: as found, empty where the instance did not say.
        sop_instance_uid: as found, empty where it is no UID.
        state: stored, already there, conflict or refused.
        reason: in words, for conflict and refused; what the archive changed (coerced), for stored.
    """

    study_uid: str
    series_uid: str
    sop_class_uid: str
    sop_instance_uid: str
    state: StoreState
    reason: str = ""

    @property
    def is_held(self) -> bool:
        """True where the archive now holds exactly this content."""
        return self.state in (StoreState.STORED, StoreState.IDENTICAL)


@dataclass(frozen=True, slots=True)
class StoreReport:
    """The answer to `store`, one entry per instance, in the order given."""

    instances: tuple[StoredInstance, ...]

    @property
    def is_complete(self) -> bool:
        """True where every instance is held."""
        return all(instance.is_held for instance in self.instances)

    def of(self, state: StoreState) -> tuple[StoredInstance, ...]:
        """The instances with one state."""
        return tuple(instance for instance in self.instances if instance.state is state)

    def require_complete(self) -> StoreReport:
        """This report, when everything is held.

        Raises:
            NotTaken: one line that counts and names what is not held.
        """
        missing = [instance for instance in self.instances if not instance.is_held]
        if missing:
            first = missing[0]
            raise NotTaken(
                self,
                f"{len(missing)} of {len(self.instances)} instances not stored ({first.state})",
                first.sop_instance_uid or "an instance without a UID",
                first.reason or "see the archive's own log",
            )
        return self


class Archive(Protocol):
    """Where DICOM lives. Every method raises `ArchiveRefused`, one line, where it cannot answer."""

    @property
    def location(self) -> str:
        """Folder or URL, fit to be shown (no credentials)."""
        ...

    def search_studies(
        self, filters: Mapping[str, str] | None = None, *, limit: int | None = None, offset: int = 0
    ) -> list[Dataset]:
        """Studies that match; `filters` by keyword as in QIDO-RS (``*`` and ``?`` wildcards, ``from-to`` dates)."""
        ...

    def search_series(
        self,
        study_uid: str | None = None,
        filters: Mapping[str, str] | None = None,
        *,
        limit: int | None = None,
        offset: int = 0,
    ) -> list[Dataset]:
        """Series that match, of one study or of all."""
        ...

    def search_instances(
        self,
        study_uid: str | None = None,
        series_uid: str | None = None,
        filters: Mapping[str, str] | None = None,
        *,
        limit: int | None = None,
        offset: int = 0,
    ) -> list[Dataset]:
        """Instances that match, of one series, one study or all."""
        ...

    def iter_series(self, study_uid: str, series_uid: str) -> Iterator[Dataset]:
        """The instances of a series one by one, with pixel data; order is not promised."""
        ...

    def retrieve_series(self, study_uid: str, series_uid: str) -> Sequence[Dataset]:
        """All instances of a series, with pixel data."""
        ...

    def retrieve_instance(self, study_uid: str, series_uid: str, sop_instance_uid: str) -> Dataset:
        """One instance, with pixel data."""
        ...

    def store(self, datasets: Sequence[Dataset]) -> StoreReport:
        """Store instances; never overwrites, and storing the same again changes nothing."""
        ...
