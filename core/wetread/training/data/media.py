"""Files of an item to arrays: pictures, frames of videos, waveforms and masks.

The pixel rule of the published loader (at most 524,288 and at least 65,536 pixels; algorithms of QoQ-Med, appendix D)
is here as sizes and as a resize that keeps picture, mask and boxes in one frame. The published QoQ-Med loader resized
masks to (columns, rows), so that masks of pictures that are not square no longer lay on them; here one (rows, columns)
serves all. A `.pt` file is read with ``weights_only=True``: a data set never runs code.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from wetread.errors import RefusedInput

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wetread.training.data.item import MaskSource, PictureSource, WaveformSource

MAX_PIXELS = 524_288
MIN_PIXELS = 65_536
VIDEO_ENDINGS = (".mp4", ".avi", ".mov", ".mkv", ".webm")
LARGEST_FILE_PIXELS = 400_000_000


def fitted_size(rows: int, columns: int, most: int = MAX_PIXELS, least: int = MIN_PIXELS) -> tuple[int, int]:
    """(rows, columns) of about the same shape with `least` <= rows * columns <= `most`.

    Shrinking rounds down and growing rounds up, so both bounds hold exactly; the published loader rounds down in both
    cases and may miss the lower bound by a row of pixels.
    """
    if rows < 1 or columns < 1 or least > most:
        raise ValueError(f"A picture of {rows} x {columns} between {least} and {most} pixels.")
    if rows * columns > most:
        factor = (most / (rows * columns)) ** 0.5
        rows, columns = max(1, int(rows * factor)), max(1, int(columns * factor))
        return min(rows, most // columns), min(columns, most // rows)
    if rows * columns < least:
        factor = (least / (rows * columns)) ** 0.5
        return int(np.ceil(rows * factor - 1e-9)), int(np.ceil(columns * factor - 1e-9))
    return rows, columns


def resize_picture(
    picture: NDArray[np.uint8], size: tuple[int, int], how: Literal["smooth", "nearest"] = "smooth"
) -> NDArray[np.uint8]:
    """(rows, columns, 3) to another size; "nearest" is what the published loader does."""
    from PIL import Image

    if picture.shape[:2] == size:
        return picture
    method = Image.Resampling.NEAREST if how == "nearest" else Image.Resampling.BICUBIC
    return np.asarray(Image.fromarray(picture).resize((size[1], size[0]), method))


def resize_mask(mask: NDArray[np.bool_], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Bool (rows, columns) to the (rows, columns) of its resized picture, by nearest neighbour."""
    from PIL import Image

    if mask.shape == size:
        return mask
    small = Image.fromarray(mask.astype(np.uint8)).resize((size[1], size[0]), Image.Resampling.NEAREST)
    return np.asarray(small) > 0


def read_picture(source: PictureSource) -> NDArray[np.uint8]:
    """(rows, columns, 3) uint8; 16-bit grey is scaled to its own range.

    Raises:
        RefusedInput: missing or unreadable.
    """
    if not isinstance(source, Path):
        return _three_channels(source() if callable(source) else source)
    from PIL import Image

    try:
        with Image.open(source) as image:
            if image.width * image.height > LARGEST_FILE_PIXELS:
                raise RefusedInput(f"{image.width} x {image.height} pixels", source, "give tiles of the picture")
            if image.mode.startswith("I") or image.mode == "F":
                return _three_channels(np.asarray(image))
            return np.asarray(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise RefusedInput(_what("picture", source), source, "put the file back, or leave the line out") from error


def read_mask(source: MaskSource) -> NDArray[np.bool_]:
    """Bool (rows, columns): every non-zero pixel of any channel but alpha.

    Raises:
        RefusedInput: missing or unreadable.
    """
    if not isinstance(source, Path):
        return np.asarray(source() if callable(source) else source) > 0
    from PIL import Image

    try:
        with Image.open(source) as image:
            if image.mode == "P":
                # A palette's index 0 is the background, whatever its colour.
                return np.asarray(image) > 0
            opaque = image.convert(image.mode[:-1]) if image.mode in ("LA", "RGBA") else image
            values = np.asarray(opaque)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise RefusedInput(_what("mask", source), source, "put the file back, or leave the line out") from error
    return values.max(axis=2) > 0 if values.ndim == 3 else values > 0


def read_video(path: Path, frames: int) -> list[NDArray[np.uint8]]:
    """`frames` evenly spaced frames, first and last included: index i (n - 1) / (k - 1), as published.

    Raises:
        RefusedInput: missing, unreadable, or no decoder for video is installed.
    """
    if frames < 1:
        raise ValueError(f"{frames} frames of a video.")
    if not path.is_file():
        raise RefusedInput(_what("video", path), path, "put the file back, or leave the line out")
    try:
        import av
    except ImportError as error:
        raise RefusedInput("no decoder for video", path, "pip install 'wetread[train]'") from error
    try:
        with av.open(str(path)) as container:
            # Headers of containers may lie about the number of frames, so the frames are counted by decoding.
            count = sum(1 for _ in container.decode(video=0))
            wanted = evenly_spaced(count, frames)
            container.seek(0)
            pictures = {
                index: np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8)
                for index, frame in enumerate(container.decode(video=0))
                if index in set(wanted)
            }
    except (av.FFmpegError, IndexError, ValueError) as error:
        raise RefusedInput("unreadable video", path, "give a file that FFmpeg decodes") from error
    if not pictures:
        raise RefusedInput("unreadable video", path, "give a file that FFmpeg decodes")
    return [pictures[index] for index in wanted if index in pictures]


