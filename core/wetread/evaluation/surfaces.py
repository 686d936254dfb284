"""Dice and normalised surface Dice of masks, by MONAI.

NSD is the share of both outlines that lies within a tolerance of the other (Nikolov et al., J Med Internet Res 2021).
The tolerance is in pixels of the source image, because most data sets know no millimetres.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

TOLERANCE_PIXELS = 2.0


def mask_dice(predicted: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    """Dice of two (rows, columns) masks; NaN where the truth is empty."""
    from monai.metrics import compute_dice

    return float(compute_dice(_channel(predicted), _channel(truth), include_background=True, ignore_empty=True)[0, 0])


def surface_dice(predicted: NDArray[np.bool_], truth: NDArray[np.bool_], tolerance: float = TOLERANCE_PIXELS) -> float:
    """NSD of two (rows, columns) masks; NaN where the truth is empty, 0 where only the prediction is."""
    from monai.metrics import compute_surface_dice

    if not truth.any():
        return float("nan")
    if not predicted.any():
        return 0.0
    with warnings.catch_warnings():
        # MONAI 1.5 calls its own function with an argument that it deprecates, once for every mask.
        warnings.simplefilter("ignore")
        found = compute_surface_dice(_channel(predicted), _channel(truth), [tolerance], include_background=True)
    return float(found[0, 0])


def _channel(mask: NDArray[np.bool_]) -> torch.Tensor:
    import torch

    return torch.from_numpy(np.ascontiguousarray(mask[None, None], dtype=np.float32))
