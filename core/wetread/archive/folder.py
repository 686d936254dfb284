"""The embedded archive: DICOM files at <root>/<study>/<series>/<instance>.dcm, and nothing else to install.

The files are the archive; the search index beside them is a cache. A file appears under its name whole or not at
all: written to a temporary name, flushed to disk, then linked to its final name, which fails where the name is
taken. So two processes may store at once, nothing is ever overwritten, and a crash leaves at most a temporary file.
"""

from __future__ import annotations

import errno
import os
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError

from wetread.archive.content import decoded, differences, encoded
from wetread.archive.index import FolderIndex
from wetread.archive.protocol import NotInArchive, StoredInstance, StoreReport, StoreState, checked_uid
from wetread.archive.query import Attributes, Level, Query
from wetread.errors import ArchiveRefused
from wetread.imaging.instances import Instances
from wetread.imaging.reading_files import read_alike

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_INCOMING = ".incoming"


class FolderArchive:
    """An archive in a folder; made at the first store where it is not there yet.

    Args:
        root: the folder.

    Raises:
        ArchiveRefused: `root` is a file.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        try:
            in_the_way = self.root.exists() and not self.root.is_dir()
        except OSError as error:
            raise ArchiveRefused(
                f"no folder ({error.strerror})", str(root)[:200], "give a folder or the URL of a DICOMweb archive"
            ) from None
        if in_the_way:
            raise ArchiveRefused("not a folder", self.root, "give a folder or the URL of a DICOMweb archive")
        self._index = FolderIndex(self.root)

    @property
    def location(self) -> str:
        """The folder."""
        return str(self.root)

    def query(self, query: Query, study_uid: str | None = None, series_uid: str | None = None) -> list[Attributes]:
        """The answer to a QIDO-RS query as DICOM JSON, below one study or series where given."""
        study = None if study_uid is None else checked_uid(study_uid, "StudyInstanceUID")
        series = None if series_uid is None else checked_uid(series_uid, "SeriesInstanceUID")
        return query.answer(self._index.entries(query.level, study, series))

    def search_studies(
        self, filters: Mapping[str, str] | None = None, *, limit: int | None = None, offset: int = 0
    ) -> list[Dataset]:
        """See `Archive.search_studies`."""
        return self._search(Level.STUDY, filters, limit, offset)

    def search_series(
        self,
        study_uid: str | None = None,
        filters: Mapping[str, str] | None = None,
        *,
        limit: int | None = None,
        offset: int = 0,
    ) -> list[Dataset]:
        """See `Archive.search_series`."""
        return self._search(Level.SERIES, filters, limit, offset, study_uid)

    def search_instances(
        self,
        study_uid: str | None = None,
        series_uid: str | None = None,
        filters: Mapping[str, str] | None = None,
        *,
        limit: int | None = None,
        offset: int = 0,
    ) -> list[Dataset]:
        """See `Archive.search_instances`."""
        return self._search(Level.INSTANCE, filters, limit, offset, study_uid, series_uid)

    def iter_series(self, study_uid: str, series_uid: str) -> Iterator[Dataset]:
        """See `Archive.iter_series`; in the order of the UIDs."""
        for path in self.series_files(study_uid, series_uid):
            yield _read(path)

    def retrieve_series(self, study_uid: str, series_uid: str) -> Sequence[Dataset]:
        """See `Archive.retrieve_series`; read by comparison (`imaging/reading_files.py`)."""
        read = read_alike(self.series_files(study_uid, series_uid), _read)
        return Instances([held for _, held in read if held is not None])

    def retrieve_instance(self, study_uid: str, series_uid: str, sop_instance_uid: str) -> Dataset:
        """See `Archive.retrieve_instance`."""
        return _read(self.instance_file(study_uid, series_uid, sop_instance_uid))

    def instance_file(self, study_uid: str, series_uid: str, sop_instance_uid: str) -> Path:
        """The file of one instance.

        Raises:
            ArchiveRefused: not a UID, or not in the archive.
        """
        path = self._path(study_uid, series_uid, sop_instance_uid)
        if not path.is_file():
            raise NotInArchive("no such instance", path.stem, "check the study, series and instance UIDs")
        return path

    def series_files(self, study_uid: str, series_uid: str) -> list[Path]:
        """The files of one series, sorted.

        Raises:
            ArchiveRefused: not a UID, or not in the archive.
        """
        study, series = checked_uid(study_uid, "StudyInstanceUID"), checked_uid(series_uid, "SeriesInstanceUID")
        if not self.root.is_dir():
            raise NotInArchive("no such archive folder", self.root, "check the path of the archive")
        files = sorted((self.root / study / series).glob("*.dcm"))
        if not files:
            raise NotInArchive("no such series", series, "check the study and series UIDs")
        return files

    def study_files(self, study_uid: str) -> list[Path]:
        """The files of one study, sorted.

        Raises:
            ArchiveRefused: not a UID, or not in the archive.
        """
        study = checked_uid(study_uid, "StudyInstanceUID")
        files = sorted((self.root / study).glob("*/*.dcm"))
        if not files:
            raise NotInArchive("no such study", study, "check the study UID")
        return files

    def store(self, datasets: Sequence[Dataset]) -> StoreReport:
        """See `Archive.store`.

        Raises:
            ArchiveRefused: the folder cannot be written (read-only, full); instances stored before stay stored.
        """
        return StoreReport(tuple(self._store(dataset) for dataset in datasets))

    def store_file(self, content: bytes) -> StoredInstance:
        """Store one DICOM file (PS3.10) byte for byte as it came.

        Raises:
            ArchiveRefused: the folder cannot be written.
            InvalidDicomError: not a DICOM file.
        """
        dataset = decoded(content)
        return _refused(dataset) or self._keep(dataset, content)

    def _search(
        self,
        level: Level,
        filters: Mapping[str, str] | None,
        limit: int | None,
        offset: int,
        study_uid: str | None = None,
        series_uid: str | None = None,
    ) -> list[Dataset]:
        numbers = {"offset": str(offset)} | ({} if limit is None else {"limit": str(limit)})
        query = Query.parse(level, [*(filters or {}).items(), *numbers.items()])
        return [Dataset.from_json(entry) for entry in self.query(query, study_uid, series_uid)]

    def _store(self, dataset: Dataset) -> StoredInstance:
        if refused := _refused(dataset):
            return refused
        try:
            content = encoded(dataset)
        except (ValueError, TypeError, AttributeError, KeyError, NotImplementedError) as error:
            # The text of a pydicom error can repeat a value of the data set; its type is enough to act on.
            return _outcome(dataset, StoreState.REFUSED, f"cannot be written as DICOM ({type(error).__name__})")
        return self._keep(dataset, content)

    def _keep(self, dataset: Dataset, content: bytes) -> StoredInstance:
        path = self._path(dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPInstanceUID)
        try:
            is_new = not path.exists() and _write_new(path, content, self.root / _INCOMING)
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else "write failed"
            raise ArchiveRefused(f"the archive cannot be written: {reason}", self.root, _remedy(error)) from None
        if is_new:
            return _outcome(dataset, StoreState.STORED)
        return self._compare(dataset, content, path)

    def _compare(self, dataset: Dataset, content: bytes, path: Path) -> StoredInstance:
        if path.read_bytes() == content:
            return _outcome(dataset, StoreState.IDENTICAL)
        different = differences(decoded(content), _read(path))
        if not different:
            return _outcome(dataset, StoreState.IDENTICAL)
        return _outcome(
            dataset, StoreState.CONFLICT, f"other content is held under this UID: {', '.join(different[:5])}"
        )

    def _path(self, study_uid: object, series_uid: object, sop_instance_uid: object) -> Path:
        study, series = checked_uid(study_uid, "StudyInstanceUID"), checked_uid(series_uid, "SeriesInstanceUID")
        return self.root / study / series / f"{checked_uid(sop_instance_uid, 'SOPInstanceUID')}.dcm"


def _refused(dataset: Dataset) -> StoredInstance | None:
    """The refusal of an instance without the four UIDs that every instance has; None where they are in order."""
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID"):
        try:
            checked_uid(dataset.get(keyword), keyword)
        except ArchiveRefused as refusal:
            return _outcome(dataset, StoreState.REFUSED, f"{refusal.what}: {refusal.where}")
    return None


def _write_new(path: Path, content: bytes, incoming: Path) -> bool:
    """Write a file whole under a name nobody holds; False where another writer was first."""
    incoming.mkdir(parents=True, exist_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = incoming / uuid.uuid4().hex
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.link(temporary, path)
    except FileExistsError:
        return False
    finally:
        temporary.unlink(missing_ok=True)
    if os.name == "posix":  # the name, too, must survive a power cut
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    return True


def _remedy(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "free some space"
    if error.errno in (errno.EPERM, errno.ENOTSUP):
        return "choose a folder you may write, on a file system with hard links"
    return "choose a folder you may write"


def _outcome(dataset: Dataset, state: StoreState, reason: str = "") -> StoredInstance:
    def shown(keyword: str) -> str:
        try:
            return checked_uid(dataset.get(keyword), keyword)
        except ArchiveRefused:
            return ""

    return StoredInstance(
        shown("StudyInstanceUID"),
        shown("SeriesInstanceUID"),
        shown("SOPClassUID"),
        shown("SOPInstanceUID"),
        state,
        reason,
    )


def _read(path: Path) -> Dataset:
    try:
        return dcmread(path)
    except FileNotFoundError:
        raise NotInArchive("no such instance", path.stem, "it was taken away; search again") from None
    except (InvalidDicomError, EOFError, OSError) as error:
        raise ArchiveRefused(f"not readable ({type(error).__name__})", path, "restore this file") from None
