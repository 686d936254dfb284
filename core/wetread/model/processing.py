"""Pictures to the tensors of a Qwen-VL vision encoder, without torchvision.

The rules are those of Qwen's image and video processors: sides are rounded to multiples of patch * merge within a
pixel budget, keeping the aspect; patches are cut merge blocks first; a still picture fills every temporal slot, and
the slices of a volume fill them in turn. Parity with `Qwen2VLImageProcessorPil` is tested.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

PIXEL_MEAN, PIXEL_STD = 0.5, 0.5
"""What the grounding head sees its pictures with, whatever the backbone."""
MOST_ASPECT = 200


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How one checkpoint wants its pictures; see `Family` for the words.

    Args:
        patch: patch side in pixels.
        merge: patches merged per side.
        temporal: frames per visual token.
        mean: of RGB in 0 to 1.
        std: of RGB in 0 to 1.
        least_pixels: lower bound of a picture's size.
        most_pixels: upper bound of a picture's size.
        side: squeeze to side x side instead.
    """

    patch: int
    merge: int
    temporal: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    least_pixels: int
    most_pixels: int
    side: int | None = None

    @property
    def cell(self) -> int:
        """Side in pixels of one visual token."""
        return self.patch * self.merge

    def size(self, rows: int, columns: int) -> tuple[int, int]:
        """(rows, columns) at which the model sees a picture of that size."""
        if self.side:
            return self.side, self.side
        return smart_resize(rows, columns, self.cell, self.least_pixels, self.most_pixels)

    def fit(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A picture (rows, columns, 3) at the size the model sees.

        Squeezed pictures are resized bilinearly (what wetread-mini was trained on), others bicubically as by Qwen's
        processors; both with antialiasing.
        """
        from PIL import Image

        rows, columns = self.size(*picture.shape[:2])
        how = Image.Resampling.BILINEAR if self.side else Image.Resampling.BICUBIC
        return np.asarray(Image.fromarray(picture).resize((columns, rows), how))


def smart_resize(rows: int, columns: int, cell: int, least_pixels: int, most_pixels: int) -> tuple[int, int]:
    """Size with sides that are multiples of `cell`, within the pixel budget, at nearly the same aspect.

    A picture longer than 200 times its width, which Qwen's processors refuse, is treated as if it were exactly that
    long: a scout strip or a one-pixel row is squeezed, not refused.
    """
    rows, columns = max(rows, math.ceil(columns / MOST_ASPECT)), max(columns, math.ceil(rows / MOST_ASPECT))
    height, width = round(rows / cell) * cell, round(columns / cell) * cell
    if height * width > most_pixels:
        shrink = math.sqrt(rows * columns / most_pixels)
        height = max(cell, math.floor(rows / shrink / cell) * cell)
        width = max(cell, math.floor(columns / shrink / cell) * cell)
    elif height * width < least_pixels:
        grow = math.sqrt(least_pixels / (rows * columns))
        height, width = math.ceil(rows * grow / cell) * cell, math.ceil(columns * grow / cell) * cell
    return max(height, cell), max(width, cell)


def normalise(
    pictures: NDArray[np.uint8],
    mean: Sequence[float] = (PIXEL_MEAN,) * 3,
    std: Sequence[float] = (PIXEL_STD,) * 3,
) -> torch.Tensor:
    """(B, H, W, 3) uint8 -> (B, 3, H, W) float; in [-1, 1] with the default mean and std of 0.5."""
    planes = torch.tensor(pictures).permute(0, 3, 1, 2).float() / 255.0
    return (planes - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)


def patchify(pictures: torch.Tensor, patch: int, merge: int, temporal: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    """Still pictures of one size to Qwen's flattened patches.

    Args:
        pictures: (B, 3, H, W) float, already normalised; H and W multiples of patch * merge.
        patch: patch side in pixels.
        merge: patches merged per side into one visual token.
        temporal: temporal patch size; the picture is repeated that often.

    Returns:
        pixel_values (B * h * w, 3 * temporal * patch * patch) and image_grid_thw (B, 3).
    """
    repeated = pictures.unsqueeze(1).expand(-1, temporal, -1, -1, -1)
    values = _patches(repeated, patch, merge)
    h, w = pictures.shape[-2] // patch, pictures.shape[-1] // patch
    grid = torch.tensor([[1, h, w]], dtype=torch.long, device=pictures.device).repeat(len(pictures), 1)
    return values, grid


def patchify_video(
    pictures: torch.Tensor, patch: int, merge: int, temporal: int = 2
) -> tuple[torch.Tensor, torch.Tensor]:
    """Slices or frames of one stack to the patches of one video.

    Args:
        pictures: (N, 3, H, W) float, already normalised, in order; the last one is repeated to fill the temporal slot.
        patch: patch side in pixels.
        merge: patches merged per side into one visual token.
        temporal: slices per visual token.

    Returns:
        pixel_values_videos (t * h * w, 3 * temporal * patch * patch) and video_grid_thw (1, 3), t = ceil(N / temporal).
    """
    missing = -len(pictures) % temporal
    filled = torch.cat([pictures, pictures[-1:].expand(missing, -1, -1, -1)]) if missing else pictures
    values = _patches(filled.unflatten(0, (-1, temporal)), patch, merge)
    grid = (len(filled) // temporal, pictures.shape[-2] // patch, pictures.shape[-1] // patch)
    return values, torch.tensor([grid], dtype=torch.long, device=pictures.device)


def _patches(pictures: torch.Tensor, patch: int, merge: int) -> torch.Tensor:
    """(T, temporal, 3, H, W) -> (T * h * w, 3 * temporal * patch * patch), merge blocks first."""
    time, temporal, channels, height, width = pictures.shape
    h, w = height // patch, width // patch
    cut = pictures.reshape(time, temporal, channels, h // merge, merge, patch, w // merge, merge, patch)
    return cut.permute(0, 3, 6, 4, 7, 2, 1, 5, 8).reshape(time * h * w, -1)
