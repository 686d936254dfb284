"""``wetread convert-ecg``: a published ECG-JEPA checkpoint, once, into the safetensors that models are read from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from wetread.errors import RefusedInput

if TYPE_CHECKING:
    import argparse


def run(options: argparse.Namespace) -> int:
    """Convert and say what was written."""
    checkpoint, target = Path(options.checkpoint), Path(options.out)
    if not checkpoint.is_file():
        raise RefusedInput("no such file", checkpoint, "give the published ECG-JEPA .pth file")
    if target.suffix != ".safetensors" or target.exists() or not target.absolute().parent.is_dir():
        raise RefusedInput("no place to write to", target, "give a new .safetensors file in a folder that is there")
    from wetread.model.ecg_jepa import convert_checkpoint

    count = convert_checkpoint(checkpoint, target)
    print(f"Written {target}: {count} tensors, no code of the checkpoint was run")
    return 0
