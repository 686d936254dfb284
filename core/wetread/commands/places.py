"""From what a person names to the datasets of a series: a file, a folder, or UIDs in an archive."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wetread.errors import RefusedInput

if TYPE_CHECKING:
    from pydicom import Dataset

    from wetread.archive import Archive

_UIDS = re.compile(r"[0-9.]+(/[0-9.]+)?")


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """One series as it was named.

    Args:
        datasets: its instances, with pixel data.
        wrapped: the series was made from a file that is not DICOM, and no archive can know it.
    """

    datasets: list[Dataset]
    wrapped: bool


def open_input(named: str, modality: str | None, archive: Archive | None) -> Series:
    """The series a person named: a file, a folder, or ``STUDY_UID/SERIES_UID`` in the archive.

    Raises:
        RefusedInput: nothing there, or not one readable series.
    """
    path = Path(named).expanduser()
    if path.exists():
        from wetread.imaging import open_series
        from wetread.imaging.files import file_of

        datasets = open_series(path, modality)
        return Series(datasets, wrapped=all(file_of(dataset, None) is None for dataset in datasets))
    if not _UIDS.fullmatch(named):
        raise RefusedInput("no such file or folder", named, "check the path, or give STUDY_UID/SERIES_UID")
    if archive is None:
        raise RefusedInput("UIDs without an archive", named, "say where to look them up with --archive URL|DIR")
    study, _, series = named.partition("/")
    if not series:
        raise RefusedInput("a study UID alone", named, _choose_series(archive, study))
    return Series(archive.retrieve_series(study, series), wrapped=False)


def _choose_series(archive: Archive, study: str) -> str:
    from wetread.archive import checked_uid

    held = archive.search_series(checked_uid(study, "StudyInstanceUID"))
    listed = ", ".join(f"{study}/{found.SeriesInstanceUID} ({found.get('Modality', '?')})" for found in held)
    return f"name one of its series: {listed}" if held else "check the UID: the archive holds no series of this study"
