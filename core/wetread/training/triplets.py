"""Triplets by the million: a labelled data set becomes shards of image, masks, description, questions and answers.

The plan comes first: the entries of the source, shuffled with the seed, cut into shards of equal numbers of items.
Every shard is then built on its own, by any process, in any order, and put in place whole with its record beside it.
So a run that was killed goes on where it was, any number of workers gives the same bytes, and a bad item costs only
itself. `manifest.json` at the end counts what there is; `bad_items.jsonl` lists what was skipped, and why.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import sys
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from wetread import __version__
from wetread.errors import RefusedInput
from wetread.training.layouts import detecting
from wetread.training.layouts.picture import BadItem, Entry, Index, Options
from wetread.training.triplet_reader import MANIFEST, Triplet, read_triplets
from wetread.training.triplet_sample import Origin, hashed, make_sample
from wetread.training.triplet_shards import (
    SUFFIX,
    ShardFormat,
    check_library,
    sha256_of,
    shard_writer,
    whole_file,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["MANIFEST", "Plan", "Request", "Triplet", "build", "make_plan", "read_triplets"]

FORMAT = "wetread-triplets-1"
PLAN, BAD = "plan.json", "bad_items.jsonl"
SHARD_ITEMS = 64
_HIDDEN = (detecting.Layout.DICOM_SEG, detecting.Layout.LEDGER)


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be built.

    Args:
        source: folder of the data set.
        out: a new or empty folder, or that of an earlier run of the same request.
        kind: of the shards.
        layout: of the source; found out when None.
        workers: processes; all cores when None. The result does not depend on it.
        seed: of the order and the phrasings.
        shard_items: items (pictures or volumes) a shard.
        limit: at most so many items, the first ones of the shuffled order.
        overlay: write overlays as well.
        name: of the data set; the folder's when "".
        options: what the caller knows and the source may not say.
    """

    source: Path
    out: Path
    kind: ShardFormat = "webdataset"
    layout: detecting.Layout | None = None
    workers: int | None = None
    seed: int = 0
    shard_items: int = SHARD_ITEMS
    limit: int | None = None
    overlay: bool = False
    name: str = ""
    options: Options = field(default_factory=Options)


@dataclass(frozen=True, slots=True)
class Plan:
    """The source as it will be built; `fingerprint` is the same for the same source and request."""

    layout: detecting.Layout
    origin: Origin
    shards: tuple[tuple[Entry, ...], ...]
    found: Index
    fingerprint: str

    @property
    def items(self) -> int:
        """Number of items in all shards."""
        return sum(map(len, self.shards))


@dataclass(frozen=True, slots=True)
class _Task:
    number: int
    entries: tuple[Entry, ...]
    origin: Origin
    kind: ShardFormat
    out: Path
    source: Path
    fingerprint: str


def make_plan(request: Request) -> Plan:
    """Index the source and cut it into shards; nothing is written.

    Raises:
        RefusedInput: nothing usable, or numbers that make no sense.
    """
    for name, value in (("--shard-size", request.shard_items), ("--limit", request.limit), ("--workers",
                        request.workers)):  # fmt: skip
        if value is not None and value < 1:
            raise RefusedInput(f"{name} {value}", "arguments", "give a positive number")
    layout, found = detecting.index(request.source, request.options, request.layout)
    entries = list(found.entries)
    random.Random(request.seed).shuffle(entries)
    entries = entries[: request.limit]
    shards = tuple(tuple(entries[i : i + request.shard_items]) for i in range(0, len(entries), request.shard_items))
    name = request.name or request.source.resolve().name
    origin = Origin(name, str(layout), found.licence, request.seed, request.overlay, layout in _HIDDEN)
    said = [FORMAT, __version__, request.kind, request.shard_items, asdict(origin)]
    fingerprint = hashlib.sha256(json.dumps(said).encode())
    for entry in entries:  # all that an entry says (names of labels, modality), wherever the folder lies
        fingerprint.update(repr(entry).replace(repr(request.source), "SOURCE").encode())
    return Plan(layout, origin, shards, found, fingerprint.hexdigest())


