"""What one read works on: the engine, the Sample, what is shown beside it, the question, and who listens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from wetread.reading.caches import plane_key

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from wetread.imaging.sample import Sample
    from wetread.model.checkpoint import ModelInfo
    from wetread.pointing import Pointing
    from wetread.reading.interface import ReadEngine
    from wetread.reading.pictures import Shown


@dataclass(frozen=True, slots=True)
class ReadEvent:
    """Something that happened while a read was made.

    Args:
        stage: "loading" (first read only), "looking" (a plane; words written before it are void), "writing",
            "grounding" or "done".
        progress: 0 to 1 over the whole read.
        text: the new piece of the answer in "writing", else a remark or "".
    """

    stage: str
    progress: float
    text: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """One read under way.

    Args:
        engine: a loaded engine.
        sample: what findings are about.
        shown: what the model sees of each of its planes, see `pictures`.
        beside: further images of the question, in order.
        question: as it is asked of the model.
        tell: takes every event.
        cancel: stops the read when set.
        pointing: which part of the sample is meant; all of it when None.
    """

    engine: ReadEngine
    sample: Sample
    shown: Shown
    beside: tuple[Sample, ...]
    question: str
    tell: Callable[[ReadEvent], None]
    cancel: threading.Event | None
    pointing: Pointing | None = None

    @property
    def info(self) -> ModelInfo:
        """What the model says of itself."""
        return self.engine.info

    def fit(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A picture (rows, columns, 3) at the size the model sees."""
        return self.engine.fit(picture)

    def encode(self, planes: Sequence[int]) -> Any:
        """Planes as the model holds them, kept for the next question about them."""
        keys = [plane_key(self.sample.planes[plane]) for plane in planes]
        return self.engine.encode([self.fit(self.shown(plane)) for plane in planes], keys)

    def blank(self, plane: int) -> NDArray[np.uint8]:
        """A picture of the plane's size, fitted, with nothing on it but the plane's mean colour."""
        picture = self.shown(plane)
        mean = picture.reshape(-1, 3).mean(axis=0)
        return np.broadcast_to((mean + 0.5).astype(np.uint8), self.fit(picture).shape).copy()

    def writing(self, tried: float) -> Callable[[str], None]:
        """Passes pieces of the answer on, at the share of the work that is done."""
        return lambda piece: self.tell(ReadEvent("writing", 0.5 * tried, piece))
