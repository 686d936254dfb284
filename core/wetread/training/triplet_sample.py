"""One picture with its regions as a triplet: image, masks, description, and questions with their answers.

Regions are described one by one while the palette has a colour for each (ten); with more, as one region a target.
Masks are written one file a target, 0 outside and 1, 2, ... for its objects. Everything follows from the picture and a
seed: built twice, a triplet is the same to the byte.
"""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from wetread.regions import describe
from wetread.regions.overlay import paint
from wetread.regions.palette import PALETTE
from wetread.terminology import SIDES, Target, find_sided
from wetread.training.triplet_questions import questions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from wetread.training.layouts.picture import Entry, Picture

FORMAT = "wetread-triplet-1"
DESCRIBED_APART = len(PALETTE)


@dataclass(frozen=True, slots=True)
class Origin:
    """What is said of where a triplet comes from.

    Args:
        name: of the data set.
        layout: how it was stored.
        licence: in words; "" is written as "unknown".
        seed: of the phrasings.
        overlay: write the picture with its regions drawn over as well.
        hide_names: item names may tell a patient (DICOM folders), so a hash stands for them.
    """

    name: str
    layout: str
    licence: str
    seed: int
    overlay: bool = False
    hide_names: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """A triplet as it is written.

    Args:
        image: encoded, and its ending in `suffix`.
        masks: one PNG a target.
        overlay: PNG, or None.
        data: everything else, for JSON.
    """

    image: bytes
    suffix: str
    masks: tuple[bytes, ...]
    overlay: bytes | None
    data: dict[str, Any]


def hashed(*words: object) -> str:
    """16 hexadecimal digits for words that shall not be read."""
    return hashlib.sha256("|".join(map(str, words)).encode()).hexdigest()[:16]


def make_sample(entry: Entry, picture: Picture, origin: Origin) -> Sample:
    """The triplet of one picture.

    Raises:
        RefusedInput: pixels or masks that cannot be described.
    """
    named = [_named(label) for label in picture.labels]
    masks, targets = _described(picture.masks, named)
    seed = int(hashed(origin.seed, entry.id, picture.name), 16) % 2**31
    low_high = None if picture.values.dtype == np.uint8 else (float(picture.values.min()), float(picture.values.max()))
    description = describe(masks, picture.values, picture.geometry, entry.modality, targets, seed=seed,
                           units=picture.units, window=low_high)  # fmt: skip
    files, places = _mask_files(masks, targets)
    regions = [
        {
            "label": _label(targets[region.index]),
            "colour": region.colour.name,
            "rgb": list(region.colour.rgb),
            "place": region.location.place.value,
            "mask": f"mask{places[region.index][0]}.png",
            "value": places[region.index][1],
            "text": sentence,
            **_codes(targets[region.index]),
        }
        for region, sentence in zip(description.regions, description.sentences, strict=True)
    ]
    data = {
        "format": FORMAT,
        "id": hashed(origin.name, entry.id + picture.name) if origin.hide_names else entry.id + picture.name,
        "source": origin.name,
        "layout": origin.layout,
        "licence": origin.licence or "unknown",
        "group": hashed(origin.name, entry.group),
        "modality": entry.modality.value,
        "size": list(picture.shown.shape[:2]),
        "spacing_mm": list(description.grid.spacing) if description.grid.spacing else None,
        "text": description.text,
        "regions": regions,
        "questions": questions(regions, entry.modality, seed),
        "attributes": description.as_json(),
    }
    image, suffix = picture.encoded or (_png(picture.shown), "png")
    overlay = None
    if origin.overlay:
        whole = (slice(None), slice(None))
        drawn = [(whole, masks[region.index], region.colour.rgb) for region in description.regions]
        overlay = _png(paint(picture.shown, drawn))
    return Sample(image, suffix, files, overlay, data)


def as_bytes(data: dict[str, Any]) -> bytes:
    """JSON, the same for equal data."""
    return json.dumps(data, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def _named(label: str) -> Target | str:
    """The target of a label, on the side that the label gives; the label itself where there is no such target."""
    found = find_sided(label)
    if found is None:
        return " ".join(label.replace("_", " ").split()).lower()
    target, side = found
    return target.on(side) if side in SIDES and target.laterality not in SIDES else target


def _label(target: Target | str) -> str:
    return target if isinstance(target, str) else target.label


def _described(
    masks: Sequence[NDArray[np.bool_]], named: Sequence[Target | str]
) -> tuple[list[NDArray[np.bool_]], list[Target | str]]:
    """The regions as they will be described: apart, or one a target where there are more than colours."""
    if len(masks) <= DESCRIBED_APART:
        return list(masks), list(named)
    merged: dict[str, NDArray[np.bool_]] = {}
    targets: dict[str, Target | str] = {}
    for mask, target in zip(masks, named, strict=True):
        label = _label(target)
        merged[label] = merged[label] | mask if label in merged else mask
        targets[label] = target
    return list(merged.values()), list(targets.values())


def _mask_files(
    masks: Sequence[NDArray[np.bool_]], targets: Sequence[Target | str]
) -> tuple[tuple[bytes, ...], list[tuple[int, int]]]:
    """PNGs and, for each region, (file, value). Regions of one target that overlap are put in files of their own."""
    files: list[tuple[str, NDArray[np.uint16]]] = []
    places: list[tuple[int, int]] = []
    for mask, target in zip(masks, targets, strict=True):
        label = _label(target)
        free = next((i for i, (name, file) in enumerate(files) if name == label and not file[mask].any()), len(files))
        if free == len(files):
            files.append((label, np.zeros(mask.shape, dtype=np.uint16)))
        value = int(files[free][1].max()) + 1
        files[free][1][mask] = value
        places.append((free, value))
    return tuple(_png(file.astype(np.uint8) if file.max() < 256 else file) for _, file in files), places


def _codes(target: Target | str) -> dict[str, Any]:
    """The codes of a target; a word without a target has none."""
    if isinstance(target, str):
        return {"code": None}
    code = {"value": target.type.code, "scheme": target.type.scheme, "meaning": target.type.meaning}
    site = None if target.site == target.type else {
        "value": target.site.code, "scheme": target.site.scheme, "meaning": target.site.meaning,
    }  # fmt: skip
    return {"code": code, "category": target.category.meaning, "site": site, "side": target.laterality.value}


def _png(array: NDArray[np.generic]) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(array).save(file, format="PNG", compress_level=4)
    return file.getvalue()
