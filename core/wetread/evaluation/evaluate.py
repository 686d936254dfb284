"""`wetread evaluate`: a labelled folder through the same reader that a user gets, measured and reported.

Each item becomes a Sample through `wetread.imaging` and is read once for each label that the folder marks and the
terminology knows, with the plain question a person would ask; findings are compared with the truth at the original
resolution. A label that an item does not list is taken as absent there. Nothing is tuned on the way: no threshold is
searched, no item is dropped for a bad score, and what could not be measured is listed with its reason.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from wetread import DEFAULT_MODEL, __version__
from wetread.errors import RefusedInput
from wetread.evaluation.bootstrap import RESAMPLES, SEED
from wetread.evaluation.page import check_folder, write_report
from wetread.evaluation.question_data import holds_questions
from wetread.evaluation.report import DEFINITIONS, markdown
from wetread.evaluation.rhythms import evaluate_rhythms, network_for, rhythm_markdown
from wetread.evaluation.scores import Answer, Score, score, summarise
from wetread.evaluation.truths import load_case
from wetread.evaluation.worst import WorstCases, worst_finding
from wetread.model.prompts import segment_question
from wetread.terminology import find_target
from wetread.training import manifests
from wetread.training.manifests import Entry, EntryKind, Manifest, Part, read_manifest

if TYPE_CHECKING:
    from wetread.findings import Provenance, Read
    from wetread.imaging.sample import Sample


class Reads(Protocol):
    """What evaluation needs of a reader; `wetread.reading.Reader` has it."""

    def read(self, sample: Sample, question: str | None = None) -> Read:
        """Read one sample."""
        ...


def evaluate(
    *,
    data_dir: str | Path,
    model: str = DEFAULT_MODEL,
    json_path: str | Path | None = None,
    split: Part = "all",
    limit: int | None = None,
    progress: bool = True,
    show: bool = True,
    reader: Reads | None = None,
    predictions: str | Path | None = None,
    report_dir: str | Path | None = None,
) -> dict[str, Any]:
    """Read every item of a labelled folder and measure the findings; or measure answers to questions.

    A folder with a `manifest.jsonl` is read; CLIMB's folders and files, MIMIC question sets, and any folder for which
    `predictions` are given, are asked their questions (`wetread.evaluation.ask`, with another report).

    Args:
        data_dir: folder with `manifest.jsonl`.
        model: name or folder of the model; not used where `reader` is given.
        json_path: where the report is written; nothing is written where it is None.
        split: "train", "holdout" (a fifth of the groups, see `manifests.is_holdout`) or "all".
        limit: at most so many items, the same ones every time (in the order of the SHA-256 of their ids).
        progress: show a progress bar on standard error.
        show: print the Markdown table on standard output.
        reader: an already loaded reader.
        predictions: answers of any model (`wetread.evaluation.predictions`), in place of asking one.
        report_dir: folder for report.md, report.html and report.json.

    Returns:
        The report: `labels` -> label -> figures with intervals, and what was left out.

    Raises:
        RefusedInput: no usable item, no label that Wetread can name, or a report that cannot be written.
        ModelUnavailable: the model is not there or its weights do not load.
    """
    if limit is not None and limit < 1:
        raise RefusedInput(f"limit of {limit}", "--limit", "give a positive number")
    target_file = _writable(json_path)
    folder = None if report_dir is None else Path(report_dir)
    check_folder(folder)
    network = None if predictions is not None or reader is not None else network_for(model, Path(data_dir))
    if network is not None:
        report = evaluate_rhythms(network, model, Path(data_dir), split, limit, progress, show)
        if target_file is not None:
            _write(target_file, report)
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "report.md").write_text(rhythm_markdown(report), encoding="utf-8")
            _write(folder / "report.json", report)
        return report
    if predictions is not None or holds_questions(Path(data_dir)):
        from wetread.evaluation.ask import evaluate_questions

        report = evaluate_questions(
            data_dir=data_dir, predictions=predictions, model=model, report_dir=folder, split=split, limit=limit,
            progress=progress, show=show, reader=reader,
        )  # fmt: skip
        if target_file is not None:
            _write(target_file, report)
        return report
    manifest = read_manifest(data_dir)
    entries = _chosen(manifest, split, limit)
    asked, skipped = _labels(manifest)
    if not asked:
        named = ", ".join(manifest.labels) or "none"
        raise RefusedInput(f"no label that can be asked for (the folder has: {named})", manifest.folder,
                           "use labels or synonyms of wetread.terminology")  # fmt: skip
    if reader is None:
        from wetread.reading import Reader

        reader = Reader(model)
    measured = _run(reader, entries, asked, _labels_in_masks(manifest), progress, folder is not None)
    if measured.who is None:
        raise RefusedInput(f"none of {len(entries)} items could be read; the first: {measured.refused[0]['reason']}",
                           manifest.folder, "check the files")  # fmt: skip
    report = _report(manifest, split, limit, entries, skipped, measured, measured.who)
    if target_file is not None:
        _write(target_file, report)
    if folder is not None:
        write_report(report, markdown(report), folder, measured.worst)
    if show:
        sys.stdout.write(markdown(report) + "\n")
    return report


def answer_of(read: Read, label: str, seconds: float) -> Answer:
    """What a read says about one label; several findings of it are taken together."""
    found = [f for f in read.findings if f.label == label]
    if not found:
        return Answer(abstained=read.abstention is not None, seconds=seconds)
    masks = [f.mask.dense() for f in found if f.mask is not None]
    first = max(found, key=lambda f: f.presence)
    objects = [b for f in found for b in (f.instances or ((f.box,) if f.box is not None else ()))]
    return Answer(
        mask=np.logical_or.reduce(masks) if masks else None,
        box=None if first.box is None else first.box.corners,
        plane=first.plane,
        objects=tuple(box.corners for box in objects),
        presence=first.presence,
        abstained=read.abstention is not None,
        seconds=seconds,
    )


@dataclass(slots=True)
class _Measured:
    """What the loop over the items leaves behind; reads with their masks are let go of at once."""

    scores: list[Score] = field(default_factory=list)
    refused: list[dict[str, str]] = field(default_factory=list)
    abstentions: Counter[str] = field(default_factory=Counter)
    who: Provenance | None = None
    worst: WorstCases = field(default_factory=WorstCases)


def _run(
    reader: Reads, entries: Sequence[Entry], asked: Sequence[str], in_masks: set[str], progress: bool, draw: bool
) -> _Measured:
    from tqdm import tqdm

    done = _Measured()
    with tqdm(total=len(entries) * len(asked), unit="read", disable=not progress, file=sys.stderr) as bar:
        for entry in entries:
            try:
                case = load_case(entry)
            except RefusedInput as error:
                done.refused.append({"item": entry.id, "reason": str(error)})
                bar.update(len(asked))
                continue
            for label in asked:
                begun = time.perf_counter()
                read = reader.read(case.sample, segment_question(label))
                seconds = time.perf_counter() - begun
                truth = case.truth(label, in_masks=label in in_masks)
                answer = answer_of(read, label, seconds)
                done.scores.append(score(entry.id, entry.group, label, truth, answer))
                if draw:
                    done.worst.take(worst_finding(done.scores[-1], truth, answer, case.sample))
                if read.abstention is not None:
                    done.abstentions[read.abstention] += 1
                done.who = done.who or read.provenance
                bar.update()
    return done


def _chosen(manifest: Manifest, part: Part, limit: int | None) -> list[Entry]:
    if part not in ("train", "holdout", "all"):
        raise RefusedInput(f"split {part!r}", "--split", "use train, holdout or all")
    entries = manifests.split(manifest.entries, part)
    if not entries:
        raise RefusedInput(f"no item in the {part} part", manifest.folder, "use --split all")
    if limit is not None:
        entries = sorted(entries, key=lambda e: hashlib.sha256(e.id.encode()).digest())[:limit]
    return entries


def _labels(manifest: Manifest) -> tuple[list[str], dict[str, str]]:
    """Labels to ask for, and the others with the reason why not."""
    asked = [label for label in manifest.labels if find_target(label) is not None]
    without = "Wetread's terminology has no such target, so no question names it"
    return asked, {label: without for label in manifest.labels if label not in asked}


def _labels_in_masks(manifest: Manifest) -> set[str]:
    """Labels that at least one item marks with a mask."""
    drawn = {m.label for e in manifest.entries for m in e.masks}
    return drawn | {name for e in manifest.entries if e.kind is EntryKind.VOLUME for name in e.labels}


def _report(
    manifest: Manifest,
    part: Part,
    limit: int | None,
    entries: Sequence[Entry],
    skipped: dict[str, str],
    measured: _Measured,
    who: Provenance,
) -> dict[str, Any]:
    by_label: defaultdict[str, list[Score]] = defaultdict(list)
    for one in measured.scores:
        by_label[one.label].append(one)
    seconds = [s.seconds for s in measured.scores]
    return {
        "wetread": __version__,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "model": {
            "name": who.model,
            "version": who.model_version,
            "weights_sha256": who.weights_sha256,
            "device_uid": who.device_uid,
            "seed": who.seed,
        },
        "data": {
            "folder": manifest.folder.resolve().name,
            "manifest_sha256": hashlib.sha256((manifest.folder / "manifest.jsonl").read_bytes()).hexdigest(),
            "split": part,
            "limit": limit,
            "items": len(entries),
            "groups": len({e.group for e in entries}),
            "problems": list(manifest.problems),
        },
        "labels": {label: summarise(by_label[label]) for label in sorted(by_label)},
        "reads": len(measured.scores),
        "abstentions": dict(measured.abstentions),
        "seconds": {"total": round(sum(seconds), 2), "median_read": round(float(np.median(seconds)), 3)},
        "skipped_labels": skipped,
        "refused_items": measured.refused,
        "bootstrap": {"resamples": RESAMPLES, "seed": SEED, "unit": "group", "level": 0.95},
        "definitions": DEFINITIONS,
        "scores": [one.as_dict() for one in measured.scores],
    }  # fmt: skip


def _writable(json_path: str | Path | None) -> Path | None:
    """The report's path, refused before an hour of reading rather than after it."""
    if json_path is None:
        return None
    path = Path(json_path)
    if path.is_dir() or not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise RefusedInput("a report cannot be written there", path, "give a file in a folder that exists")
    return path


def _write(path: Path, report: dict[str, Any]) -> None:
    """All or nothing: a reader of the file never sees half a report."""
    part = path.with_name(f".{path.name}.part")
    part.write_text(json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
    part.replace(path)
