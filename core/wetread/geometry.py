"""Every coordinate frame of Wetread and every conversion between them.

Frames: MODEL (0-1000 of the image), RESIZED (pixels of the model's input), IMAGE (pixels of the source frame, on
pixel edges, see `findings`) and the patient (millimetres, DICOM LPS). MODEL and RESIZED assume that the model sees
the whole source frame scaled to its input without cropping or padding, as the Qwen processors do; x and y may be
scaled differently. IMAGE <-> patient is the plane equation of DICOM PS3.3 C.7.6.2.1.1, in float64.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from operator import mul
from typing import TYPE_CHECKING

import numpy as np

from wetread.findings import Box, BoxFrame, PatientBox

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

MODEL_EXTENT = 1000.0
_COSINE_TOLERANCE = 1e-3


@dataclass(frozen=True, slots=True)
class PlaneGeometry:
    """Where one frame lies in the patient.

    Args:
        position: ImagePositionPatient, the *centre* of the first pixel, mm, LPS.
        row_cosines: first triple of ImageOrientationPatient: direction in which the column index grows.
        column_cosines: second triple: direction in which the row index grows.
        row_spacing: PixelSpacing[0], mm between rows (y).
        column_spacing: PixelSpacing[1], mm between columns (x).
        frame_of_reference_uid: DICOM Frame of Reference UID.
        slice_thickness: mm, or None where unknown.
    """

    position: tuple[float, float, float]
    row_cosines: tuple[float, float, float]
    column_cosines: tuple[float, float, float]
    row_spacing: float
    column_spacing: float
    frame_of_reference_uid: str
    slice_thickness: float | None = None

    def __post_init__(self) -> None:
        row, column = self.row_cosines, self.column_cosines
        is_unit = all(abs(math.hypot(*cosines) - 1.0) <= _COSINE_TOLERANCE for cosines in (row, column))
        if not is_unit or abs(sum(map(mul, row, column))) > _COSINE_TOLERANCE:
            raise ValueError(
                f"ImageOrientationPatient is not two perpendicular unit vectors: {self.row_cosines}, "
                f"{self.column_cosines}."
            )
        if not (self.row_spacing > 0 and self.column_spacing > 0):
            raise ValueError(f"Pixel spacing must be positive, found {self.row_spacing}, {self.column_spacing} mm.")

    @property
    def normal(self) -> NDArray[np.float64]:
        """Unit normal of the plane, row x column, shape (3,)."""
        normal = np.cross(self.row_cosines, self.column_cosines)
        return np.asarray(normal / np.linalg.norm(normal), dtype=np.float64)

    @property
    def affine(self) -> NDArray[np.float64]:
        """(4, 4) matrix from (x, y, depth mm, 1) on pixel edges to LPS millimetres."""
        matrix = np.eye(4)
        matrix[:3, 0] = np.asarray(self.row_cosines) * self.column_spacing
        matrix[:3, 1] = np.asarray(self.column_cosines) * self.row_spacing
        matrix[:3, 2] = self.normal
        matrix[:3, 3] = np.asarray(self.position) - 0.5 * (matrix[:3, 0] + matrix[:3, 1])
        return matrix

    def image_to_patient(self, points: ArrayLike) -> NDArray[np.float64]:
        """(N, 2) image points (x, y) on pixel edges -> (N, 3) LPS millimetres."""
        xy = np.atleast_2d(np.asarray(points, dtype=np.float64))
        homogeneous = np.column_stack([xy, np.zeros(len(xy)), np.ones(len(xy))])
        return (homogeneous @ self.affine.T)[:, :3]

    def patient_to_image(self, points: ArrayLike) -> NDArray[np.float64]:
        """(N, 3) LPS millimetres -> (N, 3): x, y on pixel edges and signed distance from the plane in mm."""
        lps = np.atleast_2d(np.asarray(points, dtype=np.float64))
        homogeneous = np.column_stack([lps, np.ones(len(lps))])
        return np.asarray(np.linalg.solve(self.affine, homogeneous.T).T[:, :3], dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Resize:
    """The scaling between a source frame and the picture the model was given.

    Args:
        image: (rows, columns) of the source frame.
        resized: (rows, columns) of the model's input.
    """

    image: tuple[int, int]
    resized: tuple[int, int]

    def extent(self, frame: BoxFrame) -> tuple[float, float]:
        """(width, height) of the whole picture in units of `frame`."""
        match frame:
            case BoxFrame.MODEL:
                return (MODEL_EXTENT, MODEL_EXTENT)
            case BoxFrame.RESIZED:
                return (float(self.resized[1]), float(self.resized[0]))
            case BoxFrame.IMAGE:
                return (float(self.image[1]), float(self.image[0]))

    def convert(self, box: Box, frame: BoxFrame) -> Box:
        """The same rectangle in another 2-D frame."""
        if box.frame is frame:
            return box
        (from_width, from_height), (to_width, to_height) = self.extent(box.frame), self.extent(frame)
        x, y = to_width / from_width, to_height / from_height
        return Box(box.x_min * x, box.y_min * y, box.x_max * x, box.y_max * y, frame)


def clip_to_image(box: Box, rows: int, columns: int) -> Box | None:
    """The part of an IMAGE box that lies inside a frame of (rows, columns); None where nothing does."""
    if box.frame is not BoxFrame.IMAGE:
        raise ValueError(f"Only {BoxFrame.IMAGE} boxes can be clipped to an image, found {box.frame}.")
    x_min, x_max = max(box.x_min, 0.0), min(box.x_max, float(columns))
    y_min, y_max = max(box.y_min, 0.0), min(box.y_max, float(rows))
    if x_max <= x_min or y_max <= y_min:
        return None
    return Box(x_min, y_min, x_max, y_max, BoxFrame.IMAGE)


def box_to_patient(box: Box, geometry: PlaneGeometry) -> PatientBox:
    """IMAGE box on one plane -> planar rectangle in the patient."""
    if box.frame is not BoxFrame.IMAGE:
        raise ValueError(f"Convert the box to {BoxFrame.IMAGE} first, found {box.frame}.")
    ring = [(box.x_min, box.y_min), (box.x_max, box.y_min), (box.x_max, box.y_max), (box.x_min, box.y_max)]
    corners = tuple((float(x), float(y), float(z)) for x, y, z in geometry.image_to_patient(ring))
    return PatientBox(corners, geometry.frame_of_reference_uid)


def box_from_patient(box: PatientBox, geometry: PlaneGeometry, tolerance_mm: float = 1e-3) -> Box:
    """Planar rectangle in the patient -> IMAGE box on the plane that holds it.

    Raises:
        ValueError: another frame of reference, or corners farther than `tolerance_mm` from the plane.
    """
    if box.frame_of_reference_uid != geometry.frame_of_reference_uid:
        raise ValueError("The box lies in another frame of reference than the plane; register them first.")
    points = geometry.patient_to_image(box.corners)
    distance = float(np.abs(points[:, 2]).max())
    if distance > tolerance_mm:
        raise ValueError(f"The box lies {distance:.3f} mm off the plane; choose the plane that holds it.")
    (x_min, y_min), (x_max, y_max) = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    return Box(float(x_min), float(y_min), float(x_max), float(y_max), BoxFrame.IMAGE)
