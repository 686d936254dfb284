"""Every target of the catalogue, and each side of the paired ones, in a SEG and an SR on a picture it may appear on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pydicom.sr._concepts_dict import concepts

import dicom_phantoms
import reporting_reads
import validators
from wetread.findings import Mask
from wetread.imaging import to_sample
from wetread.imaging.wrap_picture import wrap_picture
from wetread.reporting.segmentation import build_seg
from wetread.reporting.structured_report import build_sr
from wetread.reporting.verifier import verify_files
from wetread.terminology import SIDES, TARGETS, Laterality, Modality, Target

EACH = 6
BATCH = (32 // EACH) * (40 // EACH)
MEANINGS = {
    (scheme, code, meaning)
    for scheme, by_keyword in concepts.items()
    for entries in by_keyword.values()
    for code, (meaning, _) in entries.items()
}


QUICK = (Modality.FUNDUS, Modality.MAMMOGRAPHY, Modality.OCT, Modality.MICROSCOPY, Modality.DERMOSCOPY)


def batches() -> list[tuple[Modality, list[Target]]]:
    """Each target once, on the rarest of its modalities, then the sided ones; as many as fit on one picture."""
    rarest = sorted(Modality, key=lambda m: sum(m in target.modalities for target in TARGETS))
    sided = [t.on(side) for t in TARGETS if t.laterality is Laterality.PAIRED for side in SIDES]
    shown: dict[Modality, list[Target]] = {}
    for target in (*TARGETS, *sided):
        shown.setdefault(next(m for m in rarest if m in target.modalities), []).append(target)
    return [(m, some[i : i + BATCH]) for m, some in shown.items() for i in range(0, len(some), BATCH)]


def picture(modality: Modality):
    match modality:
        case Modality.CT:
            return dicom_phantoms.ct_series(1)
        case Modality.MR:
            return dicom_phantoms.mr_series(1)
    tissue = dicom_phantoms.stained_tissue(32, 40)
    grey = modality in (Modality.PET, Modality.XRAY, Modality.MAMMOGRAPHY, Modality.OCT)
    return [wrap_picture(tissue[..., 0] if grey else tissue, modality)]


@pytest.mark.parametrize(
    ("modality", "targets"),
    [pytest.param(m, some, marks=() if m in QUICK else pytest.mark.slow) for m, some in batches()],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_all_targets_make_valid_objects(modality, targets, tmp_path):
    sources = picture(modality)
    sample = to_sample(sources, modality)
    _, rows, columns = sample.shape
    findings = []
    for number, target in enumerate(targets):
        row, column = divmod(number, columns // EACH)
        marked = np.zeros((rows, columns), dtype=bool)
        marked[row * EACH + 1 : (row + 1) * EACH - 1, column * EACH + 1 : (column + 1) * EACH - 2] = True
        mask = Mask(sample.shape, {0: marked})
        blank = reporting_reads.finding(sample, "lesion", mask)
        findings.append(replace(blank, target=target, tracking_uid=f"2.25.99{number}"))
    read = reporting_reads.read_of(findings)
    seg = build_seg(read, sample)
    sr = build_sr(read, sample, seg)
    paths = [tmp_path / "seg.dcm", tmp_path / "sr.dcm"]
    for dataset, path in zip((seg, sr), paths, strict=True):
        dataset.save_as(path, enforce_file_format=True)
    assert verify_files(paths, dicom_phantoms.write(sources, tmp_path / "source")) == []
    assert [validators.dciodvfy_errors(path) for path in paths] == [[], []]
    for item, target in zip(seg.SegmentSequence, targets, strict=True):
        assert item.SegmentLabel == target.label
        assert coded(item.SegmentedPropertyCategoryCodeSequence[0]) == target.category.code
        kind = item.SegmentedPropertyTypeCodeSequence[0]
        assert coded(kind) == target.type.code
        regions = item.get("AnatomicRegionSequence", [])
        assert [coded(region) for region in regions] == ([] if target.site == target.type else [target.site.code])
        sides = [
            *kind.get("SegmentedPropertyTypeModifierCodeSequence", []),
            *(side for region in regions for side in region.get("AnatomicRegionModifierSequence", [])),
        ]
        assert [coded(side) for side in sides] == [modifier.code for modifier in target.modifiers]


def coded(item) -> str:
    """The code of an item whose meaning is the dictionary's."""
    assert (item.CodingSchemeDesignator, item.CodeValue, item.CodeMeaning) in MEANINGS
    return item.CodeValue


def test_every_target_is_in_some_batch():
    shown = [target for _, targets in batches() for target in targets]
    assert {target.label for target in TARGETS} <= {target.label for target in shown}
    assert sum(bool(target.modifiers) for target in shown) == 2 * sum(t.laterality == "paired" for t in TARGETS)
