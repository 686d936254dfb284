"""Masks of a read as one label map in NRRD or NIfTI: value 1 is the first finding with a mask, 2 the second, ...

SimpleITK writes both, in patient millimetres (LPS; NIfTI turns them into RAS itself). A grid that neither format can
hold truly (slices at uneven distances, a tilted gantry) is refused and not bent straight; the SEG file has it as it
is. An image that DICOM gives no place in the patient keeps its pixels as a grid of 1 x 1, and says so.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wetread.errors import RefusedInput
from wetread.imaging.sample import Sample, SampleKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from wetread.findings import Finding, Mask
    from wetread.imaging.waveform import Waveform

MEDIA_TYPES = {"nrrd": "application/octet-stream", "nii.gz": "application/gzip"}
WITHOUT_PLACE = "no position in the patient: a grid of pixels, 1 x 1 each, in the image's own order"
_UNEVEN = 0.01
"""Largest departure from an even grid, as a share of the distance between slices (ITK's own is 0.01)."""
_SAY_INSTEAD = "take the SEG file, which holds every plane where it lies"


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Where voxel (column, row, plane) lies.

    Args:
        origin: centre of the first voxel, LPS mm.
        spacing: (x, y, z) mm.
        direction: 3 x 3, columns are the directions of x, y, z.
        remark: what is to be said about it; "" for nothing.
    """

    origin: tuple[float, float, float]
    spacing: tuple[float, float, float]
    direction: NDArray[np.float64]
    remark: str = ""


@dataclass(frozen=True, slots=True)
class MaskFile:
    """A label map as a file, the label of each value from 1 up, and what is to be said about it."""

    content: bytes
    labels: tuple[str, ...]
    remark: str


def mask_file(findings: Sequence[Finding], sample: Sample | Waveform, form: str) -> MaskFile:
    """The masks of findings as one file.

    Args:
        findings: those without a mask are left out.
        sample: what they are about.
        form: "nrrd" or "nii.gz".

    Raises:
        RefusedInput: no mask, masks that overlap, or a grid that the formats cannot hold.
    """
    marked = [(f.label, f.mask) for f in findings if f.mask is not None and not f.mask.is_empty]
    if not isinstance(sample, Sample) or not marked:
        raise RefusedInput("no finding with a mask", "masks", "take the result, which has boxes and intervals")
    grid = grid_of(sample)
    labels = label_map([mask for _, mask in marked])
    return MaskFile(_written(labels, grid, form), tuple(label for label, _ in marked), grid.remark)


def label_map(masks: Sequence[Mask]) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """(planes, rows, columns); 0 where nothing is marked.

    Raises:
        RefusedInput: a voxel belongs to two.
    """
    dtype = np.uint8 if len(masks) < 256 else np.uint16
    labels = np.zeros(masks[0].shape, dtype=dtype)
    for value, mask in enumerate(masks, start=1):
        for index, plane in mask.planes.items():
            if (labels[index][plane] != 0).any():
                raise RefusedInput("findings overlap, and a label map holds one value a voxel", "masks",
                                   "ask for each with ?finding=TRACKING_UID, or take the SEG file")  # fmt: skip
            labels[index][plane] = value
    return labels


def grid_of(sample: Sample) -> Grid:
    """The even grid on which the planes of a Sample lie.

    Raises:
        RefusedInput: they lie on none.
    """
    places = [plane.geometry for plane in sample.planes]
    first = places[0]
    if first is None or sample.kind in (SampleKind.CINE, SampleKind.TILES):
        return Grid((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), np.eye(3), WITHOUT_PLACE)
    x, y = np.asarray(first.row_cosines), np.asarray(first.column_cosines)
    z, step = np.cross(x, y), first.slice_thickness or 1.0
    if len(places) > 1:
        positions = np.array([place.position for place in places if place is not None])
        if len(positions) != len(places):
            raise RefusedInput("slices without a position", "masks", _SAY_INSTEAD)
        steps = np.diff(positions, axis=0)
        mean = steps.mean(axis=0)
        step = float(np.linalg.norm(mean))
        if step == 0 or np.linalg.norm(steps - mean, axis=1).max() > _UNEVEN * step:
            raise RefusedInput("slices at uneven distances", "masks", _SAY_INSTEAD)
        along = float(mean @ z)
        if abs(along) < (1 - 1e-4) * step:
            raise RefusedInput("slices that are shifted against each other (a tilted gantry)", "masks", _SAY_INSTEAD)
        z = z if along > 0 else -z
    return Grid(first.position, (first.column_spacing, first.row_spacing, step), np.column_stack([x, y, z]))


def _written(labels: NDArray[Any], grid: Grid, form: str) -> bytes:
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(labels)
    image.SetOrigin(grid.origin)
    image.SetSpacing(grid.spacing)
    image.SetDirection(grid.direction.ravel().tolist())
    if grid.remark:
        image.SetMetaData("ITK_FileNotes", grid.remark[:79])  # NIfTI's field is 80 bytes long
    with tempfile.TemporaryDirectory(prefix="wetread-") as folder:
        path = Path(folder) / f"masks.{form}"
        sitk.WriteImage(image, str(path), useCompression=True)
        return path.read_bytes()
