"""Which layout a folder has: the first that recognises it, from the most particular to the most general."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING

from wetread.errors import RefusedInput
from wetread.training.layouts import biomedparse, coco, decathlon, dicomseg, labelmaps, ledger, manifest
from wetread.training.layouts.picture import BadItem, Index, Options

if TYPE_CHECKING:
    from pathlib import Path


class Layout(StrEnum):
    """The layouts that can be read, in the order in which they are tried."""

    MANIFEST = "manifest"
    LEDGER = "ledger"
    DECATHLON = "decathlon"
    BIOMEDPARSE = "biomedparse"
    LABELMAPS = "labelmaps"
    COCO = "coco"
    DICOM_SEG = "dicom-seg"


_READERS = {
    Layout.MANIFEST: manifest,
    Layout.LEDGER: ledger,
    Layout.DECATHLON: decathlon,
    Layout.BIOMEDPARSE: biomedparse,
    Layout.LABELMAPS: labelmaps,
    Layout.COCO: coco,
    Layout.DICOM_SEG: dicomseg,
}


def index(root: Path, options: Options, layout: Layout | None = None) -> tuple[Layout, Index]:
    """The entries of a folder, sorted by id; of two with one id the first counts.

    Raises:
        RefusedInput: no folder, no layout that fits, or nothing usable in it.
    """
    if not root.is_dir():
        raise RefusedInput("no such folder", root, "give the folder of a labelled data set")
    chosen = layout or next((one for one, reader in _READERS.items() if reader.detect(root)), None)
    if chosen is None:
        raise RefusedInput("no known layout", root, f"--layout may be one of: {', '.join(Layout)}")
    try:
        found = _READERS[chosen].index(root, options)
    except (BadItem, OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise RefusedInput(
            f"not the layout {chosen} ({error})", root, "check the data set, or give another --layout"
        ) from error
    seen = {}
    for entry in sorted(found.entries, key=lambda e: e.id):
        if entry.id in seen:
            found.bad.append((entry.id, "a second item of this id"))
        else:
            seen[entry.id] = entry
    if not seen:
        first = f"; {found.bad[0][0]}: {found.bad[0][1]}" if found.bad else ""
        raise RefusedInput(f"no usable item ({len(found.bad)} bad, {found.unmarked} without a mask{first})", root,
                           f"the layout was taken as {chosen}; check it, or give another --layout")  # fmt: skip
    return chosen, replace(found, entries=list(seen.values()))
