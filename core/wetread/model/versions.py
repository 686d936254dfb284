"""A folder of model versions, and which of them reads now.

`DIR/<version>/` is a whole model; `DIR/current.json` names the one that reads and the ones that did before, the last
last. Both appear by a rename, so that another process sees the old or the new, never a half. A version is never
changed or overwritten. Without a pointer the model that the service was started with reads.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wetread.errors import RefusedInput
from wetread.model.checkpoint import MODEL_FILE, ModelInfo, read_info

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

POINTER = "current.json"
_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+_-]{0,63}")


@dataclass(frozen=True, slots=True)
class Pointer:
    """What reads: a version's name, or "" for the model the service was started with; and what read before it."""

    current: str = ""
    before: tuple[str, ...] = ()


class ModelVersions:
    """Versions in a folder; safe from any number of processes.

    Args:
        folder: made at the first version.
        base: the model that reads where no version was promoted: name, folder or hub id.
    """

    def __init__(self, folder: Path, base: str) -> None:
        self.folder, self.base = folder, base

    def names(self) -> list[str]:
        """Versions that are there, oldest first."""
        found = [path.parent for path in self.folder.glob(f"*/{MODEL_FILE}") if _NAME.fullmatch(path.parent.name)]
        return [path.name for path in sorted(found, key=lambda path: (_numbers(path.name), path.name))]

    def pointer(self) -> Pointer:
        """What reads now.

        Raises:
            RefusedInput: the pointer cannot be read, or names a version that is gone.
        """
        path = self.folder / POINTER
        try:
            said = json.loads(path.read_text(encoding="utf-8"))
            found = Pointer(str(said["current"]), tuple(str(name) for name in said["before"]))
        except FileNotFoundError:
            return Pointer()
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RefusedInput(f"unreadable pointer ({type(error).__name__})", path, "promote a version anew") from None
        if found.current:
            self.check(found.current)
        return found

    def location(self, name: str | None = None) -> str:
        """What `read_info` and `Reader` take: of a version, or of the one that reads now."""
        wanted = self.pointer().current if name is None else name
        return str(self.folder / wanted) if wanted else self.base

    def info(self, name: str | None = None) -> ModelInfo:
        """What a version says of itself; that of the one that reads now when None."""
        return read_info(self.location(name))

    def check(self, name: str) -> None:
        """Refuse what is no version.

        Raises:
            RefusedInput: not a name, or not there.
        """
        if not _NAME.fullmatch(name) or not (self.folder / name / MODEL_FILE).is_file():
            raise RefusedInput(f"no version {name[:64]!r}", "model versions", "see: wetread model list")

    def switch(self, name: str) -> Pointer:
        """Let a version read from now on; "" for the model the service was started with.

        Raises:
            RefusedInput: no such version.
        """
        if name:
            self.check(name)
        now = self.standing()
        if name == now.current:
            return now
        return self._write(Pointer(name, (*now.before, now.current)))

    def step_back(self) -> Pointer:
        """Let the version before read again.

        Raises:
            RefusedInput: there is none before, or it is gone.
        """
        now = self.standing()
        if not now.before:
            raise RefusedInput("no version before this one", "model versions", "promote one first")
        if now.before[-1]:
            self.check(now.before[-1])
        return self._write(Pointer(now.before[-1], now.before[:-1]))

    def next_name(self, after: str) -> str:
        """The version that follows a model's: its last number raised until it is free."""
        parts = after.split(".")
        if not all(part.isdigit() for part in parts):
            parts = ["0", "0", "0"]
        taken = set(self.names())
        number = int(parts[-1]) + 1
        while (name := ".".join([*parts[:-1], str(number)])) in taken:
            number += 1
        return name

    @contextmanager
    def adding(self, name: str) -> Iterator[Path]:
        """A folder to write a version into; it becomes one at the end, and leaves nothing behind on an error.

        Raises:
            RefusedInput: the name is taken or no name.
        """
        if not _NAME.fullmatch(name) or (self.folder / name).exists():
            raise RefusedInput(f"version {name[:64]!r} is taken or no name", "model versions", "choose another")
        staging = self.folder / f".incoming-{uuid.uuid4().hex}"
        staging.mkdir(parents=True)
        try:
            yield staging
            staging.rename(self.folder / name)
        finally:
            shutil.rmtree(staging, ignore_errors=True)

    def standing(self) -> Pointer:
        """What reads now; where that cannot be said, as if nothing had been promoted."""
        try:
            return self.pointer()
        except RefusedInput:
            return Pointer()

    def _write(self, pointer: Pointer) -> Pointer:
        self.folder.mkdir(parents=True, exist_ok=True)
        part = self.folder / f".{POINTER}.{uuid.uuid4().hex}"
        with part.open("w", encoding="utf-8") as stream:
            json.dump({"current": pointer.current, "before": list(pointer.before)}, stream)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(self.folder / POINTER)
        return pointer


def _numbers(name: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", name))
