"""``wetread deidentify``: copies without the patient, all or none, under names that are UIDs."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from wetread.commands.progress import Progress
from wetread.errors import RefusedInput

if TYPE_CHECKING:
    import argparse

_KEY_BYTES = 32


def run(options: argparse.Namespace) -> int:
    """Write the copies; a folder that holds something is refused."""
    from pydicom import dcmwrite

    from wetread.archive.deidentification import Deidentifier
    from wetread.archive.intake import taken_in

    target: Path = options.out
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise RefusedInput("something is there already", target, "give a new or empty folder")
    files = [file for named in options.inputs for file in _files(named)]
    key = _key(options.key)
    deidentifier = Deidentifier(key, options.pixels_checked)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".wetread-") as staging, Progress() as progress:
            for number, file in enumerate(files, start=1):
                progress.stage(f"copy {number} of {len(files)}")
                copied = deidentifier.copy_of(taken_in(file.read_bytes(), str(file)), file)
                dcmwrite(Path(staging, f"{copied.SOPInstanceUID}.dcm"), copied, enforce_file_format=True)
            target.mkdir(exist_ok=True)
            for path in sorted(Path(staging).iterdir()):
                shutil.move(path, target / path.name)
    except OSError as error:
        raise RefusedInput(f"cannot write ({error.strerror or type(error).__name__})", target,
                           "give a folder on a disk with space that you may write to") from error  # fmt: skip
    print(f"{len(files)} instance(s) de-identified: {target}")
    print("Pixels were not looked at." if not options.pixels_checked else "Pixels: checked by you.")
    return 0


def _files(named: Path) -> list[Path]:
    if not named.exists():
        raise RefusedInput("no such file or folder", named, "check the path")
    found = [named] if named.is_file() else sorted(p for p in named.rglob("*") if p.is_file() and p.name[0] != ".")
    if not found:
        raise RefusedInput("empty folder", named, "give DICOM files")
    return found


def _key(path: Path | None) -> bytes:
    """The key in a file, made where there is none yet; a new one that nobody keeps without a file."""
    if path is None:
        return secrets.token_bytes(_KEY_BYTES)
    if not path.exists():
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_hex(_KEY_BYTES) + "\n")
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except ValueError:
        key = b""
    if len(key) < _KEY_BYTES:
        raise RefusedInput("no key in it", path, "give a file that this command made, or a new name") from None
    return key
