"""`wetread data mimic`: from the tables to question sets, split by patient; an interrupted build goes on.

The event index is built once (`events`). Then each of its 64 buckets becomes one file of lines below `.parts`; a
bucket that is done is not made again, as long as the settings are the same. At the end the buckets are joined in
their order, so the result does not depend on how often a build was interrupted. A patient lies in one part, whatever
other patients there are.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wetread.errors import RefusedInput
from wetread.training.data.item import Faults
from wetread.training.data.mimic.events import BUCKETS, build_index, events_by_admission
from wetread.training.data.mimic.media import Studies, ecg_tensor, read_studies
from wetread.training.data.mimic.qa import PARTS, QA_TYPES, Diagnoses, part_of, qa_lines
from wetread.training.data.mimic.stay import Admission, MortalityRule, read_admissions, window_of
from wetread.training.data.mimic.tables import (
    DIAGNOSES,
    DIAGNOSIS_NAMES,
    DISCHARGE_NOTES,
    RADIOLOGY_NOTES,
    Places,
    find_places,
    numbers,
    whole,
)
from wetread.training.data.mimic.text import CountTokens, Names, estimated_tokens, read_names, record_text

if TYPE_CHECKING:
    from collections.abc import Mapping

TASK_OF_TYPE = {5: "length_of_stay", 6: "mortality"}
"""Question types that are also written as tasks of their own, in the consolidated layout of CLIMB's trainer."""
DEFINITIONS = {
    "evidence": "rows charted in [start, cut) and stored before the cut; start: arrival in the emergency department at "
    "most 24 hours before admission, else admission; cut: the given hours after admission, or death or discharge",
    "excluded": "diagnosis and procedure codes, discharge summaries, radiology reports, machine reports of ECGs, "
    "amounts and durations of what ends after the cut",
    "length_of_stay": "whole days from admission to discharge: 0-4, 5-8, 9-12, more than 12",
    "mortality": "death or discharge to hospice less than 48 hours after admission (from-admission) or after the cut "
    "(after-cut, only of patients still there)",
    "split": "patient, by a hash with the seed: 80 % train, 10 % val, 10 % test",
}


@dataclass(frozen=True, slots=True)
class _Sources:
    """What every bucket needs."""

    places: Places
    out: Path
    names: Names
    studies: Studies
    diagnoses: Mapping[int, Diagnoses]
    vocabulary: list[str]
    count: CountTokens
    hours: float
    tokens: int
    rule: MortalityRule
    seed: int


