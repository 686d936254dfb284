"""A NIfTI file looked at before it is read: is it whole, and are its numbers finite?

The reader fills the missing end of a file that breaks off with zeros and replaces NaN and infinities by zero, both
without a word. So the header (NIfTI-1 or -2, either byte order) is read here first: the file must be as long as it
says, and every value of a floating point volume must be finite.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from math import prod
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from wetread.errors import RefusedInput

if TYPE_CHECKING:
    from pathlib import Path

_FLOATS = {16: "f4", 64: "f8"}
_CHUNK_VALUES = 1 << 20


def check_nifti(path: Path) -> None:
    """Refuse a NIfTI file that is cut short or holds numbers that are none.

    Raises:
        RefusedInput: not NIfTI, cut short, or NaN or infinite values.
    """
    try:
        with gzip.open(path) if path.name.lower().endswith(".gz") else path.open("rb") as file:
            _check(file, path)  # type: ignore[arg-type]
    except gzip.BadGzipFile:
        raise RefusedInput("not a readable NIfTI file", path, "give a whole .nii or .nii.gz file.") from None
    except (EOFError, zlib.error):
        raise RefusedInput("a NIfTI file cut short", path, "get the file again from its source.") from None
    except OSError as error:
        raise RefusedInput(
            f"file cannot be read ({error.strerror or type(error).__name__})", path, "check who may read it."
        ) from None


def _check(file: BinaryIO, path: Path) -> None:
    head = file.read(348)
    order = next((o for o in "<>" if len(head) == 348 and struct.unpack(f"{o}i", head[:4])[0] in (348, 540)), "")
    if not order:
        raise RefusedInput("not a readable NIfTI file", path, "give a whole .nii or .nii.gz file.")
    if struct.unpack(f"{order}i", head[:4])[0] == 348:
        dimensions = struct.unpack(f"{order}8h", head[40:56])
        kind, bits = struct.unpack(f"{order}2h", head[70:74])
        (offset,) = struct.unpack(f"{order}f", head[108:112])
    else:
        kind, bits = struct.unpack(f"{order}2h", head[12:16])
        dimensions = struct.unpack(f"{order}8q", head[16:80])
        (offset,) = struct.unpack(f"{order}q", head[168:176])
    count = dimensions[0]
    if not 1 <= count <= 7 or min(dimensions[1 : count + 1]) < 1 or not 348 <= offset < 1 << 30:
        raise RefusedInput("a NIfTI header that cannot be meant", path, "get the file again from its source.")
    file.read(int(offset) - 348)
    _check_values(file, prod(dimensions[1 : count + 1]) * bits // 8, f"{order}{_FLOATS.get(kind, 'u1')}", path)


def _check_values(file: BinaryIO, expected: int, number: str, path: Path) -> None:
    width, found = np.dtype(number).itemsize, 0
    while found < expected:
        piece = file.read(min(_CHUNK_VALUES * width, expected - found))
        found += len(piece)
        if not piece:
            raise RefusedInput(
                f"a NIfTI file cut short: {found} of {expected} bytes", path, "get the file again from its source."
            )
        whole = piece[: len(piece) // width * width]
        if number[1] == "f" and not np.isfinite(np.frombuffer(whole, dtype=number)).all():
            raise RefusedInput("NaN or infinite values", path, "say in the file what these voxels hold.")
