"""Which tiles of a whole slide are read: a bounded number, chosen from the pixels, said in a remark.

A slide series holds a pyramid, a label and an overview. The largest VOLUME level is taken; of its tiles (TILED_FULL:
row by row, PS3.3 C.7.6.17.3; TILED_SPARSE: where each frame says it lies) at most `MAX_TILES`: those that vary most
in brightness among `CANDIDATES` spread evenly over the slide, because an empty tile of glass does not vary. Labels
may show the patient's name; they are never decoded.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

import numpy as np

from wetread.errors import RefusedInput
from wetread.imaging.frames import Frame, frames_of
from wetread.imaging.pixels import stored_frames

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydicom import Dataset

MAX_TILES = 16
CANDIDATES = 64
_SIDE_IMAGES = {"LABEL", "OVERVIEW", "THUMBNAIL", "LOCALIZER"}


def choose_tiles(datasets: Sequence[Dataset], remarks: list[str], where: object) -> list[Frame]:
    """The tiles of a slide series that are read, in reading order (row by row over the slide).

    Raises:
        RefusedInput: the series holds only label or overview pictures, or its tiles cannot be decoded.
    """
    level = _largest_level(datasets, remarks, where)
    tiles = _tiles_of(level, where)
    if len(tiles) <= MAX_TILES:
        remarks.append(f"all {len(tiles)} tiles of the slide")
        return tiles
    spread = np.unique(np.linspace(0, len(tiles) - 1, min(CANDIDATES, len(tiles))).round().astype(int))
    candidates = {tiles[i].index: int(i) for i in spread if tiles[i].index is not None}
    wanted = sorted(index for index in candidates if index is not None)
    content = {
        candidates[index]: float(np.std(picture[..., 1] if picture.ndim == 3 else picture))
        for index, picture in zip(wanted, stored_frames(level, where, wanted), strict=True)
    }
    chosen = sorted(sorted(content, key=lambda i: (-content[i], i))[:MAX_TILES])
    remarks.append(
        f"{len(chosen)} of {len(tiles)} tiles of the slide: those with most content among {len(wanted)} spread evenly"
    )
    return [tiles[i] for i in chosen]


def _largest_level(datasets: Sequence[Dataset], remarks: list[str], where: object) -> Dataset:
    levels = [d for d in datasets if not _SIDE_IMAGES & {str(v) for v in d.get("ImageType") or []}]
    if len(levels) < len(datasets):
        remarks.append(f"{len(datasets) - len(levels)} label, overview or thumbnail pictures of the slide left out")
    if not levels:
        raise RefusedInput("a slide series without its VOLUME image", where, "give the VOLUME instances of the slide.")
    largest = max(levels, key=_matrix_pixels)
    if len(levels) > 1:
        remarks.append(f"{len(levels) - 1} other resolution levels of the slide left out")
    return largest


def _matrix_pixels(dataset: Dataset) -> int:
    rows = int(dataset.get("TotalPixelMatrixRows") or dataset.Rows)
    return rows * int(dataset.get("TotalPixelMatrixColumns") or dataset.Columns)


def _tiles_of(level: Dataset, where: object) -> list[Frame]:
    """Tiles of the first optical path and focal plane, row by row."""
    frames = frames_of(level)
    if min(int(level.get(keyword) or 0) for keyword in ("TotalPixelMatrixRows", "TotalPixelMatrixColumns")) < 1:
        raise RefusedInput("a slide without its Total Pixel Matrix size", where, "the file is damaged; get it again.")
    if str(level.get("DimensionOrganizationType", "")) == "TILED_FULL":
        down = ceil(int(level.TotalPixelMatrixRows) / int(level.Rows))
        across = ceil(int(level.TotalPixelMatrixColumns) / int(level.Columns))
        return frames[: down * across]
    layers = [(str(f.attribute("OpticalPathIdentifier")), str(f.attribute("ZOffsetInSlideCoordinateSystem")))
              for f in frames]  # fmt: skip
    first = [frame for frame, layer in zip(frames, layers, strict=True) if layer == layers[0]]
    return sorted(first, key=_place)


def _place(frame: Frame) -> tuple[int, int, int]:
    row = frame.attribute("RowPositionInTotalImagePixelMatrix") or 0
    column = frame.attribute("ColumnPositionInTotalImagePixelMatrix") or 0
    return (int(row), int(column), frame.index or 0)
