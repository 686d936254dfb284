"""What the model is shown: the grey scale it was taught on, whatever window a viewer would use.

Windows stored with MR are arbitrary and those of CT serve one question (lung, bone); the model learned MR between the
percentiles 0.5 and 99.5 of the volume and CT at 40/400 HU (`training/volumes.py`). Every other picture is shown as a
person sees it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wetread.terminology import Modality

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from wetread.imaging.sample import Sample

    Shown = Callable[[int], NDArray[np.uint8]]
    """From plane index to the (rows, columns, 3) picture that the model sees."""

CT_WINDOW = (40.0, 400.0)
"""Centre and width in HU."""
PERCENTILES = (0.5, 99.5)


def pictures(sample: Sample) -> Shown:
    """What the model sees of each plane; the scale is measured once, for the whole Sample."""
    planes = sample.planes
    if planes[0].is_colour or sample.modality not in (Modality.CT, Modality.MR):
        return lambda index: planes[index].picture()
    if sample.modality is Modality.CT:
        low, high = CT_WINDOW[0] - CT_WINDOW[1] / 2, CT_WINDOW[0] + CT_WINDOW[1] / 2
    else:
        low, high = (float(v) for v in np.percentile(np.stack([p.values for p in planes]), PERCENTILES))

    return lambda index: np.repeat(grey_levels(planes[index].values, low, high)[..., None], 3, axis=2)


def grey_levels(values: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    """Values as uint8 of the same shape: `low` and below is 0, `high` and above 255, straight between."""
    grey = np.clip((values.astype(np.float32) - low) / max(high - low, 1e-6), 0.0, 1.0)
    return (grey * 255.0 + 0.5).astype(np.uint8)


def fitted(picture: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """A picture (rows, columns, 3) or mask (rows, columns) at the model's input size, bilinear with antialiasing.

    The aspect is not kept: boxes are relative to the picture.
    """
    from PIL import Image

    return np.asarray(Image.fromarray(picture).resize((side, side), Image.Resampling.BILINEAR))
