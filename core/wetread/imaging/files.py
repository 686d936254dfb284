"""From files to the datasets of one series, or one clear refusal.

A file that is not DICOM but a picture (PNG, JPEG, TIFF), a NumPy array or a NIfTI volume is wrapped into DICOM
(see `wrap_picture`, `wrap_volume`). Every file is read once. In a folder, files that are not DICOM and do not claim
to be (README, JSON) are passed over; a file that claims to be DICOM and is not, or breaks off, refuses the folder.
No message carries anything of the patient: only paths that the caller gave, UIDs, tags and counts.
"""

from __future__ import annotations

import logging
import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from wetread.errors import RefusedInput
from wetread.imaging.inflation import check_count, check_inflation, check_pixel_size
from wetread.imaging.instances import Instances, Twin, as_read
from wetread.imaging.kinds import Family, class_uid_of, family_of, parse_modality
from wetread.imaging.reading_files import read_alike
from wetread.imaging.soundness import check_header, quiet_pydicom
from wetread.imaging.waveform_dicom import check_waveform
from wetread.uids import is_tolerated

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pydicom import Dataset

    from wetread.terminology import Modality

log = logging.getLogger(__name__)

PICTURE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".npy"})
VOLUME_SUFFIXES = (".nii", ".nii.gz")
WAVEFORM_SUFFIXES = frozenset({".hea", ".dat", ".mat", ".csv", ".npz"})
"""ECG files; in a folder only a WFDB header counts, because tables and arrays lie beside images for other reasons."""
_DICOM_SUFFIXES = frozenset({".dcm", ".dicom", ".ima"})
_BARE_STARTS = (b"\x08\x00", b"\x02\x00", b"\x00\x08")  # a first element of group 0008 or 0002, no preamble
_DIRECTORY_STORAGE = "1.2.840.10008.1.3.10"


def open_series(path: str | Path | Iterable[str | Path], modality: Modality | str | None = None) -> Sequence[Dataset]:
    """The datasets of one series, with pixel data, in no particular order.

    Args:
        path: a file, a folder that holds one series, or several files.
        modality: what a file that is not DICOM shows; ignored for DICOM, which says it itself.

    Raises:
        RefusedInput: nothing there, not an image, damaged, not supported, or more than one series.
    """
    if isinstance(path, str | Path):
        place = Path(path)
        if place.is_dir():
            return _one_series(read_folder(place, modality), place)
        return _one_series(_open_file(place, modality), place)
    paths = [Path(p) for p in path]
    if not paths:
        raise RefusedInput("no files given", "list of paths", "give at least one file.")
    if len(paths) > 1 and any(is_foreign(p) for p in paths):
        raise RefusedInput("pictures in a list of files", paths[0].parent, "give one picture, or DICOM files only.")
    if len(paths) == 1:
        return _one_series(_open_file(paths[0], modality), "1 files")
    for path in paths:
        _check_file(path)
    read = read_alike(paths, lambda path: _read(path, claims=True))
    return _one_series(Instances([dataset for _, dataset in read if dataset is not None]), f"{len(paths)} files")


def is_foreign(path: Path) -> bool:
    """True for the kinds of file that are wrapped into DICOM, by name."""
    suffixes = PICTURE_SUFFIXES | WAVEFORM_SUFFIXES
    return path.suffix.lower() in suffixes or path.name.lower().endswith(VOLUME_SUFFIXES)


def check_series(datasets: Sequence[Dataset], where: object) -> None:
    """Refuse datasets that are not one series of images with valid UIDs; for datasets of any origin.

    Raises:
        RefusedInput: nothing, a wrong UID, an unsupported kind, no pixel data, truncated, or several series.
    """
    if not datasets:
        raise RefusedInput("no instances", where, "give a series with at least one image.")
    datasets = as_read(datasets)
    kinds: set[int] = set()
    for dataset in datasets:
        if isinstance(dataset, Twin) and dataset.kind in kinds:
            _check_uid(dataset, "SOPInstanceUID", file_of(dataset, where))  # all else is the same in every twin
        else:
            _check_instance(dataset, file_of(dataset, where))
        if isinstance(dataset, Twin):
            kinds.add(dataset.kind)
    check_count(sum(int(dataset.get("NumberOfFrames") or 1) for dataset in datasets), where, datasets[0])
    counts = Counter(str(d.SeriesInstanceUID) for d in datasets)
    if len(counts) > 1:
        listed = ", ".join(f"{uid} ({n})" for uid, n in sorted(counts.items()))
        raise RefusedInput(
            f"{len(counts)} series mixed: {listed}", where,
            "choose one, or give each as an input of one read: the first is read, the others shown beside it.",
        )  # fmt: skip
    if len({str(d.StudyInstanceUID) for d in datasets}) > 1:
        raise RefusedInput("one series UID in two studies", where, "repair the UIDs, or give the files of one study.")


