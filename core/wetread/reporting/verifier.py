"""The semantic verifier: what an SR or SEG must mean, where the public validators only see that it is well formed.

dciodvfy and its kin accept a box outside its image, an open region, a code under another code's meaning or a report
that nobody observed. Each check here gives a line: which file, what is wrong, what to do. It needs pydicom only, takes
any TID 1500 report and any Segmentation, and never stops at a broken file: that too is a defect.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pydicom
from pydicom.dataelem import RawDataElement
from pydicom.errors import InvalidDicomError
from pydicom.uid import SegmentationStorage

from wetread.errors import RefusedInput
from wetread.imaging.inflation import check_inflation
from wetread.imaging.soundness import quiet_pydicom
from wetread.reporting.label_map import LABEL_MAP_SEGMENTATION
from wetread.reporting.verify_chain import REPORTS
from wetread.reporting.verify_report import report_defects
from wetread.reporting.verify_segmentation import segmentation_defects
from wetread.reporting.verify_text import character_defects
from wetread.uids import is_uid

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pydicom import Dataset

SEGMENTATIONS = frozenset({SegmentationStorage, LABEL_MAP_SEGMENTATION})

_UNDEFINED_LENGTH = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Defect:
    """One thing that is wrong with one file."""

    path: Path
    what: str
    remedy: str

    def __str__(self) -> str:
        return " ".join(f"{self.path}: {self.what}: {self.remedy}".split())


def verify_files(paths: Iterable[str | Path], source_paths: Iterable[str | Path] = ()) -> list[Defect]:
    """Every defect of SR and SEG files.

    Args:
        paths: the SR and SEG files; given together they are also checked against each other.
        source_paths: the images they derive from, files or folders; with them boxes, patient and study are checked.

    Returns:
        Defects in the order of the files; an empty list where all is well.
    """
    defects: list[Defect] = []
    datasets: list[tuple[Path, Dataset]] = []
    for path in map(Path, paths):
        dataset = _read(path, defects)
        if dataset is not None:
            datasets.append((path, dataset))
    sources = _sources(source_paths, defects)
    return defects + verify_datasets(datasets, sources)


def verify_datasets(datasets: Iterable[tuple[Path, Dataset]], sources: dict[str, Dataset]) -> list[Defect]:
    """Every defect of SR and SEG objects, checked against each other too.

    Args:
        datasets: the objects, each with the path or name that its defects are told under.
        sources: headers of the images they derive from, by SOP Instance UID; empty where they are not at hand.
    """
    named = list(datasets)
    segmentations, reports = (
        {str(d.get("SOPInstanceUID", "")): d for _, d in named if str(d.get("SOPClassUID")) in classes}
        for classes in (SEGMENTATIONS, REPORTS)
    )
    with quiet_pydicom():
        found = [Defect(path, *words) for path, d in named for words in _defects(d, sources, segmentations, reports)]
        return found + list(_shared_uids(named))


def _shared_uids(named: list[tuple[Path, Dataset]]) -> Iterator[Defect]:
    """Two objects under one SOP Instance UID, or a report and a segmentation in one series."""
    instances: dict[str, Path] = {}
    series: dict[str, str] = {}
    for path, dataset in named:
        if instances.setdefault(str(dataset.get("SOPInstanceUID", "")), path) != path:
            yield Defect(path, "another file has the same SOP Instance UID", "give every object a UID of its own.")
        modality = str(dataset.get("Modality", ""))
        if series.setdefault(str(dataset.get("SeriesInstanceUID", "")), modality) != modality:
            yield Defect(path, "a series of another modality has the same UID", "give every series its own UID.")


def _defects(
    dataset: Dataset, sources: dict[str, Dataset], segmentations: dict[str, Dataset], reports: dict[str, Dataset]
) -> Iterator[tuple[str, str]]:
    sop_class = str(dataset.get("SOPClassUID"))  # several values make no class, and no key either
    try:
        if sop_class in REPORTS:
            yield from _object_defects(dataset, sources)
            yield from report_defects(dataset, sources, segmentations, reports)
        elif sop_class in SEGMENTATIONS:
            yield from _object_defects(dataset, sources)
            yield from segmentation_defects(dataset, sources)
        else:
            yield "it is neither a structured report nor a segmentation", "verify SR and SEG files."
    except Exception as error:
        # Whatever a required attribute that is missing or has no usable value leads to, here or in pydicom: for the
        # reader of the file that is one defect. Only an AttributeError's text is sure to name no value.
        detail = str(error) if type(error) is AttributeError else type(error).__name__
        yield f"the object is incomplete or malformed ({detail})", "write it again."


def _object_defects(dataset: Dataset, sources: dict[str, Dataset]) -> Iterator[tuple[str, str]]:
    """What SR and SEG have in common: character set, UIDs, patient and study."""
    yield from character_defects(dataset)
    for keyword in ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID"):
        uid = str(dataset.get(keyword, ""))
        if not is_uid(uid):
            yield f"{keyword} is not a valid UID", "use digits and dots, at most 64, as in PS3.5 9.1."
    if not sources:
        return
    studies = {str(source.get("StudyInstanceUID", "")) for source in sources.values()}
    if str(dataset.get("StudyInstanceUID", "")) not in studies:
        yield "StudyInstanceUID is not that of the source images", "store it in the study of its source."
    patients = {str(source.get("PatientID", "") or "") for source in sources.values()}
    if str(dataset.get("PatientID", "") or "") not in patients:
        yield "PatientID is not that of the source images", "copy the patient module of the source."
    for keyword in ("PatientName", "PatientBirthDate", "PatientSex"):  # empty on either side says nothing
        theirs = {str(source.get(keyword) or "").rstrip("^= ") for source in sources.values()}
        ours = str(dataset.get(keyword) or "").rstrip("^= ")
        if ours and ours not in theirs and "" not in theirs:
            yield f"{keyword} is not that of the source images", "copy the patient module of the source."


def _read(path: Path, defects: list[Defect]) -> Dataset | None:
    try:
        with path.open("rb") as file, quiet_pydicom():
            check_inflation(file, path)
            dataset = pydicom.dcmread(file)
            if _is_cut_short(dataset):
                raise EOFError
            dataset.walk(lambda *_: None)  # decodes every element now, so that a broken one is found here
    except RefusedInput as refusal:
        defects.append(Defect(path, refusal.what, refusal.remedy))
    except InvalidDicomError:
        defects.append(Defect(path, "not a DICOM file", "give SR or SEG files in DICOM format."))
    except OSError as error:
        defects.append(Defect(path, f"cannot be read ({error.strerror or error})", "check path and permissions."))
    except Exception as error:  # pydicom raises many types for damaged files
        defects.append(Defect(path, f"damaged DICOM file ({type(error).__name__})", "fetch or write the file again."))
    else:
        return dataset
    return None


def _is_cut_short(dataset: Dataset) -> bool:
    """True where the last element declares more bytes than the file holds, which pydicom reads without a word."""
    raw = list(map(dataset.get_item, dataset.keys()))
    return any(
        isinstance(element, RawDataElement)
        and element.length != _UNDEFINED_LENGTH
        and len(element.value or b"") < element.length
        for element in raw
    )


def _sources(source_paths: Iterable[str | Path], defects: list[Defect]) -> dict[str, Dataset]:
    """Headers of the source images by SOP Instance UID; files in folders that are not DICOM are passed over."""
    sources: dict[str, Dataset] = {}
    made_from_images = REPORTS | SEGMENTATIONS
    for path in map(Path, source_paths):
        files: Sequence[Path] = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        for file in files:
            try:
                with file.open("rb") as opened, quiet_pydicom():
                    check_inflation(opened, file)
                    header = pydicom.dcmread(opened, stop_before_pixels=True)
                    header.walk(lambda *_: None)
                    uid, is_image = header.get("SOPInstanceUID"), str(header.get("SOPClassUID")) not in made_from_images
            except Exception as error:  # pydicom raises many types for damaged files
                if file == path:
                    defects.append(Defect(file, f"source cannot be read ({type(error).__name__})", "give DICOM files."))
                continue
            if uid and is_image:
                sources[str(uid)] = header
    return sources
