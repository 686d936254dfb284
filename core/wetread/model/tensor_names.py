"""Which tensors a folder of safetensors holds, without torch and without reading a weight.

A safetensors file begins with the length of its header (8 bytes, little endian) and the header as JSON: names, types,
shapes and places. That is enough to know what a checkpoint is made of before it is loaded.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from wetread.errors import ModelUnavailable

if TYPE_CHECKING:
    from pathlib import Path

PUBLISHED_ECG_PREFIX = "time_series_embedding."
"""QoQ-Med-Omni keeps its ECG encoder and projection under this (DDVD233/QoQ_Med @97f7f3d)."""
_LONGEST_HEADER = 100 << 20


def tensor_files(folder: Path, prefix: str = "") -> dict[str, Path]:
    """Tensor name -> the file that holds it, for names that begin with `prefix`.

    Raises:
        ModelUnavailable: a file that is not safetensors.
    """
    found: dict[str, Path] = {}
    for path in sorted(folder.glob("*.safetensors")):
        found |= {name: path for name in _header(path) if name.startswith(prefix) and name != "__metadata__"}
    return found


def has_published_ecg(folder: Path) -> bool:
    """True where the checkpoint carries QoQ-Med's ECG encoder among its own weights."""
    return f"{PUBLISHED_ECG_PREFIX}encoder.W_P.weight" in tensor_files(folder, PUBLISHED_ECG_PREFIX)


def _header(path: Path) -> dict[str, object]:
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > _LONGEST_HEADER:
                raise ValueError("header too long")
            header = json.loads(file.read(length))
    except (OSError, ValueError) as error:
        raise ModelUnavailable(f"not a safetensors file ({type(error).__name__})", path,
                               "repair the folder or download the model again") from error  # fmt: skip
    return header if isinstance(header, dict) else {}
