"""Labelled folders: a `manifest.jsonl`, one item a line, becomes a cheap index and lazily loaded examples.

An `Entry` is small, frozen and picklable: a training loop indexes a folder once and lets worker processes load. A
volume gives one entry a slice for training, or one entry for the whole (`slices=False`) for evaluation. Labels map
through `terminology`: synonyms of one target become one mask (the union); a label without a target keeps its own
name in lower case. Boxes are (x_min, y_min, x_max, y_max) on pixel edges, half open, used as written.

Manifest lines are input, not trust: a path that leaves the folder, a missing file or a broken line is listed as a
problem and left out; only a folder without one usable item is refused.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

import numpy as np

from wetread.errors import RefusedInput
from wetread.terminology import Modality, find_target
from wetread.training.volumes import Volume, read_volume, slice_count

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from wetread.imaging.sample import Sample

Corners = tuple[float, float, float, float]
Part = Literal["train", "holdout", "all"]


class EntryKind(StrEnum):
    """How the pixels of an entry are stored."""

    PICTURE = "picture"
    """One PNG, JPEG or TIFF."""
    VOLUME = "volume"
    """NIfTI (or another format ITK reads) or npz."""
    DICOM = "dicom"
    """A DICOM file or a folder with one series."""


@dataclass(frozen=True, slots=True)
class MaskFile:
    """Where the truth of one label lies: the pixels equal to `value`, or all non-zero ones where it is None."""

    label: str
    path: str
    value: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """One picture and its truth; arrays in the picture's own resolution.

    Args:
        id: of the entry.
        group: the patient (or the image, where the set knows no patients); never split across parts.
        modality: the field's word.
        picture: (rows, columns, 3) uint8.
        masks: label -> bool (rows, columns), union over synonyms.
        boxes: label -> boxes as the manifest gives them, else the tight box of the mask.
        instances: label -> one box for each separate object, where the truth tells objects apart.
        diagnosis: as written, "" where there is none.
        attrs: further facts of the item, as written.
        volume: (volume id, slice index) where the picture is a slice.
    """

    id: str
    group: str
    modality: Modality
    picture: NDArray[np.uint8]
    masks: Mapping[str, NDArray[np.bool_]]
    boxes: Mapping[str, tuple[Corners, ...]]
    instances: Mapping[str, tuple[Corners, ...]]
    diagnosis: str = ""
    attrs: Mapping[str, Any] = field(default_factory=dict)
    volume: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a manifest, or one slice of a line's volume; nothing is read before `load`."""

    id: str
    group: str
    modality: Modality
    kind: EntryKind
    folder: Path
    path: str
    masks: tuple[MaskFile, ...] = ()
    label_map: str | None = None
    seg: str | None = None
    label_names: tuple[tuple[int, str], ...] = ()
    marked: tuple[tuple[str, Corners], ...] = ()
    diagnosis: str = ""
    text: str = ""
    attrs: dict[str, Any] = field(default_factory=dict, compare=False)
    slice_index: int | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels this entry can show, sorted; for a volume the labels its segmentation names."""
        names = [m.label for m in self.masks] + [label for label, _ in self.marked]
        names += [name for _, name in self.label_names] if self.seg else []
        return tuple(sorted(set(names)))

    @property
    def file(self) -> Path:
        """Where the pixels lie."""
        return self.folder / self.path

    def load(self) -> Example:
        """Read the picture and its truth.

        Pictures and DICOM come through `wetread.imaging`, so that training shows exactly what a read will see.

        Raises:
            RefusedInput: an unreadable file, a mask of another size than its picture, a DICOM series of many planes.
            ValueError: a whole volume; use `load_volume`, or index with `slices=True`.
        """
        if self.kind is not EntryKind.VOLUME:
            return self.load_truth(self.load_sample().planes[0].picture())
        if self.slice_index is None:
            raise ValueError(f"{self.id} is a whole volume; use load_volume, or index with slices=True.")
        volume = self.load_volume()
        masks = {label: mask[self.slice_index] for label, mask in volume.masks.items()}
        boxes = {label: (tight_box(mask),) for label, mask in masks.items() if mask.any()}
        return Example(
            f"{self.id}#{self.slice_index}", self.group, self.modality, volume.picture(self.slice_index), masks,
            boxes, {}, self.diagnosis, self.attrs, (self.id, self.slice_index),
        )  # fmt: skip

    def load_sample(self) -> Sample:
        """The Sample of a single picture, as `wetread read` makes it.

        Raises:
            RefusedInput: unreadable, or more planes than the one that the truth is drawn on.
        """
        from wetread.imaging import images, load_sample

        sample = images(load_sample(self.file, None if self.kind is EntryKind.DICOM else self.modality))
        if sample.shape[0] != 1:
            raise RefusedInput(f"{sample.shape[0]} planes with the truth of one", self.file, "give single pictures")
        return sample

    def load_volume(self) -> Volume:
        """The whole volume with its truth, (planes, rows, columns); the last two volumes of a process are kept."""
        labels = {m.label for m in self.masks}
        names = self.label_names or (tuple((1, label) for label in labels) if len(labels) == 1 else ())
        return read_volume(str(self.file), str(self.folder / self.seg) if self.seg else "", names, self.modality)

    def load_truth(self, picture: NDArray[np.uint8]) -> Example:
        """The truth of a single picture that was read elsewhere (rows, columns, 3): a DICOM image, for example.

        Raises:
            RefusedInput: a mask of another size than the picture.
        """
        masks: dict[str, NDArray[np.bool_]] = {}
        boxes: dict[str, tuple[Corners, ...]] = {}
        instances: dict[str, tuple[Corners, ...]] = {}
        for source in self.masks:
            values = read_labels(self.folder / source.path)
            if values.shape != picture.shape[:2]:
                raise RefusedInput(f"mask of {values.shape} on a picture of {picture.shape[:2]}",
                                   self.folder / source.path, "give masks in the picture's size")  # fmt: skip
            marked = values > 0 if source.value is None else values == source.value
            masks[source.label] = masks[source.label] | marked if source.label in masks else marked
            if source.value is None and source.path == self.label_map:
                instances[source.label] = instances.get(source.label, ()) + instance_boxes(values)
        for label, corners in self.marked:
            boxes[label] = (*boxes.get(label, ()), corners)
        for label, mask in masks.items():
            if label not in boxes and mask.any():
                boxes[label] = (tight_box(mask),)
        for label, given in boxes.items():
            target = find_target(label)
            if label not in instances and target is not None and target.countable:
                instances[label] = given
        return Example(self.id, self.group, self.modality, picture, masks, boxes, instances, self.diagnosis, self.attrs)


@dataclass(frozen=True, slots=True)
class Manifest:
    """A folder's usable entries and, in words, what was left out."""

    folder: Path
    entries: tuple[Entry, ...]
    problems: tuple[str, ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """Every label that any entry shows, sorted."""
        return tuple(sorted({label for entry in self.entries for label in entry.labels}))


class _Grouped(Protocol):
    @property
    def group(self) -> str: ...


GroupedT = TypeVar("GroupedT", bound=_Grouped)


def is_holdout(group: str) -> bool:
    """True for about a fifth of all groups: the first byte of SHA-256(group in UTF-8) is divisible by five."""
    return hashlib.sha256(group.encode()).digest()[0] % 5 == 0


def split(items: Iterable[GroupedT], part: Part) -> list[GroupedT]:
    """The items of one part; a group lies in exactly one of "train" and "holdout", on every machine."""
    if part == "all":
        return list(items)
    if part not in ("train", "holdout"):
        raise ValueError(f"Parts are train, holdout and all, found {part!r}.")
    return [item for item in items if is_holdout(item.group) == (part == "holdout")]


def index(folder: str | Path, *, slices: bool = True, volumes_first: bool = False) -> list[Entry]:
    """The entries of a folder; see `read_manifest`, which also tells what was left out."""
    return list(read_manifest(folder, slices=slices, volumes_first=volumes_first).entries)


def read_manifest(folder: str | Path, *, slices: bool = False, volumes_first: bool = False) -> Manifest:
    """Read `manifest.jsonl` and check that every file it names lies inside the folder.

    Args:
        folder: the data set.
        slices: one entry for each slice of a volume instead of one for the volume.
        volumes_first: take the volume where an item has both a picture and a volume.

    Raises:
        RefusedInput: no manifest, or none of its items can be used.
    """
    root = Path(folder)
    path = root / "manifest.jsonl"
    if not path.is_file():
        raise RefusedInput("no manifest.jsonl", root, "give a folder with one labelled item a line in manifest.jsonl")
    entries: list[Entry] = []
    problems: list[str] = []
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            entry = _parse(json.loads(line), root, volumes_first)
            wanted = slices and entry.kind is EntryKind.VOLUME
            count = slice_count(entry.file) if wanted else 0
        except (ValueError, KeyError, TypeError, AttributeError, OSError, RefusedInput) as error:
            problems.append(f"line {number}: {_reason(error)}")
            continue
        entries += [replace(entry, slice_index=i) for i in range(count)] if wanted else [entry]
    if not entries:
        first = f"; {problems[0]}" if problems else ""
        raise RefusedInput(
            f"no usable item ({len(problems)} left out{first})", path, "check the manifest and its files"
        )
    return Manifest(root, tuple(entries), tuple(problems))


def tight_box(mask: NDArray[np.bool_]) -> Corners:
    """Tight (x_min, y_min, x_max, y_max) of a non-empty (rows, columns) mask, on pixel edges."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return (float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1))


def instance_boxes(labels: NDArray[np.integer]) -> tuple[Corners, ...]:
    """Tight box of every non-zero value of an instance map, in the order of the values."""
    from scipy.ndimage import find_objects

    found = find_objects(labels.astype(np.int64))
    return tuple((float(s[1].start), float(s[0].start), float(s[1].stop), float(s[0].stop)) for s in found if s)


def read_labels(path: Path) -> NDArray[np.int64]:
    """A mask or label map as (rows, columns) integers; of a colour mask, the largest channel."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            opaque = image.convert(image.mode[:-1]) if image.mode in ("LA", "RGBA") else image
            values = np.asarray(opaque).astype(np.int64)
    except OSError as error:
        raise RefusedInput("unreadable mask", path, "give a PNG file of integers") from error
    return values.max(axis=2) if values.ndim == 3 else values


def label_name(label: str) -> str:
    """The target's label, or the label itself in lower case where `terminology` has no target for it."""
    target = find_target(label)
    return target.label if target is not None else label.strip().lower()


def _parse(item: dict[str, Any], root: Path, volumes_first: bool) -> Entry:
    places = [("dicom_series", EntryKind.DICOM), ("dicom", EntryKind.DICOM), ("image", EntryKind.PICTURE),
              ("volume", EntryKind.VOLUME)]  # fmt: skip
    if volumes_first:
        places.insert(0, places.pop())
    found = next(((key, kind) for key, kind in places if item.get(key)), None)
    if found is None or item.get("modality") == Modality.ECG:
        raise ValueError("no picture, volume or DICOM series (waveforms cannot be evaluated in pixels)")
    key, kind = found
    if kind is EntryKind.PICTURE and str(item[key]).lower().endswith((".dcm", ".dicom")):
        kind = EntryKind.DICOM
    masks = tuple(
        MaskFile(label_name(m["label"]), _inside(root, m["path"]), None if m.get("value") is None else int(m["value"]))
        for m in item.get("masks") or ()
    )
    names = sorted((int(k), label_name(v)) for k, v in (item.get("label_names") or {}).items() if int(k) != 0)
    return Entry(
        id=str(item["id"]),
        group=str(item.get("group") or item["id"]),
        modality=Modality(item["modality"]),
        kind=kind,
        folder=root,
        path=_inside(root, item[key]),
        masks=masks,
        label_map=_inside(root, item["label_map"]) if item.get("label_map") else None,
        seg=_inside(root, item["seg"]) if item.get("seg") else None,
        label_names=tuple(names),
        marked=tuple((label_name(b["label"]), _corners(b["xyxy"])) for b in item.get("boxes") or ()),
        diagnosis=str(item.get("diagnosis") or ""),
        text=str(item.get("text") or ""),
        attrs=dict(item.get("attrs") or {}),
    )


def _corners(values: list[float]) -> Corners:
    x_min, y_min, x_max, y_max = (float(v) for v in values)
    if not np.isfinite([x_min, y_min, x_max, y_max]).all() or x_max <= x_min or y_max <= y_min:
        raise ValueError(f"box {values} is empty or reversed")
    return (x_min, y_min, x_max, y_max)


def _inside(root: Path, path: str) -> str:
    """`path` itself, once it is known to exist inside `root`; links that lead out are refused as well."""
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or "\\" in path:
        raise ValueError(f"path {path!r} leaves the folder")
    full = (root / pure).resolve()
    if not full.is_relative_to(root.resolve()):
        raise ValueError(f"path {path!r} leaves the folder")
    if not full.exists():
        raise ValueError(f"{path!r} is missing")
    return str(pure)


def _reason(error: Exception) -> str:
    return f"key {error} is missing" if isinstance(error, KeyError) else " ".join(str(error).split())
