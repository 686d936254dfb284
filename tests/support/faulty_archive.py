"""A real archive behind a line that fails: chosen answers are lost, refused, lied about or never given."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pydicom import Dataset

from wetread.archive import Archive, StoreReport
from wetread.archive.protocol import StoredInstance, StoreState
from wetread.errors import ArchiveRefused

FAULTS = ("unreachable", "lost answer", "refused", "lie")


class FaultyArchive:
    """Stores through another archive; `fault()` names what goes wrong with the next call, or is None.

    "unreachable" nothing arrives; "lost answer" it arrives and nobody hears; "refused" it is turned away; "lie" it
    is said to be taken and is not (which the archives themselves find out by reading back, so it ends as refused).
    """

    def __init__(self, archive: Archive, fault: Callable[[], str | None]) -> None:
        self._archive, self._fault = archive, fault
        self.location = archive.location

    def store(self, datasets: Sequence[Dataset]) -> StoreReport:
        fault = self._fault()
        if fault == "unreachable":
            raise ArchiveRefused("cannot be reached", self.location, "check address and network")
        if fault in ("refused", "lie"):
            return StoreReport(tuple(_refused(d, fault) for d in datasets))
        report = self._archive.store(datasets)
        if fault == "lost answer":
            raise ArchiveRefused("no answer in time to store", self.location, "try again later")
        return report


def _refused(dataset: Dataset, fault: str) -> StoredInstance:
    reason = "out of resources (0xA700)" if fault == "refused" else "answered 200 but does not give the instance back"
    return StoredInstance(
        str(dataset.StudyInstanceUID), str(dataset.SeriesInstanceUID), str(dataset.SOPClassUID),
        str(dataset.SOPInstanceUID), StoreState.REFUSED, reason,
    )  # fmt: skip
