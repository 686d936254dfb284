"""Which questions an evaluation asks: CLIMB folders and files, MIMIC question sets and manifest folders, as items.

Data sets with published parts are measured on their held-out ones (test and valid), unless "train" is asked for. A
limit takes the same lines every time: those of the lowest hashes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from wetread.errors import RefusedInput
from wetread.training.data.climb import PARTS, ClimbLines, ClimbPart, annotation_files, open_climb
from wetread.training.data.ecg_items import ecg_items, is_ecg_folder
from wetread.training.data.item import Faults, TrainingItem
from wetread.training.data.mimic.qa import open_qa
from wetread.training.data.readers import manifest_items
from wetread.training.data.stream import FaultyItem, ItemSource
from wetread.training.manifests import Part


def holds_questions(path: Path) -> bool:
    """True where a path asks questions of its own: CLIMB's, MIMIC's, or electrocardiograms with diagnoses."""
    if path.is_file():
        return path.suffix == ".jsonl" and path.name != "manifest.jsonl"
    if (path / "manifest.jsonl").is_file():
        return is_ecg_folder(path)
    return bool(annotation_files(path)) or bool(_own_parts(path)) or (path / "temporal_splits").is_dir()


def open_questions(path: Path, part: Part = "all") -> list[ItemSource]:
    """The sources of a path.

    Raises:
        RefusedInput: nothing there that can be asked.
    """
    if path.is_file():
        return [*open_climb(path)]
    if (path / "manifest.jsonl").is_file():
        return [ecg_items(path, part) if is_ecg_folder(path) else manifest_items(path, part)]
    wanted: tuple[ClimbPart, ...] = ("train",) if part == "train" else ("test", "valid")
    found: list[ItemSource] = []
    if (path / "temporal_splits").is_dir():
        return [*open_qa(path, "train" if part == "train" else "test")]
    own = _own_parts(path)
    if own:
        names = path.resolve().parts[-2:]
        return [ClimbLines(file, *names) for file in own if file.stem.split("_")[1] in wanted]
    for one in wanted:
        if any(file.stem.split("_")[1] == one for file in annotation_files(path)):
            found += open_climb(path, one)
    if not found:
        raise RefusedInput("no questions", path, "give a manifest folder, CLIMB's root, or a JSON lines file")
    return found


def chosen_items(sources: Sequence[ItemSource], limit: int | None, faults: Faults) -> Iterator[TrainingItem]:
    """The items of all sources, or those of the lowest hashes; what cannot be used is counted."""
    places = [(source, index) for source in sources for index in range(len(source))]
    if limit is not None:
        key = [hashlib.sha256(f"{source.name}:{index}".encode()).digest() for source, index in places]
        lowest = sorted(range(len(places)), key=key.__getitem__)[:limit]
        places = [places[i] for i in sorted(lowest)]
    for source, index in places:
        try:
            yield source[index]
        except FaultyItem as error:
            faults.add(error.kind, error.where, error.why)


def _own_parts(path: Path) -> list[Path]:
    return sorted(f for f in path.glob("annotation_*.jsonl") if f.stem.split("_")[1] in PARTS)
