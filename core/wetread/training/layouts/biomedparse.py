"""BiomedParse's layout: `<set>/{train,train_mask,test,test_mask}` and `train.json`, `test.json`.

An image is `[NAME]_[MODALITY]_[SITE].png`, its masks `[NAME]_[MODALITY]_[SITE]_[TARGET].png` with `+` for the spaces
of the target (and of the site). The pairs come from the names; where a split has its JSON file, its sentences are not
needed, but what it names and is not there is listed. SOURCE is one such folder or a folder of them.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from wetread.terminology import Modality
from wetread.training.layouts.picture import (
    BadItem,
    Index,
    Options,
    Picture,
    inside,
    kept,
    modality_word,
    read_mask,
    read_picture,
    relative,
)

SPLITS = ("train", "test")


@dataclass(frozen=True, slots=True)
class BiomedParseEntry:
    """One image with its masks: (target, file) each."""

    id: str
    group: str
    modality: Modality
    root: Path
    image: str
    masks: tuple[tuple[str, str], ...]

    def load(self) -> list[Picture]:
        """The picture."""
        shown, encoded = read_picture(inside(self.root, self.image, "image"))
        found = [(label, read_mask(inside(self.root, name, "mask"), shown.shape[:2]) > 0) for label, name in self.masks]
        labels, masks = kept(found)
        return [Picture(shown, shown, masks, labels, encoded=encoded)]


def detect(root: Path) -> bool:
    """True for a folder, or a folder of folders, with images and their `_mask` folder."""
    return any(True for _ in _sets(root))


def index(root: Path, options: Options) -> Index:
    """Every image with at least one mask; masks without an image are listed."""
    found = Index(licence=options.licence)
    for folder in _sets(root):
        for split in SPLITS:
            if (folder / split).is_dir() and (folder / f"{split}_mask").is_dir():
                _split(root, folder, split, options, found)
    return found


def _sets(root: Path) -> list[Path]:
    folders = [root, *sorted(p for p in root.iterdir() if p.is_dir())]
    return [f for f in folders if any((f / s).is_dir() and (f / f"{s}_mask").is_dir() for s in SPLITS)]


def _split(root: Path, folder: Path, split: str, options: Options, found: Index) -> None:
    images = {path.stem: path for path in sorted((folder / split).glob("*.png"))}
    masks: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    for path in sorted((folder / f"{split}_mask").glob("*.png")):
        stem = path.stem
        owner, _, target = stem.rpartition("_")
        while owner and owner not in images:  # a target may hold an underscore
            owner, _, more = owner.rpartition("_")
            target = f"{more}_{target}"
        if not owner:
            found.bad.append((relative(root, path), "a mask without its image"))
            continue
        masks[owner].append((target.replace("+", " "), relative(root, path)))
    for stem, path in images.items():
        name = relative(root, path)
        parts = stem.split("_")
        if not masks[stem]:
            found.unmarked += 1
            continue
        try:
            if len(parts) < 3:
                raise BadItem("the name is not [NAME]_[MODALITY]_[SITE]")
            modality = _modality(parts, options)
        except BadItem as error:
            found.bad.append((name, str(error)))
            continue
        found.entries.append(BiomedParseEntry(name, "_".join(parts[:-2]), modality, root, name, tuple(masks[stem])))
    _check_list(root, folder, split, found)


def _modality(parts: list[str], options: Options) -> Modality:
    """The part before the site; names of modalities such as MRI-FLAIR or MR-T1 keep what stands before the hyphen."""
    word = parts[-2].replace("+", " ")
    try:
        return modality_word(word, None)
    except BadItem:
        return modality_word(word.split("-")[0] if "-" in word else "", options.modality)


def _check_list(root: Path, folder: Path, split: str, found: Index) -> None:
    """What the split's JSON names and is not there."""
    path = folder / f"{split}.json"
    if not path.is_file():
        return
    try:
        annotations = json.loads(path.read_text(encoding="utf-8"))["annotations"]
        named = [(str(a["file_name"]), str(a["mask_file"])) for a in annotations]
    except (ValueError, KeyError, TypeError) as error:
        found.bad.append((relative(root, path), f"not BiomedParse's list ({type(error).__name__})"))
        return
    for image, mask in named:
        for name, where in ((image, split), (mask, f"{split}_mask")):
            try:
                inside(root, f"{relative(root, folder)}/{where}/{name}", where)
            except BadItem as error:
                found.bad.append((f"{relative(root, path)}: {Path(name).name}", str(error)))
