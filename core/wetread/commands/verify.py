"""``wetread verify``: a line per defect of SEG and SR files, and an exit code for scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wetread.commands.progress import Progress
from wetread.errors import RefusedInput

if TYPE_CHECKING:
    import argparse


def run(options: argparse.Namespace) -> int:
    """Print every defect; 0 where there is none."""
    from wetread.reporting import verify_files

    for source in options.source:
        if not source.exists():
            raise RefusedInput("no source images", source, "give the file or folder with the images referred to")
    with Progress() as progress:
        progress.stage(f"checking {len(options.files)} files")
        defects = verify_files(options.files, options.source)
    for defect in defects:
        print(defect)
    if not defects:
        print(f"{len(options.files)} file(s), no defect found")
    return 1 if defects else 0
