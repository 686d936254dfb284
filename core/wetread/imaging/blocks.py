"""Files of one size after another into memory, several at a time, as fast as the disk and the memory allow.

Their bytes go straight to where they stay: large blocks of memory, which the system fills with few large pages, where
a `bytes` object for each file would cost a page fault every four kilobytes. A file starts where its numbers can be
used in place. Every block is bounded, and lives as long as any file in it is used.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

BLOCK = 32 << 20
"""Bytes of one block; a file that is larger has one of its own."""
_ALIGNMENT = 64
_READERS = 2


class Memory:
    """Places for bytes that arrive one after another, in large blocks."""

    def __init__(self) -> None:
        self._block, self._used = np.empty(0, dtype=np.uint8), 0

    def take(self, size: int) -> NDArray[np.uint8]:
        """A place for so many bytes."""
        if self._used + size > len(self._block):
            self._block, self._used = np.empty(max(BLOCK, size), dtype=np.uint8), 0
        place = self._block[self._used : self._used + size]
        self._used += _padded(size)
        return place


def read_files(files: Sequence[tuple[Path, int]]) -> Iterator[NDArray[np.uint8] | None]:
    """The bytes of every file, in order; None for one that cannot be read, or is not as long as it was said to be.

    Args:
        files: path and size in bytes. The next block is read while the last one is used.
    """
    groups = list(_groups(files))
    with ThreadPoolExecutor(_READERS, "wetread-read") as readers:
        waiting = [readers.submit(_read_block, group) for group in groups[:_READERS]]
        for number in range(len(groups)):
            block = waiting.pop(0).result()
            if number + _READERS < len(groups):
                waiting.append(readers.submit(_read_block, groups[number + _READERS]))
            yield from block


def _groups(files: Sequence[tuple[Path, int]]) -> Iterator[list[tuple[Path, int]]]:
    group: list[tuple[Path, int]] = []
    total = 0
    for path, size in files:
        if group and total + _padded(size) > BLOCK:
            yield group
            group, total = [], 0
        group.append((path, size))
        total += _padded(size)
    if group:
        yield group


def _read_block(group: list[tuple[Path, int]]) -> list[NDArray[np.uint8] | None]:
    memory, contents = Memory(), []
    for path, size in group:
        content = memory.take(size)
        contents.append(content if _filled(content, path) else None)
    return contents


def _filled(content: NDArray[np.uint8], path: Path) -> bool:
    """Read a whole file; False where that cannot be done, and who reads it otherwise will say why."""
    try:
        with path.open("rb", buffering=0) as file:
            view, found = content.data, 0
            while found < len(view) and (count := file.readinto(view[found:])):
                found += count
            return found == len(view) and not file.read(1)
    except OSError:
        return False


def _padded(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT
