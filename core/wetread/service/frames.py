"""Single frames of an instance: as stored, as plain little-endian samples, or as a picture to look at.

Only the frame asked for is decoded. Frames of single-bit objects are packed anew, so that each begins at a byte.
"""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
from pydicom import Dataset, dcmread
from pydicom.encaps import get_frame
from pydicom.pixels import apply_color_lut, apply_modality_lut, apply_voi_lut, pixel_array
from pydicom.pixels.utils import get_expected_length, pack_bits
from pydicom.uid import (
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    JPEG2000TransferSyntaxes,
    JPEGLSTransferSyntaxes,
    JPEGTransferSyntaxes,
    RLELossless,
)

from wetread.errors import RefusedInput
from wetread.imaging.soundness import panics_as_errors
from wetread.service.errors import NotAcceptable, TooLarge

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_MAXIMUM_FRAME_BYTES = 256 * 1024 * 1024
_NATIVE = UID(ExplicitVRLittleEndian)


@dataclass(frozen=True, slots=True)
class FrameBytes:
    """One frame and how it is encoded."""

    content: bytes
    media_type: str
    transfer_syntax: str

    @property
    def content_type(self) -> str:
        """The part's Content-Type (PS3.18 8.7.3.5)."""
        return f"{self.media_type}; transfer-syntax={self.transfer_syntax}"


def stored_media_type(syntax: UID) -> str:
    """The media type of a compressed frame (PS3.18 table 8.7.3-5); octets for everything else."""
    if syntax in JPEG2000TransferSyntaxes:
        return "image/jp2"
    if syntax in JPEGLSTransferSyntaxes:
        return "image/jls"
    if syntax in JPEGTransferSyntaxes:
        return "image/jpeg"
    return "image/dicom-rle" if syntax == RLELossless else "application/octet-stream"


