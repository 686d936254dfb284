"""Many DICOM files, each read once: whole by pydicom, or by comparison with one that was.

The first file of its kind is read by pydicom and checked (`soundness`). Those of about its size that follow are
read into blocks of memory (`blocks`), and taken as its twins where they match it (`pattern`). Any other goes the way
of the first, and is then a pattern too. What is wrong with a file, pydicom and the checks say, never this room.
"""

from __future__ import annotations

from io import BytesIO
from itertools import takewhile
from typing import TYPE_CHECKING

import numpy as np

from wetread.errors import RefusedInput
from wetread.imaging.blocks import read_files
from wetread.imaging.instances import Twin
from wetread.imaging.pattern import Pattern
from wetread.imaging.soundness import check_header

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from pydicom import Dataset

MAXIMUM_PATTERNS = 4
"""Kinds of file that are compared with; a series has one, with localizers two or three."""
_FEWEST = 4
"""Fewer files are read faster one by one."""
_LARGEST = 64 << 20
"""Bytes of a file that is worth comparing; what is larger holds many frames, or is rare."""
_VAIN = 12
"""So many more files in vain than with a match, and comparing is given up."""


def read_alike(
    paths: Sequence[Path], read: Callable[[Path], Dataset | None]
) -> Iterator[tuple[Path, Dataset | Twin | None]]:
    """Every file with what it holds, in order.

    Args:
        paths: files.
        read: one file by pydicom; None for what is no DICOM and does not claim to be. What it raises is not caught.
    """
    files, known = [(path, _size(path)) for path in paths], Alike()
    done = 0
    while done < len(files):
        run = list(takewhile(lambda file: known.fits(file[1]), files[done:]))
        for path, content in zip((path for path, _ in run), read_files(run), strict=True):
            twin = None if content is None else known.twin(content, str(path))
            yield path, twin or _first_of_its_kind(path, read, known)
            done += 1
            if known.is_vain:
                break
        if not run:
            path, size = files[done]
            is_worth_while = len(files) >= _FEWEST and size <= _LARGEST
            yield path, _first_of_its_kind(path, read, known) if is_worth_while else read(path)
            done += 1


class Alike:
    """The files that others are compared with."""

    def __init__(self) -> None:
        self._patterns: list[Pattern] = []
        self._vain = 0

    @property
    def is_vain(self) -> bool:
        """Too few have been alike, or could be compared with, for trying on."""
        return self._vain > _VAIN

    @property
    def may_learn(self) -> bool:
        """True where another kind of file would be compared with."""
        return not self.is_vain and len(self._patterns) < MAXIMUM_PATTERNS

    def fits(self, size: int) -> bool:
        """True where a file of so many bytes may be like one that is known."""
        return not self.is_vain and any(pattern.fits(size) for pattern in self._patterns)

    def twin(self, content: NDArray[np.uint8], filename: str) -> Twin | None:
        """A file as the twin of one that is known; None where it is like none."""
        if not self.fits(len(content)):
            return None
        for pattern in self._patterns:
            found = pattern.match(content[: pattern.header_bytes].tobytes(), len(content))
            if found is not None:
                self._vain -= 1
                return Twin(pattern, found[1], content, found[0], filename)
        self._vain += 1
        return None

    def first(self, dataset: Dataset, content: NDArray[np.uint8], filename: str) -> Twin | None:
        """Learn a file that is like none yet, and give it as a twin of itself; None where it cannot be compared with.

        Raises:
            RefusedInput: its header is not sound; the dataset has been changed by the check.
        """
        if not self.may_learn:
            return None
        self._vain += 1
        check_header(dataset, filename)
        pattern = Pattern.learned(dataset, content.tobytes())
        if pattern is None:
            return None
        self._patterns.append(pattern)
        return self.twin(content, filename)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0  # reading it will say so


def _first_of_its_kind(path: Path, read: Callable[[Path], Dataset | None], known: Alike) -> Dataset | Twin | None:
    dataset = read(path)
    if dataset is None or not known.may_learn:
        return dataset
    try:
        return known.first(dataset, np.fromfile(path, dtype=np.uint8), str(path)) or dataset
    except (RefusedInput, OSError):
        return read(path)  # untouched by this check, so that the next one says the same


def read_parts(parts: Iterable[NDArray[np.uint8]], read: Callable[[BytesIO], Dataset]) -> Iterator[Dataset | Twin]:
    """Every DICOM file of a stream, as `read_alike` reads those of a folder.

    Args:
        parts: whole files.
        read: one file by pydicom. What it raises is not caught.
    """
    known = Alike()
    for content in parts:
        twin = known.twin(content, "")
        if twin is None:
            dataset = read(BytesIO(content.tobytes()))
            try:
                yield known.first(dataset, content, "") or dataset
            except RefusedInput:
                yield read(BytesIO(content.tobytes()))
        else:
            yield twin