def file_of(dataset: Dataset, otherwise: object) -> object:
    """The file a dataset was read from, or `otherwise` (datasets made or received in memory have none)."""
    name = getattr(dataset, "filename", None)
    return name if isinstance(name, str | Path) and str(name) else otherwise


def read_folder(folder: Path, modality: Modality | str | None = None) -> Sequence[Dataset]:
    """Every DICOM instance below a folder, or the one picture in it; whether they belong together is not checked.

    Raises:
        RefusedInput: nothing there, a damaged file, several pictures, or more instances than one read takes.
    """
    files = _files_below(folder)
    if not files:
        raise RefusedInput("empty folder", folder, "give a folder that holds the files of one series.")
    foreign = [p for p in files if is_foreign(p) and p.suffix.lower() not in WAVEFORM_SUFFIXES - {".hea"}]
    for path in filter(is_foreign, files):
        log.info("Passed over a file that is not DICOM: %s", path)
    datasets: list[Dataset | Twin] = []
    wanted = [path for path in files if not path.name.upper().startswith("DICOMDIR") and not is_foreign(path)]
    for path, dataset in read_alike(wanted, lambda path: _read(path, claims=path.suffix.lower() in _DICOM_SUFFIXES)):
        if dataset is None:
            log.info("Passed over a file that is not DICOM: %s", path)
        elif isinstance(dataset, Twin) or class_uid_of(dataset) != _DIRECTORY_STORAGE:
            datasets.append(dataset)
            check_count(len(datasets), folder)
    if datasets:
        return Instances(datasets)
    if len(foreign) == 1:
        return _open_file(foreign[0], modality)
    if foreign:
        raise RefusedInput(f"{len(foreign)} pictures and no DICOM series", folder,
                           "give one of the pictures, or several as inputs of one read")  # fmt: skip
    raise RefusedInput("no DICOM file in the folder", folder, "give a folder that holds the files of one series.")


def _files_below(folder: Path) -> list[Path]:
    """Every file of a folder and the folders in it, sorted, without hidden ones.

    Raises:
        RefusedInput: a folder that cannot be listed; passing it over would lose slices without a word.
    """

    def refuse(error: OSError) -> None:
        reason = (error.strerror or type(error).__name__).lower()
        raise RefusedInput(f"folder cannot be read: {reason}", error.filename, "check who may read it.") from None

    found = (Path(parent, name) for parent, _, names in os.walk(folder, onerror=refuse) for name in names)
    return sorted(path for path in found if path.is_file() and not path.name.startswith("."))


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise RefusedInput("a folder in a list of files", path, "give the folder alone, or its files.")
    if not path.is_file():
        raise RefusedInput("no such file or folder", path, "check the path.")


def _open_file(path: Path, modality: Modality | str | None) -> list[Dataset]:
    _check_file(path)
    if is_foreign(path):
        from wetread.imaging.wrap import wrap_file

        return wrap_file(path, parse_modality(modality))
    dataset = _read(path, claims=True)
    return [] if dataset is None else [dataset]


