"""How a model is to be loaded, as a plain value: no torch here, so that a command can carry it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """Choices of the person who runs the model; what is None is chosen from the hardware (`loading.resolved`).

    Args:
        device: ``cuda``, ``cuda:1``, ``cpu``; CUDA where there is one.
        dtype: ``bfloat16``, ``float16`` or ``float32``; bfloat16 on CUDA, float32 on the CPU.
        attention: ``sdpa``, ``eager`` or ``flash_attention_2``; the last where flash-attn is installed and the
            device is CUDA of compute capability 8.0 with a 16-bit format, else sdpa.
        quantise: 4 or 8 bits by bitsandbytes.
        most_pixels: reduce pictures to this many pixels; the checkpoint's own figure when None.
    """

    device: str | None = None
    dtype: str | None = None
    attention: str | None = None
    quantise: int | None = None
    most_pixels: int | None = None
