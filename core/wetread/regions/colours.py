"""Names for real colours: of a region's mean colour in endoscopy, fundus, stained tissue, dermoscopy and photographs.

A colour has the name of the nearest prototype in CIELAB (D65, Euclidean distance). The prototypes are ordinary sRGB
colours of those names; several may share a name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wetread.regions.palette import lab_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

NAMED: tuple[tuple[str, tuple[int, int, int]], ...] = (
    ("black", (20, 20, 20)), ("dark gray", (75, 75, 75)), ("gray", (128, 128, 128)), ("light gray", (190, 190, 190)),
    ("white", (245, 245, 245)), ("red", (200, 40, 35)), ("dark red", (120, 25, 25)), ("orange", (235, 130, 50)),
    ("pink", (235, 160, 175)), ("magenta", (190, 60, 140)), ("purple", (115, 60, 140)),
    ("light purple", (180, 140, 195)), ("brown", (140, 85, 50)), ("light brown", (190, 140, 100)),
    ("dark brown", (80, 45, 30)), ("yellow", (230, 210, 70)), ("beige", (230, 205, 175)), ("green", (60, 150, 70)),
    ("blue", (50, 90, 190)), ("dark blue", (35, 35, 100)), ("blue-gray", (110, 125, 150)),
)  # fmt: skip


def name_colours(rgb: NDArray[np.generic]) -> tuple[str, ...]:
    """The name of each of (N, 3) sRGB colours, 0 to 255."""
    prototypes = lab_of(np.array([colour for _, colour in NAMED]))
    distance = np.linalg.norm(lab_of(rgb)[:, None] - prototypes[None], axis=2)
    return tuple(NAMED[int(i)][0] for i in distance.argmin(axis=1))


COLOUR_NAMES: tuple[str, ...] = tuple(dict.fromkeys(name for name, _ in NAMED))
"""Every name that a colour can get."""