def build(request: Request, progress: bool = False) -> dict[str, Any]:
    """Build every shard that is not there yet, and the manifest.

    Args:
        request: see `Request`.
        progress: show a progress bar on standard error.

    Returns:
        The manifest.

    Raises:
        RefusedInput: nothing usable, an output folder of something else, or a library that is missing.
    """
    check_library(request.kind)
    _check_out(request)
    plan = make_plan(request)
    _start(request, plan)
    tasks = [_Task(number, entries, plan.origin, request.kind, request.out, request.source, plan.fingerprint)
             for number, entries in enumerate(plan.shards)]  # fmt: skip
    records = {task.number: record for task in tasks if (record := _finished(task)) is not None}
    left = [task for task in tasks if task.number not in records]
    from tqdm import tqdm

    with tqdm(total=plan.items, initial=sum(len(t.entries) for t in tasks) - sum(len(t.entries) for t in left),
              unit="item", disable=not progress, file=sys.stderr) as bar:  # fmt: skip
        for record in _run(left, request.workers):
            records[record["shard"]] = record
            bar.update(record["items"])
    return _finish(request, plan, [records[number] for number in sorted(records)])


def _run(tasks: list[_Task], workers: int | None) -> Iterator[dict[str, Any]]:
    """Records of the shards as they are finished, by as many processes as there is work for."""
    wanted = min(workers or len(os.sched_getaffinity(0)), len(tasks))
    if wanted <= 1:
        yield from map(write_shard, tasks)
        return
    from concurrent.futures import ProcessPoolExecutor, as_completed
    from concurrent.futures.process import BrokenProcessPool
    from multiprocessing import get_context

    # Spawned and not forked: a fork of a process with threads (numpy, torch) may hang.
    with ProcessPoolExecutor(wanted, mp_context=get_context("spawn"), initializer=_one_thread) as pool:
        waiting = [pool.submit(write_shard, task) for task in tasks]
        try:
            for done in as_completed(waiting):
                yield done.result()
        except BrokenProcessPool as error:
            raise RefusedInput("a worker process was killed, perhaps for want of memory", "--workers",
                               "run again with fewer workers; finished shards are kept") from error  # fmt: skip
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _one_thread() -> None:
    """A worker takes one core: the other cores have workers of their own."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"):
        os.environ[name] = "1"


def write_shard(task: _Task) -> dict[str, Any]:
    """Build one shard and its record, both whole or not at all."""
    record: dict[str, Any] = {"shard": task.number, "fingerprint": task.fingerprint, "items": len(task.entries)}
    modalities, targets, kinds = Counter[str](), Counter[str](), Counter[str]()
    bad: list[dict[str, str]] = []
    samples = 0
    path = task.out / f"shard-{task.number:06d}.{SUFFIX[task.kind]}"
    with whole_file(path) as part, shard_writer(part, task.kind) as write:
        for entry in task.entries:
            try:
                made = [make_sample(entry, picture, task.origin) for picture in entry.load()]
            # A data set may break any reader in any way; whatever it is, it costs this item and is listed.
            except Exception as error:
                bad.append({"item": entry.id, "reason": _reason(error, task.source)})
                continue
            for sample in made:
                write(f"{task.number:06d}-{samples:06d}", sample)
                samples += 1
                modalities[sample.data["modality"]] += 1
                targets.update({region["label"] for region in sample.data["regions"]})
                kinds.update(question["kind"] for question in sample.data["questions"])
    record |= {
        "file": path.name, "samples": samples, "bytes": path.stat().st_size, "sha256": sha256_of(path),
        "modalities": dict(sorted(modalities.items())), "targets": dict(sorted(targets.items())),
        "questions": dict(sorted(kinds.items())), "bad": bad,
    }  # fmt: skip
    _write_json(_record_path(task), record)
    return record


def _reason(error: Exception, source: Path) -> str:
    """Why an item is bad, in one line, without the folders of this machine."""
    if isinstance(error, BadItem):
        said = str(error)
    elif isinstance(error, RefusedInput):
        said = error.what
    else:
        said = f"{type(error).__name__}: {error}"
    for folder in (str(source.resolve()), str(source)):
        said = said.replace(folder, "SOURCE")
    return " ".join(said.split())[:300]


def _record_path(task: _Task) -> Path:
    return task.out / f"shard-{task.number:06d}.json"


def _finished(task: _Task) -> dict[str, Any] | None:
    """The record of a shard that an earlier run of the same plan finished."""
    try:
        record: dict[str, Any] = json.loads(_record_path(task).read_text(encoding="utf-8"))
        there = (task.out / record["file"]).stat().st_size == record["bytes"]
        return record if there and record["fingerprint"] == task.fingerprint else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _check_out(request: Request) -> None:
    out, source = request.out.resolve(), request.source.resolve()
    if out.is_relative_to(source) or source.is_relative_to(out):
        raise RefusedInput("output and source lie in one another", request.out, "give a folder beside the source")
    if out.exists() and not out.is_dir():
        raise RefusedInput("a file, not a folder", request.out, "give a new folder")
    if out.is_dir() and any(out.iterdir()) and not (out / PLAN).is_file():
        raise RefusedInput("a folder with other files in it", request.out, "give a new or empty folder")


def _start(request: Request, plan: Plan) -> None:
    """Make the folder and put the plan in it, or see that the plan in it is this one."""
    try:
        request.out.mkdir(parents=True, exist_ok=True)
        for left_over in request.out.glob("*.part"):
            left_over.unlink()
    except OSError as error:
        raise RefusedInput(f"cannot write there ({error.strerror})", request.out, "give another folder") from error
    path = request.out / PLAN
    if path.is_file():
        try:
            earlier = json.loads(path.read_text(encoding="utf-8")).get("fingerprint")
        except (OSError, ValueError, AttributeError):
            earlier = None
        if earlier != plan.fingerprint:
            raise RefusedInput("triplets of another source, seed or setting", request.out,
                               "run again as before to go on, or give a new folder")  # fmt: skip
        return
    _write_json(path, {"format": FORMAT, "fingerprint": plan.fingerprint, "items": plan.items,
                       "shards": len(plan.shards), "kind": request.kind, "seed": request.seed})  # fmt: skip


def _finish(request: Request, plan: Plan, records: list[dict[str, Any]]) -> dict[str, Any]:
    bad = [{"item": item, "reason": reason} for item, reason in plan.found.bad]
    bad += [line for record in records for line in record["bad"]]
    with whole_file(request.out / BAD) as part:
        part.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in bad), encoding="utf-8")
    totals = {key: sum((Counter(record[key]) for record in records), Counter[str]())
              for key in ("modalities", "targets", "questions")}  # fmt: skip
    manifest = {
        "format": FORMAT,
        "wetread": __version__,
        "kind": request.kind,
        "seed": request.seed,
        "shard_items": request.shard_items,
        "source": {"name": plan.origin.name, "layout": str(plan.layout), "licence": plan.origin.licence or "unknown",
                   "fingerprint": plan.fingerprint},
        "licences": {plan.origin.licence or "unknown": sum(record["samples"] for record in records)},
        "items": plan.items,
        "samples": sum(record["samples"] for record in records),
        "groups": len({hashed(plan.origin.name, entry.group) for shard in plan.shards for entry in shard}),
        "bad_items": len(bad),
        "unmarked_items": plan.found.unmarked,
        **{key: dict(sorted(total.items())) for key, total in totals.items()},
        "shards": [{key: record[key] for key in ("file", "samples", "bytes", "sha256")} for record in records],
    }  # fmt: skip
    _write_json(request.out / MANIFEST, manifest)
    return manifest


def _write_json(path: Path, content: dict[str, Any]) -> None:
    with whole_file(path) as part:
        part.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
