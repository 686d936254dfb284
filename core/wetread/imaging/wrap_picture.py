"""PNG, JPEG, TIFF, BMP and NumPy pictures -> one DICOM instance.

The SOP class follows the modality: VL Microscopic, Endoscopic and Photographic Image for visible light, Ultrasound
Image, and Secondary Capture with the modality's own DICOM term for everything whose real IOD asks for facts that a
picture does not carry (radiographs, fundus, OCT, dermoscopy, single CT and MR pictures). Grey pictures keep their
8 or 16 bits; transparent pixels are laid on white; EXIF orientation is applied, so that the picture is upright.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wetread.errors import RefusedInput
from wetread.imaging.kinds import parse_modality, sop_class
from wetread.imaging.wrapped import SCALED
from wetread.imaging.wrapped_instance import content_hash, new_instance, refuse_size, set_pixels
from wetread.terminology import Modality

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image
    from pydicom import Dataset

_SECONDARY_CAPTURE = sop_class("7")
_CLASS_OF: dict[Modality, tuple[str, str]] = {
    Modality.PATHOLOGY: (sop_class("77.1.2"), "GM"),
    Modality.MICROSCOPY: (sop_class("77.1.2"), "GM"),
    Modality.ENDOSCOPY: (sop_class("77.1.1"), "ES"),
    Modality.ULTRASOUND: (sop_class("6.1"), "US"),
    Modality.PHOTOGRAPH: (_SECONDARY_CAPTURE, "XC"),
    Modality.XRAY: (_SECONDARY_CAPTURE, "DX"),
    Modality.MAMMOGRAPHY: (_SECONDARY_CAPTURE, "MG"),
    Modality.DERMOSCOPY: (_SECONDARY_CAPTURE, "DMS"),
    Modality.FUNDUS: (_SECONDARY_CAPTURE, "OP"),
    Modality.OCT: (_SECONDARY_CAPTURE, "OPT"),
    Modality.CT: (_SECONDARY_CAPTURE, "CT"),
    Modality.MR: (_SECONDARY_CAPTURE, "MR"),
    Modality.PET: (_SECONDARY_CAPTURE, "PT"),
}
_DESCRIPTION = {Modality.MICROSCOPY: "Microscopy of a smear or culture"}


def wrap_picture(
    picture: NDArray[Any] | str | Path, modality: Modality | str | None = None, where: object = "picture"
) -> Dataset:
    """One picture as one DICOM instance with pixel data, study and series of its own.

    Args:
        picture: a file, or (rows, columns) grey of any integer, bool or float type, or (rows, columns, 3 or 4) RGB(A).
        modality: what it shows; a photograph where None.
        where: the file, for messages.

    Raises:
        RefusedInput: not one picture, of a size or type that DICOM does not hold, or an ECG.
    """
    if isinstance(picture, str | Path):
        pages, where = read_pages(Path(picture)), picture
        if len(pages) != 1:
            raise RefusedInput(f"{len(pages)} pages", where, "give a picture of one page.")
        picture = pages[0]
    kind = parse_modality(modality) or Modality.PHOTOGRAPH
    if kind is Modality.ECG:
        raise RefusedInput("a picture of an ECG", where, "ECG needs the recorded waveform, not a picture.")
    pixels, remarks = _dicom_pixels(np.asarray(picture), where)
    class_uid, term = _CLASS_OF[kind]
    if pixels.dtype == np.uint16 and class_uid != _SECONDARY_CAPTURE:
        class_uid = _SECONDARY_CAPTURE
    dataset = new_instance(class_uid, term, content_hash(pixels, kind), 1, remarks)
    dataset.SeriesDescription = _DESCRIPTION.get(kind, f"{kind.value[0].upper()}{kind.value[1:]}")
    dataset.PatientOrientation = None
    if class_uid == _SECONDARY_CAPTURE:
        dataset.ConversionType = "WSD"
    else:
        dataset.LossyImageCompression = "00"
    if class_uid.startswith(sop_class("77.1.")):
        dataset.AcquisitionContextSequence = []
    set_pixels(dataset, pixels)
    return dataset


def read_pages(path: Path) -> list[NDArray[Any]]:
    """The pages of a picture file as arrays; one for everything but multi-page TIFF.

    Raises:
        RefusedInput: the file is not what its name says, or breaks off.
    """
    from PIL import Image, ImageSequence, UnidentifiedImageError

    if path.suffix.lower() == ".npy":
        return [_read_numpy(path)]
    try:
        # Twice the limit that is warned about is an error all the same.
        quiet = warnings.catch_warnings(action="ignore", category=Image.DecompressionBombWarning)
        with quiet, Image.open(path) as image:
            return [_page(page) for page in ImageSequence.Iterator(image)]
    except Image.DecompressionBombError as error:
        raise RefusedInput("a picture of too many pixels", path, "give a smaller picture.") from error
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise RefusedInput(
            f"not a readable picture ({type(error).__name__})", path, "give a whole PNG, JPEG, TIFF or BMP file."
        ) from error


def _page(page: Image.Image) -> NDArray[Any]:
    from PIL import Image, ImageOps

    upright = ImageOps.exif_transpose(page)
    if upright.mode in ("I;16", "I;16L", "I;16B", "I", "F", "L", "RGB"):
        return np.asarray(upright).copy()
    if upright.mode == "1":
        return np.asarray(upright.convert("L"))
    if upright.mode in ("LA", "RGBA", "PA", "La", "RGBa") or "transparency" in upright.info:
        layer = upright.convert("RGBA")
        ground = Image.new("RGBA", layer.size, (255, 255, 255, 255))
        flat = Image.alpha_composite(ground, layer)
        return np.asarray(flat.convert("L" if upright.mode in ("LA", "La") else "RGB"))
    return np.asarray(upright.convert("RGB"))


def _read_numpy(path: Path) -> NDArray[Any]:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)  # a header may promise any size
    except (OSError, ValueError, EOFError) as error:
        raise RefusedInput("not a readable NumPy array", path, "give a .npy file without pickled objects.") from error
    return np.array(array)


def _dicom_pixels(array: NDArray[Any], where: object) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Grey uint8 or uint16, or RGB uint8; other number types are scaled to 16 bits and that is said."""
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)):
        raise RefusedInput(f"an array of shape {array.shape}", where, "give (rows, columns) or (rows, columns, 3).")
    refuse_size(array.shape, where)
    if array.dtype == bool:
        array = array.astype(np.uint8) * 255
    if array.ndim == 3:
        return _rgb(array, where), ()
    if array.dtype in (np.uint8, np.uint16):
        return array, ()
    if array.dtype.kind not in "iuf" or not np.isfinite(array).all():
        raise RefusedInput(f"pixels of type {array.dtype} or not finite", where, "give finite numbers.")
    low, high = float(array.min()), float(array.max())
    if not np.isfinite(high - low):
        raise RefusedInput("pixels whose range is not finite", where, "give numbers of a smaller range.")
    if array.dtype.kind in "iu" and low >= 0 and high <= 65535:
        return array.astype(np.uint16), ()
    scaled = (array.astype(np.float64) - low) * (65535.0 / max(high - low, 1e-12))
    return np.round(scaled).astype(np.uint16), (SCALED,)


def _rgb(array: NDArray[Any], where: object) -> NDArray[np.uint8]:
    """(rows, columns, 3 or 4) of uint8 or uint16 -> RGB uint8, transparency laid on white."""
    if array.dtype not in (np.uint8, np.uint16):
        raise RefusedInput(f"colour pixels of type {array.dtype}", where, "give 8 or 16 bits a channel.")
    if array.dtype == np.uint16:
        array = np.right_shift(array.astype(np.uint16), 8)
    rgba = array.astype(np.float32)
    if array.shape[2] == 4:
        opacity = rgba[..., 3:] / 255.0
        return np.asarray(np.round(rgba[..., :3] * opacity + 255.0 * (1.0 - opacity)), dtype=np.uint8)
    return np.asarray(array, dtype=np.uint8)
