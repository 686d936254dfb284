"""`wetread data check`: which data sets are on disk, complete or broken, and why.

Every line of every annotation file is read and every file it names is looked up, none is opened, so a root of
millions of lines is checked in minutes. The published number of records stands beside the number found; a difference
is shown and is no defect, for several sets are published in part only.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from wetread.errors import RefusedInput
from wetread.training.data.climb import ClimbLines, annotation_files
from wetread.training.data.climb_catalogue import CLIMB_SETS, ClimbSet, find_set
from wetread.training.data.item import Faults, TrainingItem
from wetread.training.data.stream import FaultyItem

State = Literal["complete", "broken", "no annotations", "not on disk"]
_MOST_LABEL_SETS = 50


@dataclass(slots=True)
class Checked:
    """What was found of one data set.

    Args:
        key: ``domain/folder``.
        known: the catalogue's entry; None for a folder that CLIMB does not list.
        lines: part (or file name) -> number of lines.
        usable: lines that give an item.
        faults: lines that do not, and masks that are missing.
        label_sets: label set -> how many usable lines offer it.
        answers: label -> how many usable lines give it.
        outside: usable lines whose answer has a label that the question does not offer.
        groups: part -> patients, or what stands for them.
        seen: hashes of the usable lines.
        repeated: usable lines that say the same as an earlier one of their part.
        masks: usable lines with a mask.
        boxes: usable lines with a box.
    """

    key: str
    known: ClimbSet | None
    lines: Counter[str] = field(default_factory=Counter)
    usable: int = 0
    faults: Faults = field(default_factory=Faults)
    label_sets: Counter[tuple[str, ...]] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    outside: int = 0
    groups: dict[str, set[str]] = field(default_factory=dict)
    seen: set[int] = field(default_factory=set)
    repeated: int = 0
    masks: int = 0
    boxes: int = 0
    on_disk: bool = False

    @property
    def state(self) -> State:
        """Complete: lines of both a training and a held-out part, or a consolidated file, and not one fault."""
        if not self.on_disk:
            return "not on disk"
        if not self.lines:
            return "no annotations"
        parts = set(self.lines)
        whole = {"train"} < parts or any(part not in ("train", "test", "valid") for part in parts)
        return "complete" if whole and not self.faults.total else "broken"

    @property
    def shared_groups(self) -> int:
        """Patients of more than one part: figures measured on the held-out part would be too good."""
        counts = Counter(group for groups in self.groups.values() for group in groups)
        return sum(1 for count in counts.values() if count > 1)

    def take(self, item: TrainingItem, part: str) -> None:
        """Count one usable item."""
        self.usable += 1
        self.groups.setdefault(part, set()).add(item.group)
        said = hash((part, item.question, item.answer, item.images, item.videos, item.waveforms))
        self.repeated += said in self.seen
        self.seen.add(said)
        self.masks += item.mask is not None or "volume_mask" in item.extra
        self.boxes += bool(item.boxes)
        if item.label_set in self.label_sets or len(self.label_sets) < _MOST_LABEL_SETS:
            self.label_sets[item.label_set] += 1
        if item.label_set:
            labels = item.labels
            self.answers.update(labels)
            self.outside += not set(labels) <= set(item.label_set)
        if "missing" in item.extra:
            self.faults.add(f"missing {item.extra['missing']}", item.location)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        known = self.known
        return {
            "name": known.name if known else self.key,
            "state": self.state,
            "modality": known.modality if known else None,
            "trained_in_the_paper": known.trained if known else False,
            "published_classes": known.classes if known else None,
            "published_records": known.records if known else None,
            "metric": known.metric if known else None,
            "note": known.note if known else "",
            "lines": dict(self.lines),
            "usable": self.usable,
            "repeated_lines": self.repeated,
            "groups": len(set().union(*self.groups.values())),
            "groups_of_several_parts": self.shared_groups,
            "masks": self.masks,
            "boxes": self.boxes,
            "label_sets": [{"labels": list(labels), "lines": n} for labels, n in self.label_sets.most_common()],
            "answers": dict(self.answers.most_common()),
            "answers_outside_their_label_set": self.outside,
            "faults": self.faults.as_dict(),
        }


def check(root: str | Path, *, progress: bool = True) -> dict[str, Any]:
    """Look at every data set below a root.

    Args:
        root: CLIMB's root folder; consolidated JSON lines directly in it are checked as well.
        progress: show a progress bar on standard error.

    Returns:
        ``sets`` -> key -> what `Checked.as_dict` says, and counts of the states.

    Raises:
        RefusedInput: not a folder.
    """
    place = Path(root)
    if not place.is_dir():
        raise RefusedInput("no folder", place, "give CLIMB's root folder")
    found: dict[str, Checked] = {}
    for known in CLIMB_SETS:
        if known.folder:
            found[known.key] = Checked(known.key, known, on_disk=(place / known.domain / known.folder).is_dir())
    unreadable: list[str] = []
    for source, part in _sources(place, unreadable):
        _read(source, part, found, progress)
    states = Counter(one.state for one in found.values())
    return {
        "root": place.resolve().name,
        "states": dict(states),
        "unreadable_files": unreadable,
        "sets": {key: one.as_dict() for key, one in sorted(found.items())},
        "without_a_published_folder": [known.name for known in CLIMB_SETS if not known.folder],
    }


def _sources(root: Path, unreadable: list[str]) -> Iterable[tuple[ClimbLines, str]]:
    files: list[tuple[Path, str, str]] = []
    for path in annotation_files(root):
        domain, folder = path.parent.relative_to(root).parts[:2]
        files.append((path, domain, folder))
    files += [(path, "", "") for path in sorted(root.glob("*.jsonl")) if path.name != "manifest.jsonl"]
    for path, domain, folder in files:
        try:
            yield ClimbLines(path, domain, folder), (path.stem.split("_")[1] if domain else path.name)
        except RefusedInput as error:
            unreadable.append(f"{path.name}: {error.what}")


def _read(source: ClimbLines, part: str, found: dict[str, Checked], progress: bool) -> None:
    from tqdm import tqdm

    for index in tqdm(range(len(source)), desc=source.name, unit="line", disable=not progress, file=sys.stderr,
                      leave=False, mininterval=0.5, delay=1.0):  # fmt: skip
        try:
            item = source[index]
        except FaultyItem as error:
            # A line that cannot be read says no data set: of a consolidated file it is counted under the file.
            one = _of(found, source.domain, source.dataset) if source.domain else _of(found, "consolidated", part)
            one.lines[part] += 1
            one.faults.add(error.kind, error.where, error.why)
            continue
        one = _of(found, item.domain, item.dataset)
        one.lines[part] += 1
        one.take(item, part)


def _of(found: dict[str, Checked], domain: str, dataset: str) -> Checked:
    known = find_set(domain, dataset)
    key = known.key if known else f"{domain}/{dataset}"
    one = found.setdefault(key, Checked(key, known))
    one.on_disk = True
    return one


def table(report: dict[str, Any]) -> str:
    """The report for a terminal: what is there first, what is not in one line at the end."""
    there = {key: one for key, one in report["sets"].items() if one["state"] != "not on disk"}
    lines = []
    for key, one in there.items():
        parts = ", ".join(f"{part} {count}" for part, count in one["lines"].items()) or "-"
        published = f" of {one['published_records']:,} published" if one["published_records"] else ""
        lines.append(f"{one['state']:<15}{key}: {one['usable']} usable ({parts}){published}; {one['groups']} groups"
                     + (f", {one['masks']} masks" if one["masks"] else "")
                     + (f", {one['boxes']} with boxes" if one["boxes"] else ""))  # fmt: skip
        lines += [
            f"    labels ({s['lines']}): {', '.join(s['labels']) or 'free answer'}" for s in one["label_sets"][:3]
        ]
        if one["answers_outside_their_label_set"]:
            lines.append(f"    {one['answers_outside_their_label_set']} answers name a label that is not offered")
        if one["groups_of_several_parts"]:
            lines.append(f"    {one['groups_of_several_parts']} groups lie in more than one part")
        if one["repeated_lines"]:
            lines.append(f"    {one['repeated_lines']} lines are repeated within their part")
        for kind, count in one["faults"]["counts"].items():
            places = [e["where"] for e in one["faults"]["examples"] if e["kind"] == kind][:5]
            lines.append(f"    {count} x {kind}: {', '.join(places)}{' ...' if count > len(places) else ''}")
    absent = [key for key, one in report["sets"].items() if one["state"] == "not on disk"]
    if absent:
        lines.append(f"{'not on disk':<15}{', '.join(absent)}")
    lines += [f"unreadable      {name}" for name in report["unreadable_files"]]
    return "\n".join(lines)
