"""Planes of a read, slices of a volume node, and RAS millimeters: every conversion of the module is here.

The server counts planes along the slice normal and measures boxes in pixels on pixel edges: (0, 0) is the corner of
the first pixel, its center is (0.5, 0.5). Where DICOM gives a plane a place in the patient (LPS), that place is used,
whatever the orientation and the shape of pixels; a picture without a place lies where Slicer put its volume node.
"""

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _

LPS_TO_RAS = np.array([-1.0, -1.0, 1.0])
TOLERANCE = 0.05  # share of a voxel by which a plane may miss its slice


class NotThisVolume(Exception):
    """The volume node is not what was read."""


class PlaneMap:
    """Where the planes of one read lie in one volume node.

    :param planes: as ``GET reads/{uid}/planes`` gives them.
    :param rows: of each plane.
    :param columns: of each plane.
    :param volumeNode: the series, loaded from DICOM.
    :raises NotThisVolume: other dimensions, or another place in the patient.
    """

    def __init__(self, planes: list, rows: int, columns: int, volumeNode):
        self.planes, self.rows, self.columns = planes, rows, columns
        self.volumeID = volumeNode.GetID()
        self.ijkToRas = arrayOf(ijkToRasOf(volumeNode))
        self.dimensions = volumeNode.GetImageData().GetDimensions()
        if self.dimensions[:2] != (columns, rows):
            raise NotThisVolume(
                _("The volume has {found} pixels, and {expected} were read.").format(
                    found="{} x {}".format(*self.dimensions[:2]), expected=f"{columns} x {rows}"
                )
            )
        self._frames = self._framesInPatient() if self.hasPlace else None
        self.slices = self._slices(str(volumeNode.GetAttribute("DICOM.instanceUIDs") or "").split())
        self._planeOfSlice = {k: index for index, k in enumerate(self.slices)}

    @property
    def hasPlace(self) -> bool:
        """True where DICOM says where in the patient every plane lies."""
        return bool(self.planes) and all(plane["place"] for plane in self.planes)

    def planeOfSlice(self, k: int):
        """Index of the plane that is slice ``k`` of the volume; None where none is."""
        return self._planeOfSlice.get(k)

    def frameOf(self, index: int) -> np.ndarray:
        """(4, 4): from (x, y, depth in mm, 1) of a plane, on pixel edges, to RAS, without the volume's transform."""
        if self._frames is not None:
            return self._frames[index]
        x, y = self.ijkToRas[:3, 0], self.ijkToRas[:3, 1]
        return _frames(x, y, (self.ijkToRas @ [0, 0, self.slices[index], 1])[:3])

    def onPlane(self, index: int, points) -> np.ndarray:
        """(N, 3): x and y in pixels and the distance from a plane in mm, of RAS points (N, 3)."""
        homogeneous = np.column_stack([np.atleast_2d(points), np.ones(len(np.atleast_2d(points)))])
        return np.linalg.solve(self.frameOf(index), homogeneous.T).T[:, :3]

    def nearestPlane(self, point) -> int:
        """Index of the plane nearest to a RAS point."""
        frames = np.array([self.frameOf(index) for index in range(len(self.planes))])
        distances = np.einsum("ij,ij->i", frames[:, :3, 2], np.asarray(point, float) - frames[:, :3, 3])
        return int(np.abs(distances).argmin())

    def boxAround(self, points):
        """Plane and box, inside the picture, around RAS points; None where they lie beside it.

        :param points: (N, 3); the plane is the one nearest to their middle.
        """
        points = np.atleast_2d(points)
        index = self.nearestPlane(points.mean(axis=0))
        inside = self.onPlane(index, points)[:, :2]
        low = np.clip(inside.min(axis=0), 0, (self.columns, self.rows))
        high = np.clip(inside.max(axis=0), 0, (self.columns, self.rows))
        if (high - low).min() <= 0:
            return None
        return index, [float(low[0]), float(low[1]), float(high[0]), float(high[1])]

    def thickness(self, index: int) -> float:
        """Millimeters that a plane stands for: the distance to its neighbor, else what DICOM says, else the voxel."""
        if self.hasPlace and len(self.planes) > 1:
            neighbor = index - 1 if index else 1
            center = (self.frameOf(neighbor) @ [self.columns / 2, self.rows / 2, 0, 1])[:3]
            return float(abs(self.onPlane(index, [center])[0, 2]))
        place = self.planes[index]["place"]
        return float((place or {}).get("thickness") or np.linalg.norm(self.ijkToRas[:3, 2]))

    def _slices(self, instances: list) -> list:
        """Slice ``k`` of each plane: by place where all have one, else by instance, else by order."""
        depth = self.dimensions[2]
        if self.hasPlace:
            found = self._byPlace()
            if found is not None:
                return found
            # Slices at uneven distances: Slicer's grid is even, and a transform above it puts that right.
            for slices in (list(range(depth)), list(range(depth))[::-1]) if depth == len(self.planes) else ():
                if self._misses(np.array(slices))[0] <= TOLERANCE:
                    return slices
            raise NotThisVolume(_("The volume does not lie where the pictures that were read lie."))
        if depth != len(self.planes):
            raise NotThisVolume(
                _("The volume has {found} slices, and {expected} were read.").format(
                    found=depth, expected=len(self.planes)
                )
            )
        uids = [plane["sop_instance_uid"] for plane in self.planes]
        if len(set(uids)) == depth and set(instances) == set(uids):
            return [instances.index(uid) for uid in uids]
        return list(range(depth))

    def _byPlace(self):
        k = np.round(self._inVolume(self.columns / 2, self.rows / 2)[:, 2]).astype(int)
        isThere = self._misses(k).max() <= TOLERANCE and k.min() >= 0 and k.max() < self.dimensions[2]
        return k.tolist() if isThere and len(set(k.tolist())) == len(k) else None

    def _misses(self, k: np.ndarray) -> np.ndarray:
        """Voxels by which the middle and the first pixel of each plane lie beside those of slices ``k``."""
        zero = np.zeros(len(k))
        middle = self._inVolume(self.columns / 2, self.rows / 2) - np.column_stack(
            [zero + (self.columns - 1) / 2, zero + (self.rows - 1) / 2, k]
        )
        first = self._inVolume(0.5, 0.5) - np.column_stack([zero, zero, k])
        return np.abs(np.hstack([middle, first])).max(axis=1)

    def _inVolume(self, x: float, y: float) -> np.ndarray:
        """(planes, 3): voxel coordinates i, j, k of the same point of every plane."""
        return (np.linalg.inv(self.ijkToRas) @ self._frames @ [x, y, 0, 1])[:, :3]

    def _framesInPatient(self) -> np.ndarray:
        """(planes, 4, 4), see ``frameOf``."""
        places = [plane["place"] for plane in self.planes]
        x = np.array([np.multiply(one["row_cosines"], one["column_spacing"]) for one in places]) * LPS_TO_RAS
        y = np.array([np.multiply(one["column_cosines"], one["row_spacing"]) for one in places]) * LPS_TO_RAS
        return _frames(x, y, np.array([one["position"] for one in places]) * LPS_TO_RAS)


def _frames(x: np.ndarray, y: np.ndarray, first: np.ndarray) -> np.ndarray:
    """(..., 4, 4) of steps along columns and rows and the center of the first pixel, each (..., 3)."""
    frames = np.zeros((*x.shape[:-1], 4, 4))
    normal = np.cross(x, y)
    frames[..., :3, 0], frames[..., :3, 1] = x, y
    frames[..., :3, 2] = normal / np.linalg.norm(normal, axis=-1, keepdims=True)
    frames[..., :3, 3] = first - 0.5 * (x + y)
    frames[..., 3, 3] = 1
    return frames


def ijkToRasOf(volumeNode) -> vtk.vtkMatrix4x4:
    """The volume's own matrix, without transforms above it."""
    matrix = vtk.vtkMatrix4x4()
    volumeNode.GetIJKToRASMatrix(matrix)
    return matrix


def arrayOf(matrix: vtk.vtkMatrix4x4) -> np.ndarray:
    """(4, 4) of a VTK matrix."""
    return np.array(slicer.util.arrayFromVTKMatrix(matrix), float)