def evenly_spaced(count: int, wanted: int) -> list[int]:
    """Indices of `wanted` frames of `count`, from the first to the last; one frame is the first; never one twice."""
    if wanted >= count:
        return list(range(count))
    if wanted == 1:
        return [0]
    return [int(i * (count - 1) / (wanted - 1)) for i in range(wanted)]


def read_waveform(source: WaveformSource) -> NDArray[np.float32]:
    """(leads, samples) float32 in the file's own units and rate.

    A `.pt` file holds one tensor, (leads, samples) or with a leading axis of one; a record of WFDB is named by its
    `.hea` or without an ending.

    Raises:
        RefusedInput: missing, unreadable, not two-dimensional, or not finite.
    """
    values: NDArray[np.float32]
    if isinstance(source, Path):
        values = _waveform_file(source)
    else:
        values = np.asarray(source() if callable(source) else source, dtype=np.float32)
    if values.ndim == 3 and len(values) == 1:
        values = values[0]
    where = source if isinstance(source, Path) else "waveform"
    if values.ndim != 2 or 0 in values.shape:
        raise RefusedInput(f"waveform of shape {values.shape}", where, "give (leads, samples)")
    if not np.isfinite(values).all():
        raise RefusedInput("waveform with values that are not numbers", where, "leave the line out")
    return values


def _waveform_file(path: Path) -> NDArray[np.float32]:
    ending = path.suffix.lower()
    try:
        if ending in (".pt", ".pth"):
            import torch

            tensor = torch.load(path, map_location="cpu", weights_only=True)
            if not isinstance(tensor, torch.Tensor):
                raise RefusedInput(f"{type(tensor).__name__} instead of a tensor", path, "save one tensor")
            return tensor.to(torch.float32).numpy()
        if ending == ".npy":
            return np.asarray(np.load(path, allow_pickle=False), dtype=np.float32)
        import wfdb

        record = wfdb.rdrecord(str(path.with_suffix("") if ending in (".hea", ".dat", ".mat") else path))
        return np.ascontiguousarray(record.p_signal.T, dtype=np.float32)
    except RefusedInput:
        raise
    # torch raises pickle's, zip's and its own errors for broken or unsafe files, wfdb those of parsing.
    except Exception as error:
        raise RefusedInput(_what("waveform", path), path, "give a plain tensor, .npy or a WFDB record") from error


def _three_channels(array: NDArray[np.generic]) -> NDArray[np.uint8]:
    given = np.asarray(array)
    values = given[..., 0] if given.ndim == 3 and given.shape[2] == 1 else given
    if values.dtype != np.uint8:
        wide = values.astype(np.float64)
        low, high = float(wide.min()), float(wide.max())
        values = np.round((wide - low) / (high - low if high > low else 1.0) * 255).astype(np.uint8)
    three = np.repeat(values[..., None], 3, axis=2) if values.ndim == 2 else values[..., :3]
    return np.asarray(three, dtype=np.uint8)


def _what(kind: str, path: Path) -> str:
    return f"unreadable {kind}" if path.exists() else f"missing {kind}"
