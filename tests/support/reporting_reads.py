"""Samples and Reads made by hand for the reporting tests: no loader and no model has a say in what is expected."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from wetread.findings import Box, BoxFrame, Finding, Mask, Provenance, Read
from wetread.geometry import PlaneGeometry
from wetread.imaging.sample import Plane, Sample, SampleKind, Source
from wetread.terminology import Modality, Target, find_target

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from pydicom import Dataset

PROVENANCE = Provenance(
    model="wetread-mini", model_version="0.1.0", weights_sha256="ab" * 32, device_uid="2.25.1234567",
    wetread_version="0.1.0", seed=7, prompt_tokens=120, answer_tokens=80, seconds=1.25,
    created=datetime(2026, 3, 4, 5, 6, 7, 890, tzinfo=UTC),
)  # fmt: skip


def target(name: str) -> Target:
    found = find_target(name)
    assert found is not None
    return found


def header(dataset: Dataset) -> Dataset:
    """The dataset without its pixels, as the loader keeps it."""
    kept = copy.deepcopy(dataset)
    del kept.PixelData
    return kept


def slices_sample(datasets: Sequence[Dataset], modality: Modality) -> Sample:
    """A volume (or one slice) from single-frame instances with a position, sorted along their normal."""
    cosines = np.asarray(datasets[0].ImageOrientationPatient, dtype=float)
    normal = np.cross(cosines[:3], cosines[3:])
    ordered = sorted(datasets, key=lambda d: float(np.asarray(d.ImagePositionPatient, dtype=float) @ normal))
    planes = []
    for d in ordered:
        c = tuple(float(v) for v in d.ImageOrientationPatient)
        geometry = PlaneGeometry(
            tuple(float(v) for v in d.ImagePositionPatient), c[:3], c[3:], float(d.PixelSpacing[0]),
            float(d.PixelSpacing[1]), d.FrameOfReferenceUID, float(d.SliceThickness),
        )  # fmt: skip
        values = d.pixel_array.astype(np.float32)
        planes.append(Plane(values, source(d), (1000.0, 500.0), geometry=geometry))
    kind = SampleKind.VOLUME if len(planes) > 1 else SampleKind.IMAGE
    return Sample(kind, modality, tuple(planes), tuple(header(d) for d in ordered))


def frames_sample(dataset: Dataset, modality: Modality, kind: SampleKind, frames: Sequence[int] = ()) -> Sample:
    """Planes from the frames (0-based) of one multi-frame instance, without geometry."""
    pixels = dataset.pixel_array
    numbers = frames or range(len(pixels))
    planes = tuple(Plane(_values(pixels[i]), source(dataset, i + 1), None if pixels.ndim == 4 else (128, 256))
                   for i in numbers)  # fmt: skip
    return Sample(kind, modality, planes, (header(dataset),))


def image_sample(dataset: Dataset, modality: Modality) -> Sample:
    """One plane from a single-frame instance without geometry."""
    pixels = dataset.pixel_array
    window = None if pixels.ndim == 3 else (float(pixels.max()) / 2, float(pixels.max()))
    inverted = dataset.PhotometricInterpretation == "MONOCHROME1"
    plane = Plane(_values(pixels), source(dataset), window, inverted)
    return Sample(SampleKind.IMAGE, modality, (plane,), (header(dataset),))


def source(dataset: Dataset, frame: int | None = None) -> Source:
    return Source(
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPClassUID, dataset.SOPInstanceUID, frame
    )


def enhanced_sample(dataset: Dataset, modality: Modality) -> Sample:
    """A volume from an enhanced multi-frame instance, in the order of the positions, not of the frames."""
    shared = dataset.SharedFunctionalGroupsSequence[0]
    cosines = tuple(float(v) for v in shared.PlaneOrientationSequence[0].ImageOrientationPatient)
    measures = shared.PixelMeasuresSequence[0]
    normal = np.cross(cosines[:3], cosines[3:])
    positions = [
        tuple(float(v) for v in g.PlanePositionSequence[0].ImagePositionPatient)
        for g in dataset.PerFrameFunctionalGroupsSequence
    ]
    pixels, planes = dataset.pixel_array, []
    for i in sorted(range(len(positions)), key=lambda i: float(np.asarray(positions[i]) @ normal)):
        geometry = PlaneGeometry(
            positions[i], cosines[:3], cosines[3:], float(measures.PixelSpacing[0]), float(measures.PixelSpacing[1]),
            dataset.FrameOfReferenceUID, float(measures.SliceThickness),
        )  # fmt: skip
        planes.append(Plane(pixels[i].astype(np.float32), source(dataset, i + 1), (1000.0, 500.0), geometry=geometry))
    return Sample(SampleKind.VOLUME, modality, tuple(planes), (header(dataset),))


def asymmetric_mask(sample: Sample, planes: Sequence[int], top: int = 5, left: int = 9) -> Mask:
    """An L on each plane, one pixel longer from plane to plane: no flip or transposition leaves it as it is."""
    _, rows, columns = sample.shape
    marked = {}
    for step, index in enumerate(planes):
        plane = np.zeros((rows, columns), dtype=bool)
        plane[top : top + 12, left : left + 4] = True
        plane[top + 9 : top + 12, left : left + 9 + step] = True
        marked[index] = plane
    return Mask(sample.shape, marked)


def finding(sample: Sample, name: str, mask: Mask, number: int = 1, **more: object) -> Finding:
    plane = mask.key_plane
    return Finding(
        target(name), f"2.25.77{number}", 0.93, plane, box=mask.box(plane), mask=mask,
        description=f"One {name} region, upper left.", **more,
    )  # fmt: skip


def box_finding(name: str, box: tuple[float, float, float, float], plane: int = 0, number: int = 9) -> Finding:
    return Finding(target(name), f"2.25.88{number}", 0.71, plane, box=Box(*box, frame=BoxFrame.IMAGE))


def read_of(findings: Sequence[Finding], reasoning: str = "Dense cells on a pale ground.", **more: object) -> Read:
    given: dict[str, object] = {
        "uid": "2.25.4711", "question": "What is seen?", "reasoning": reasoning, "findings": tuple(findings),
        "diagnoses": ("stained tissue",), "abstention": None, "answer": "", "provenance": PROVENANCE,
    }  # fmt: skip
    return Read(**(given | more))


def abstained() -> Read:
    return read_of((), reasoning="", diagnoses=(), abstention="The model was not trained on ultrasound.")


def _values(pixels: NDArray[np.generic]) -> NDArray[np.float32] | NDArray[np.uint8]:
    return pixels.astype(np.uint8) if pixels.ndim == 3 else pixels.astype(np.float32)
