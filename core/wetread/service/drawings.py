"""Drawings that clients send: one plane as a PNG in base64; what is not 0 is marked."""

from __future__ import annotations

import base64
import binascii
import io
from typing import TYPE_CHECKING

import numpy as np

from wetread.errors import RefusedInput

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_PIXELS = 64 * 1024**2


def drawn_plane(text: str, size: tuple[int, int] | None = None) -> NDArray[np.bool_]:
    """The marked pixels (rows, columns).

    Args:
        text: PNG in base64.
        size: (rows, columns) that it must have; any when None.

    Raises:
        RefusedInput: not a PNG, or one of another size; told before any pixel is decoded.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(base64.b64decode(text, validate=True)), formats=["PNG"]) as picture:
            # The header of a small file may promise gigabytes.
            found = (picture.size[1], picture.size[0])
            if found[0] * found[1] > MOST_PIXELS or (size is not None and found != size):
                wanted = f"draw it on {size[0]} x {size[1]}" if size else "draw it on the image's own pixels"
                raise RefusedInput(f"a plane of {found[0]} x {found[1]} pixels", "mask", wanted)
            return np.asarray(picture.convert("L")) > 0
    except (binascii.Error, UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        raise RefusedInput("not a PNG in base64", "mask", "send each plane as PNG") from None
