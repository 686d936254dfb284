"""``wetread verify``: a line per defect of SEG and SR files, and an exit code for scripts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from wetread.commands.progress import Progress
from wetread.errors import RefusedInput

if TYPE_CHECKING:
    import argparse


def run(options: argparse.Namespace) -> int:
    """Print every defect; 0 where there is none."""
    from wetread.reporting import verify_files

    with Progress() as progress:
        progress.stage(f"checking {len(options.files)} files")
        defects = verify_files(options.files, source_files(options.source))
    for defect in defects:
        print(defect)
    if not defects:
        print(f"{len(options.files)} file(s), no defect found")
    return 1 if defects else 0


def source_files(source: Path | None) -> list[Path]:
    """The files of a source folder, or the one file; none where no source was given.

    Raises:
        RefusedInput: nothing there.
    """
    if source is None:
        return []
    files = sorted(path for path in source.rglob("*") if path.is_file()) if source.is_dir() else [source]
    if not files or not files[0].is_file():
        raise RefusedInput("no source images", source, "give the file or folder with the images the objects refer to")
    return files
