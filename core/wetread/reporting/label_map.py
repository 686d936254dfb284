"""The masks of a read as one label map, for Label Map Segmentation (PS3.3 A.51.7.1): each pixel has one segment.

A label map holds in one frame a plane what BINARY holds in one frame a segment and plane, and so is many times
smaller; but no pixel can belong to two segments. It is compressed with RLE, which needs no codec of a viewer's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydicom.uid import UID

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from wetread.findings import Mask

LABEL_MAP_SEGMENTATION = UID("1.2.840.10008.5.1.4.1.1.66.7")  # pydicom 3.0 has no name for it


def labels_of(masks: Sequence[Mask], planes: Sequence[int]) -> NDArray[np.uint8] | NDArray[np.uint16] | None:
    """Segment numbers from 1, 0 for background.

    Args:
        masks: of one Sample, in the order of their segments.
        planes: which planes of the Sample, in order.

    Returns:
        (planes, rows, columns); None where two masks share a pixel.
    """
    kind = np.uint8 if len(masks) < 256 else np.uint16
    labels = np.zeros((len(planes), *masks[0].shape[1:]), dtype=kind)
    for number, mask in enumerate(masks, start=1):
        for place, plane in enumerate(planes):
            marked = mask.planes.get(plane)
            if marked is None:
                continue
            if labels[place][marked].any():
                return None
            labels[place][marked] = number
    return labels
