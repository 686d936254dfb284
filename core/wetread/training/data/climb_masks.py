"""Masks that CLIMB's data sets bring, found from the picture's path: BUSI, BCSS and KiTS.

A mask belongs to a picture in that picture's own pixels. BUSI keeps one or several mask files beside it; BCSS cuts
patches from a masked region and tells in `annotations.json` where; KiTS has a segmentation beside each volume, whose
video shows the planes of the array's first axis.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from wetread.errors import RefusedInput
from wetread.training.data.media import evenly_spaced, read_mask

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wetread.training.data.item import MaskSource

KITS_SEGMENTATION = "segmentation.nii.gz"


@dataclass(frozen=True, slots=True)
class UnionOfMasks:
    """Several mask files of one picture as one mask."""

    paths: tuple[Path, ...]

    def __call__(self) -> NDArray[np.bool_]:
        """Bool (rows, columns).

        Raises:
            RefusedInput: unreadable, or of different sizes.
        """
        masks = [read_mask(path) for path in self.paths]
        if len({mask.shape for mask in masks}) != 1:
            raise RefusedInput("masks of different sizes", self.paths[0], "give masks of one size")
        return np.logical_or.reduce(masks)


@dataclass(frozen=True, slots=True)
class PatchOfMask:
    """The part of a region's label map that a patch was cut from, where it has the patch's own label."""

    path: Path
    x: int
    y: int
    width: int
    height: int
    value: int

    def __call__(self) -> NDArray[np.bool_]:
        """Bool (height, width).

        Raises:
            RefusedInput: unreadable, or smaller than the patch's place.
        """
        from PIL import Image

        try:
            with Image.open(self.path) as image:
                part = np.asarray(image.crop((self.x, self.y, self.x + self.width, self.y + self.height)))
                fits = self.x + self.width <= image.width and self.y + self.height <= image.height
        except (OSError, ValueError, Image.DecompressionBombError) as error:
            raise RefusedInput("unreadable mask", self.path, "put the file back") from error
        if not fits:
            raise RefusedInput("patch outside its mask", self.path, "take mask and annotations.json of one download")
        return np.asarray((part if part.ndim == 2 else part[..., 0]) == self.value)


def mask_beside(picture: Path) -> MaskSource | None:
    """The mask files named after a picture (BUSI): ``x_mask.png``, then ``x_mask_1.png`` and so on."""
    first = picture.with_name(f"{picture.stem}_mask.png")
    if not first.is_file():
        return None
    found = [first]
    while (further := picture.with_name(f"{picture.stem}_mask_{len(found)}.png")).is_file():
        found.append(further)
    return first if len(found) == 1 else UnionOfMasks(tuple(found))


def mask_of_patch(root: Path, picture: Path) -> MaskSource | None:
    """The mask of a BCSS patch; None where `annotations.json` or the region's mask is not there."""
    place = _bcss_patches(root).get(picture.name)
    if place is None:
        return None
    region, (x, y, width, height), value = place
    path = root / "masks" / region
    return PatchOfMask(path, x, y, width, height, value) if path.is_file() else None


def volume_mask_beside(video: Path) -> Path | None:
    """The segmentation of the volume that a KiTS video was made of."""
    path = video.with_name(KITS_SEGMENTATION)
    return path if path.is_file() else None


def frame_masks(path: Path, frames: int) -> tuple[NDArray[np.bool_], ...]:
    """The masks of the frames that `media.read_video` shows of the volume's video.

    The published converter writes the planes of the first array axis (as nibabel orders it, which is ITK's last).

    Raises:
        RefusedInput: not a volume of three dimensions.
    """
    import SimpleITK as sitk

    try:
        labels = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
    except RuntimeError as error:
        raise RefusedInput("unreadable volume", path, "give a NIfTI file") from error
    if labels.ndim != 3:
        raise RefusedInput(f"{labels.ndim} dimensions", path, "give a volume of three dimensions")
    planes = labels.transpose(2, 1, 0)
    return tuple(planes[index] > 0 for index in evenly_spaced(len(planes), frames))


MASK_FINDERS: dict[str, Callable[[Path, Path], MaskSource | None]] = {
    "beside": lambda _, picture: mask_beside(picture),
    "whole-slide": mask_of_patch,
}
"""How the mask of a picture is found, by `ClimbSet.masks`; called with the data set's folder and the picture."""


@lru_cache(maxsize=2)
def _bcss_patches(root: Path) -> dict[str, tuple[str, tuple[int, int, int, int], int]]:
    """Patch name -> (mask file, (x, y, width, height), value in the mask)."""
    try:
        said = json.loads((root / "annotations.json").read_text(encoding="utf-8"))
        found = {}
        for region, facts in said["images"].items():
            for patch in facts["patches"]:
                x, y, width, height = (int(v) for v in patch["bbox"])
                found[str(patch["image_name"])] = (
                    Path(region).name,
                    (x, y, width, height),
                    int(patch["original_label"]),
                )
        return found
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RefusedInput("unreadable annotations.json", root, "take it from the data set again") from error
