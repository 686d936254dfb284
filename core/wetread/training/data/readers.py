"""Further sources of items: manifest folders, BiomedParse-style folders and the ledger's export.

Each asks for what its truth can answer. A mask or a box of a label gives "Please segment LABEL in the given image."
with the label as answer; a diagnosis gives a closed question that offers every diagnosis of the folder. Arrays are
read when an item is loaded and not before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from wetread.errors import RefusedInput
from wetread.findings import Box, BoxFrame
from wetread.model.prompts import segment_question
from wetread.training.data.item import MaskSource, PictureSource, TrainingItem
from wetread.training.data.jsonl import JsonLines, inside
from wetread.training.data.label_sets import read_label_set
from wetread.training.data.stream import FaultyItem, Items
from wetread.training.manifests import Entry, EntryKind, Part, read_manifest, split

if TYPE_CHECKING:
    from numpy.typing import NDArray

PICTURE_ENDINGS = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")


@dataclass(frozen=True, slots=True)
class EntryPicture:
    """The picture of a manifest's entry."""

    entry: Entry

    def __call__(self) -> NDArray[np.uint8]:
        """(rows, columns, 3) uint8.

        Raises:
            RefusedInput: unreadable.
        """
        return self.entry.load().picture


@dataclass(frozen=True, slots=True)
class EntryMask:
    """The mask of one label of a manifest's entry; of all labels where it is ""."""

    entry: Entry
    label: str = ""

    def __call__(self) -> NDArray[np.bool_]:
        """Bool (rows, columns); empty where the label is not on this slice.

        Raises:
            RefusedInput: unreadable, or of another size than the picture.
        """
        example = self.entry.load()
        wanted = [m for label, m in example.masks.items() if self.label in ("", label)]
        return np.logical_or.reduce(wanted) if wanted else np.zeros(example.picture.shape[:2], bool)


def manifest_items(folder: str | Path, part: Part = "all", *, slices: bool = False) -> Items:
    """Items of a folder with a `manifest.jsonl` (as in ``../shared/data``).

    Args:
        folder: the data set.
        part: "train", "holdout" (a fifth of the groups) or "all".
        slices: ask about every slice of a volume; without, volumes are left out.

    Raises:
        RefusedInput: no manifest, or nothing of it can be asked about.
    """
    manifest = read_manifest(folder, slices=slices)
    name = manifest.folder.resolve().name
    diagnoses = tuple(sorted({entry.diagnosis for entry in manifest.entries if entry.diagnosis}))
    items = [
        item
        for entry in split(manifest.entries, part)
        if entry.kind is not EntryKind.VOLUME or entry.slice_index is not None
        for item in _of_entry(entry, name, diagnoses)
    ]
    if not items:
        raise RefusedInput("no entry with a mask, a box or a diagnosis", manifest.folder, "label the entries")
    return Items(items, name)


def _of_entry(entry: Entry, name: str, diagnoses: Sequence[str]) -> list[TrainingItem]:
    place = entry.id if entry.slice_index is None else f"{entry.id}#{entry.slice_index}"
    picture: PictureSource = entry.file if entry.kind is EntryKind.PICTURE else EntryPicture(entry)
    drawn = {mask.label for mask in entry.masks} | {label for _, label in entry.label_names if entry.seg}
    facts = {key: str(entry.attrs[key]) for key in ("sex", "age") if entry.attrs.get(key) not in (None, "")}

    def item(suffix: str, question: str, answer: str, **truth: Any) -> TrainingItem:
        return TrainingItem(
            f"{name}/{place}/{suffix}", question, answer, entry.modality.value, name, f"{name}:{entry.group}",
            images=(picture,), demographics=facts, location=f"{name}/manifest.jsonl#{entry.id}", **truth,
        )  # fmt: skip

    found = []
    for label in entry.labels:
        boxes = tuple(Box(*corners, frame=BoxFrame.IMAGE) for marked, corners in entry.marked if marked == label)
        mask = EntryMask(entry, label) if label in drawn else None
        found.append(item(label, segment_question(label), label, mask=mask, boxes=boxes))
    if entry.diagnosis and len(diagnoses) > 1:
        asked = f"What is the diagnosis in this {entry.modality.value} image? Answer with one of the following:\n"
        mask = EntryMask(entry) if drawn else None
        found.append(item("diagnosis", asked + "\n".join(diagnoses), entry.diagnosis, mask=mask, label_set=diagnoses))
    return found


