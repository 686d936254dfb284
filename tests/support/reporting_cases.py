"""One drawn study of every kind that a report can be about, with a sample and a read of it.

`CASES` maps a name to a function giving (source datasets, sample, read); `PLACED` are those whose voxels lie in the
patient, so that dcmqi can say where.
"""

from __future__ import annotations

from collections.abc import Callable

from pydicom import Dataset

import dicom_multiframe_phantoms as multiframe
import dicom_phantoms as phantoms
import reporting_reads as reads
from wetread.findings import Read
from wetread.imaging.sample import Sample, SampleKind
from wetread.terminology import Modality

Case = tuple[list[Dataset], Sample, Read]


def _volume(datasets: list[Dataset], modality: Modality, name: str = "liver") -> Case:
    sample = reads.slices_sample(datasets, modality)
    middle = len(datasets) // 2
    mask = reads.asymmetric_mask(sample, [middle - 2, middle - 1, middle + 1])
    box = reads.box_finding("lesion", (3.0, 4.5, 20.0, 30.0), middle)
    return datasets, sample, reads.read_of([reads.finding(sample, name, mask), box])


def _ct(orientation: str = "axial") -> Case:
    return _volume(phantoms.ct_series(6, orientation=orientation), Modality.CT)


def _ct_gap() -> Case:
    return _volume([d for i, d in enumerate(phantoms.ct_series(8)) if i != 4], Modality.CT)


def _enhanced_mr() -> Case:
    datasets = multiframe.enhanced_mr()
    sample = reads.enhanced_sample(datasets[0], Modality.MR)
    mask = reads.asymmetric_mask(sample, [1, 2, 4])
    return datasets, sample, reads.read_of([reads.finding(sample, "hippocampus", mask)])


def _dx() -> Case:
    datasets = phantoms.dx_image()
    sample = reads.image_sample(datasets[0], Modality.XRAY)
    lesion = reads.finding(sample, "lesion", reads.asymmetric_mask(sample, [0]))
    return datasets, sample, reads.read_of([lesion, reads.box_finding("lesion", (3.0, 4.0, 20.0, 30.0))])


def _still(datasets: list[Dataset], modality: Modality) -> Case:
    sample = reads.image_sample(datasets[0], modality)
    return datasets, sample, reads.read_of([reads.finding(sample, "lesion", reads.asymmetric_mask(sample, [0]))])


def _cine() -> Case:
    datasets = phantoms.ultrasound_cine()
    sample = reads.frames_sample(datasets[0], Modality.ULTRASOUND, SampleKind.CINE)
    first = reads.finding(sample, "lesion", reads.asymmetric_mask(sample, [0, 2, 3]))
    second = reads.finding(sample, "lesion", reads.asymmetric_mask(sample, [2], top=20, left=30), number=2)
    return datasets, sample, reads.read_of([first, second])


def _microscopy() -> Case:
    datasets = phantoms.visible_light()
    sample = reads.image_sample(datasets[0], Modality.MICROSCOPY)
    mask = reads.asymmetric_mask(sample, [0])
    nuclei = reads.finding(sample, "nuclei", mask, instances=(mask.box(0),))
    red = reads.finding(sample, "red blood cells", reads.asymmetric_mask(sample, [0], top=6, left=12), number=2)
    return datasets, sample, reads.read_of([nuclei, red])


def _slide(tiled: str) -> Case:
    datasets = multiframe.slide(tiled=tiled)
    sample = reads.frames_sample(datasets[0], Modality.PATHOLOGY, SampleKind.TILES, [4, 1])
    return datasets, sample, reads.read_of([reads.finding(sample, "nuclei", reads.asymmetric_mask(sample, [0, 1]))])


def _abstained(case: Case) -> Case:
    return case[0], case[1], reads.abstained()


def _nothing_found() -> Case:
    datasets, sample, _ = _dx()
    return datasets, sample, reads.read_of(())


CASES: dict[str, Callable[[], Case]] = {
    "ct axial": _ct,
    "ct coronal": lambda: _ct("coronal"),
    "ct oblique": lambda: _ct("oblique"),
    "ct tilted": lambda: _ct("tilted"),
    "ct missing slice": _ct_gap,
    "ct single slice": lambda: _still_slice(),
    "mr": lambda: _volume(phantoms.mr_series(6), Modality.MR, "hippocampus"),
    "enhanced mr": _enhanced_mr,
    "dx": _dx,
    "ultrasound": lambda: _still(phantoms.ultrasound_image(), Modality.ULTRASOUND),
    "ultrasound cine": _cine,
    "microscopy": _microscopy,
    "photograph": lambda: _still(phantoms.visible_light("photograph"), Modality.PHOTOGRAPH),
    "secondary capture": lambda: _still(phantoms.secondary_capture(), Modality.PHOTOGRAPH),
    "slide full": lambda: _slide("TILED_FULL"),
    "slide sparse": lambda: _slide("TILED_SPARSE"),
    "abstained cine": lambda: _abstained(_cine()),
    "abstained ct": lambda: _abstained(_ct()),
    "nothing found": _nothing_found,
}
PLACED = ("ct axial", "ct coronal", "ct oblique", "ct tilted", "ct missing slice", "mr", "enhanced mr")


def _still_slice() -> Case:
    datasets = phantoms.ct_series(1)
    sample = reads.slices_sample(datasets, Modality.CT)
    return datasets, sample, reads.read_of([reads.finding(sample, "liver", reads.asymmetric_mask(sample, [0]))])
