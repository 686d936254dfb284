"""From a job's request to the images it is about; the same for reading, signing, masks and exports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wetread.archive.protocol import NotInArchive
from wetread.imaging.instances import as_read, chosen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydicom import Dataset

    from wetread.archive import Archive
    from wetread.imaging.sample import Sample
    from wetread.imaging.waveform import Waveform


def series_of(archive: Archive, asked: Mapping[str, Any]) -> Sequence[Dataset]:
    """The instances of a series, or those of it that were asked for.

    Raises:
        ArchiveRefused: the archive does not answer.
        NotInArchive: no such series, or not all of these instances.
    """
    datasets = archive.retrieve_series(asked["study_uid"], asked["series_uid"])
    wanted = set(asked.get("instances") or ())
    if not wanted:
        return datasets
    found = chosen(datasets, lambda dataset: str(dataset.SOPInstanceUID) in wanted)
    missing = len(wanted) - len({str(dataset.SOPInstanceUID) for dataset in as_read(found)})
    if missing:
        raise NotInArchive(f"{missing} of {len(wanted)} instances are not in this series", asked["series_uid"],
                           "take the UIDs from the series")  # fmt: skip
    return found


def sample_of(archive: Archive, asked: Mapping[str, Any]) -> Sample | Waveform:
    """What findings of a job are about: of several radiographs the one that was read (`pipeline.read_series`).

    Raises:
        RefusedInput: as `series_of`, and for images that cannot be read.
    """
    from wetread.imaging import to_sample
    from wetread.imaging.radiographs import split_radiographs

    return to_sample(split_radiographs(series_of(archive, asked))[0])
