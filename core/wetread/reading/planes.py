"""One finished answer grounded on every plane of a Sample: masks at source resolution and presence per plane."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wetread.errors import ReadCancelled
from wetread.reading.caches import plane_key
from wetread.reading.closer import joined, windows
from wetread.reading.pictures import fitted

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from wetread.imaging.sample import Sample
    from wetread.reading.engine import InProcessEngine, Written
    from wetread.reading.pictures import Shown

PLANES_AT_ONCE = 8
LEAST_PRESENCE = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class PlaneMasks:
    """One `<seg>` on all planes.

    Args:
        presence: the highest probability over the planes.
        planes: plane index -> bool (rows, columns), only where something is marked.
    """

    presence: float
    planes: dict[int, NDArray[np.bool_]]


def upscale(logits: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """(h, w) logits to (rows, columns), bilinear on pixel edges."""
    from PIL import Image

    return np.asarray(Image.fromarray(logits).resize((size[1], size[0]), Image.Resampling.BILINEAR))


def ground_planes(
    engine: InProcessEngine,
    sample: Sample,
    shown: Shown,
    written: Written,
    close: Sequence[bool],
    on_progress: Callable[[float], None],
    cancel: threading.Event | None,
) -> list[PlaneMasks]:
    """Ground every `<seg>` of an answer on every plane.

    Args:
        engine: a loaded engine.
        sample: all of its planes are looked at.
        shown: what the model sees of a plane, see `pictures`.
        written: the finished answer, K `<seg>` tokens.
        close: K flags: this one deserves a closer look on large pictures (many small objects).
        on_progress: told the share of planes done, 0 to 1.
        cancel: checked before each group of planes.

    Returns:
        K results, in the order of the `<seg>` tokens.
    """
    total, side, size = len(sample.planes), engine.info.side, sample.shape[1:]
    found: list[dict[int, NDArray[np.bool_]]] = [{} for _ in close]
    presence = np.zeros((total, len(close)), dtype=np.float32)
    nearer = windows(*size, side) if any(close) else []
    for first in range(0, total, PLANES_AT_ONCE):
        if cancel is not None and cancel.is_set():
            raise ReadCancelled("The read was cancelled while the planes were grounded.")
        group = range(first, min(first + PLANES_AT_ONCE, total))
        seen = [shown(i) for i in group]
        keys = [plane_key(sample.planes[i]) for i in group]
        grounded = engine.ground(engine.encode([fitted(p, side) for p in seen], keys), written, cancel)
        presence[first : group.stop] = grounded.presence
        for row, plane in enumerate(group):
            worth = any(flag and presence[plane, k] >= LEAST_PRESENCE for k, flag in enumerate(close))
            parts = _parts(engine, seen[row], nearer, written) if nearer and worth else None
            for k, marked in enumerate(found):
                if presence[plane, k] < LEAST_PRESENCE:
                    continue
                logits = upscale(grounded.logits[row, k], size)
                if parts is not None and close[k]:
                    logits = joined(
                        logits, [(w, upscale(part[k], w[2:])) for w, part in zip(nearer, parts, strict=True)]
                    )
                if (logits > 0).any():
                    marked[plane] = logits > 0
        on_progress(group.stop / total)
    return [PlaneMasks(float(presence[:, k].max()), marked) for k, marked in enumerate(found)]


def _parts(
    engine: InProcessEngine, picture: NDArray[np.uint8], nearer: list[tuple[int, int, int, int]], written: Written
) -> NDArray[np.float32]:
    """Logits (windows, K, h, w) of the same answer on each window."""
    cut = [fitted(picture[top : top + height, left : left + width], engine.info.side)
           for top, left, height, width in nearer]  # fmt: skip
    return engine.ground(engine.encode(cut), written).logits
