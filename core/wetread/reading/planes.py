"""One finished answer grounded on every plane of a Sample: masks at source resolution and presence per plane.

With the first planes goes a blank picture: what the same answer marks on it is what it would mark on anything, and
the masks of the planes are held against it (`groundedness`). The language model reads every plane again with the
answer (its own query), or only its visual tokens are new and the `<seg>` states of the written answer are kept (the
fixed query); which of the two, the model's statement says (`volume_query`). Slices of a volume lean on their
neighbours, the closer the more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wetread.errors import ReadCancelled
from wetread.imaging.sample import SampleKind
from wetread.reading.closer import joined, windows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from wetread.imaging.sample import Sample
    from wetread.reading.request import Request
    from wetread.reading.written import Grounded, Written

    OnePlane = tuple[NDArray[np.float32], NDArray[np.float32]]
    """Logits (K, h, w) and presence (K,) of one plane."""

PLANES_AT_ONCE = 8
LEAST_PRESENCE = 0.5
FIXED_QUERY = "fixed"
"""Value of `ModelInfo.volume_query`; the other is ``own``."""


@dataclass(frozen=True, slots=True, eq=False)
class PlaneMasks:
    """One `<seg>` on all planes.

    Args:
        presence: the highest probability over the planes.
        planes: plane index -> bool (rows, columns), only where something is marked.
        on_planes: (planes,) probability on each plane.
        on_blank: probability on the blank picture.
        like_blank: plane index -> IoU, at the model's resolution, of what is marked on the plane and on the blank;
            only where something is marked.
    """

    presence: float
    planes: dict[int, NDArray[np.bool_]]
    on_planes: NDArray[np.float32]
    on_blank: float
    like_blank: dict[int, float]


def upscale(logits: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """(h, w) logits to (rows, columns), bilinear on pixel edges."""
    from PIL import Image

    return np.asarray(Image.fromarray(logits).resize((size[1], size[0]), Image.Resampling.BILINEAR))


def mask_iou(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """Intersection over union; two empty masks agree."""
    union = int((first | second).sum())
    return int((first & second).sum()) / union if union else 1.0


def ground_planes(
    request: Request, written: Written, told: int, close: Sequence[bool], on_progress: Callable[[float], None]
) -> list[PlaneMasks]:
    """Ground every `<seg>` of an answer on every plane.

    Args:
        request: all planes of its Sample are looked at.
        written: the finished answer, K `<seg>` tokens.
        told: the plane that the answer is about.
        close: K flags: this one deserves a closer look on large pictures (many small objects).
        on_progress: told the share of planes done, 0 to 1.

    Returns:
        K results, in the order of the `<seg>` tokens.

    Raises:
        ReadCancelled: between groups of planes.
    """
    total, size = len(request.sample.planes), request.sample.shape[1:]
    found: list[dict[int, NDArray[np.bool_]]] = [{} for _ in close]
    like_blank: list[dict[int, float]] = [{} for _ in close]
    presence = np.zeros((total, len(close)), dtype=np.float32)
    nearer = windows(*size, request.info.side) if any(close) and request.info.side else []
    blank = ground_on(request, written, [request.blank(told)])
    agreed = agreeing(_one_by_one(request, written, on_progress), neighbour_weights(request.sample))
    for plane, (logits, probability) in enumerate(agreed):
        presence[plane] = probability
        worth = any(flag and presence[plane, k] >= LEAST_PRESENCE for k, flag in enumerate(close))
        parts = _parts(request, plane, nearer, written) if nearer and worth else None
        for k, marked in enumerate(found):
            if presence[plane, k] < LEAST_PRESENCE:
                continue
            large = upscale(logits[k], size)
            if parts is not None and close[k]:
                large = joined(large, [(w, upscale(part[k], w[2:])) for w, part in zip(nearer, parts, strict=True)])
            if (large > 0).any():
                marked[plane] = large > 0
                like_blank[k][plane] = mask_iou(logits[k] > 0, blank.logits[0, k] > 0)
    return [
        PlaneMasks(float(presence[:, k].max()), marked, presence[:, k], float(blank.presence[0, k]), like_blank[k])
        for k, marked in enumerate(found)
    ]


def neighbour_weights(sample: Sample) -> list[float]:
    """How much each slice of a volume counts for the next, 0 to 1; empty where planes are no neighbours.

    One half at a distance of 1 mm and less the further apart, 0.5 to the power of the square of the distance: the
    weights 1/4, 1/2, 1/4 were measured on slices 1 mm apart (`benchmarks/volume_query.py`), and slices 5 mm apart
    show different things.
    """
    places = [plane.geometry for plane in sample.planes]
    if sample.kind is not SampleKind.VOLUME or any(place is None for place in places):
        return []
    positions = np.array([place.position for place in places if place is not None], dtype=np.float64)
    distances = np.linalg.norm(np.diff(positions, axis=0), axis=1)
    return [float(weight) for weight in 0.5 ** (distances**2)]


def agreeing(planes: Iterator[OnePlane], weights: Sequence[float]) -> Iterator[OnePlane]:
    """Logits and presence of each plane as the weighted mean with its neighbours; three planes are held at a time.

    Args:
        planes: (K, h, w) logits and (K,) presence, plane after plane.
        weights: of each pair of neighbours; empty passes the planes on as they are.
    """
    if not weights:
        yield from planes
        return
    before: OnePlane | None = None
    here = next(planes)
    for index in range(len(weights) + 1):
        after = next(planes, None)
        beside = [(before, weights[index - 1] if index else 0.0),
                  (after, weights[index] if index < len(weights) else 0.0)]  # fmt: skip
        shares = [(part, weight) for part, weight in beside if part is not None]
        whole = 1.0 + sum(weight for _, weight in shares)
        logits = here[0] + sum(weight * part[0] for part, weight in shares)
        presence = here[1] + sum(weight * part[1] for part, weight in shares)
        yield (logits / whole).astype(np.float32), (presence / whole).astype(np.float32)
        if after is not None:
            before, here = here, after


def _one_by_one(request: Request, written: Written, on_progress: Callable[[float], None]) -> Iterator[OnePlane]:
    """Every plane's own logits (K, h, w) and presence (K,), grounded in groups."""
    total = len(request.sample.planes)
    for first in range(0, total, PLANES_AT_ONCE):
        if request.cancel is not None and request.cancel.is_set():
            raise ReadCancelled("The read was cancelled while the planes were grounded.")
        group = range(first, min(first + PLANES_AT_ONCE, total))
        grounded = _on_planes(request, written, group)
        yield from zip(grounded.logits, grounded.presence, strict=True)
        on_progress(group.stop / total)


def ground_on(request: Request, written: Written, pictures: Sequence[NDArray[np.uint8]]) -> Grounded:
    """An answer on fitted pictures that are no planes; nothing of them is kept."""
    return request.engine.ground(request.engine.encode(pictures), written, request.cancel, fixed=_is_fixed(request))


def _on_planes(request: Request, written: Written, planes: Sequence[int]) -> Grounded:
    return request.engine.ground(request.encode(planes), written, request.cancel, fixed=_is_fixed(request))


def _is_fixed(request: Request) -> bool:
    """Slices of a volume resemble the one that was written about; frames and tiles need not.

    Where the language model is large, it never reads every plane, whatever the planes are.
    """
    alike = request.sample.kind is SampleKind.VOLUME or request.info.images > 1
    return request.info.volume_query == FIXED_QUERY and alike


def _parts(
    request: Request, plane: int, nearer: list[tuple[int, int, int, int]], written: Written
) -> NDArray[np.float32]:
    """Logits (windows, K, h, w) of the same answer on each window of a plane."""
    picture = request.shown(plane)
    cut = [request.fit(picture[top : top + height, left : left + width]) for top, left, height, width in nearer]
    return request.engine.ground(request.engine.encode(cut), written, request.cancel).logits
