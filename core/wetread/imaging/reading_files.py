"""Many DICOM files, each read once: whole by pydicom, or by comparison with one that was.

The first file of its kind is read by pydicom and checked (`soundness`). Those of about its size that follow are
read into blocks of memory (`blocks`), and taken as its twins where they match it (`pattern`). Any other goes the way
of the first, and is then a pattern too. What is wrong with a file, pydicom and the checks say, never this room.
"""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING

import numpy as np

from wetread.errors import RefusedInput
from wetread.imaging.blocks import read_files
from wetread.imaging.instances import Twin
from wetread.imaging.pattern import Pattern
from wetread.imaging.soundness import check_header

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from pydicom import Dataset

MAXIMUM_PATTERNS = 4
"""Kinds of file that are compared with; a series has one, with localizers two or three."""
_FEWEST = 4
"""Fewer files are read faster one by one."""
_LARGEST = 64 << 20
"""Bytes of a file that is worth comparing; what is larger holds many frames, or is rare."""
_VAIN = 8
"""So many more files without a match than with one, and comparing is given up."""


def read_alike(
    files: Sequence[tuple[Path, int]], read: Callable[[Path], Dataset | None]
) -> Iterator[tuple[Path, Dataset | Twin | None]]:
    """Every file with what it holds, in order.

    Args:
        files: path and size in bytes.
        read: one file by pydicom; None for what is no DICOM and does not claim to be. What it raises is not caught.
    """
    patterns: list[Pattern] = []
    done = vain = 0
    while done < len(files):
        following = files[done:] if vain <= _VAIN else []
        run = list(takewhile(lambda file: any(pattern.fits(file[1]) for pattern in patterns), following))
        for path, content in zip((path for path, _ in run), read_files(run), strict=True):
            twin = None if content is None else _twin(patterns, content, path)
            vain += 1 if twin is None else -1
            yield path, twin or _first_of_its_kind(path, read, patterns)
            done += 1
            if vain > _VAIN:
                break
        if not run:
            path, size = files[done]
            is_candidate = len(files) >= _FEWEST and vain <= _VAIN and size <= _LARGEST
            yield path, _first_of_its_kind(path, read, patterns) if is_candidate else read(path)
            done += 1


def _first_of_its_kind(
    path: Path, read: Callable[[Path], Dataset | None], patterns: list[Pattern]
) -> Dataset | Twin | None:
    """A file that pydicom reads; where others can be compared with it, it is the first twin of its own pattern."""
    dataset = read(path)
    if dataset is None or len(patterns) >= MAXIMUM_PATTERNS:
        return dataset
    try:
        check_header(dataset, path)
        content = path.read_bytes()
    except (RefusedInput, OSError):
        return read(path)  # untouched by this check, so that the next one says the same
    pattern = Pattern.learned(dataset, content)
    if pattern is None:
        return dataset
    patterns.append(pattern)
    return _twin([pattern], np.frombuffer(content, dtype=np.uint8), path) or dataset


def _twin(patterns: list[Pattern], content: NDArray[np.uint8], path: Path) -> Twin | None:
    for pattern in patterns:
        found = pattern.match(content[: pattern.header_bytes].tobytes(), len(content))
        if found is not None:
            start, own = found
            return Twin(pattern, own, content, start, str(path))
    return None
