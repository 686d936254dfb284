"""In which form a read's Segmentation goes to an archive, and what to do where the archive does not take it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wetread.archive import NotTaken
from wetread.archive.label_maps import refuses_label_maps, remember
from wetread.pipeline import as_label_map, store_outcome
from wetread.reporting.label_map import LABEL_MAP_SEGMENTATION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydicom import Dataset

    from wetread.archive import Archive, StoreReport
    from wetread.pipeline import Outcome


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """What the archive holds: `outcome` with the SEG and SR that were taken, and whether they are the second choice."""

    outcome: Outcome
    report: StoreReport
    fell_back: bool = False


def in_form(outcome: Outcome, form: str, archive: Archive | None) -> Outcome:
    """The outcome with its SEG as ``binary``, ``labelmap`` or ``auto`` asks; ``auto`` chooses for an archive."""
    if form == "binary" or (form == "auto" and (archive is None or refuses_label_maps(archive.location))):
        return outcome
    return as_label_map(outcome)


def store_in_form(
    outcome: Outcome, archive: Archive, sources: Sequence[Dataset] = (), otherwise: Outcome | None = None
) -> Kept:
    """Store a read; where the archive refuses its label map or does not give it back equal, store `otherwise`.

    That an archive refuses is remembered only once it took the other form: before, it may have been a bad hour.

    Args:
        outcome: in the form to try first.
        archive: where to.
        sources: as in `store_outcome`.
        otherwise: the same read with a BINARY Segmentation; None for no second try.

    Raises:
        RefusedInput, ArchiveRefused: as `store_outcome`.
    """
    try:
        report = store_outcome(outcome, archive, sources)
    except NotTaken as error:
        if otherwise is None or not _lacks_label_map(error.report):
            raise
        report = store_outcome(otherwise, archive, sources)
        remember(archive.location, refuses=True)
        return Kept(otherwise, report, fell_back=True)
    if any(one.sop_class_uid == LABEL_MAP_SEGMENTATION for one in report.instances):
        remember(archive.location, refuses=False)
    return Kept(outcome, report)


def _lacks_label_map(report: StoreReport) -> bool:
    """True where what is not held is a label map; its SR, which goes after it, was not sent then."""
    return any(one.sop_class_uid == LABEL_MAP_SEGMENTATION and not one.is_held for one in report.instances)
