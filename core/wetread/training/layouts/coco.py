"""COCO instance JSON: polygons, run lengths as counts or as a string; pictures beside it.

The JSON is any `*.json` in SOURCE or its `annotations` folder with `images`, `annotations` and `categories`. An image
is looked for under its `file_name` in SOURCE, in `images`, in the JSON's own folder, and in a folder of the JSON's
name without `instances_`. Each annotation is one region; polygons are filled by scikit-image.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wetread.terminology import Modality
from wetread.training.layouts import rle
from wetread.training.layouts.picture import (
    BadItem,
    Index,
    Options,
    Picture,
    inside,
    kept,
    modality_word,
    read_picture,
    relative,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

KEYS = {"images", "annotations", "categories"}


@dataclass(frozen=True, slots=True)
class CocoEntry:
    """One image with its annotations: (category, segmentation as written)."""

    id: str
    group: str
    modality: Modality
    root: Path
    image: str
    regions: tuple[tuple[str, Any], ...]

    def load(self) -> list[Picture]:
        """The picture."""
        shown, encoded = read_picture(inside(self.root, self.image, "image"))
        rows, columns = shown.shape[:2]
        labels, masks = kept((label, region_mask(drawn, rows, columns)) for label, drawn in self.regions)
        return [Picture(shown, shown, masks, labels, encoded=encoded)]


def detect(root: Path) -> bool:
    """True where some JSON has COCO's keys."""
    return any(_is_coco(path) for path in _lists(root))


def index(root: Path, options: Options) -> Index:
    """Every image that has an annotation."""
    found = Index(licence=options.licence)
    for path in _lists(root):
        if not _is_coco(path):
            continue
        content = json.loads(path.read_text(encoding="utf-8"))
        if not found.licence:
            names = [str(item.get("name", "")) for item in content.get("licenses") or [] if isinstance(item, Mapping)]
            found.licence = "; ".join(dict.fromkeys(filter(None, names)))
        _list(root, path, content, options, found)
    return found


def region_mask(drawn: object, rows: int, columns: int) -> NDArray[np.bool_]:
    """Bool (rows, columns) of a segmentation: polygons, {"size", "counts"}, with counts as a list or a string.

    Raises:
        BadItem: none of these, or of another size.
    """
    if isinstance(drawn, list):
        return _polygons(drawn, rows, columns)
    if not isinstance(drawn, Mapping) or "counts" not in drawn:
        raise BadItem("a segmentation that is neither polygons nor run lengths")
    try:
        if [int(side) for side in drawn["size"]] != [rows, columns]:
            raise BadItem(f"run lengths of {drawn['size']} on a picture of {rows} x {columns}")
        counts = drawn["counts"]
        if isinstance(counts, str):
            return _string(counts, rows, columns)
        return rle.decode([int(count) for count in counts], rows, columns)
    except (ValueError, TypeError, KeyError) as error:
        raise BadItem(f"broken run lengths: {error}") from error


def _string(text: str, rows: int, columns: int) -> NDArray[np.bool_]:
    counts = rle.unpack(text)
    checked = rle.decode(counts, rows, columns)
    try:
        from pycocotools import mask as cocoapi
    except ImportError:
        return checked
    return np.asarray(cocoapi.decode({"size": [rows, columns], "counts": text.encode()})).astype(bool)


def _polygons(rings: list[Any], rows: int, columns: int) -> NDArray[np.bool_]:
    from skimage.draw import polygon

    mask = np.zeros((rows, columns), dtype=bool)
    if not rings:
        raise BadItem("a segmentation without polygons")
    for ring in rings:
        try:
            points = np.asarray(ring, dtype=np.float64)
        except (ValueError, TypeError) as error:
            raise BadItem("a polygon that is not a list of numbers") from error
        if points.ndim != 1 or points.size < 6 or points.size % 2 or not np.isfinite(points).all():
            raise BadItem("a polygon of fewer than three points")
        # COCO's points lie on pixel edges, scikit-image's on pixel centres.
        marked = polygon(points[1::2] - 0.5, points[0::2] - 0.5, shape=(rows, columns))
        mask[marked] = True
    return mask


def _lists(root: Path) -> list[Path]:
    return sorted(root.glob("*.json")) + sorted(root.glob("annotations/*.json"))


def _is_coco(path: Path) -> bool:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and content.keys() >= KEYS and isinstance(content["images"], list) and not any(
        isinstance(a, dict) and "mask_file" in a for a in content["annotations"][:1]
    )  # fmt: skip


def _list(root: Path, path: Path, content: dict[str, Any], options: Options, found: Index) -> None:
    name = relative(root, path)
    categories: dict[int, str] = {}
    for category in content["categories"]:
        try:
            categories[int(category["id"])] = str(category["name"])
        except (ValueError, KeyError, TypeError):
            found.bad.append((name, "a category without id and name"))
    regions: defaultdict[int, list[tuple[str, Any]]] = defaultdict(list)
    broken: dict[int, str] = {}
    for annotation in content["annotations"]:
        try:
            image = int(annotation["image_id"])
            regions[image].append((categories[int(annotation["category_id"])], annotation["segmentation"]))
        except (ValueError, KeyError, TypeError) as error:
            owner = annotation.get("image_id") if isinstance(annotation, Mapping) else None
            if isinstance(owner, int):
                broken[owner] = f"an annotation without {error}"
            else:
                found.bad.append((name, "an annotation of no image"))
    for image_item in content["images"]:
        try:
            number, file = int(image_item["id"]), str(image_item["file_name"])
        except (ValueError, KeyError, TypeError):
            found.bad.append((name, "an image without id and file_name"))
            continue
        label = f"{name}#{number}"
        drawn = tuple(regions.pop(number, ()))
        try:
            if number in broken:
                raise BadItem(broken[number])
            image_path = _image(root, path, file)
            modality = modality_word(image_item.get("modality"), options.modality)
        except BadItem as error:
            found.bad.append((label, str(error)))
            continue
        if not drawn:
            found.unmarked += 1
            continue
        group = str(image_item.get("patient_id") or image_item.get("group") or label)
        found.entries.append(CocoEntry(label, group, modality, root, relative(root, image_path), drawn))
    for number in sorted(regions):
        found.bad.append((f"{name}#{number}", "annotations of an image that is not listed"))


def _image(root: Path, path: Path, file: str) -> Path:
    split = path.stem.removeprefix("instances_")
    here = path.parent.relative_to(root).as_posix()
    refused = BadItem("no image name")
    for folder in dict.fromkeys(("", "images", here, split, f"images/{split}")):
        try:
            return inside(root, f"{folder}/{file}" if folder and not file.startswith("/") else file, "image")
        except BadItem as error:
            refused = error
            if "missing" not in str(error):
                break
    raise refused
