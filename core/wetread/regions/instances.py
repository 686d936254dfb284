"""Touching objects of one mask told apart: a watershed on the distance to the border, grown from its peaks.

Blobs that touch are joined by necks, and the distance to the border falls towards a neck (Vincent and Soille 1991 for
the watershed; Soille, Morphological Image Analysis, 6.2.5 for peaks of a given height). A peak counts where it rises
above the neck by a share of its blob's greatest distance, so that neither size nor magnification enters. Nothing here
is learnt: objects that overlap so far that no neck is left stay one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wetread.regions.description import components

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wetread.findings import Box

SMOOTHING = 1.0
"""Standard deviation, in pixels, of the Gaussian that takes the steps of the pixel grid out of the distances."""
PEAK = 0.05
"""Least rise of a peak above the neck, as a share of its blob's greatest distance. Chosen, with the smoothing, on
pictures of the training groups only (docs/model-cards/wetread-mini.md)."""

FRAGMENT = 0.25
"""Share of the median area of a picture's objects below which one is a fragment and gets no box. Chosen likewise."""


def split_touching(mask: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Label image (rows, columns) of the mask's objects: 0 outside, 1 to n inside, in the order of their top rows.

    Every marked pixel gets a label; pixels that do not touch never share one.
    """
    from scipy import ndimage
    from skimage.morphology import reconstruction
    from skimage.segmentation import watershed

    blobs, count = components(mask)
    if not count:
        return blobs
    # The frame of zeros makes the picture's edge a border: what a picture cuts off is no larger than what is seen.
    depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    depth = np.where(mask, ndimage.gaussian_filter(depth, SMOOTHING), 0.0)
    greatest = np.concatenate([[1.0], ndimage.maximum(depth, blobs, np.arange(1, count + 1))])
    depth = depth / greatest[blobs]
    above = depth - reconstruction(depth - PEAK, depth)
    peaks, _ = components(mask & (above >= PEAK * (1 - 1e-6)))
    found: NDArray[np.intp] = watershed(-depth, peaks, mask=mask, connectivity=2)
    return found


def instance_boxes(mask: NDArray[np.bool_]) -> tuple[Box, ...]:
    """One tight IMAGE box for each object of a (rows, columns) mask, touching ones told apart; top to bottom.

    Fragments (`FRAGMENT`) keep their pixels in the mask and get no box.
    """
    from scipy import ndimage

    from wetread.findings import Box, BoxFrame

    objects = split_touching(mask)
    areas = np.bincount(objects.ravel())[1:]
    large = areas >= FRAGMENT * np.median(areas) if len(areas) else areas
    slices = [found for found, is_object in zip(ndimage.find_objects(objects), large, strict=True) if is_object]
    corners = sorted((rows.start, columns.start, rows.stop, columns.stop) for rows, columns in slices)
    return tuple(Box(float(x0), float(y0), float(x1), float(y1), BoxFrame.IMAGE) for y0, x0, y1, x1 in corners)
