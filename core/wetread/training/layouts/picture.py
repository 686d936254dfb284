"""What every layout gives: entries, and pictures with named masks.

An `Entry` is small and picklable, so that worker processes load; one entry gives one picture, or the chosen slices of
one volume. A `Picture` keeps the modality's own values for measuring beside the 8-bit picture for looking, and masks
one for each region, instances apart.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from wetread.errors import RefusedInput
from wetread.imaging.kinds import parse_modality
from wetread.terminology import Modality

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from wetread.geometry import PlaneGeometry

LARGEST_PIXELS = 100_000_000
_MODALITY_WORDS = {
    "mri": Modality.MR, "mr": Modality.MR, "flair": Modality.MR, "t1w": Modality.MR, "t2w": Modality.MR,
    "t1": Modality.MR, "t2": Modality.MR, "t1gd": Modality.MR, "adc": Modality.MR, "dwi": Modality.MR,
    "xray": Modality.XRAY, "x-ray": Modality.XRAY, "cxr": Modality.XRAY, "us": Modality.ULTRASOUND,
    "histology": Modality.PATHOLOGY, "histopathology": Modality.PATHOLOGY, "dermatology": Modality.DERMOSCOPY,
    "colonoscopy": Modality.ENDOSCOPY, "retinal": Modality.FUNDUS, "fundus photography": Modality.FUNDUS,
}  # fmt: skip


class BadItem(Exception):  # noqa: N818 - what the list calls it
    """One item that cannot be used; the text says why, without the folders of this machine."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the caller knows and the data set may not say.

    Args:
        modality: of items that do not name theirs.
        licence: of the data set, in words.
    """

    modality: Modality | None = None
    licence: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """One picture with its regions.

    Args:
        name: added to the entry's id; "" for single pictures, "#12" for slice 12 (counted from 0) of a volume.
        shown: (rows, columns, 3) uint8, what the reader would look at.
        values: (rows, columns) in the modality's own units, or (rows, columns, 3) uint8.
        masks: bool (rows, columns), one a region.
        labels: the name of each region, as written in the source.
        geometry: in the patient, or (row, column) spacing in mm, or None.
        units: UCUM of the values.
        encoded: the file as given and its ending, where it is a plain 8-bit PNG or JPEG.
    """

    shown: NDArray[np.uint8]
    values: NDArray[Any]
    masks: tuple[NDArray[np.bool_], ...]
    labels: tuple[str, ...]
    name: str = ""
    geometry: PlaneGeometry | tuple[float, float] | None = None
    units: str = "1"
    encoded: tuple[bytes, str] | None = None


class Entry(Protocol):
    """One item of a data set."""

    @property
    def id(self) -> str:
        """Unique in the data set; a relative name, never a path of this machine."""

    @property
    def group(self) -> str:
        """The patient, or the image where the set knows no patients."""

    @property
    def modality(self) -> Modality:
        """The field's word."""

    def load(self) -> list[Picture]:
        """The pictures of this item; BadItem or RefusedInput where it cannot be used."""


@dataclass(slots=True)
class Index:
    """What a layout found.

    Args:
        entries: usable as far as names and lists tell.
        bad: (item, reason).
        licence: as the data set states it.
        unmarked: items without any mask, which give no triplet.
    """

    entries: list[Entry] = field(default_factory=list)
    bad: list[tuple[str, str]] = field(default_factory=list)
    licence: str = ""
    unmarked: int = 0


def inside(root: Path, name: object, what: str = "file") -> Path:
    """The file that a data set names, once it is known to lie inside it; links that lead out are refused as well.

    Raises:
        BadItem: no name, a name that leads out of the folder, or nothing there.
    """
    text = str(name or "")
    pure = PurePosixPath(text.replace("\\", "/"))
    if not text or "\0" in text or pure.is_absolute() or ".." in pure.parts or (len(text) > 1 and text[1] == ":"):
        raise BadItem(f"{what} name leads out of the folder" if text else f"no {what} name")
    path = root / pure
    if not path.resolve().is_relative_to(root.resolve()):
        raise BadItem(f"{what} lies outside the folder")
    if not path.is_file():
        raise BadItem(f"{what} {pure.name!r} is missing")
    return path


def modality_word(word: object, otherwise: Modality | None) -> Modality:
    """The modality that a data set writes, or the caller's.

    Raises:
        BadItem: neither says.
    """
    text = str(word or "").strip()
    if text:
        known = _MODALITY_WORDS.get(text.lower())
        if known is not None:
            return known
        try:
            parsed = parse_modality(text)
        except RefusedInput:
            parsed = None
        if parsed is not None and parsed is not Modality.ECG:
            return parsed
    if otherwise is None:
        raise BadItem("no modality is named; say which with --modality")
    return otherwise


def read_picture(path: Path) -> tuple[NDArray[np.uint8], tuple[bytes, str] | None]:
    """A picture file as (rows, columns, 3) uint8, and its bytes where it can be passed on as it is.

    16-bit grey is scaled to its own range; files with metadata are encoded anew, so that nothing hidden in them is
    carried along.

    Raises:
        BadItem: unreadable, or too large.
    """
    from PIL import Image

    try:
        data = path.read_bytes()
        with Image.open(io.BytesIO(data)) as image:
            if image.width * image.height > LARGEST_PIXELS:
                raise BadItem(f"{image.width} x {image.height} pixels")
            plain = image.mode in ("L", "RGB") and image.format in ("PNG", "JPEG")
            hidden = bool(image.getexif()) or not {"dpi", "jfif", "jfif_version", "jfif_unit", "jfif_density", "gamma",
                                                   "srgb", "progressive", "progression"} >= set(image.info)  # fmt: skip
            suffix = "png" if image.format == "PNG" else "jpg"
            if image.mode.startswith("I") or image.mode == "F":
                shown = _eight_bit(np.asarray(image).astype(np.float64))
            else:
                shown = np.asarray(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise BadItem(f"unreadable picture {path.name!r}") from error
    return shown, (data, suffix) if plain and not hidden else None


def read_mask(path: Path, shape: tuple[int, int]) -> NDArray[np.int64]:
    """A mask or label map as (rows, columns) integers; of a colour mask the largest channel.

    Raises:
        BadItem: unreadable, or of another size than its picture.
    """
    from wetread.training.manifests import read_labels

    try:
        values = read_labels(path)
    except (RefusedInput, ValueError, SyntaxError) as error:
        raise BadItem(f"unreadable mask {path.name!r}") from error
    if values.shape != shape:
        raise BadItem(f"mask of {values.shape} on a picture of {shape}")
    return values


def kept(masks: Iterable[tuple[str, NDArray[np.bool_]]]) -> tuple[tuple[str, ...], tuple[NDArray[np.bool_], ...]]:
    """Labels and masks of the regions that are there.

    Raises:
        BadItem: none is.
    """
    present = [(label, mask) for label, mask in masks if mask.any()]
    if not present:
        raise BadItem("no region: every mask is empty")
    return tuple(label for label, _ in present), tuple(mask for _, mask in present)


def instances(label: str, values: NDArray[np.int64]) -> list[tuple[str, NDArray[np.bool_]]]:
    """One mask for each positive value of an instance map."""
    return [(label, values == value) for value in np.unique(values[values > 0])]


def relative(root: Path, path: Path) -> str:
    """A file's name within the data set, with forward slashes."""
    return path.relative_to(root).as_posix()


def _eight_bit(values: NDArray[np.float64]) -> NDArray[np.uint8]:
    low, high = float(values.min()), float(values.max())
    grey = np.rint((values - low) / (high - low if high > low else 1.0) * 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)