def build(
    root: str | Path,
    out: str | Path,
    *,
    hours: float = 48.0,
    tokens: int = 4096,
    model: str | Path | None = None,
    count: CountTokens | None = None,
    mortality: str = MortalityRule.FROM_ADMISSION,
    limit: int | None = None,
    seed: int = 0,
    progress: bool = True,
) -> dict[str, Any]:
    """Build the question sets.

    Args:
        root: folder with hosp/ and icu/, or CLIMB's root.
        out: folder of the result and of the index; made where it is not there.
        hours: evidence up to so many hours after admission.
        tokens: budget of a record's text.
        model: count tokens with this model's tokenizer.
        count: counts tokens, in place of a model's tokenizer; an estimate where both are None.
        mortality: see `MortalityRule`.
        limit: at most so many admissions, the same ones every time.
        seed: of the split and of the wrong choices.
        progress: show progress bars on standard error.

    Returns:
        The manifest, which is also written as manifest.json.

    Raises:
        RefusedInput: no MIMIC-IV there, a torn table, or a folder that is in other use.
    """
    from tqdm import tqdm

    if not hours > 0 or tokens < 1 or (limit is not None and limit < 1):
        raise RefusedInput("a number below its least", "--hours, --tokens, --limit", "give positive numbers")
    rule = MortalityRule(mortality)
    places, target, faults = find_places(root), Path(out), Faults()
    if places.hosp_icu.resolve().is_relative_to(target.resolve()):
        raise RefusedInput("the result would lie in the data set", target, "give another folder with --out")
    target.mkdir(parents=True, exist_ok=True)
    index = build_index(places, target / "index", faults, progress=progress)
    admissions = _limited(read_admissions(places, faults), limit)
    diagnoses, vocabulary = _diagnoses(places, faults)
    sources = _Sources(
        places, target, read_names(places, faults), read_studies(places, faults), diagnoses, vocabulary,
        count or _counter(model), hours, tokens, rule, seed,
    )  # fmt: skip
    _link_pictures(places, target)
    settings: dict[str, Any] = {
        "hours": hours, "tokens": tokens, "model": str(model) if model else None, "mortality": rule.value,
        "limit": limit, "seed": seed, "admissions": len(admissions),
        "index": (index / "source.json").read_text(encoding="utf-8"),
    }  # fmt: skip
    parts = _parts_folder(target, settings)
    by_hadm = {admission.hadm: admission for admission in admissions}
    for bucket in tqdm(range(BUCKETS), unit="bucket", disable=not progress, file=sys.stderr, delay=1.0):
        path = parts / f"{bucket:02d}.jsonl"
        if not path.is_file():
            _write_lines(path, _bucket_lines(sources, index, by_hadm, bucket))
    counts, left_out = _join(parts, target)
    faults.counts.update(left_out)
    patients = {admission.subject for admission in admissions}
    manifest = {
        "settings": {key: value for key, value in settings.items() if key != "index"},
        "admissions": len(admissions),
        "patients": {part: sum(part_of(p, seed) == part for p in patients) for part in PARTS},
        "questions": counts,
        "evidence_tables": json.loads(settings["index"])["files"],
        "modules": {name: getattr(places, name) is not None for name in ("note", "cxr", "ecg")},
        "notes_present_and_not_used": _notes(places),
        "left_out": faults.lines(),
        "definitions": DEFINITIONS,
    }
    _write_text(target / "manifest.json", json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")
    return manifest


def _bucket_lines(
    sources: _Sources, index: Path, admissions: Mapping[int, Admission], bucket: int
) -> Iterable[dict[str, Any]]:
    wanted = [hadm for hadm in admissions if hadm % BUCKETS == bucket]
    for hadm, events in events_by_admission(index, wanted):
        admission = admissions[hadm]
        window = window_of(admission, sources.hours)
        record = record_text(admission, events, window, sources.names, budget=sources.tokens, count=sources.count)
        faults = Faults()
        images = _pictures(sources, admission.subject, sources.studies.pictures_in(admission.subject, window), faults)
        ecgs = _ecgs(sources, sources.studies.ecgs_in(admission.subject, window), faults)
        lines = qa_lines(
            admission, record, sources.diagnoses.get(hadm, Diagnoses((), None)),
            images, ecgs, sources.vocabulary,
            hours=sources.hours, rule=sources.rule, seed=sources.seed,
        )  # fmt: skip
        part = part_of(admission.subject, sources.seed)
        for kind, line in lines.items():
            yield {"task": f"temporal_splits/qa_type_{kind}", "part": part, "line": line}
            if kind in TASK_OF_TYPE:
                yield {"task": TASK_OF_TYPE[kind], "part": part, "line": _task_line(kind, line)}
        if faults.total:
            yield {"left_out": dict(faults.counts)}


def _task_line(kind: int, line: dict[str, Any]) -> dict[str, Any]:
    """The same question in the consolidated layout, answered in words instead of letters."""
    problem = line["question"]
    if kind == 6:
        problem = problem[: problem.rindex("\nA. ")] + " Answer with one of the following:\nYes\nNo"
    paths = {key: [path.removeprefix("../../") for path in line[key]] for key in ("images", "time-series")}
    return {
        "problem": problem.strip(), "answer": line["answer"], **paths, "videos": [], "subject_id": line["subject_id"],
        "hadm_id": line["hadm_id"], "demo": line["demo"], "data_source": "multimodal", "dataset": TASK_OF_TYPE[kind],
    }  # fmt: skip


def _pictures(sources: _Sources, subject: int, paths: list[str], faults: Faults) -> list[str]:
    found = []
    for path in paths:
        if sources.places.cxr is not None and (sources.places.cxr / path).is_file():
            found.append(f"../../cxr/{path}")
        else:
            faults.add("missing X-ray", path)
    return found[:2]


def _ecgs(sources: _Sources, paths: list[str], faults: Faults) -> list[str]:
    """The latest usable ECG of the window, written once as a tensor."""
    import torch

    for path in paths:
        target = sources.out / "ecg" / f"{Path(path).name}.pt"
        if not target.is_file():
            record = (sources.places.ecg or sources.out) / path
            if ".." in Path(path).parts or not record.with_suffix(".hea").is_file():
                faults.add("missing ECG", path)
                continue
            try:
                tensor = ecg_tensor(record)
            except RefusedInput as error:
                faults.add(error.what, path)
                continue
            target.parent.mkdir(exist_ok=True)
            part = target.with_suffix(".part")
            torch.save(torch.from_numpy(tensor), part)
            part.replace(target)
        return [f"../../ecg/{target.name}"]
    return []


def _diagnoses(places: Places, faults: Faults) -> tuple[dict[int, Diagnoses], list[str]]:
    names = whole(places, DIAGNOSIS_NAMES, faults).dropna()
    titles = {(row["icd_code"].strip(), row["icd_version"]): row["long_title"] for row in names.to_dict("records")}
    rows = whole(places, DIAGNOSES, faults).dropna(subset=["hadm_id", "icd_code"])
    rows["seq_num"], rows["hadm_id"] = numbers(rows["seq_num"]), numbers(rows["hadm_id"])
    found: dict[int, list[tuple[float, str]]] = {}
    for row in rows.dropna(subset=["hadm_id", "seq_num"]).to_dict("records"):
        title = titles.get((row["icd_code"].strip(), row["icd_version"]))
        if title is None:
            faults.add("diagnosis code without a title", "hosp/diagnoses_icd")
            continue
        found.setdefault(int(row["hadm_id"]), []).append((row["seq_num"], title))
    by_hadm = {}
    for hadm, given in found.items():
        ordered = sorted(set(given))
        primary = ordered[0][1] if ordered[0][0] == 1 else None
        by_hadm[hadm] = Diagnoses(tuple(dict.fromkeys(title for _, title in ordered)), primary)
    return by_hadm, sorted(set(titles.values()))


def _counter(model: str | Path | None) -> CountTokens:
    if model is None:
        return estimated_tokens
    from transformers import AutoTokenizer

    from wetread.model.checkpoint import locate

    tokenizer = AutoTokenizer.from_pretrained(str(locate(model)))
    return lambda text: len(tokenizer(text, add_special_tokens=False)["input_ids"])


def _limited(admissions: list[Admission], limit: int | None) -> list[Admission]:
    if limit is None:
        return admissions
    return sorted(admissions, key=lambda one: hashlib.sha256(str(one.hadm).encode()).digest())[:limit]


def _link_pictures(places: Places, target: Path) -> None:
    """A link `cxr` to the pictures, so that lines name them inside the result's folder."""
    link = target / "cxr"
    if places.cxr is not None and not link.exists():
        link.symlink_to(places.cxr.resolve(), target_is_directory=True)


def _parts_folder(target: Path, settings: dict[str, Any]) -> Path:
    folder, said = target / ".parts", json.dumps(settings, sort_keys=True)
    if (folder / "settings.json").is_file() and (folder / "settings.json").read_text(encoding="utf-8") != said:
        shutil.rmtree(folder)
    folder.mkdir(exist_ok=True)
    _write_text(folder / "settings.json", said)
    return folder


def _join(parts: Path, target: Path) -> tuple[dict[str, dict[str, int]], Counter[str]]:
    """Buckets, in their order, to the files of the layout."""
    tasks = [f"temporal_splits/qa_type_{kind}" for kind in QA_TYPES] + list(TASK_OF_TYPE.values())
    counts: dict[str, dict[str, int]] = {task: dict.fromkeys(PARTS, 0) for task in tasks}
    left_out: Counter[str] = Counter()
    open_files = {}
    for task in tasks:
        for part in PARTS:
            path = _file_of(target, task, part)
            path.parent.mkdir(parents=True, exist_ok=True)
            open_files[task, part] = path.with_suffix(".part").open("w", encoding="utf-8")
    for path in sorted(parts.glob("*.jsonl")):
        with path.open(encoding="utf-8") as lines:
            for text in lines:
                said = json.loads(text)
                if "left_out" in said:
                    left_out.update(said["left_out"])
                    continue
                open_files[said["task"], said["part"]].write(json.dumps(said["line"], ensure_ascii=False) + "\n")
                counts[said["task"]][said["part"]] += 1
    for (task, part), file in open_files.items():
        file.close()
        os.replace(file.name, _file_of(target, task, part))
    return counts, left_out


def _file_of(target: Path, task: str, part: str) -> Path:
    """Question types in their own folders, tasks beside the media: each where its paths are relative to."""
    return target / task / f"{part}.jsonl" if "/" in task else target / f"{task}_{part}.jsonl"


def _notes(places: Places) -> list[str]:
    present = [table.name for table in (DISCHARGE_NOTES, RADIOLOGY_NOTES) if places.note is not None]
    return [name for name in present if any(places.note.glob(f"{name}.csv*"))] if places.note else []


def _write_lines(path: Path, lines: Iterable[dict[str, Any]]) -> None:
    part = path.with_name(f".{path.name}.part")
    with part.open("w", encoding="utf-8") as file:
        for line in lines:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
    part.replace(path)


def _write_text(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
