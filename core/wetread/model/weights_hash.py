"""One SHA-256 over all weights of a model, computed once.

The DICOM Device UID derives from it (IHE AIR: every fine-tune is a new device), so it has to be true and not a
guess from names. Sixteen gigabytes take about ten seconds to hash; the result is kept in the user's cache under
names, sizes and modification times, and is computed again as soon as one of these changes.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

KEPT_FROM_BYTES = 64 << 20
"""Smaller models are hashed every time: that is as fast as looking it up, and leaves no file."""
MOST_KEPT = 200


def cache_file() -> Path:
    """Where hashes are kept: ``$XDG_CACHE_HOME/wetread/weights.json``, in ``~/.cache`` by default."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "wetread" / "weights.json"


def hash_of_files(files: Sequence[Path]) -> str:
    """Hex SHA-256 over name and content of each file, in the given order."""
    stats = [(file.name, str(file.resolve()), file.stat()) for file in files]
    if sum(stat.st_size for _, _, stat in stats) < KEPT_FROM_BYTES:
        return _computed(files)
    seen = json.dumps([[name, where, stat.st_size, stat.st_mtime_ns] for name, where, stat in stats])
    key = hashlib.sha256(seen.encode()).hexdigest()
    kept = _kept()
    if key not in kept:
        kept[key] = _computed(files)
        _keep(kept)
    return kept[key]


def combined(digests: Sequence[str]) -> str:
    """The hash of a model whose weights lie in several places; that of one place is its own."""
    return digests[0] if len(digests) == 1 else hashlib.sha256("+".join(digests).encode()).hexdigest()


def _computed(files: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.name.encode())
        with file.open("rb") as stream:
            while block := stream.read(1 << 22):
                digest.update(block)
    return digest.hexdigest()


def _kept() -> dict[str, str]:
    try:
        kept = json.loads(cache_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}  # a missing or broken cache only costs time
    return {str(key): str(value) for key, value in kept.items()} if isinstance(kept, dict) else {}


def _keep(kept: dict[str, str]) -> None:
    newest = dict(list(kept.items())[-MOST_KEPT:])
    path = cache_file()
    with contextlib.suppress(OSError):  # a home that cannot be written to only costs time
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.{os.getpid()}")
        part.write_text(json.dumps(newest), encoding="utf-8")
        part.replace(path)
