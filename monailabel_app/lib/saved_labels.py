"""A label that a stock client saves, as verdicts on the image's last read.

A label whose voxels are those that the read gave was accepted; other voxels correct the finding; a label that the read
did not have is added; a finding whose label is no longer there was rejected. Voxels come back to the planes of the
image by the way on which `label_image` sent them out, so nothing is resampled.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk

from lib.label_image import label_image, plane_values
from wetread import uids
from wetread.errors import RefusedInput
from wetread.findings import Decision, Mask, Verdict
from wetread.imaging import to_sample
from wetread.imaging.radiographs import split_radiographs
from wetread.imaging.sample import Sample
from wetread.terminology import Laterality, find_sided

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from wetread.findings import Read
    from wetread.service.backing import Backing
    from wetread.terminology import Target

REJECTED = "not in the label that was saved"


def record_label(
    backing: Backing, noted: Mapping[str, str], label: Path, image: Path, names: Mapping[str, int], person: str
) -> int:
    """Record what a saved label says; returns the number of verdicts.

    Args:
        backing: the service's.
        noted: what `Shared.keep` noted of the image.
        label: file of small integers on the image's grid.
        image: the image file or folder, whose grid that is.
        names: label -> voxel value.
        person: login.

    Raises:
        RefusedInput: another grid, or a label that is no target.
    """
    read, _ = backing.desk.read(noted["read_uid"])
    shown = to_sample(split_radiographs(backing.archive.retrieve_series(noted["study_uid"], noted["series_uid"]))[0])
    if not isinstance(shown, Sample):
        raise RefusedInput("a label on an ECG", "label", "decide on ECGs in the service")
    verdicts = verdicts_of(read, shown, sitk.ReadImage(str(label)), image, names, person)
    if verdicts:
        backing.desk.decide(verdicts)
    return len(verdicts)


def verdicts_of(
    read: Read, sample: Sample, saved: sitk.Image, image: Path, names: Mapping[str, int], person: str
) -> list[Verdict]:
    """What a saved label says about a read; see the module."""
    drawn, numbered = label_image(read, sample, dict(names), image)
    if saved.GetSize() != drawn.GetSize():
        raise RefusedInput(f"a label of {saved.GetSize()} voxels", "label", f"draw it on {drawn.GetSize()}")
    now, before = (np.asarray(sitk.GetArrayFromImage(one)) for one in (saved, drawn))
    unnamed = set(np.unique(now).tolist()) - {0} - {*names.values(), *numbered.values()}
    if unnamed:
        raise RefusedInput(f"voxels of {sorted(unnamed)} without a name", "label", "send label_info with the label")
    values = {**names, **numbered}
    found = []
    for finding in read.findings:
        value = values.get(finding.label)
        if finding.mask is None or value is None:
            continue
        if not (now == value).any():
            found.append(Verdict(read.uid, finding.tracking_uid, Decision.REJECT, person, reason=REJECTED))
        elif np.array_equal(now == value, before == value):
            found.append(Verdict(read.uid, finding.tracking_uid, Decision.ACCEPT, person))
        else:
            mask = _mask(now == value, sample, saved, image)
            found.append(Verdict(read.uid, finding.tracking_uid, Decision.CORRECT, person, mask=mask))
    known = {finding.label for finding in read.findings if finding.mask is not None}
    for label, value in values.items():
        if label not in known and (now == value).any():
            uid = uids.derived(uids.READS, f"{read.uid}|added|{person}|{label}")
            mask = _mask(now == value, sample, saved, image)
            found.append(Verdict(read.uid, uid, Decision.ADD, person, mask=mask, target=_target(label)))
    return found


def label_names(info: Mapping[str, Any], own: Mapping[str, int]) -> dict[str, int]:
    """Label -> voxel value of a saved label: what the client says (`label_info`), else the model's own numbers."""
    said: Sequence[Any] = info.get("label_info") or ()
    named = {str(one["name"]): int(one["idx"]) for one in said
             if isinstance(one, dict) and one.get("name") and str(one.get("idx", "")).isdigit()}  # fmt: skip
    return named or dict(own)


def _mask(marked: NDArray[np.bool_], sample: Sample, grid: sitk.Image, image: Path) -> Mask:
    return Mask(sample.shape, {n: plane for n, plane in plane_values(marked, sample, grid, image) if plane.any()})


def _target(label: str) -> Target:
    found = find_sided(label)
    if found is None:
        raise RefusedInput("a label without a code", label[:60], "take a label of the catalogue, see docs/targets.md")
    target, side = found
    return target.on(side) if target.laterality is Laterality.PAIRED and side is not Laterality.PAIRED else target
