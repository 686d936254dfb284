"""Memory for what one picture costs to look at: least recently used goes first, bounded in bytes.

Two things are worth keeping between questions on one picture: its visual tokens, and the keys and values of the
language model up to the end of the picture (the prompt puts the picture before the words, so every question on it
shares them). Both are kept under a name and the digest of the pixels that were shown: UIDs alone would confuse two
versions of one instance, and a wrong picture's tokens must never answer a question.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from wetread.imaging.sample import Plane

Kept = TypeVar("Kept")


def plane_key(plane: Plane) -> str:
    """What a plane is called in the caches: instance UID, frame and stored window."""
    return f"{plane.source.sop_instance_uid}#{plane.source.frame_number}|{plane.window}"


def digest(picture: NDArray[np.uint8]) -> str:
    """Hex digest of a picture's size and pixels, as the model is shown them."""
    hashed = hashlib.blake2b(repr(picture.shape).encode(), digest_size=16)
    hashed.update(picture.tobytes())
    return hashed.hexdigest()


class ByteBoundedCache(Generic[Kept]):
    """A dictionary that forgets what was not used for longest once its content exceeds so many bytes; thread-safe.

    Args:
        most_bytes: bound of the sum of all sizes; 0 keeps nothing.
    """

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, tuple[Kept, int]] = OrderedDict()
        self._bytes = 0
        self.hits = self.misses = 0

    @property
    def bytes_held(self) -> int:
        """Sum of the sizes of what is held."""
        return self._bytes

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: str) -> Kept | None:
        """What is kept under a key, which is now the most recently used; None where nothing is."""
        with self._lock:
            if key not in self._kept:
                self.misses += 1
                return None
            self.hits += 1
            self._kept.move_to_end(key)
            return self._kept[key][0]

    def put(self, key: str, value: Kept, size: int) -> None:
        """Keep a value of `size` bytes; one that alone exceeds the bound is not kept."""
        with self._lock:
            if key in self._kept:
                self._bytes -= self._kept.pop(key)[1]
            if size > self.most_bytes:
                return
            self._kept[key] = (value, size)
            self._bytes += size
            while self._bytes > self.most_bytes:
                _, (_, forgotten) = self._kept.popitem(last=False)
                self._bytes -= forgotten

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._kept.clear()
            self._bytes = 0
