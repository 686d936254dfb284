"""The ledger for others: as JSON lines, as Parquet, or as pictures with masks to train on; and its figures.

`jsonl` and `parquet` hold every entry with the columns of the ledger, `body` being JSON (text in Parquet), and the
blobs as files under their hash. The salt of the pseudonyms stays here: with it, a list of patient numbers could be
tried. `training` is described in `training_export`. A folder is written whole or not at all.
"""

from __future__ import annotations

import dataclasses
import itertools
import shutil
import tempfile
from collections import Counter
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from wetread.errors import RefusedInput
from wetread.review.accept_rates import accept_rates
from wetread.review.ledger import GENESIS, canonical, named_blobs
from wetread.service.training_export import write_training

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from wetread.archive import Archive
    from wetread.review.ledger import Ledger

EXPORT = "export"
_BLOCK = 1000


class ExportForm(StrEnum):
    """What an export is written as."""

    JSONL = "jsonl"
    PARQUET = "parquet"
    TRAINING = "training"


@dataclasses.dataclass(frozen=True, slots=True)
class Exported:
    """What was written: lines, files beside them, and what was left out and why."""

    lines: int
    files: int
    left_out: dict[str, int]


def export(ledger: Ledger, folder: Path, form: ExportForm, archive: Archive | None = None, actor: str = "") -> Exported:
    """Write the ledger into a new or empty folder, and note in it that this was done.

    Args:
        ledger: what is exported.
        folder: made where missing.
        form: see `ExportForm`.
        archive: gives the pictures for training.
        actor: login of who exports.

    Raises:
        RefusedInput: the folder holds something, no archive for training, or pyarrow is not installed.
        ArchiveRefused: the archive does not answer.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RefusedInput("the output folder holds something", folder, "give a new or empty one")
    if form is ExportForm.TRAINING and archive is None:
        raise RefusedInput("no archive to take the pictures from", "--archive", "give the service's")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        staging = folder.parent / tempfile.mkdtemp(prefix=".wetread-", dir=folder.parent)
    except OSError as error:
        raise RefusedInput(f"cannot write ({error.strerror})", folder, "give a folder you may write to") from None
    try:
        if form is ExportForm.TRAINING:
            assert archive is not None
            done = Exported(*write_training(ledger, archive, staging))
        else:
            lines = _write_lines(ledger, staging) if form is ExportForm.JSONL else _write_parquet(ledger, staging)
            done = Exported(lines, _write_blobs(ledger, staging), {})
        staging.chmod(0o755)
        if folder.exists():
            folder.rmdir()
        staging.rename(folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    ledger.append(EXPORT, actor or "local", {"format": form.value, "lines": done.lines, "head": list(ledger.head())})
    return done


def figures(ledger: Ledger) -> dict[str, Any]:
    """Entries by kind, people, studies, the end of the chain, and accept rates by model."""
    kinds: Counter[str] = Counter()
    people, studies = set(), set()
    for entry in ledger.entries():
        kinds[entry.kind] += 1
        studies |= {entry.study_uid} - {""}
        people |= {entry.actor} if entry.kind in ("verdict", "signature") else set()
    number, hashed = ledger.head()
    return {
        "entries": dict(kinds), "studies": len(studies), "people": len(people),
        "head": {"number": number, "hash": hashed}, "accept_rates": [rate.as_dict() for rate in accept_rates(ledger)],
    }  # fmt: skip


def _rows(ledger: Ledger) -> Iterator[dict[str, Any]]:
    for entry in ledger.entries():
        row = dataclasses.asdict(entry)
        yield row | ({"body": {"salt": "withheld"}} if entry.kind == GENESIS else {})


def _write_lines(ledger: Ledger, folder: Path) -> int:
    with (folder / "entries.jsonl").open("w", encoding="utf-8") as stream:
        return sum(stream.write(canonical(row) + "\n") > 0 for row in _rows(ledger))


def _write_parquet(ledger: Ledger, folder: Path) -> int:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ModuleNotFoundError:
        raise RefusedInput("pyarrow is not installed", "--format parquet", "pip install 'wetread[train]'") from None
    texts = ("kind", "actor", "recorded", "study_uid", "read_uid", "body", "previous", "hash")
    schema = pa.schema([("number", pa.int64()), *((name, pa.string()) for name in texts)])
    rows, count = _rows(ledger), 0
    with pq.ParquetWriter(folder / "entries.parquet", schema) as writer:
        while block := [row | {"body": canonical(row["body"])} for row in itertools.islice(rows, _BLOCK)]:
            writer.write_table(pa.Table.from_pylist(block, schema))
            count += len(block)
    return count


def _write_blobs(ledger: Ledger, folder: Path) -> int:
    (folder / "blobs").mkdir()
    names = set().union(*(named_blobs(entry.body) for entry in ledger.entries()))
    for name in names:
        (folder / "blobs" / name).write_bytes(ledger.blob(name))
    return len(names)
