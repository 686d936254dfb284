"""What a cohort names: a folder of studies, a table of paths, or a query to the archive; as a list of inputs.

In a folder every entry is one input: a sub-folder is a series, a file a picture or a recording. A table is a CSV file
with a column ``path`` (or one column), a JSON Lines manifest (``image``, ``record`` or ``path``), or a text file with
a path a line; relative paths count from the table. CSV and manifest may say the ``modality`` of each
line. A query is ``query:ModalitiesInStudy=CT&StudyDate=20240101-``, as in QIDO-RS; every series with pixels or a
waveform of the studies found is read.
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from wetread.errors import RefusedInput

if TYPE_CHECKING:
    from wetread.archive import Archive

QUERY = "query:"
_NO_IMAGES = frozenset({"SR", "SEG", "PR", "KO", "REG", "RTSTRUCT", "RTPLAN", "RTDOSE", "AU", "DOC"})
_BESIDE = frozenset({".dat", ".mat", ".raw", ".img"})
"""Signal and pixel files that are read by their header's name."""
_PLAIN = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class Item:
    """One input.

    Args:
        named: as `wetread read` takes it.
        name: of its result folder: readable, and different for every input.
        modality: what the table says it shows; None where it says nothing.
    """

    named: str
    name: str
    modality: str | None = None


def cohort_items(source: str, archive: Archive | None) -> list[Item]:
    """The inputs of a cohort in their order, each once.

    Raises:
        RefusedInput: nothing there, not such a table, or a query without an archive.
    """
    if source.startswith(QUERY):
        named = dict.fromkeys(_queried(source.removeprefix(QUERY), archive))
    else:
        path = Path(source).expanduser()
        if path.is_dir():
            named = dict.fromkeys(_in_folder(path))
        elif path.is_file():
            named = _in_table(path)
        else:
            raise RefusedInput("no such folder or table", source, f"give one, or {QUERY}KEY=VALUE with --archive")
    if not named:
        raise RefusedInput("a cohort of nothing", source, "give a folder, a table or a query that holds studies")
    return [Item(one, _name(one), modality) for one, modality in named.items()]


def _name(named: str) -> str:
    last = _PLAIN.sub("_", named.rstrip("/").rsplit("/", 1)[-1])[-40:].lstrip(".")
    return f"{last}-{hashlib.sha256(named.encode()).hexdigest()[:10]}"


def _in_folder(folder: Path) -> list[str]:
    entries = sorted(p for p in folder.iterdir() if not p.name.startswith("."))
    headers = {p.stem for p in entries if p.suffix.lower() in (".hea", ".mhd", ".hdr")}
    return [str(p.absolute()) for p in entries if not (p.suffix.lower() in _BESIDE and p.stem in headers)]


def _in_table(table: Path) -> dict[str, str | None]:
    """Path -> modality."""
    try:
        text = table.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise RefusedInput("no readable table", table, "give CSV, JSON Lines or a path a line") from error
    if table.suffix.lower() == ".jsonl":
        lines = [_of_line(line, number, table) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    elif table.suffix.lower() == ".csv":
        lines = _of_csv(text, table)
    else:
        lines = [(path, None) for path in text.splitlines()]
    return {_placed(path.strip(), table): modality or None for path, modality in lines if path.strip()}


def _of_csv(text: str, table: Path) -> list[tuple[str, str | None]]:
    rows = [row for row in csv.reader(text.splitlines()) if row]
    heading = [cell.strip().lower() for cell in rows[0]] if rows else []
    if "path" not in heading:
        if len(heading) > 1:
            raise RefusedInput("a table of several columns without one called path", table, "name the column path")
        return [(row[0], None) for row in rows]
    place, said = heading.index("path"), heading.index("modality") if "modality" in heading else None
    short = next((number for number, row in enumerate(rows, 1) if len(row) < len(heading)), None)
    if short is not None:
        raise RefusedInput("a row with fewer cells than the heading", f"{table}, row {short}", "mend the row")
    return [(row[place], row[said].strip() if said is not None else None) for row in rows[1:]]


def _placed(path: str, table: Path) -> str:
    """A path from the table's folder; UIDs in the archive stay as they are."""
    return path if re.fullmatch(r"[0-9.]+/[0-9.]+", path) else str((table.parent / Path(path).expanduser()).absolute())


def _of_line(line: str, number: int, table: Path) -> tuple[str, str | None]:
    try:
        said = json.loads(line)
        path = said["image"] if "image" in said else f"{said['record']}.hea" if "record" in said else said["path"]
        return str(path), str(said["modality"]) if said.get("modality") else None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RefusedInput("no object with image, record or path", f"{table}, line {number}",
                           "mend the line") from error  # fmt: skip


def _queried(query: str, archive: Archive | None) -> list[str]:
    if archive is None:
        raise RefusedInput("a query without an archive", QUERY + query, "say which with --archive URL|DIR")
    found = []
    for study in archive.search_studies(dict(parse_qsl(query))):
        uid = str(study.StudyInstanceUID)
        found += [f"{uid}/{series.SeriesInstanceUID}" for series in archive.search_series(uid)
                  if str(series.get("Modality", "")) not in _NO_IMAGES]  # fmt: skip
    return found
