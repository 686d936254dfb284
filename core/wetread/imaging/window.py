"""The grey window of a plane: what DICOM asks for, as one straight ramp, or a default.

`Plane.picture` draws LINEAR_EXACT windows (PS3.3 C.11.2.1.3.2). DICOM's other forms are turned into it:
LINEAR (C.11.2.1.2.1) exactly, as centre - 0.5 and width - 1; SIGMOID by its tangent, which has the same centre and
width; a VOI LUT Sequence by the straight ramp over the inputs between which its output rises. The last two are
approximations and say so in a remark. Of several windows the first is taken, as viewers do. Where DICOM gives none:
40/400 HU for CT, the whole range for 8-bit pictures, otherwise the 0.5th to 99.5th percentile without padding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wetread.terminology import Modality

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from pydicom import Dataset

    from wetread.imaging.frames import Frame

CT_DEFAULT = (40.0, 400.0)
EIGHT_BIT = (127.5, 255.0)
PERCENTILES = (0.5, 99.5)
_SAMPLED_PIXELS = 200_000

SIGMOID_REMARK = "sigmoid window shown as a straight one of the same centre and width"
LUT_REMARK = "VOI lookup table shown as a straight window over its range"
DAMAGED_LUT_REMARK = "VOI lookup table cannot be read and is ignored"
INVALID_REMARK = "window without a positive width ignored"


def window_of(frame: Frame, remarks: list[str]) -> tuple[float, float] | None:
    """(centre, width) in the LINEAR_EXACT sense that DICOM gives for a frame; None where it gives none.

    Args:
        frame: a grey frame.
        remarks: gets a line where the window is an approximation.
    """
    centre, width = _first(frame.attribute("WindowCenter")), _first(frame.attribute("WindowWidth"))
    if centre is not None and width is not None:
        return _straight(centre, width, str(frame.attribute("VOILUTFunction") or "LINEAR"), remarks)
    lut = frame.dataset.get("VOILUTSequence")
    if not lut:
        return None
    try:
        ramp = _ramp_of_lut(lut[0], signed=frame.dataset.get("PixelRepresentation") == 1)
    except (AttributeError, IndexError, TypeError, ValueError):  # a damaged table costs the window, not the read
        _remark(remarks, DAMAGED_LUT_REMARK)
        return None
    _remark(remarks, LUT_REMARK)
    return ramp


def default_window(
    modality: Modality, frame: Frame, values: Sequence[NDArray[np.float32]],
    padding: Sequence[NDArray[np.bool_] | None], *, hounsfield: bool,
) -> tuple[float, float]:  # fmt: skip
    """(centre, width) where DICOM gives none.

    Args:
        modality: what the pictures are.
        frame: one of the frames, for its bit depth.
        values: every plane of the Sample.
        padding: for every plane, True where a pixel is padding.
        hounsfield: the values are HU.
    """
    if modality is Modality.CT and hounsfield:
        return CT_DEFAULT
    volumetric = modality in (Modality.CT, Modality.MR, Modality.PET)
    if not volumetric and int(frame.dataset.BitsStored) == 8 and all(v.min() >= 0 and v.max() <= 255 for v in values):
        return EIGHT_BIT
    low, high = np.percentile(_some_pixels(values, padding), PERCENTILES)
    return (float(low + high) / 2, max(float(high - low), 1e-3))


def _straight(centre: float, width: float, function: str, remarks: list[str]) -> tuple[float, float] | None:
    if width < (1.0 if function == "LINEAR" else 0.0) or (width == 0.0):
        _remark(remarks, INVALID_REMARK)
        return None
    if function == "SIGMOID":
        _remark(remarks, SIGMOID_REMARK)
        return (centre, width)
    if function == "LINEAR_EXACT":
        return (centre, width)
    return (centre - 0.5, width - 1.0)


def _ramp_of_lut(item: Dataset, *, signed: bool) -> tuple[float, float]:
    """The inputs between which a VOI LUT's output rises from its lowest to its highest value."""
    entries, first, _ = (int(v) for v in item.LUTDescriptor)
    if signed and first >= 1 << 15:
        first -= 1 << 16
    raw = item.LUTData
    table = np.frombuffer(raw, dtype=np.uint16) if isinstance(raw, bytes) else np.atleast_1d(np.asarray(raw))
    table = table[: entries or 1 << 16]
    low = first + int(np.flatnonzero(table == table[0])[-1] if table[0] < table[-1] else 0)
    high = first + int(np.argmax(table == table.max()))
    if high <= low:
        low, high = first, first + len(table) - 1
    return ((low + high) / 2, float(max(high - low, 1)))


def _some_pixels(
    values: Sequence[NDArray[np.float32]], padding: Sequence[NDArray[np.bool_] | None]
) -> NDArray[np.float32]:
    """An even share of the pixels that are not padding; enough for a percentile."""
    step = max(1, sum(v.size for v in values) // _SAMPLED_PIXELS)
    parts = [(v if p is None else v[~p]).ravel()[::step] for v, p in zip(values, padding, strict=True)]
    pixels = np.concatenate(parts)
    pixels = pixels[np.isfinite(pixels)]
    return pixels if pixels.size else np.zeros(1, dtype=np.float32)


def _first(value: object) -> float | None:
    """The first of one or several numbers; None for nothing or an empty value."""
    from pydicom.multival import MultiValue

    if isinstance(value, MultiValue | list | tuple):
        value = value[0] if len(value) else None
    if value is None or value == "":
        return None
    return float(value)  # type: ignore[arg-type]


def _remark(remarks: list[str], text: str) -> None:
    if text not in remarks:
        remarks.append(text)
