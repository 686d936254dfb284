"""Names for real colours: of a region as a whole, and of the patches of another colour inside it.

A colour has the name of the nearest prototype in CIELAB (D65, Euclidean distance). The prototypes are ordinary sRGB
colours of those names. Patches are the pixels of one name; a table over 32 x 32 x 32 colours, made once, names a
million pixels in a few milliseconds. Dermoscopy has six names of its own, see `dermoscopy`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from wetread.regions.attributes import ColourPart
from wetread.regions.dermoscopy import LEAST_SHARE, SIX, six_colours
from wetread.regions.location import place_of
from wetread.regions.palette import lab_of
from wetread.terminology import Modality

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

LEAST_PATCHED_PIXELS = 100
_STEPS = 32

NAMED: tuple[tuple[str, tuple[int, int, int]], ...] = (
    ("black", (20, 20, 20)), ("dark gray", (75, 75, 75)), ("gray", (128, 128, 128)), ("light gray", (190, 190, 190)),
    ("white", (245, 245, 245)), ("red", (200, 40, 35)), ("dark red", (120, 25, 25)), ("orange", (235, 130, 50)),
    ("pink", (235, 160, 175)), ("magenta", (190, 60, 140)), ("purple", (115, 60, 140)),
    ("light purple", (180, 140, 195)), ("brown", (140, 85, 50)), ("light brown", (190, 140, 100)),
    ("dark brown", (80, 45, 30)), ("yellow", (230, 210, 70)), ("beige", (230, 205, 175)), ("green", (60, 150, 70)),
    ("blue", (50, 90, 190)), ("dark blue", (35, 35, 100)), ("blue-gray", (110, 125, 150)),
)  # fmt: skip

COLOUR_NAMES: tuple[str, ...] = tuple(dict.fromkeys([name for name, _ in NAMED] + [name for name, _ in SIX]))
"""Every name that a colour can get."""


def name_colours(rgb: NDArray[np.generic]) -> tuple[str, ...]:
    """The name of each of (N, 3) sRGB colours, 0 to 255."""
    distance = np.linalg.norm(lab_of(rgb)[:, None] - _prototypes()[None], axis=2)
    return tuple(NAMED[int(i)][0] for i in distance.argmin(axis=1))


def colour_parts(
    picture: NDArray[np.uint8], box: tuple[slice, ...], crop: NDArray[np.bool_], modality: Modality
) -> tuple[ColourPart, ...]:
    """Patches of another colour inside a region, largest first, each at least 5 % of it.

    Args:
        picture: (rows, columns, 3) uint8.
        box: of the region.
        crop: its mask inside the box.
        modality: decides which names there are.

    Returns:
        Nothing for a region under 100 pixels, and, but for dermoscopy, nothing for a region of one colour.
    """
    if np.count_nonzero(crop) < LEAST_PATCHED_PIXELS:
        return ()
    if modality is Modality.DERMOSCOPY:
        return _parts(six_colours(picture, box, crop), [name for name, _ in SIX])
    coarse = (picture[box][..., :3] // (256 // _STEPS)).astype(np.intp)
    named = np.where(crop, _name_table()[coarse[..., 0], coarse[..., 1], coarse[..., 2]], -1)
    parts = _parts(named, [name for name, _ in NAMED])
    return parts if len(parts) > 1 else ()


def _parts(named: NDArray[np.intp], names: Sequence[str]) -> tuple[ColourPart, ...]:
    rows, columns = np.nonzero(named >= 0)
    colour = named[rows, columns]
    counts = np.bincount(colour, minlength=len(names))
    # The mean place of every colour at once: a thousand nuclei have many patches each.
    row_sums, column_sums = np.bincount(colour, rows, len(names)), np.bincount(colour, columns, len(names))
    shares = counts / colour.size
    kept = [int(i) for i in np.argsort(-shares, kind="stable") if shares[i] >= LEAST_SHARE]
    return tuple(
        ColourPart(
            names[i],
            float(shares[i]),
            place_of(row_sums[i] / counts[i] + 0.5, column_sums[i] / counts[i] + 0.5, *named.shape),
        )
        for i in kept
    )


@lru_cache(maxsize=1)
def _name_table() -> NDArray[np.intp]:
    """Index in `NAMED` of every colour, in steps of eight."""
    middle = (np.arange(_STEPS) + 0.5) * (256 / _STEPS)
    grid = np.stack(np.meshgrid(middle, middle, middle, indexing="ij"), axis=-1).reshape(-1, 3)
    distance = np.stack([((lab_of(grid) - prototype) ** 2).sum(axis=1) for prototype in _prototypes()])
    return np.asarray(distance.argmin(axis=0).reshape(_STEPS, _STEPS, _STEPS), dtype=np.intp)


@lru_cache(maxsize=1)
def _prototypes() -> NDArray[np.float64]:
    return lab_of(np.array([colour for _, colour in NAMED]))
