"""The label file of a read: one volume of small integers on exactly the grid of the image that was given.

Stock clients lay the label over the image they already show, so both must share size, spacing, origin and direction.
A Sample may hold the same voxels in another order (slices sorted along their normal, NIfTI axes turned into rows and
columns), so marked pixels travel through the patient's millimetres, pixel centre to voxel centre, and must arrive on
a voxel centre; nothing is resampled. Pictures without a place in the patient share their rows and columns.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from wetread.errors import RefusedInput
from wetread.findings import Mask

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from wetread.findings import Read
    from wetread.imaging.sample import Sample

GRID_SUFFIXES = (".nii", ".nii.gz", ".nrrd", ".mha", ".png", ".bmp", ".jpg", ".jpeg", ".tif", ".tiff")
"""Files whose own voxel grid the label takes over; for DICOM the grid comes from the Sample."""

_TOLERANCE = 0.05
"""Voxels; a float32 NIfTI affine misses by less than 0.001."""


def label_image(read: Read, sample: Sample, values: dict[str, int], image: Path) -> tuple[sitk.Image, dict[str, int]]:
    """Draw the masks of a read.

    Where masks overlap the smaller one stays visible.

    Args:
        read: findings without a mask (a box only) are left out.
        sample: what the masks are drawn on.
        values: label -> voxel value; labels that it lacks are numbered after its highest value.
        image: the file or DICOM folder that the client named.

    Returns:
        The label image (uint8, uint16 where values ask for it) and the labels that are in it, by rising value:
        clients pair the values they find with these names in this order.

    Raises:
        RefusedInput: the image and the Sample do not share one grid.
    """
    grid = _grid_of_file(image) if image.name.lower().endswith(GRID_SUFFIXES) else None
    grid = grid if grid is not None else _grid_of_sample(sample)
    voxels = np.zeros(grid.GetSize()[::-1], dtype=np.uint16)
    masked = [(f.label, f.mask) for f in read.findings if f.mask is not None and not f.mask.is_empty]
    numbered = dict(values)
    for label, mask in sorted(masked, key=lambda pair: -pair[1].pixels):
        value = numbered.setdefault(label, max(numbered.values(), default=0) + 1)
        for index in _voxels(mask, sample, grid, image):
            voxels[index] = value
    present = {label: value for label, value in sorted(numbered.items(), key=lambda p: p[1]) if (voxels == value).any()}
    labels = sitk.GetImageFromArray(voxels.astype(np.uint8) if voxels.max() < 256 else voxels)
    labels.CopyInformation(grid)
    return labels, present


def _grid_of_file(image: Path) -> sitk.Image:
    """Size, spacing, origin and direction of a file; its pixels are not read."""
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(image))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise RefusedInput("image whose grid cannot be read", image.name, "give NIfTI, NRRD, PNG or DICOM") from error
    grid = sitk.Image(reader.GetSize(), sitk.sitkUInt8)
    grid.SetSpacing(reader.GetSpacing())
    grid.SetOrigin(reader.GetOrigin())
    grid.SetDirection(reader.GetDirection())
    return grid


def _grid_of_sample(sample: Sample) -> sitk.Image:
    """The grid of a Sample that came from DICOM; unit spacing where DICOM does not place it in the patient."""
    planes, rows, columns = sample.shape
    grid = sitk.Image([columns, rows, planes], sitk.sitkUInt8)
    first, last = sample.planes[0].geometry, sample.planes[-1].geometry
    if first is None or last is None:
        return grid
    step = np.subtract(last.position, first.position) / max(planes - 1, 1)
    length = float(np.linalg.norm(step))
    along = step / length if length > 0 else first.normal
    grid.SetOrigin(first.position)
    grid.SetSpacing((first.column_spacing, first.row_spacing, length or first.slice_thickness or 1.0))
    grid.SetDirection(np.column_stack([first.row_cosines, first.column_cosines, along]).ravel().tolist())
    return grid


def _voxels(mask: Mask, sample: Sample, grid: sitk.Image, image: Path) -> Iterator[tuple[NDArray[np.int64], ...]]:
    """Marked pixels as numpy indices into the grid's array, slowest axis first, plane by plane."""
    size = np.asarray(grid.GetSize())
    is_file = image.name.lower().endswith(GRID_SUFFIXES)
    for number, plane in mask.planes.items():
        rows, columns = np.nonzero(plane)
        geometry = sample.planes[number].geometry
        if geometry is not None and is_file and grid.GetDimension() == 3:
            centres = geometry.image_to_patient(np.column_stack([columns + 0.5, rows + 0.5]))
            index = _nearest_voxels(centres, grid, image)
        else:
            index = np.column_stack([columns, rows, np.full_like(rows, number)])[:, : grid.GetDimension()]
        flat = size[: index.shape[1]]
        if (index < 0).any() or (index >= flat).any():
            raise _other_grid(image)
        yield tuple(index[:, ::-1].T)


def _nearest_voxels(points: NDArray[np.float64], grid: sitk.Image, image: Path) -> NDArray[np.int64]:
    """(N, 3) LPS millimetres, each on a voxel centre -> (N, 3) voxel indices, fastest axis first."""
    matrix = np.reshape(grid.GetDirection(), (3, 3)) * np.asarray(grid.GetSpacing())
    continuous = np.linalg.solve(matrix, (points - np.asarray(grid.GetOrigin())).T).T
    index = np.rint(continuous)
    if np.abs(continuous - index).max() > _TOLERANCE:
        raise _other_grid(image)
    return index.astype(np.int64)


def _other_grid(image: Path) -> RefusedInput:
    return RefusedInput("image and read lie on different grids", image.name, "give the image as DICOM or NIfTI")


def plane_values(
    voxels: NDArray[np.bool_], sample: Sample, grid: sitk.Image, image: Path
) -> Iterator[tuple[int, NDArray[np.bool_]]]:
    """The way back: voxels on the grid of an image as the planes of its Sample, (index, (rows, columns)).

    Raises:
        RefusedInput: the image and the Sample do not share one grid.
    """
    _, rows, columns = sample.shape
    whole = np.ones((rows, columns), dtype=bool)
    for number in range(sample.shape[0]):
        (index,) = _voxels(Mask(sample.shape, {number: whole}), sample, grid, image)
        yield number, np.asarray(voxels[index]).reshape(rows, columns)
