"""Which archives do not take Label Map Segmentations: learned by trying, kept for the next time.

Kept per destination in ``$XDG_CACHE_HOME/wetread/archives.json``, in ``~/.cache`` by default. To lose the file costs
one more try for each archive.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path


def cache_file() -> Path:
    """Where it is kept."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "wetread" / "archives.json"


def refuses_label_maps(location: str) -> bool:
    """True where this archive refused a label map and took the BINARY object in its place."""
    return location in _refusing()


def remember(location: str, *, refuses: bool) -> None:
    """Keep what an archive did with a label map; a home that cannot be written to only costs another try."""
    known = _refusing()
    wanted = known | {location} if refuses else known - {location}
    if wanted == known:
        return
    path = cache_file()
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.{os.getpid()}")
        part.write_text(json.dumps({"refuse_label_maps": sorted(wanted)}), encoding="utf-8")
        part.replace(path)


def _refusing() -> frozenset[str]:
    try:
        kept = json.loads(cache_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return frozenset()  # missing or broken: archives are tried again
    listed = kept.get("refuse_label_maps") if isinstance(kept, dict) else None
    return frozenset(str(one) for one in listed) if isinstance(listed, list) else frozenset()
