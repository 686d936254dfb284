"""Electrocardiograms of a manifest folder as items: records with their diagnoses as a closed question.

A line with modality ECG names a `record` (WFDB, without ending) or an `image` (a DICOM waveform or a header) and a
`diagnosis`, several of them separated by semicolons. Every diagnosis of the folder is offered.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from wetread.errors import RefusedInput
from wetread.terminology import Modality
from wetread.training.data.item import TrainingItem
from wetread.training.data.jsonl import JsonLines, inside
from wetread.training.data.stream import FaultyItem, Items
from wetread.training.manifests import Part, split

QUESTION = "What does this electrocardiogram show? Answer with one or multiple phrases from the following:"


def is_ecg_folder(folder: Path) -> bool:
    """True where the first usable line of the manifest is an electrocardiogram."""
    path = folder / "manifest.jsonl"
    if not path.is_file():
        return False
    lines = JsonLines(path)
    for index in range(len(lines)):
        try:
            return bool(lines[index].get("modality") == Modality.ECG)
        except FaultyItem:
            continue
    return False


def ecg_items(folder: str | Path, part: Part = "all") -> Items:
    """The records of a folder that have a diagnosis and lie on disk.

    Raises:
        RefusedInput: no manifest, or none of its records can be asked about.
    """
    root = Path(folder)
    lines = JsonLines(root / "manifest.jsonl", f"{root.resolve().name}/manifest.jsonl")
    usable: list[tuple[dict[str, Any], Path, str]] = []
    first = ""
    for index in range(len(lines)):
        where = lines.where(index)
        try:
            line = lines[index]
            if line.get("modality") == Modality.ECG and _labels(line):
                usable.append((line, _file(root, line, where), where))
        except FaultyItem as error:
            first = first or str(error)
    offered = tuple(sorted({label for line, _, _ in usable for label in _labels(line)}))
    if not offered:
        raise RefusedInput("no electrocardiogram with a diagnosis", root, first or "give records with a diagnosis")
    question = QUESTION + "\n" + "\n".join(offered)
    items = [
        TrainingItem(
            id=f"{root.resolve().name}/{line.get('id', where)}",
            question=question,
            answer=", ".join(_labels(line)),
            domain=Modality.ECG.value,
            dataset=root.resolve().name,
            group=f"{root.resolve().name}:{line.get('group') or line.get('id', where)}",
            waveforms=(file,),
            label_set=offered,
            demographics={k: str(v) for k, v in (line.get("attrs") or {}).items() if k in ("sex", "age") and v},
            location=where,
        )
        for line, file, where in usable
    ]
    # The part is drawn by the manifest's own group, as everywhere else, and not by the name it is given here.
    chosen = split(
        [_Grouped(str(line.get("group") or line.get("id")), i) for i, (line, _, _) in enumerate(usable)], part
    )
    return Items([items[one.index] for one in chosen], root.resolve().name)


class _Grouped:
    """An item's place under its manifest's group."""

    def __init__(self, group: str, index: int) -> None:
        self.group, self.index = group, index


def _labels(line: dict[str, Any]) -> tuple[str, ...]:
    parts = (part.strip() for part in str(line.get("diagnosis") or "").split(";"))
    return tuple(dict.fromkeys(part for part in parts if part))


def _file(root: Path, line: dict[str, Any], where: str) -> Path:
    named = line.get("record") or line.get("image") or line.get("dicom")
    full = inside(root, named, where)
    found = next((path for path in (full, full.with_name(f"{full.name}.hea")) if path.is_file()), None)
    if found is None:
        raise FaultyItem("missing record", where)
    return found
