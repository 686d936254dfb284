"""Folders with a `manifest.jsonl`, one item a line (`training.manifests`): pictures, volumes and single DICOM images.

The layout of labels is the manifest's: synonyms of one target are one region, an instance map gives one region an
object. Lines that mark nothing with a mask (classes and boxes alone) give no triplet.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wetread.errors import RefusedInput
from wetread.terminology import Modality
from wetread.training.layouts.picture import BadItem, Index, Options, Picture, instances, kept, read_picture
from wetread.training.layouts.slices import pictures_of
from wetread.training.manifests import Entry, EntryKind, read_labels, read_manifest


@dataclass(frozen=True, slots=True)
class ManifestEntry:
    """One line."""

    line: Entry

    @property
    def id(self) -> str:
        """The line's id."""
        return self.line.id

    @property
    def group(self) -> str:
        """The line's patient."""
        return self.line.group

    @property
    def modality(self) -> Modality:
        """The line's modality."""
        return self.line.modality

    def load(self) -> list[Picture]:
        """The picture, or the chosen slices of the volume."""
        line = self.line
        if line.kind is EntryKind.VOLUME:
            return pictures_of(line.load_volume(), line.modality)
        if line.kind is EntryKind.PICTURE:
            shown, encoded = read_picture(line.file)
            values, geometry, units = shown, None, "1"
        else:
            from wetread.reading.pictures import pictures

            sample = line.load_sample()
            plane, encoded = sample.planes[0], None
            shown, values, geometry, units = pictures(sample)(0), np.asarray(plane.values), plane.geometry, sample.units
        truth = line.load_truth(shown)
        regions = []
        for label, mask in truth.masks.items():
            if line.label_map and any(m.label == label and m.path == line.label_map and m.value is None
                                      for m in line.masks):  # fmt: skip
                regions += instances(label, read_labels(line.folder / line.label_map))
            else:
                regions.append((label, mask))
        labels, masks = kept(regions)
        return [Picture(shown, values, masks, labels, geometry=geometry, units=units, encoded=encoded)]


def detect(root: Path) -> bool:
    """True where there is a `manifest.jsonl`."""
    return (root / "manifest.jsonl").is_file()


def index(root: Path, options: Options) -> Index:
    """Every line that marks something with a mask."""
    found = Index(licence=options.licence or _licence(root))
    try:
        manifest = read_manifest(root)
    except RefusedInput as error:
        raise BadItem(error.what) from error
    found.bad = [("manifest.jsonl", problem) for problem in manifest.problems]
    for line in manifest.entries:
        has_volume_truth = line.kind is EntryKind.VOLUME and (line.seg or line.masks)
        if line.masks or has_volume_truth:
            found.entries.append(ManifestEntry(line))
        else:
            found.unmarked += 1
    return found


def _licence(root: Path) -> str:
    """The line of SOURCE.md that speaks of the licence."""
    path = root / "SOURCE.md"
    if not path.is_file():
        return ""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    said = next((line for line in lines if "licen" in line.lower()), "")
    said = " ".join(said.strip("-*# ").split())
    return said[said.find(":") + 1 :].strip()[:200] if said.lower().startswith("licen") else said[:200]
