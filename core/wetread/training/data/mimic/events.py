"""Timed rows of five tables as one Parquet index by admission, built once and resumable.

Each block of a csv.gz becomes, per bucket of admissions (hadm_id modulo 64), one small Parquet file; a block that is
done leaves a marker, so an interrupted build skips what it has. Reading an admission then opens one bucket and not
300 million rows. Nothing is cut here: the cut belongs to the question (`stay.Window`), and an index without it serves
any cut.

One schema for all: what was charted when, stored when, and what it says. `ended` is when an infusion or procedure
stopped: its amount and duration are known only then.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wetread.errors import RefusedInput
from wetread.training.data.item import Faults
from wetread.training.data.mimic.tables import (
    CHART_EVENTS,
    INPUT_EVENTS,
    LAB_EVENTS,
    PRESCRIPTIONS,
    PROCEDURE_EVENTS,
    Places,
    Table,
    blocks,
    numbers,
    times,
)

if TYPE_CHECKING:
    import pandas as pd

BUCKETS = 64
COLUMNS = (
    "kind",
    "hadm_id",
    "charted",
    "stored",
    "ended",
    "item",
    "value",
    "unit",
    "low",
    "high",
    "abnormal",
    "detail",
)
VERSION = 1


@dataclass(frozen=True, slots=True)
class EventTable:
    """How the rows of one table become events."""

    kind: str
    table: Table
    convert: Callable[[pd.DataFrame], pd.DataFrame]


def build_index(places: Places, index: Path, faults: Faults, *, progress: bool = True) -> Path:
    """Partition the event tables by admission; goes on where an interrupted build stopped.

    Args:
        places: of the modules.
        index: folder of the index; made where it is not there.
        faults: takes broken rows and rows of no admission.
        progress: show a progress bar on standard error.

    Raises:
        RefusedInput: a table is torn, or the folder holds an index of other data.
    """
    from tqdm import tqdm

    index.mkdir(parents=True, exist_ok=True)
    _same_source(places, index)
    for source in EVENT_TABLES:
        folder = index / source.kind
        if (folder / "done.json").is_file():
            faults.counts.update(json.loads((folder / "done.json").read_text(encoding="utf-8")))
            continue
        (folder / "blocks").mkdir(parents=True, exist_ok=True)
        done = sorted(int(path.stem) for path in (folder / "blocks").glob("*.json"))
        skip = next((i for i, number in enumerate(done) if i != number), len(done))
        # The parser meets every row again, also of blocks that are done, so its count is of the whole table.
        broken = Faults()
        for number, rows in tqdm(blocks(places, source.table, broken, skip), desc=source.table.name, unit="block",
                                 disable=not progress, file=sys.stderr, delay=1.0, initial=skip):  # fmt: skip
            _write_block(source, rows, folder, number)
        counts = {f"{source.table.name}: {kind}": count for kind, count in broken.counts.items()}
        for path in (folder / "blocks").glob("*.json"):
            for kind, count in json.loads(path.read_text(encoding="utf-8")).items():
                counts[kind] = counts.get(kind, 0) + count
        faults.counts.update(counts)
        _replace_text(folder / "done.json", json.dumps(counts))
    return index


def bucket_events(index: Path, bucket: int) -> pd.DataFrame:
    """All events of the admissions of one bucket, ordered by admission and time; see `COLUMNS`."""
    import pandas as pd
    import pyarrow.parquet as parquet

    files = sorted(index.glob(f"*/bucket-{bucket:02d}/*.parquet"))
    if not files:
        return pd.DataFrame(columns=list(COLUMNS))
    rows = pd.concat([parquet.read_table(path).to_pandas() for path in files], ignore_index=True)
    # Every column is a key, so equal input gives equal text whatever order the tables were written in.
    return rows.sort_values(["hadm_id", "charted", "kind", "item", "value", "detail"], kind="stable", ignore_index=True)


def events_by_admission(index: Path, admissions: list[int]) -> Iterator[tuple[int, pd.DataFrame]]:
    """(hadm_id, its events), bucket after bucket; an admission without events has an empty frame."""
    for bucket in range(BUCKETS):
        wanted = sorted(hadm for hadm in admissions if hadm % BUCKETS == bucket)
        if not wanted:
            continue
        rows = bucket_events(index, bucket)
        groups = {int(hadm): part for hadm, part in rows.groupby("hadm_id")} if len(rows) else {}
        for hadm in wanted:
            yield hadm, groups.get(hadm, rows.iloc[:0])


def _write_block(source: EventTable, rows: pd.DataFrame, folder: Path, number: int) -> None:
    """The files of all buckets, then the marker: a block without its marker is written again."""
    import pyarrow as pa
    import pyarrow.parquet as parquet

    events = source.convert(rows)
    events["kind"] = source.kind
    hadm = numbers(rows["hadm_id"])
    counts = {
        f"{source.table.name}: row of no admission": int(hadm.isna().sum()),
        f"{source.table.name}: row without a time": int((hadm.notna() & events["charted"].isna()).sum()),
    }
    events["hadm_id"] = hadm
    kept = events[hadm.notna() & events["charted"].notna() & events["item"].notna()].drop_duplicates()
    kept = kept.astype({"hadm_id": "int64"})[list(COLUMNS)]
    for bucket, part in kept.groupby(kept["hadm_id"] % BUCKETS):
        target = folder / f"bucket-{bucket:02d}"
        target.mkdir(exist_ok=True)
        part_file = target / f".{number:06d}.part"
        parquet.write_table(pa.Table.from_pandas(part, preserve_index=False, schema=_schema()), part_file)
        part_file.replace(target / f"{number:06d}.parquet")
    _replace_text(folder / "blocks" / f"{number:06d}.json", json.dumps({k: n for k, n in counts.items() if n}))


def _schema() -> object:
    import pyarrow as pa

    second, text, real = pa.timestamp("s"), pa.string(), pa.float64()
    kinds = (text, pa.int64(), second, second, second, text, real, text, real, real, pa.bool_(), text)
    return pa.schema(list(zip(COLUMNS, kinds, strict=True)))


def _frame(rows: pd.DataFrame, charted: str, **columns: object) -> pd.DataFrame:
    import pandas as pd

    empty = pd.Series([None] * len(rows), index=rows.index, dtype=object)
    facts: dict[str, object] = {
        "charted": times(rows[charted]),
        "stored": times(rows["storetime"]) if "storetime" in rows else times(empty),
        "ended": times(rows["endtime"]) if "endtime" in rows else times(empty),
        "value": numbers(empty), "unit": empty, "low": numbers(empty), "high": numbers(empty),
        "abnormal": False, "detail": empty,
    }  # fmt: skip
    return pd.DataFrame(facts | columns, index=rows.index)


def _labs(rows: pd.DataFrame) -> pd.DataFrame:
    value = numbers(rows["valuenum"])
    low, high = numbers(rows["ref_range_lower"]), numbers(rows["ref_range_upper"])
    abnormal = (rows["flag"].fillna("").str.lower() == "abnormal") | (value < low) | (value > high)
    item = rows["itemid"].where(value.notna())
    return _frame(
        rows, "charttime", item=item, value=value, unit=rows["valueuom"], low=low, high=high, abnormal=abnormal
    )


def _charts(rows: pd.DataFrame) -> pd.DataFrame:
    value = numbers(rows["valuenum"])
    item = rows["itemid"].where(value.notna())
    return _frame(rows, "charttime", item=item, value=value, unit=rows["valueuom"], abnormal=rows["warning"] == "1")


def _drugs(rows: pd.DataFrame) -> pd.DataFrame:
    dose = rows["dose_val_rx"].fillna("") + " " + rows["dose_unit_rx"].fillna("") + " " + rows["route"].fillna("")
    return _frame(rows, "starttime", item=rows["drug"], detail=dose.str.split().str.join(" "))


def _inputs(rows: pd.DataFrame) -> pd.DataFrame:
    rate = (rows["rate"].fillna("") + " " + rows["rateuom"].fillna("")).str.strip().where(rows["rate"].notna())
    return _frame(
        rows, "starttime", item=rows["itemid"], value=numbers(rows["amount"]), unit=rows["amountuom"], detail=rate
    )


def _procedures(rows: pd.DataFrame) -> pd.DataFrame:
    return _frame(rows, "starttime", item=rows["itemid"])


EVENT_TABLES = (
    EventTable("lab", LAB_EVENTS, _labs),
    EventTable("chart", CHART_EVENTS, _charts),
    EventTable("drug", PRESCRIPTIONS, _drugs),
    EventTable("input", INPUT_EVENTS, _inputs),
    EventTable("procedure", PROCEDURE_EVENTS, _procedures),
)


def _same_source(places: Places, index: Path) -> None:
    """An index is of the files it was made of: their names and sizes are kept beside it."""
    sizes = {}
    for source in EVENT_TABLES:
        folder = places.folder(source.table)
        for path in sorted((folder or places.hosp_icu).glob(f"{source.table.name}.csv*")):
            sizes[f"{source.table.folder}/{path.name}"] = path.stat().st_size
    said = json.dumps({"version": VERSION, "files": sizes}, sort_keys=True)
    path = index / "source.json"
    if not path.is_file():
        # Without a source file the folder must be empty: nothing that is not ours is ever cleared away.
        if any(index.iterdir()):
            raise RefusedInput("a folder with other files", index, "give an empty folder for the index")
        _replace_text(path, said)
    elif path.read_text(encoding="utf-8") != said:
        for source in EVENT_TABLES:
            shutil.rmtree(index / source.kind, ignore_errors=True)
        _replace_text(path, said)


def _replace_text(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
