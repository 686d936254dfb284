"""From stored pixel data to values: decoding, modality LUT and colour.

Order of PS3.4 N.2: decode (pydicom with pylibjpeg and pyjpegls), clear the bits above the high bit (PS3.5 8.1.1),
then for grey pictures the modality LUT (rescale slope and intercept, see `grey`, or a Modality LUT Sequence), for
colour ones RGB of 8 bits (PALETTE COLOR through its table; YBR_* by pydicom). MONOCHROME1 is not turned over here:
`Plane.inverted` says it. Padding pixels keep their value; they are only left out when a window is estimated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wetread.errors import RefusedInput
from wetread.imaging.grey import Grey, significant_bits
from wetread.imaging.instances import Twin
from wetread.imaging.soundness import panics_as_errors, quiet_pydicom

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray
    from pydicom import Dataset

    from wetread.imaging.frames import Frame

_GREY = ("MONOCHROME1", "MONOCHROME2")


def stored_frames(dataset: Dataset, where: object, indices: Sequence[int] | None = None) -> Iterator[NDArray[Any]]:
    """Decoded frames one after another: (rows, columns) stored values, or (rows, columns, 3) RGB of any depth.

    Args:
        dataset: an instance with pixel data and file meta.
        where: the file or UID, for messages.
        indices: 0-based frames wanted, all where None.

    Raises:
        RefusedInput: the pixel data cannot be decoded.
    """
    if isinstance(dataset, Twin):
        yield dataset.stored()
        return
    syntax = dataset.file_meta.TransferSyntaxUID
    try:
        decoded = _decoded_frames(dataset, indices)
        while True:
            with (
                quiet_pydicom(),
                panics_as_errors(),
            ):  # its warnings may quote values, and a user of the command line is not their reader
                frame = next(decoded, None)
            if frame is None:
                return
            yield frame
    except RefusedInput:
        raise
    except MemoryError as error:
        raise RefusedInput("pixel data too large for this machine's memory", where, "give a smaller image.") from error
    except Exception as error:  # every decoder raises its own types
        raise RefusedInput(
            f"pixel data cannot be decoded (transfer syntax {syntax.name}, {type(error).__name__})",
            where, "get the file again, or have it converted to an uncompressed transfer syntax.",
        ) from error  # fmt: skip


def _decoded_frames(dataset: Dataset, indices: Sequence[int] | None) -> Iterator[NDArray[Any]]:
    from pydicom.pixels import iter_pixels, pixel_array

    wanted = None if indices is None else list(indices)
    if dataset.PhotometricInterpretation == "YBR_FULL_422" and not dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        # iter_pixels of pydicom 3.0 takes native 4:2:2 frames after the first for full ones and runs out of data.
        count = int(dataset.get("NumberOfFrames") or 1)
        return (pixel_array(dataset, index=index) for index in (range(count) if wanted is None else wanted))
    return iter_pixels(dataset, indices=wanted)


def values_of(frame: Frame, stored: NDArray[Any], where: object) -> NDArray[np.float32] | NDArray[np.uint8] | Grey:
    """A decoded frame as `Plane.pixels`: grey (rows, columns) with its modality LUT, or uint8 RGB."""
    dataset = frame.dataset
    photometric = str(dataset.PhotometricInterpretation)
    if photometric == "PALETTE COLOR":
        from pydicom.pixels import apply_color_lut

        colour = _through_table(apply_color_lut, stored, dataset, where)
        return _eight_bit(colour, int(dataset.RedPaletteColorLookupTableDescriptor[2]))
    if stored.ndim == 3:
        if photometric in ("YBR_PARTIAL_422", "YBR_PARTIAL_420"):
            raise RefusedInput(f"unsupported colour space {photometric}", where, "have it converted to RGB.")
        return _eight_bit(stored, int(dataset.BitsStored))
    if photometric not in _GREY:
        raise RefusedInput(f"unsupported colour space {photometric}", where, "have it converted to RGB or grey.")
    return _modality_lut(frame, stored, where)


def padding_of(frame: Frame, stored: NDArray[Any]) -> NDArray[np.bool_] | None:
    """True where a pixel is padding (Pixel Padding Value or Range, PS3.3 C.7.5.1.1.2); None where there is none."""
    value = frame.dataset.get("PixelPaddingValue")
    if value is None or stored.ndim == 3:
        return None
    limit = frame.dataset.get("PixelPaddingRangeLimit")
    low, high = sorted((int(value), int(value if limit is None else limit)))
    pixels = significant_bits(stored, _bits_of(frame, stored))
    padding = (pixels >= low) & (pixels <= high)
    return padding if padding.any() else None


def _bits_of(frame: Frame, stored: NDArray[Any]) -> int:
    return int(frame.dataset.get("BitsStored") or stored.dtype.itemsize * 8)


def _modality_lut(frame: Frame, stored: NDArray[Any], where: object) -> NDArray[np.float32] | Grey:
    bits = _bits_of(frame, stored)
    if frame.dataset.get("ModalityLUTSequence"):
        from pydicom.pixels import apply_modality_lut

        pixels = significant_bits(stored, bits)
        return np.asarray(_through_table(apply_modality_lut, pixels, frame.dataset, where), dtype=np.float32)
    slope, intercept = frame.attribute("RescaleSlope"), frame.attribute("RescaleIntercept")
    if slope is not None and float(slope) == 0.0:
        raise RefusedInput("RescaleSlope is zero", where, "correct the rescale at the source.")
    return Grey(stored, bits, None if slope is None else float(slope), None if intercept is None else float(intercept))


def _through_table(
    apply: Callable[[NDArray[Any], Dataset], NDArray[Any]], stored: NDArray[Any], dataset: Dataset, where: object
) -> NDArray[Any]:
    try:
        return apply(stored, dataset)
    except Exception as error:  # pydicom raises many types for damaged tables
        raise RefusedInput(
            f"lookup table cannot be used ({type(error).__name__})", where, "get the file again from its source."
        ) from error


def _eight_bit(colour: NDArray[Any], bits: int) -> NDArray[np.uint8]:
    """RGB of any depth to 8 bits a channel."""
    if bits > 8:
        colour = np.right_shift(colour, bits - 8)
    return np.ascontiguousarray(colour, dtype=np.uint8)
