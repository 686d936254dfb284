"""What the model is shown: the grey scale it was taught on, whatever window a viewer would use.

Windows stored with MR are arbitrary and those of CT serve one question (lung, bone); the model learned MR between the
percentiles 0.5 and 99.5 of the volume and CT at 40/400 HU (`training/volumes.py`). Every other picture is shown as a
person sees it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wetread.terminology import Modality

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from wetread.imaging.sample import Sample

CT_WINDOW = (40.0, 400.0)
"""Centre and width in HU."""
PERCENTILES = (0.5, 99.5)


def pictures(sample: Sample) -> Callable[[int], NDArray[np.uint8]]:
    """A function from plane index to (rows, columns, 3) uint8; the scale is measured once for the whole Sample."""
    planes = sample.planes
    if planes[0].is_colour or sample.modality not in (Modality.CT, Modality.MR):
        return lambda index: planes[index].picture()
    if sample.modality is Modality.CT:
        low, high = CT_WINDOW[0] - CT_WINDOW[1] / 2, CT_WINDOW[0] + CT_WINDOW[1] / 2
    else:
        low, high = (float(v) for v in np.percentile(np.stack([p.values for p in planes]), PERCENTILES))

    def shown(index: int) -> NDArray[np.uint8]:
        grey = np.clip((planes[index].values.astype(np.float32) - low) / max(high - low, 1e-6), 0.0, 1.0)
        return np.repeat((grey * 255.0 + 0.5).astype(np.uint8)[..., None], 3, axis=2)

    return shown


def fitted(picture: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """A picture (rows, columns, 3) at the model's input size (side, side, 3), bilinear with antialiasing."""
    from PIL import Image

    return np.asarray(Image.fromarray(picture).resize((side, side), Image.Resampling.BILINEAR))