def _read(path: Path, *, claims: bool) -> Dataset | None:
    """One DICOM file; None where it is not DICOM and does not claim to be."""
    import pydicom
    from pydicom.errors import InvalidDicomError

    try:
        with path.open("rb") as file, quiet_pydicom():
            head = file.read(132)
            bare, is_blank = head[128:] != b"DICM", not head.strip(b"\0")
            if bare and head[:2] not in _BARE_STARTS:
                raise InvalidDicomError("neither the DICM prefix nor a first DICOM element")
            file.seek(0)
            check_inflation(file, path)
            dataset = pydicom.dcmread(file, force=bare)
            if bare and "SOPClassUID" not in dataset:
                raise InvalidDicomError("no SOP Class UID")
            dataset.filename = str(path)
    except RefusedInput:
        raise
    except InvalidDicomError:
        if not claims:
            if is_blank and (not path.suffix or path.suffix[1:].isdigit()):  # named as scanners and exports name slices
                raise RefusedInput("empty or cut short", path, "get the file again, or remove it.") from None
            return None
        raise RefusedInput(
            "not a DICOM file", path, "give DICOM, PNG, JPEG, TIFF, NumPy, NIfTI, WFDB or CSV."
        ) from None
    except PermissionError:
        raise RefusedInput("file cannot be read: permission denied", path, "check who may read it.") from None
    except Exception as error:  # pydicom raises many types for damaged files
        raise RefusedInput(
            f"damaged or truncated DICOM file ({type(error).__name__})", path, "get the file again from its source."
        ) from error
    check_header(dataset.file_meta, path)
    _complete_file_meta(dataset)
    return dataset


def _complete_file_meta(dataset: Dataset) -> None:
    """Files without file meta: the encoding that reading them needed is their transfer syntax (PS3.5 Annex A)."""
    from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

    if "TransferSyntaxUID" in dataset.file_meta:
        return
    implicit, little = dataset.original_encoding
    explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else explicit


def _one_series(datasets: Sequence[Dataset], where: object) -> Sequence[Dataset]:
    check_series(datasets, where)
    return datasets


def _check_instance(dataset: Dataset, where: object) -> None:
    if not isinstance(dataset, Twin):  # a twin's values were checked when it was compared
        check_header(dataset, where)
    family = family_of(dataset, where)
    for keyword in ("SOPClassUID", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        _check_uid(dataset, keyword, where)
    if family is Family.WAVEFORM:
        check_waveform(dataset, where)
        return
    if not dataset.get("PixelData"):
        raise RefusedInput("no pixel data", where, "the file is a header only or was cut short; get it again.")
    for keyword in ("Rows", "Columns", "BitsAllocated", "BitsStored", "SamplesPerPixel", "PhotometricInterpretation"):
        if not dataset.get(keyword):
            raise RefusedInput(f"{keyword} is missing or zero", where, "the file is damaged; get it again.")
    if family is Family.SLICES and int(dataset.SamplesPerPixel) != 1:  # PS3.3 C.8.2.1.1.1, C.8.3.1.1.2, C.8.9.4.1.1
        raise RefusedInput(
            f"{dataset.SamplesPerPixel} samples per pixel in a slice of CT, MR or PET", where,
            "give the original grey images, not a coloured copy.",
        )  # fmt: skip
    if int(dataset.get("HighBit") or dataset.BitsStored - 1) != dataset.BitsStored - 1:
        raise RefusedInput("HighBit does not follow BitsStored", where, "correct the pixel description at the source.")
    _check_length(dataset, where)


def _check_uid(dataset: Dataset, keyword: str, where: object) -> None:
    value = str(dataset.get(keyword, ""))
    if not value:
        raise RefusedInput(f"{keyword} is missing or empty", where, "the file is damaged or cut short.")
    if not is_tolerated(value):
        raise RefusedInput(f"{keyword} is not a DICOM UID", where, "correct it at the source.")


def _check_length(dataset: Dataset, where: object) -> None:
    """Native pixel data must be as long as Rows x Columns x frames ask for (PS3.5 8.1)."""
    syntax = dataset.file_meta.get("TransferSyntaxUID") if hasattr(dataset, "file_meta") else None
    if syntax is None:
        raise RefusedInput("no transfer syntax", where, "give datasets with their file meta information.")
    if not syntax.is_transfer_syntax:
        raise RefusedInput("unknown transfer syntax", where, "have it converted to an uncompressed transfer syntax.")
    if int(dataset.get("NumberOfFrames") or 1) < 1:
        raise RefusedInput("NumberOfFrames is negative", where, "the file is damaged; get it again.")
    check_pixel_size(dataset, where)
    if syntax.is_encapsulated:
        return
    from pydicom.pixels.utils import get_expected_length

    expected, found = get_expected_length(dataset), len(dataset.PixelData)
    if found < expected:
        raise RefusedInput(
            f"truncated pixel data: {found} of {expected} bytes", where, "get the file again from its source."
        )
