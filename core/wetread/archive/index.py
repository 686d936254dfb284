"""The search index of a folder archive: a cache in SQLite that the files themselves always win over.

Before every search the tree <root>/<study>/<series>/ is compared with what is cached, by the modification time of
the series folders; only headers of files not seen before are read. So a file that another process stored, or that a
person copied in or took away, is found or forgotten; a missing or damaged index is built again. A folder whose time
is younger than the clock's grain counts as unsettled and is listed again (the "racy" rule of git's index).
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydicom import Dataset, dcmread
from pydicom.datadict import dictionary_VR

from wetread.archive.query import KEYWORDS, Attributes, Level, json_tag
from wetread.errors import ArchiveRefused
from wetread.uids import is_tolerated

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = ".wetread-index.sqlite"
_VERSION = 1
_SETTLED_NS = 2_000_000_000
_SCHEMA = """
CREATE TABLE IF NOT EXISTS series (
    study TEXT, series TEXT, modified INTEGER, settled INTEGER, attributes TEXT, PRIMARY KEY (study, series));
CREATE TABLE IF NOT EXISTS instance (
    study TEXT, series TEXT, sop TEXT, sop_class TEXT, attributes TEXT, PRIMARY KEY (study, series, sop));
"""


class FolderIndex:
    """Attributes of the studies, series and instances below a folder, as DICOM JSON.

    Safe for several threads (one lock) and several processes (SQLite's own locking) on one folder.

    Args:
        root: the archive's folder; where it cannot be written, the index lives in memory.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    def entries(self, level: Level, study: str | None = None, series: str | None = None) -> list[Attributes]:
        """All entries of one level, below one study or series where given; brought up to date first."""
        with self._lock:
            connection = self._open()
            self._refresh(connection)
            rows = self._rows(connection, study, series)
            if level is Level.INSTANCE:
                return _instance_entries(rows)
            if level is Level.SERIES:
                return [_series_entry(attributes, held) for attributes, held in rows]
            return _study_entries(rows)

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            path = self._root / NAME
            self._connection = _connect(str(path) if os.access(self._root, os.W_OK) else ":memory:")
        return self._connection

    def _refresh(self, connection: sqlite3.Connection) -> None:
        known = {
            (study, series): (modified, settled)
            for study, series, modified, settled in connection.execute(
                "SELECT study, series, modified, settled FROM series"
            )
        }
        found = dict(_series_folders(self._root))
        with connection:
            for key in known.keys() - found.keys():
                connection.execute("DELETE FROM series WHERE study = ? AND series = ?", key)
                connection.execute("DELETE FROM instance WHERE study = ? AND series = ?", key)
            for key, modified in found.items():
                if known.get(key) != (modified, 1):
                    self._read_series(connection, *key, modified)

    def _read_series(self, connection: sqlite3.Connection, study: str, series: str, modified: int) -> None:
        settled = time.time_ns() - modified > _SETTLED_NS
        folder = self._root / study / series
        present = {entry.name[:-4] for entry in os.scandir(folder) if entry.name.endswith(".dcm")}
        cached = {
            row[0]
            for row in connection.execute("SELECT sop FROM instance WHERE study = ? AND series = ?", (study, series))
        }
        for sop in cached - present:
            connection.execute("DELETE FROM instance WHERE study = ? AND series = ? AND sop = ?", (study, series, sop))
        head: Attributes | None = None
        for sop in sorted(present - cached):
            header = _header(folder / f"{sop}.dcm")
            if header is None or (header.StudyInstanceUID, header.SeriesInstanceUID, header.SOPInstanceUID) != (
                study, series, sop,
            ):  # fmt: skip
                # Kept as unreadable, so that it is not opened again at every search.
                row: tuple[str | None, ...] = (study, series, sop, "", None)
            else:
                head = head or {**_json(header, Level.STUDY), **_json(header, Level.SERIES)}
                row = (study, series, sop, str(header.SOPClassUID), json.dumps(_instance_json(header)))
            connection.execute("INSERT OR REPLACE INTO instance VALUES (?, ?, ?, ?, ?)", row)
        if head is None:
            old = connection.execute(
                "SELECT attributes FROM series WHERE study = ? AND series = ?", (study, series)
            ).fetchone()
            head = json.loads(old[0]) if old else {}
        connection.execute(
            "INSERT OR REPLACE INTO series VALUES (?, ?, ?, ?, ?)",
            (study, series, modified, int(settled), json.dumps(head)),
        )

    @staticmethod
    def _rows(
        connection: sqlite3.Connection, study: str | None, series: str | None
    ) -> list[tuple[Attributes, list[tuple[str, str]]]]:
        """(series attributes, [(SOP class, instance attributes as text)]) of every series that holds something."""
        wanted = "(? IS NULL OR study = ?) AND (? IS NULL OR series = ?)"
        values = (study, study, series, series)
        held: dict[tuple[str, str], list[tuple[str, str]]] = {}
        for in_study, in_series, sop_class, attributes in connection.execute(
            f"SELECT study, series, sop_class, attributes FROM instance WHERE attributes IS NOT NULL AND {wanted}",
            values,
        ):
            held.setdefault((in_study, in_series), []).append((sop_class, attributes))
        return [
            (json.loads(attributes), held[in_study, in_series])
            for in_study, in_series, attributes in connection.execute(
                f"SELECT study, series, attributes FROM series WHERE {wanted} ORDER BY study, series", values
            )
            if (in_study, in_series) in held
        ]


def _connect(path: str) -> sqlite3.Connection:
    for attempt in (1, 2):
        try:
            connection = sqlite3.connect(path, timeout=30, check_same_thread=False)
            if connection.execute("PRAGMA user_version").fetchone()[0] != _VERSION:
                connection.executescript("DROP TABLE IF EXISTS series; DROP TABLE IF EXISTS instance;")
            connection.executescript(f"{_SCHEMA} PRAGMA user_version = {_VERSION};")
            return connection
        except sqlite3.DatabaseError as error:
            if attempt == 2 or isinstance(error, sqlite3.OperationalError):
                raise ArchiveRefused("the index cannot be opened", path, "free space, or remove this file") from None
            Path(path).unlink(missing_ok=True)  # a cache: it is built again from the files
    raise AssertionError("unreachable")


def _series_folders(root: Path) -> Iterator[tuple[tuple[str, str], int]]:
    try:
        for study in os.scandir(root):
            if is_tolerated(study.name) and study.is_dir():
                for series in os.scandir(study.path):
                    if is_tolerated(series.name) and series.is_dir():
                        yield (study.name, series.name), series.stat().st_mtime_ns
    except FileNotFoundError:
        return  # nothing stored yet, or taken away while we looked
    except OSError as error:
        raise ArchiveRefused("the archive cannot be listed", root, error.strerror or "check the folder") from None


def _header(path: Path) -> Dataset | None:
    """The indexed elements of a file; None where it is not readable DICOM with its four UIDs."""
    keywords = [keyword for level in Level for keyword in KEYWORDS[level]]
    try:
        header = dcmread(path, stop_before_pixels=True, specific_tags=keywords)
    except Exception:
        # Anything may lie in the folder; pydicom raises many types on broken files. It is left out of the index.
        return None
    needed = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")
    return header if all(header.get(keyword) for keyword in needed) else None


def _json(header: Dataset, level: Level) -> Attributes:
    chosen = Dataset()
    for keyword in KEYWORDS[level]:
        if keyword in header:
            chosen[keyword] = header[keyword]
    attributes: Attributes = chosen.to_json_dict(suppress_invalid_tags=True)
    if "00080005" in attributes:
        attributes["00080005"] = {"vr": "CS", "Value": ["ISO_IR 192"]}  # JSON is UTF-8 (PS3.18 F.2)
    return attributes


def _instance_json(header: Dataset) -> Attributes:
    attributes = _json(header, Level.INSTANCE)
    attributes.update(_element("InstanceAvailability", "ONLINE"))
    attributes.update(_element("AvailableTransferSyntaxUID", str(header.file_meta.TransferSyntaxUID)))
    return attributes


def _element(keyword: str, *values: Any) -> Attributes:
    return {json_tag(keyword): {"vr": dictionary_VR(keyword), "Value": list(values)}}


def _series_entry(attributes: Attributes, held: list[tuple[str, str]]) -> Attributes:
    return {**attributes, **_element("NumberOfSeriesRelatedInstances", len(held))}


def _instance_entries(rows: list[tuple[Attributes, list[tuple[str, str]]]]) -> list[Attributes]:
    entries = [{**attributes, **json.loads(text)} for attributes, held in rows for _, text in held]
    number, series = json_tag("InstanceNumber"), json_tag("SeriesInstanceUID")
    return sorted(entries, key=lambda e: (e[series]["Value"][0], e.get(number, {}).get("Value", [0])[0] or 0))


def _study_entries(rows: list[tuple[Attributes, list[tuple[str, str]]]]) -> list[Attributes]:
    studies: dict[str, list[tuple[Attributes, list[tuple[str, str]]]]] = {}
    uid, modality = json_tag("StudyInstanceUID"), json_tag("Modality")
    for attributes, held in rows:
        studies.setdefault(attributes[uid]["Value"][0], []).append((attributes, held))
    own = {json_tag(keyword) for keyword in KEYWORDS[Level.STUDY]}
    entries = []
    for series in studies.values():
        modalities = sorted({value for a, _ in series for value in a.get(modality, {}).get("Value", []) if value})
        classes = sorted({sop_class for _, held in series for sop_class, _ in held})
        entries.append(
            {tag: element for tag, element in series[0][0].items() if tag in own}
            | _element("ModalitiesInStudy", *modalities)
            | _element("SOPClassesInStudy", *classes)
            | _element("NumberOfStudyRelatedSeries", len(series))
            | _element("NumberOfStudyRelatedInstances", sum(len(held) for _, held in series))
        )
    date = json_tag("StudyDate")
    return sorted(entries, key=lambda entry: str(entry.get(date, {}).get("Value", [""])[0]), reverse=True)
