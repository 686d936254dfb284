"""JSON lines as an index: the offset of every line, and any line on demand.

Eight bytes a line are held, so a file of millions of lines costs some megabytes. Lines are data of strangers: a
broken one is a `FaultyItem` with its line number, and a path in it is followed only inside the data set's folder.
"""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from wetread.errors import RefusedInput
from wetread.training.data.stream import FaultyItem

_BLOCK = 1 << 24
_LONGEST_LINE = 1 << 26


class JsonLines:
    """The non-empty lines of a file, each a JSON object.

    Args:
        path: the file.
        shown: its name in reports; the last part of the path by default.

    Raises:
        RefusedInput: the file cannot be read.
    """

    def __init__(self, path: Path, shown: str = "") -> None:
        self.path, self.shown = path, shown or path.name
        try:
            starts, self.numbers = _line_starts(path)
        except OSError as error:
            raise RefusedInput("unreadable JSON lines", path, "give a file that can be read") from error
        self._starts = starts

    def __len__(self) -> int:
        return len(self._starts)

    def where(self, index: int) -> str:
        """``name:line``, for reports; without the folders of this machine."""
        return f"{self.shown}:{int(self.numbers[index])}"

    def __getitem__(self, index: int) -> dict[str, Any]:
        """One line as a dictionary.

        Raises:
            FaultyItem: not JSON, not an object, or longer than 64 MiB.
        """
        with self.path.open("rb") as file:
            file.seek(int(self._starts[index]))
            raw = file.readline(_LONGEST_LINE)
        try:
            found = json.loads(raw.decode("utf-8-sig"))
        # A line nested too deeply is as broken as one without its closing brace.
        except (ValueError, RecursionError) as error:
            raise FaultyItem("broken line", self.where(index), type(error).__name__) from error
        if not isinstance(found, dict):
            raise FaultyItem("broken line", self.where(index), f"{type(found).__name__} instead of an object")
        return found


def inside(base: Path, path: object, where: str, *, roots: tuple[Path, ...] = ()) -> Path:
    """`path` below `base`, whether or not it exists.

    Args:
        base: folder that the path is relative to.
        path: as the line writes it.
        where: file and line, for the fault.
        roots: further folders that a link may lead into (a data set that lies on another disk).

    Raises:
        FaultyItem: not a relative path, or it leads out of the folder.
    """
    if not isinstance(path, str) or not path.strip():
        raise FaultyItem("unusable path", where, f"{type(path).__name__} instead of a path")
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or "\\" in path or "\0" in path:
        raise FaultyItem("path leaves the folder", where)
    full = base / pure
    resolved = full.resolve()
    if not any(resolved.is_relative_to(root.resolve()) for root in (base, *roots)):
        raise FaultyItem("path leaves the folder", where)
    return full


def _line_starts(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Offsets and line numbers (from 1) of the lines that are not blank."""
    starts: list[np.ndarray] = [np.zeros(1, np.int64)]
    offset = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            starts.append(np.flatnonzero(np.frombuffer(block, np.uint8) == 10).astype(np.int64) + offset + 1)
            offset += len(block)
    all_starts = np.concatenate(starts)
    lengths = np.diff(np.append(all_starts, offset))
    filled = lengths > 0
    # A blank line has at most a few characters: only the short ones need a look.
    short = np.flatnonzero(filled & (lengths < 8))
    if len(short):
        with path.open("rb") as file:
            for index in short:
                file.seek(int(all_starts[index]))
                filled[index] = bool(file.read(int(lengths[index])).strip())
    return all_starts[filled], np.flatnonzero(filled) + 1
