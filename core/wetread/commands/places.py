"""From what a person names to the datasets of a series: a file, a folder, or UIDs in an archive."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wetread.errors import RefusedInput

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydicom import Dataset

    from wetread.archive import Archive

_UIDS = re.compile(r"[0-9.]+(/[0-9.]+)?")
"""What looks like UIDs and is no path; whether it is UIDs, the archive says."""


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """One series as it was named.

    Args:
        datasets: its instances, with pixel data.
        wrapped: the series was made from a file that is not DICOM, and no archive can know it.
    """

    datasets: Sequence[Dataset]
    wrapped: bool


def open_inputs(named: Sequence[str], modality: str | None, archive: Archive | None) -> list[Series]:
    """The series of one question, in order; a folder may also hold up to four radiographs of one study.

    Raises:
        RefusedInput: see `open_input`; or one input named twice.
    """
    twice = next((name for index, name in enumerate(named) if name in named[:index]), None)
    if twice is not None:
        raise RefusedInput("one input named twice", twice, "name each image once")
    return [open_input(name, modality, archive, views=True) for name in named]


def open_input(named: str, modality: str | None, archive: Archive | None, *, views: bool = False) -> Series:
    """The series a person named: a file, a folder, or ``STUDY_UID/SERIES_UID`` in the archive.

    Args:
        named: as it was typed.
        modality: what a file that is not DICOM shows.
        archive: where UIDs are looked up.
        views: a folder may hold several radiographs of one study (`imaging/radiographs.py`).

    Raises:
        RefusedInput: nothing there, or not one readable series.
    """
    path = _path_of(named)
    if path is not None:
        from wetread.imaging import open_series
        from wetread.imaging.files import file_of
        from wetread.imaging.instances import as_read
        from wetread.imaging.radiographs import open_views

        datasets = open_views(path, modality) if views else open_series(path, modality)
        return Series(datasets, wrapped=all(file_of(dataset, None) is None for dataset in as_read(datasets)))
    if not _UIDS.fullmatch(named):
        shown = named[:200] or "nothing given"
        raise RefusedInput("no such file or folder", shown, "check the path, or give STUDY_UID/SERIES_UID")
    if archive is None:
        raise RefusedInput("UIDs without an archive", named, "say where to look them up with --archive URL|DIR")
    study, _, series = named.partition("/")
    if not series:
        raise RefusedInput("a study UID alone", named, _choose_series(archive, study))
    return Series(archive.retrieve_series(study, series), wrapped=False)


def _path_of(named: str) -> Path | None:
    """The file or folder that is named; None where there is none, or where no path can be called so."""
    try:
        path = Path(named).expanduser()
        return path if named.strip() and path.exists() else None
    except (OSError, RuntimeError):  # a name too long, or the home of nobody
        return None


def _choose_series(archive: Archive, study: str) -> str:
    from wetread.archive import checked_uid

    held = archive.search_series(checked_uid(study, "StudyInstanceUID"))
    listed = ", ".join(f"{study}/{found.SeriesInstanceUID} ({found.get('Modality', '?')})" for found in held)
    return f"name one of its series: {listed}" if held else "check the UID: the archive holds no series of this study"
