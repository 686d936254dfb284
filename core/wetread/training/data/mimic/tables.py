"""The csv.gz tables of MIMIC-IV, MIMIC-IV-Note, MIMIC-CXR-JPG and MIMIC-IV-ECG, streamed in blocks.

Columns are those of MIMIC-IV 2.2 and 3.1 (hosp, icu), Note 2.2, CXR-JPG 2.0.0 and ECG 1.0. A table is never held
whole: chartevents has more than 300 million rows. Every column is read as text and converted afterwards, so that one
broken number is an empty cell and not the end of an hour's reading; a row with the wrong number of columns is counted
and left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wetread.errors import RefusedInput

if TYPE_CHECKING:
    import pandas as pd

    from wetread.training.data.item import Faults

BLOCK_BYTES = 32 << 20
TIME = "%Y-%m-%d %H:%M:%S"


@dataclass(frozen=True, slots=True)
class Table:
    """One table.

    Args:
        name: of the file, without its ending.
        folder: where it lies below the root, e.g. "hosp".
        columns: those that are read.
    """

    name: str
    folder: str
    columns: tuple[str, ...]


def _table(folder: str, name: str, columns: str) -> Table:
    return Table(name, folder, tuple(columns.split()))


PATIENTS = _table("hosp", "patients", "subject_id gender anchor_age anchor_year")
ADMISSIONS = _table(
    "hosp", "admissions",
    "subject_id hadm_id admittime dischtime deathtime admission_type admission_location discharge_location race "
    "edregtime hospital_expire_flag",
)  # fmt: skip
LAB_EVENTS = _table(
    "hosp", "labevents",
    "subject_id hadm_id itemid charttime storetime valuenum valueuom ref_range_lower ref_range_upper flag",
)  # fmt: skip
LAB_ITEMS = _table("hosp", "d_labitems", "itemid label fluid category")
PRESCRIPTIONS = _table("hosp", "prescriptions", "subject_id hadm_id starttime drug dose_val_rx dose_unit_rx route")
DIAGNOSES = _table("hosp", "diagnoses_icd", "subject_id hadm_id seq_num icd_code icd_version")
DIAGNOSIS_NAMES = _table("hosp", "d_icd_diagnoses", "icd_code icd_version long_title")
CHART_EVENTS = _table("icu", "chartevents", "subject_id hadm_id charttime storetime itemid valuenum valueuom warning")
CHART_ITEMS = _table("icu", "d_items", "itemid label linksto category unitname")
ICU_STAYS = _table("icu", "icustays", "subject_id hadm_id stay_id first_careunit intime")
INPUT_EVENTS = _table(
    "icu", "inputevents", "subject_id hadm_id starttime endtime storetime itemid amount amountuom rate rateuom"
)  # fmt: skip
PROCEDURE_EVENTS = _table("icu", "procedureevents", "subject_id hadm_id starttime endtime storetime itemid")
DISCHARGE_NOTES = _table("note", "discharge", "note_id subject_id hadm_id note_type note_seq charttime storetime")
RADIOLOGY_NOTES = _table("note", "radiology", "note_id subject_id hadm_id note_type note_seq charttime storetime")
CXR_METADATA = _table(
    "cxr", "mimic-cxr-2.0.0-metadata", "dicom_id subject_id study_id ViewPosition StudyDate StudyTime"
)
ECG_RECORDS = _table("ecg", "record_list", "subject_id study_id file_name ecg_time path")


@dataclass(frozen=True, slots=True)
class Places:
    """Where the modules of MIMIC lie; CXR and ECG may be absent.

    Args:
        hosp_icu: folder with hosp/ and icu/.
        note: folder with discharge.csv.gz, or None.
        cxr: folder with the CXR tables and files/, or None.
        ecg: folder with record_list.csv and files/, or None.
    """

    hosp_icu: Path
    note: Path | None
    cxr: Path | None
    ecg: Path | None

    def folder(self, table: Table) -> Path | None:
        """The folder that a table lies in; None where its module is absent."""
        return {"note": self.note, "cxr": self.cxr, "ecg": self.ecg}.get(table.folder, self.hosp_icu / table.folder)


def find_places(root: str | Path) -> Places:
    """Find the modules below a root in CLIMB's layout or in PhysioNet's, beside or below hosp/ and icu/.

    Raises:
        RefusedInput: no hosp/admissions.csv.gz.
    """
    place = Path(root)
    homes = [place, place / "multimodal" / "mimiciv", place / "mimiciv", place / "mimic-iv"]
    home = next((h for h in homes if _file(h / "hosp", "admissions")), None)
    if home is None:
        raise RefusedInput("no hosp/admissions.csv.gz", place, "give the folder that has hosp/ and icu/ of MIMIC-IV")
    around = [home, home.parent, place, place.parent, home.parent.parent]

    def first(names: tuple[str, ...], table: str) -> Path | None:
        places = [a / n for a in around for n in names]
        return next((p for p in places if _file(p, table)), None)

    return Places(
        home,
        first(("note", "mimic-iv-note/note", "mimic-iv-note"), "discharge"),
        first(("cxr", "mimic-cxr", "mimic-cxr-jpg", "chest_xray/mimic-cxr"), CXR_METADATA.name),
        first(("ecg", "mimic-iv-ecg", "ecg/mimiciv"), ECG_RECORDS.name),
    )


def blocks(places: Places, table: Table, faults: Faults, skip: int = 0) -> Iterator[tuple[int, pd.DataFrame]]:
    """The rows of a table, block by block, as text columns (missing ones are None).

    Args:
        places: of the modules.
        table: what to read; a column that the file lacks is all missing, as versions differ in some.
        faults: takes rows with the wrong number of columns.
        skip: blocks that need not be converted.

    Yields:
        (number of the block, rows); nothing for a module that is absent.

    Raises:
        RefusedInput: the file is torn or lacks `subject_id` and `itemid`, so is another table.
    """
    import pyarrow as pa
    import pyarrow.csv as csv

    folder = places.folder(table)
    path = None if folder is None else _file(folder, table.name)
    if path is None:
        return
    shown = f"{table.folder}/{path.name}"

    def broken(row: Any) -> str:
        faults.add("row with another number of columns", f"{shown}:{row.number or '?'}",
                   f"{row.actual_columns} instead of {row.expected_columns}")  # fmt: skip
        return "skip"

    try:
        header = _header(path)
        wanted = [name for name in table.columns if name in header]
        if not wanted or wanted[0] != table.columns[0]:
            raise RefusedInput(f"no column {table.columns[0]}", path, "give the table as PhysioNet publishes it")
        reader = csv.open_csv(
            path,
            csv.ReadOptions(block_size=BLOCK_BYTES, use_threads=False),
            csv.ParseOptions(newlines_in_values=table.folder == "note", invalid_row_handler=broken),
            csv.ConvertOptions(
                column_types={name: pa.string() for name in header},
                include_columns=wanted,
                strings_can_be_null=True,
                null_values=["", "NaN", "NULL", "___"],
            ),
        )
        for number, batch in enumerate(reader):
            if number >= skip:
                yield number, batch.to_pandas().reindex(columns=list(table.columns))
    except (pa.ArrowInvalid, OSError, EOFError, UnicodeDecodeError) as error:
        raise RefusedInput("a table that cannot be read to its end", path, "copy the file again") from error


def whole(places: Places, table: Table, faults: Faults) -> pd.DataFrame:
    """A small table in one piece; no rows where the module is absent.

    Raises:
        RefusedInput: see `blocks`.
    """
    import pandas as pd

    parts = [rows for _, rows in blocks(places, table, faults)]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(table.columns), dtype=object)


def numbers(column: pd.Series) -> pd.Series:
    """Text to float64; what is no number is NaN."""
    import pandas as pd

    return pd.to_numeric(column, errors="coerce").astype("float64")


def times(column: pd.Series) -> pd.Series:
    """Text to timestamps; what is no time is NaT. A date without a time is its midnight."""
    import pandas as pd

    found = pd.to_datetime(column, format=TIME, errors="coerce")
    dates = column.notna() & found.isna()
    if dates.any():
        found = found.fillna(pd.to_datetime(column.where(dates), format="%Y-%m-%d", errors="coerce"))
    return found.astype("datetime64[s]")


def _header(path: Path) -> list[str]:
    import csv
    import gzip

    with (
        gzip.open(path, "rt", encoding="utf-8-sig") if path.suffix == ".gz" else path.open(encoding="utf-8-sig") as file
    ):
        return next(csv.reader([file.readline()]), [])


def _file(folder: Path, name: str) -> Path | None:
    return next((folder / f"{name}{e}" for e in (".csv.gz", ".csv") if (folder / f"{name}{e}").is_file()), None)
