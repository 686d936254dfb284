"""Several radiographs of one study are one question: a frontal and a lateral chest, the four views of a mammogram.

They come as single images in one series or in one series each; neither is a stack. The first is read, the others are
shown beside it (`reading/beside.py`): frontal before lateral, then by series and instance number. Anything else, and
more than four, stays what it was: a series, or a refusal that says how to ask.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wetread.imaging.files import check_series, open_series, read_folder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pydicom import Dataset

    from wetread.terminology import Modality

MODALITIES = frozenset({"CR", "DX", "MG", "IO", "PX", "RG"})
MOST_VIEWS = 4
_FRONTAL, _LATERAL = frozenset({"PA", "AP"}), frozenset({"LL", "RL", "LATERAL", "LLD", "RLD"})


def open_views(path: Path, modality: Modality | str | None = None) -> Sequence[Dataset]:
    """As `open_series`, but a folder may also hold the radiographs of one study in several series.

    Raises:
        RefusedInput: see there.
    """
    if not path.is_dir():
        return open_series(path, modality)
    datasets = read_folder(path, modality)
    for view in split_radiographs(datasets):
        check_series(view, path)
    return datasets


def split_radiographs(datasets: Sequence[Dataset]) -> list[Sequence[Dataset]]:
    """One list for each radiograph, the one to be read first; all in one list where they are no such set.

    Args:
        datasets: instances in any order, of one or several series.
    """
    if not 1 < len(datasets) <= MOST_VIEWS:
        return [datasets]
    uids = {str(dataset.get("SOPInstanceUID")) for dataset in datasets}
    studies = {str(dataset.get("StudyInstanceUID")) for dataset in datasets}
    single = all(
        str(dataset.get("Modality")) in MODALITIES and int(dataset.get("NumberOfFrames") or 1) == 1
        for dataset in datasets
    )
    if not (single and len(studies) == 1 and len(uids) == len(datasets)):
        return [datasets]
    return [[dataset] for dataset in sorted(datasets, key=_order)]


def _order(dataset: Dataset) -> tuple[int, int, int, str]:
    view = str(dataset.get("ViewPosition") or "").strip().upper()
    rank = 0 if view in _FRONTAL else 2 if view in _LATERAL else 1
    return (
        rank,
        _number(dataset, "SeriesNumber"),
        _number(dataset, "InstanceNumber"),
        str(dataset.get("SOPInstanceUID")),
    )


def _number(dataset: Dataset, keyword: str) -> int:
    try:
        return int(dataset.get(keyword) or 0)
    except (TypeError, ValueError):  # the order of views is no reason to refuse a study
        return 0
