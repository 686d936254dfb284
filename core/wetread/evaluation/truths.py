"""Both sides of a comparison on one grid: the Sample that a reader is given and the truth of each label.

Pictures and NIfTI volumes go through `wetread.imaging` exactly as `wetread read` would take them; npz volumes are
wrapped in memory. Imaging may hold a volume's voxels in another order than the file (slices along their normal, axes
turned into rows and columns): every pixel of the Sample is therefore looked up in the truth by its place in the
patient (DICOM PS3.3 C.7.6.2.1.1). Nothing is resampled: a pixel that does not lie on a voxel refuses the item.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wetread.errors import RefusedInput
from wetread.evaluation.metrics import hull
from wetread.evaluation.scores import Truth
from wetread.terminology import find_target
from wetread.training.manifests import Corners, EntryKind, tight_box

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from wetread.imaging.sample import Sample
    from wetread.training.manifests import Entry
    from wetread.training.volumes import Volume

TOLERANCE_VOXELS = 0.05
"""Affines are float32 and DICOM's decimal strings have 16 characters: both are far closer than this."""


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One item, ready to be read and compared.

    Args:
        entry: of the manifest.
        sample: what the reader is given.
        masks: label -> bool (planes, rows, columns) in the Sample's order.
        boxes: label -> boxes as given, on a single plane.
        instances: label -> one box for each object.
    """

    entry: Entry
    sample: Sample
    masks: Mapping[str, NDArray[np.bool_]]
    boxes: Mapping[str, tuple[Corners, ...]]
    instances: Mapping[str, tuple[Corners, ...]]

    def truth(self, label: str, *, in_masks: bool) -> Truth:
        """What is there of one label.

        Args:
            label: may be missing from the item; it is then absent.
            in_masks: the data set marks this label with masks, so an item without it has an empty mask.
        """
        mask = self.masks.get(label)
        given = self.boxes.get(label, ())
        if mask is None and not given and in_masks:
            mask = np.zeros(self.sample.shape, dtype=bool)
        present = bool(given) if mask is None else bool(mask.any())
        box: dict[int, Corners] = {}
        if mask is not None:
            box = {int(i): tight_box(mask[i]) for i in np.flatnonzero(mask.any(axis=(1, 2)))}
        elif given:
            x_min, y_min, x_max, y_max = hull(given).tolist()
            box = {0: (x_min, y_min, x_max, y_max)}
        return Truth(present, mask, box, self._objects(label, box))

    def _objects(self, label: str, box: dict[int, Corners]) -> tuple[Corners, ...] | None:
        """Separate objects of a countable target; of any other the one box, on pictures of one plane."""
        if label in self.instances:
            return self.instances[label]
        target = find_target(label)
        if self.sample.shape[0] > 1 or (target is not None and target.countable and box):
            return None
        return tuple(box.values())


def load_case(entry: Entry) -> Case:
    """Read one entry's pixels through `wetread.imaging`, and its truth beside them.

    Raises:
        RefusedInput: unreadable, or truth and pixels do not share one grid.
    """
    if entry.kind is EntryKind.VOLUME:
        volume = entry.load_volume()
        sample = volume_sample(entry, volume)
        voxels = voxels_of(volume, sample)
        return Case(entry, sample, {k: mask[voxels] for k, mask in volume.masks.items()}, {}, {})
    sample = entry.load_sample()
    example = entry.load_truth(sample.planes[0].picture())
    masks = {label: mask[None] for label, mask in example.masks.items()}
    return Case(entry, sample, masks, example.boxes, example.instances)


def volume_sample(entry: Entry, volume: Volume) -> Sample:
    """The Sample of a volume: from its file as `wetread read` takes it, or wrapped in memory (npz)."""
    from wetread.imaging import images, load_sample, to_sample
    from wetread.imaging.wrap_volume import wrap_volume

    if entry.file.suffix.lower() != ".npz":
        return images(load_sample(entry.file, entry.modality))
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(volume.direction, (3, 3)) * np.asarray(volume.spacing)
    affine[:3, 3] = volume.origin
    return images(to_sample(wrap_volume(volume.values, affine, entry.modality, entry.path), entry.modality))


def voxels_of(volume: Volume, sample: Sample) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """The volume's voxel (plane, row, column) under every pixel of the Sample: three (planes, rows, columns) arrays.

    Raises:
        RefusedInput: a pixel that is not on a voxel, or one without a place in the patient.
    """
    count, rows, columns = sample.shape
    direction = np.asarray(volume.direction, dtype=np.float64).reshape(3, 3)
    to_voxel = np.linalg.inv(direction * np.asarray(volume.spacing))
    pixels = np.stack(np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij"), axis=-1).reshape(-1, 2)
    centres = pixels[:, ::-1] + 0.5
    found = np.empty((count, rows * columns, 3))
    for index, plane in enumerate(sample.planes):
        if plane.geometry is None:
            raise RefusedInput("a slice without a position", "volume", "give volumes that lie in the patient")
        points = plane.geometry.image_to_patient(centres)
        found[index] = (points - np.asarray(volume.origin)) @ to_voxel.T
    nearest = np.rint(found).astype(np.intp)
    size = np.asarray(volume.values.shape[::-1])
    away = float(np.abs(found - nearest).max())
    if away > TOLERANCE_VOXELS or (nearest < 0).any() or (nearest >= size).any():
        raise RefusedInput(f"slices up to {away:.2f} voxels off the truth", "volume",
                           "evaluate volumes whose slices are read in the file's own grid")  # fmt: skip
    x, y, z = (nearest[..., axis].reshape(sample.shape) for axis in range(3))
    return z, y, x