def biomedparse_items(folder: str | Path, part: Literal["train", "test"] = "train") -> Items:
    """Items of a BiomedParse-style folder: one for each mask.

    Images ``PART/NAME_MODALITY_SITE.png`` and masks ``PART_mask/NAME_MODALITY_SITE_TARGET.png``, where ``+`` stands for
    a space in the last three (microsoft/BiomedParse).

    Raises:
        RefusedInput: no such folders, or not one mask with its image.
    """
    root = Path(folder)
    images, masks = root / part, root / f"{part}_mask"
    if not images.is_dir() or not masks.is_dir():
        raise RefusedInput(f"no folders {part} and {part}_mask", root, "give a folder in BiomedParse's layout")
    by_stem = {path.stem: path for path in sorted(images.iterdir()) if path.suffix.lower() in PICTURE_ENDINGS}
    items = []
    for mask in sorted(masks.iterdir()):
        stem, _, target = mask.stem.rpartition("_")
        if stem not in by_stem or not target or mask.suffix.lower() not in PICTURE_ENDINGS:
            continue
        name, modality, site = (*stem.rsplit("_", 2), "", "")[:3] if stem.count("_") >= 2 else (stem, "unknown", "")
        label = target.replace("+", " ")
        items.append(
            TrainingItem(
                f"{root.name}/{mask.stem}",
                segment_question(label),
                label,
                modality.replace("+", " "),
                root.name,
                f"{root.name}:{name}",
                images=(by_stem[stem],),
                mask=mask,
                extra={"site": site.replace("+", " ")},
                location=f"{part}_mask/{mask.name}",
            )
        )
    if not items:
        raise RefusedInput("no mask that belongs to an image", masks, "name masks IMAGE_TARGET.png")
    return Items(items, root.name)


class LedgerLines:
    """The ledger's export for training: one plane of a read a line, one item a finding.

    The form: ``{"image": path, "group": patient, "modality": text, "findings": [{"label": text, "verdict": "accept" |
    "correct" | "add" | "reject", "mask": path?, "box": [x1, y1, x2, y2]?, "question": text?, "diagnosis": text?}]}``,
    paths relative to the file, boxes in the image's own pixels (`service/training_export.py` writes it). Accepted,
    corrected and added findings are truth; a rejected one says only what is not there, is counted, and left out.

    Raises:
        RefusedInput: the file cannot be read.
    """

    def __init__(self, path: str | Path) -> None:
        self.lines = JsonLines(Path(path))
        self.base, self.name = self.lines.path.parent, self.lines.path.name
        # A line that cannot be used stays one item, so that it is counted.
        self._items = [(line, place) for line in range(len(self.lines)) for place in range(self._count(line))]

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index: int) -> TrainingItem:
        """One finding.

        Raises:
            FaultyItem: broken, rejected, or a file it names is missing.
        """
        number, place = self._items[index]
        where, line = self.lines.where(number), self.lines[number]
        findings = line.get("findings")
        if not isinstance(findings, list) or not findings or not isinstance(findings[place], dict):
            raise FaultyItem("no findings", where)
        found = findings[place]
        verdict, label = str(found.get("verdict", "")), str(found.get("label") or "").strip()
        if verdict == "reject":
            raise FaultyItem("rejected finding", where, "is not there, and no truth says what is")
        if verdict not in ("accept", "correct", "add"):
            raise FaultyItem("unknown verdict", where, verdict)
        answer = str(found.get("diagnosis") or label)
        if not answer:
            raise FaultyItem("empty answer", where)
        question = str(found.get("question") or segment_question(label))
        box = found.get("box")
        return TrainingItem(
            id=f"{where}#{place}", question=question, answer=answer, domain=str(line.get("modality") or "unknown"),
            dataset="ledger", group=f"ledger:{line.get('group') or where}",
            images=(self._file(line.get("image"), "image", where),),
            mask=self._mask(found, where), boxes=() if box is None else (_ledger_box(box, where),),
            label_set=read_label_set(question, answer), extra={"verdict": verdict}, location=where,
        )  # fmt: skip

    def _count(self, number: int) -> int:
        try:
            findings = self.lines[number].get("findings")
        except FaultyItem:
            return 1
        return max(1, len(findings)) if isinstance(findings, list) else 1

    def _mask(self, line: dict[str, Any], where: str) -> MaskSource | None:
        return self._file(line["mask"], "mask", where) if line.get("mask") else None

    def _file(self, path: object, kind: str, where: str) -> Path:
        full = inside(self.base, path, where)
        if not full.is_file():
            raise FaultyItem(f"missing {kind}", where)
        return full


def _ledger_box(value: object, where: str) -> Box:
    from wetread.training.data.climb import truth_boxes

    boxes = truth_boxes(value, where)
    if len(boxes) != 1:
        raise FaultyItem("unusable box", where)
    return boxes[0]
