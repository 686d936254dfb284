"""Folders of label maps: `images/` and `labels/` (or `masks/`) with files of the same name, and `labels.json`.

PNG (or another picture) or NIfTI; `labels.json` is `{"1": "liver", ...}` or `{"labels": {...}, "modality": "CT",
"licence": "..."}`. Where every label map is of one target and its values are its objects, `labels.json` says so by
`{"instances": "nuclei"}`. A name may carry an ending of its own: `case_0000.nii.gz` (as nnU-Net
writes channels) belongs to `case.nii.gz`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wetread.terminology import Modality
from wetread.training.layouts.picture import (
    BadItem,
    Index,
    Options,
    Picture,
    inside,
    instances,
    kept,
    modality_word,
    read_mask,
    read_picture,
    relative,
)
from wetread.training.layouts.slices import pictures_of, read_volume_with_labels

IMAGE_FOLDERS, LABEL_FOLDERS = ("images", "imagesTr"), ("labels", "masks", "labelsTr")
VOLUME_ENDINGS = (".nii.gz", ".nii", ".nrrd", ".mha")
PICTURE_ENDINGS = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")


@dataclass(frozen=True, slots=True)
class LabelMapEntry:
    """One image and its label map."""

    id: str
    group: str
    modality: Modality
    root: Path
    image: str
    labels: str
    names: tuple[tuple[int, str], ...]
    instances: str = ""

    def load(self) -> list[Picture]:
        """The picture, or the chosen slices of the volume."""
        image, labels = inside(self.root, self.image, "image"), inside(self.root, self.labels, "label map")
        if _ending(image) in VOLUME_ENDINGS:
            return pictures_of(read_volume_with_labels(image, labels, dict(self.names), self.modality), self.modality)
        shown, encoded = read_picture(image)
        values = read_mask(labels, shown.shape[:2])
        if self.instances:
            names, masks = kept(instances(self.instances, values))
        else:
            unknown = sorted(set(np.unique(values).tolist()) - {0, *(value for value, _ in self.names)})
            if unknown:
                raise BadItem(f"label values without a name: {unknown[:5]}")
            names, masks = kept((name, values == value) for value, name in self.names if value > 0)
        return [Picture(shown, shown, masks, names, encoded=encoded)]


def detect(root: Path) -> bool:
    """True where both folders are there and `labels.json` names the values."""
    return _folder(root, IMAGE_FOLDERS) is not None and _folder(root, LABEL_FOLDERS) is not None and (
        root / "labels.json"
    ).is_file()  # fmt: skip


def index(root: Path, options: Options) -> Index:
    """Every image with a label map of its name."""
    found = Index(licence=options.licence)
    images, labels = _folder(root, IMAGE_FOLDERS), _folder(root, LABEL_FOLDERS)
    if images is None or labels is None:
        return found
    try:
        names, single, said, licence = _names(root)
        modality = modality_word(said, options.modality)
    except BadItem as error:
        found.bad.append(("labels.json", str(error)))
        return found
    found.licence = options.licence or licence
    maps = {_stem(path): path for path in sorted(labels.rglob("*")) if path.is_file() and _ending(path)}
    used = set()
    for image in sorted(images.rglob("*")):
        if not image.is_file():
            continue
        name = relative(root, image)
        if not _ending(image):
            found.bad.append((name, "neither a picture nor a volume"))
            continue
        stem = _stem(image)
        channel = stem.rpartition("_")
        owner = stem if stem in maps else channel[0] if channel[2] == "0000" and channel[0] in maps else ""
        if not owner:
            found.bad.append((name, "no label map of this name"))
            continue
        used.add(owner)
        label_map = relative(root, maps[owner])
        found.entries.append(LabelMapEntry(name, owner, modality, root, name, label_map, names, single))
    found.bad += [(relative(root, path), "a label map without its image") for s, path in maps.items() if s not in used]
    return found


def _names(root: Path) -> tuple[tuple[tuple[int, str], ...], str, object, str]:
    """(value, name) pairs, the target whose objects the values are, the modality and the licence as written."""
    try:
        content: dict[str, Any] = json.loads((root / "labels.json").read_text(encoding="utf-8"))
        given = content.get("labels", {k: v for k, v in content.items() if str(k).isdigit()})
        single = str(content.get("instances") or "")
        pairs = [(int(k), str(v)) for k, v in given.items() if str(k).isdigit()]
        pairs += [(int(v), str(k)) for k, v in given.items() if not str(k).isdigit()]
        licence = str(content.get("licence") or content.get("license") or "")
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise BadItem(f"not a table of label names ({type(error).__name__})") from error
    named = tuple(sorted(pair for pair in pairs if pair[0] > 0))
    if not named and not single:
        raise BadItem("no label is named")
    return named, single, content.get("modality"), licence


def _folder(root: Path, names: tuple[str, ...]) -> Path | None:
    return next((root / name for name in names if (root / name).is_dir()), None)


def _ending(path: Path) -> str:
    name = path.name.lower()
    return next((e for e in (*VOLUME_ENDINGS, *PICTURE_ENDINGS) if name.endswith(e)), "")


def _stem(path: Path) -> str:
    return path.name[: len(path.name) - len(_ending(path))]
