"""Shards of triplets: a WebDataset tar or a Parquet file, written whole or not at all, and read as a stream.

A tar holds `KEY.png|jpg`, `KEY.mask0.png`, ..., `KEY.json` and maybe `KEY.overlay.png` in this order, with no times,
users or groups, so that equal triplets give equal bytes. A Parquet file holds the same in columns. Both are written
beside their place and renamed.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from wetread.errors import RefusedInput
from wetread.training.triplet_sample import Sample, as_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ShardFormat = Literal["webdataset", "parquet"]
SUFFIX: dict[str, str] = {"webdataset": "tar", "parquet": "parquet"}
NEEDS: dict[str, str] = {"webdataset": "webdataset", "parquet": "pyarrow"}


def check_library(kind: ShardFormat) -> None:
    """Refuse early where the library that writes this format is not installed."""
    from importlib.util import find_spec

    if find_spec(NEEDS[kind]) is None:
        raise RefusedInput(f"{NEEDS[kind]} is not installed", f"--format {kind}", "pip install 'wetread[train]'")


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A path to write to, that becomes `path` when all went well; nothing is left otherwise."""
    part = path.with_name(f"{path.name}.part")
    try:
        yield part
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def shard_writer(path: Path, kind: ShardFormat) -> Iterator[Callable[[str, Sample], None]]:
    """A function (key, sample) that adds to the shard at `path`."""
    if kind == "webdataset":
        from webdataset import TarWriter

        with TarWriter(str(path), user="", group="", mode=0o644, mtime=0, encoder=False, compress=False) as tar:
            yield lambda key, sample: tar.write({"__key__": key, **_members(sample)})
    else:
        rows: list[dict[str, Any]] = []
        yield lambda key, sample: rows.append(_row(key, sample))
        _write_parquet(path, rows)


def sha256_of(path: Path) -> str:
    """Hash of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_shard(path: Path) -> Iterator[tuple[str, Sample]]:
    """(key, sample) of every triplet of a shard, one in memory at a time for a tar.

    Raises:
        RefusedInput: unreadable.
    """
    try:
        yield from _read_parquet(path) if path.suffix == ".parquet" else _read_tar(path)
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise RefusedInput(
            f"unreadable shard ({type(error).__name__})", path.name, "build the triplets again"
        ) from error


def _members(sample: Sample) -> dict[str, bytes]:
    members = {sample.suffix: sample.image}
    members |= {f"mask{number}.png": mask for number, mask in enumerate(sample.masks)}
    members["json"] = as_bytes(sample.data)
    if sample.overlay is not None:
        members["overlay.png"] = sample.overlay
    return members


def _row(key: str, sample: Sample) -> dict[str, Any]:
    return {
        "key": key, "image": sample.image, "image_format": sample.suffix, "masks": list(sample.masks),
        "overlay": sample.overlay, "modality": sample.data["modality"], "text": sample.data["text"],
        "labels": [region["label"] for region in sample.data["regions"]], "group": sample.data["group"],
        "json": as_bytes(sample.data).decode(),
    }  # fmt: skip


def _write_parquet(path: Path, rows: list[dict[str, Any]]) -> None:
    import pyarrow
    from pyarrow import parquet

    schema = pyarrow.schema([
        ("key", pyarrow.string()), ("image", pyarrow.binary()), ("image_format", pyarrow.string()),
        ("masks", pyarrow.list_(pyarrow.binary())), ("overlay", pyarrow.binary()), ("modality", pyarrow.string()),
        ("text", pyarrow.string()), ("labels", pyarrow.list_(pyarrow.string())), ("group", pyarrow.string()),
        ("json", pyarrow.string()),
    ])  # fmt: skip
    # Pictures are compressed already; small row groups let a reader stream.
    parquet.write_table(pyarrow.Table.from_pylist(rows, schema=schema), path, row_group_size=32)


def _read_tar(path: Path) -> Iterator[tuple[str, Sample]]:
    import tarfile

    key, members = "", dict[str, bytes]()
    with tarfile.open(path, "r|") as tar:
        for member in tar:
            stem, _, ending = member.name.partition(".")
            if stem != key and members:
                yield key, _sample(members)
                members = {}
            key = stem
            file = tar.extractfile(member)
            members[ending] = file.read() if file is not None else b""
    if members:
        yield key, _sample(members)


def _sample(members: dict[str, bytes]) -> Sample:
    suffix = next(ending for ending in ("png", "jpg") if ending in members)
    masks = tuple(members[f"mask{i}.png"] for i in range(sum(name.startswith("mask") for name in members)))
    return Sample(members[suffix], suffix, masks, members.get("overlay.png"), json.loads(members["json"]))


def _read_parquet(path: Path) -> Iterator[tuple[str, Sample]]:
    from pyarrow import parquet

    for batch in parquet.ParquetFile(io.BytesIO(path.read_bytes())).iter_batches(batch_size=32):
        for row in batch.to_pylist():
            yield row["key"], Sample(row["image"], row["image_format"], tuple(row["masks"]), row["overlay"],
                                     json.loads(row["json"]))  # fmt: skip
