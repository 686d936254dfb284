"""The six colours of dermoscopy inside a lesion: white, red, light brown, dark brown, blue-gray, black.

Every pixel gets the colour whose prototype is nearest, after the light has been taken out: lightness is scaled so that
the skin around the lesion has L* = 72, and a* and b* are counted from the skin's own. Skin is the median over the
lesion's bounding box widened by an eighth, without the lesion, five pixels around it, and anything under L* = 30
(vignette, hair, rulers). Before, the picture is averaged over about 1 % of its side, so that a hair or a pore is no
colour. The prototypes are round values for the six names; how far they agree with the table and the outlines of PH2
(Mendonca et al. 2013) is in docs/regions.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIX: tuple[tuple[str, tuple[float, float, float]], ...] = (
    ("white", (85, -15, -8)), ("red", (52, 34, 6)), ("light brown", (57, 8, 10)), ("dark brown", (36, 8, 4)),
    ("blue-gray", (44, -6, -10)), ("black", (18, -2, -10)),
)  # fmt: skip
"""(L* where skin has 72, a* above skin, b* above skin)."""

LEAST_SHARE = 0.05
"""A colour that covers less of the lesion is not said to be there."""
SKIN_LIGHTNESS = 72.0
AVERAGE_SKIN = (72.0, 14.0, 20.0)
DARKEST_SKIN, LEAST_SKIN_LIGHTNESS = 30.0, 45.0
LEAST_SKIN_PIXELS = 50
SMOOTHED_SHARE = 0.01


def six_colours(picture: NDArray[np.uint8], box: tuple[slice, ...], crop: NDArray[np.bool_]) -> NDArray[np.intp]:
    """For each pixel of a lesion's bounding box the index of its colour in `SIX`, -1 outside the lesion.

    Args:
        picture: (rows, columns, 3) uint8, the whole picture.
        box: where the crop lies.
        crop: (rows, columns) bool, the lesion.
    """
    from scipy import ndimage
    from skimage.color import rgb2lab

    rows, columns = box
    margin = (crop.shape[0] + crop.shape[1]) // 8 + 5
    wide = tuple(slice(max(s.start - margin, 0), s.stop + margin) for s in (rows, columns))
    width = max(round(SMOOTHED_SHARE * min(picture.shape[:2])), 1)
    smooth = ndimage.uniform_filter(picture[wide][..., :3].astype(np.float32), (width, width, 0))
    lab = rgb2lab(smooth / 255.0)
    inner = tuple(slice(s.start - w.start, s.stop - w.start) for s, w in zip((rows, columns), wide, strict=True))
    lesion = np.zeros(lab.shape[:2], dtype=bool)
    lesion[inner] = crop
    skin = ~ndimage.binary_dilation(lesion, iterations=5) & (lab[..., 0] > DARKEST_SKIN)
    light, a, b = np.median(lab[skin], axis=0) if skin.sum() >= LEAST_SKIN_PIXELS else np.array(AVERAGE_SKIN)
    pixels = lab[inner][crop]
    pixels = pixels - (0.0, a, b)
    pixels[:, 0] *= SKIN_LIGHTNESS / max(light, LEAST_SKIN_LIGHTNESS)
    prototypes = np.array([prototype for _, prototype in SIX])
    found = np.full(crop.shape, -1, dtype=np.intp)
    # Of |x - p|^2 only 2 x.p and |p|^2 differ between prototypes; a product of matrices is several times as fast.
    found[crop] = ((prototypes**2).sum(axis=1) - 2.0 * pixels @ prototypes.T).argmin(axis=1)
    return found