class InstanceFrames:
    """The frames of one stored file.

    Args:
        source: the file, or its content; of a file only what is asked for is read.

    Raises:
        RefusedInput: no pixel data, or a frame larger than this service decodes.
    """

    def __init__(self, source: Path | BytesIO) -> None:
        self._source = source
        in_memory = isinstance(source, BytesIO)
        self.dataset: Dataset = dcmread(source) if in_memory else dcmread(source, defer_size=1024)
        if "PixelData" not in self.dataset:
            raise NotAcceptable("no pixel data", self.dataset.SOPInstanceUID, "ask for the instance instead")
        self.syntax = UID(self.dataset.file_meta.TransferSyntaxUID)
        self.count = int(self.dataset.get("NumberOfFrames") or 1)
        try:
            bits = self.dataset.BitsAllocated * self.dataset.SamplesPerPixel
            size = self.dataset.Rows * self.dataset.Columns * bits // 8
        except (AttributeError, TypeError):
            raise RefusedInput(
                "incomplete image description", self.dataset.SOPInstanceUID, "ask for the file"
            ) from None
        if size > _MAXIMUM_FRAME_BYTES:
            raise TooLarge("frame too large to serve", self.dataset.SOPInstanceUID, "ask for the file")

    def check(self, number: int) -> int:
        """The 1-based frame number, when there is such a frame."""
        if not 1 <= number <= self.count:
            raise RefusedInput(f"no frame {number}", self.dataset.SOPInstanceUID, f"there are {self.count}")
        return number

    @property
    def is_encapsulated(self) -> bool:
        """True where the stored frames are compressed."""
        return bool(self.syntax.is_encapsulated)

    def stored(self, number: int) -> FrameBytes:
        """A frame as it is stored; uncompressed frames as plain little-endian samples."""
        if not self.is_encapsulated:
            return self.native(number)
        content = get_frame(self.dataset.PixelData, self.check(number) - 1, number_of_frames=self.count)
        return FrameBytes(content, stored_media_type(self.syntax), str(self.syntax))

    def native(self, number: int) -> FrameBytes:
        """A frame as plain samples, little endian, in the photometric interpretation of the data set."""
        index = self.check(number) - 1
        if self.is_encapsulated:
            samples = self._decoded(index)
            if self.dataset.BitsAllocated == 1:
                return _plain(bytes(pack_bits(samples.reshape(-1), pad=True)))
            if samples.ndim == 3 and self.dataset.get("PlanarConfiguration", 0) == 1:
                samples = np.moveaxis(samples, -1, 0)
            return _plain(np.ascontiguousarray(samples).astype(samples.dtype.newbyteorder("<")).tobytes())
        if self.dataset.BitsAllocated == 1:
            bits = self.dataset.Rows * self.dataset.Columns
            return _plain(_slice_bits(self.dataset.PixelData, index * bits, bits))
        length = get_expected_length(self.dataset) // self.count
        content = self.dataset.PixelData[index * length : (index + 1) * length]
        if self.syntax == ExplicitVRBigEndian and self.dataset.BitsAllocated > 8:
            kind = np.dtype(f"u{self.dataset.BitsAllocated // 8}")
            content = np.frombuffer(content, kind.newbyteorder(">")).astype(kind.newbyteorder("<")).tobytes()
        return _plain(content)

    def picture(self, number: int, window: tuple[float, float] | None = None) -> NDArray[np.uint8]:
        """A frame as a person sees it: (rows, columns, 3) uint8 RGB (PS3.3 C.7.6.3, C.11.2).

        Args:
            number: 1-based.
            window: (centre, width) instead of the one in the data set.
        """
        index = self.check(number) - 1
        samples = self._decoded(index, raw=False)
        if samples.ndim == 3:
            return _to_bytes(samples)
        if self.dataset.PhotometricInterpretation == "PALETTE COLOR":
            return _to_bytes(apply_color_lut(samples, self.dataset))
        description = self._display_description(index)
        values = np.asarray(apply_modality_lut(samples, description), dtype=np.float64)
        low, high = float(values.min()), float(values.max())
        centre_width = window or _window_of(description)
        if centre_width is not None:
            low, high = centre_width[0] - centre_width[1] / 2, centre_width[0] + centre_width[1] / 2
        elif "VOILUTSequence" in description:
            values = np.asarray(apply_voi_lut(samples, description), dtype=np.float64)
            low, high = float(values.min()), float(values.max())
        grey = np.clip((values - low) / max(high - low, 1e-9), 0.0, 1.0)
        if self.dataset.PhotometricInterpretation == "MONOCHROME1":
            grey = 1.0 - grey
        return np.repeat((grey * 255 + 0.5).astype(np.uint8)[..., None], 3, axis=2)

    def rendered(
        self, number: int, kind: str, window: tuple[float, float] | None = None, size: int | None = None
    ) -> bytes:
        """A frame as a PNG or JPEG file, at most `size` pixels on its longer side."""
        from PIL import Image

        picture = Image.fromarray(self.picture(number, window))
        if size is not None and max(picture.size) > size:
            picture.thumbnail((size, size))
        buffer = BytesIO()
        picture.save(buffer, "JPEG" if kind == "image/jpeg" else "PNG", quality=90)
        return buffer.getvalue()

    def _decoded(self, index: int, raw: bool = True) -> NDArray[np.generic]:
        try:
            with panics_as_errors():
                return pixel_array(self._source, index=index, raw=raw)
        except (RuntimeError, NotImplementedError, ValueError, AttributeError, EOFError) as error:
            raise NotAcceptable(
                f"pixel data cannot be decoded ({type(error).__name__})",
                self.dataset.SOPInstanceUID,
                "ask for the file",
            ) from None

    def _display_description(self, index: int) -> Dataset:
        """Where rescale and window are said: the data set, or the frame's functional groups in enhanced objects."""
        groups = list(self.dataset.get("SharedFunctionalGroupsSequence") or [])
        per_frame = self.dataset.get("PerFrameFunctionalGroupsSequence") or []
        groups += per_frame[index : index + 1]
        description = Dataset()
        description.update(self.dataset)
        for group in groups:
            for keyword in ("PixelValueTransformationSequence", "FrameVOILUTSequence"):
                for item in group.get(keyword) or []:
                    description.update(item)
        return description


def _plain(content: bytes) -> FrameBytes:
    return FrameBytes(content, "application/octet-stream", str(_NATIVE))


def _slice_bits(content: bytes, start: int, count: int) -> bytes:
    octets = np.frombuffer(content, np.uint8)[start // 8 : (start + count + 7) // 8]
    bits = np.unpackbits(octets, bitorder="little")[start % 8 : start % 8 + count]
    return np.packbits(bits, bitorder="little").tobytes()


def _window_of(description: Dataset) -> tuple[float, float] | None:
    centre, width = description.get("WindowCenter"), description.get("WindowWidth")
    if centre is None or width is None or centre == "" or width == "":
        return None
    first_centre = centre if isinstance(centre, (int, float)) else centre[0]
    first_width = width if isinstance(width, (int, float)) else width[0]
    return float(first_centre), max(float(first_width), 1e-6)


def _to_bytes(samples: NDArray[np.generic]) -> NDArray[np.uint8]:
    if samples.dtype == np.uint8:
        return np.asarray(samples[..., :3], dtype=np.uint8)
    wide = samples.astype(np.float64)
    scaled = wide * (255.0 / max(float(wide.max()), 1.0))
    return np.asarray(scaled[..., :3] + 0.5, dtype=np.uint8)
