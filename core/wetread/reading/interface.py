"""What every engine can do: the Reader knows no more of it.

`InProcessEngine` runs the model here, `RemoteEngine` lets servers write and grounds here. All methods may be called
from any number of threads at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from wetread.model.checkpoint import ModelInfo
    from wetread.model.loaded import LoadedModel
    from wetread.reading.written import Grounded, Written

LONGEST_ANSWER = 320


class ReadEngine(Protocol):
    """Pictures in, words and masks out."""

    info: ModelInfo

    @property
    def is_loaded(self) -> bool:
        """True once everything that is needed to begin is in memory."""

    def load(self) -> Any:
        """Load what is needed to begin; a second call costs nothing."""

    def model(self) -> LoadedModel:
        """The weights in this process, for what only they can do (waveforms, masks)."""

    def fit(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A picture (rows, columns, 3) at the size the model sees."""

    def encode(self, pictures: Sequence[NDArray[np.uint8]], key: str | Sequence[str] | None = None) -> Any:
        """Fitted pictures in the engine's own form: it has `len()` and `picked(indices)`.

        Args:
            pictures: N of (H, W, 3) uint8.
            key: what they are called, see `caches.plane_key`: one name each or one for all; nothing is kept when None.
        """

    def encode_video(self, pictures: Sequence[NDArray[np.uint8]], times: Sequence[float] | None = None) -> Any:
        """Fitted pictures of one size as one video; as pictures in order where the engine sends no videos."""

    def write(
        self,
        encoded: Any,
        text: str,
        on_text: Callable[[str], None] | None = None,
        cancel: threading.Event | None = None,
        longest: int = LONGEST_ANSWER,
        shortest: int = 0,
    ) -> Written:
        """The answer to `text` about encoded pictures; `on_text` is called in the caller's thread."""

    def dictate(self, encoded: Any, text: str, answer: str) -> Written:
        """An answer that is not the model's own words, with its `<seg>` marks, as if it had been written."""

    def segs(self, written: Written) -> int:
        """Number of objects of an answer that can be grounded: the K of `ground`; 0 without a grounding head."""

    def ground(
        self, encoded: Any, written: Written, cancel: threading.Event | None = None, own: int = 0, *,
        fixed: bool = False,
    ) -> Grounded:  # fmt: skip
        """Masks and presence of a finished answer's objects, on each of N encoded pictures.

        Args:
            encoded: the pictures; each takes the place of the answer's own one.
            written: the answer.
            cancel: checked between batches.
            own: which picture of the answer's prompt is replaced.
            fixed: keep the states of the written answer for every picture, where the engine has them.
        """

    def close(self) -> None:
        """Let go of everything; who still waits gets ReadCancelled."""
