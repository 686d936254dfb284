"""Masks of one plane as PNG in base64, as the server takes and gives them."""

import base64
import struct
import zlib

import numpy as np
import vtk
from vtk.util.numpy_support import vtk_to_numpy

_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def encodePlane(mask: np.ndarray) -> str:
    """PNG (8 bit, gray) of a mask.

    :param mask: (rows, columns); what is not 0 is marked.
    """
    rows, columns = mask.shape
    lines = np.zeros((rows, columns + 1), np.uint8)  # each line begins with its filter: 0, none
    lines[:, 1:] = (np.asarray(mask) != 0) * np.uint8(255)
    content = (
        _SIGNATURE
        + _chunk(b"IHDR", struct.pack(">IIBBBBB", columns, rows, 8, 0, 0, 0, 0))
        + _chunk(b"IDAT", zlib.compress(lines.tobytes(), 1))
        + _chunk(b"IEND", b"")
    )
    return base64.b64encode(content).decode()


def decodePlane(text: str) -> np.ndarray:
    """(rows, columns) of bool.

    :raises ValueError: not a PNG in base64.
    """
    content = base64.b64decode(text, validate=True)
    if not content.startswith(_SIGNATURE):
        raise ValueError("Not a PNG.")
    reader = vtk.vtkPNGReader()
    if hasattr(reader, "SetStream"):  # VTK 9.6; before it, a buffer
        stream = vtk.vtkMemoryResourceStream()
        stream.SetBuffer(content, len(content))
        reader.SetStream(stream)
    else:
        reader.SetMemoryBuffer(content)
        reader.SetMemoryBufferLength(len(content))
    reader.Update()
    columns, rows, _ = reader.GetOutput().GetDimensions()
    if not rows * columns:
        raise ValueError("A PNG without pixels.")
    values = vtk_to_numpy(reader.GetOutput().GetPointData().GetScalars()).reshape(rows, columns, -1)
    return values[::-1, :, 0] > 0  # VTK's first line is the lowest


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
