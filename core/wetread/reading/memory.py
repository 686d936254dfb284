"""Memory that ran out: how it is told from a defect, and how the device gets its own back."""

from __future__ import annotations

import torch


def is_out_of_memory(error: BaseException) -> bool:
    """True for the ways in which torch and Python say that memory ran out, on any device."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(
        said in str(error) for said in ("can't allocate memory", "out of memory", "CUBLAS_STATUS_ALLOC_FAILED")
    )


def release_memory() -> None:
    """Give cached blocks back to the device."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
