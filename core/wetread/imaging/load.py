"""From the datasets of one series to a Sample.

Headers decide first (which instances, which order, which geometry), pixels are decoded afterwards and only for what
is kept, each instance once. The result does not depend on the order of the datasets. What was found and handled is
said in `Sample.remarks`; what cannot be handled exactly is a `RefusedInput`. See `stack`, `slide`, `pixels`, `window`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wetread.errors import RefusedInput
from wetread.imaging.files import check_series, file_of, open_series
from wetread.imaging.frames import Frame, frames_of
from wetread.imaging.grey import grey_values
from wetread.imaging.instances import Headers, as_read
from wetread.imaging.kinds import Family, family_of, modality_of, parse_modality
from wetread.imaging.pixels import padding_of, stored_frames, values_of
from wetread.imaging.sample import Plane, Sample, SampleKind
from wetread.imaging.slide import choose_tiles
from wetread.imaging.stack import Slice, arrange
from wetread.imaging.waveform_dicom import to_waveform
from wetread.imaging.window import default_window, window_of
from wetread.imaging.wrapped import wrapping_remarks
from wetread.terminology import Modality

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray
    from pydicom import Dataset

    from wetread.geometry import PlaneGeometry
    from wetread.imaging.waveform import Waveform

_PLACE = (
    "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "FrameOfReferenceUID", "Rows", "Columns",
    "NumberOfFrames", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
)  # fmt: skip
_VALUE = (
    "PhotometricInterpretation", "PixelRepresentation", "BitsStored", "RescaleSlope", "RescaleIntercept",
    "ModalityLUTSequence",
)  # fmt: skip
"""What gives pixels their place and their value: instances that differ here differ, whatever their UIDs say."""
_UNITS = {"BQML": "Bq/ml", "GML": "g/ml", "CNTS": "{counts}", "PROPCNTS": "{propcounts}"}


def load_sample(path: str | Path | Iterable[str | Path], modality: Modality | str | None = None) -> Sample | Waveform:
    """`open_series` and `to_sample` in one step.

    Raises:
        RefusedInput: see there.
    """
    return _sample(open_series(path, modality), modality)


def to_sample(datasets: Sequence[Dataset], modality: Modality | str | None = None) -> Sample | Waveform:
    """The Sample that the datasets of one series make; an ECG makes a Waveform.

    Args:
        datasets: full datasets (pixel data, file meta) of one series, in any order.
        modality: what the caller says the pictures are; None lets DICOM say it.

    Raises:
        RefusedInput: see the module docstring.
    """
    check_series(datasets, "series")
    return _sample(datasets, modality)


def _sample(datasets: Sequence[Dataset], modality: Modality | str | None) -> Sample | Waveform:
    """`to_sample` of datasets that were checked."""
    datasets = as_read(datasets)
    where: object = str(datasets[0].SeriesInstanceUID)
    if {family_of(d, where) for d in datasets} == {Family.WAVEFORM}:
        return to_waveform(datasets)
    remarks: list[str] = []
    unique = _without_same_uid(sorted(datasets, key=lambda d: str(d.SOPInstanceUID)), remarks, where)
    if len(unique) == 1:
        where = file_of(unique[0], where)
    families = {family_of(d, where) for d in unique}
    if len(families) > 1:
        raise RefusedInput(f"different kinds of image in one series ({_listed(families)})", where, "give one kind.")
    spoken = parse_modality(modality) or modality_of(unique[0], where)
    kind, frames, geometries = _reading_order(unique, families.pop(), spoken, remarks, where)
    hounsfield = spoken is Modality.CT and _is_hounsfield(frames[0])
    planes = _planes(frames, geometries, spoken, remarks, hounsfield=hounsfield)
    if len({(p.rows, p.columns) for p in planes}) > 1:
        raise RefusedInput("frames of different size in one series", where, "give images of one size.")
    used = {id(f.dataset): f.dataset for f in frames}
    return Sample(
        kind=kind,
        modality=spoken,
        planes=planes,
        headers=Headers(list(used.values())),
        units="[hnsf'U]" if hounsfield else _UNITS.get(str(frames[0].dataset.get("Units", "")), "1"),
        remarks=(*wrapping_remarks(frames[0].dataset), *remarks),
    )


def images(sample: Sample | Waveform) -> Sample:
    """The Sample itself, for callers that work on pictures alone.

    Raises:
        RefusedInput: it is an ECG.
    """
    if isinstance(sample, Sample):
        return sample
    raise RefusedInput("an ECG where images are needed", sample.source.series_uid, "give images.")


def _without_same_uid(datasets: list[Dataset], remarks: list[str], where: object) -> list[Dataset]:
    first: dict[str, Dataset] = {}
    for dataset in datasets:
        uid = str(dataset.SOPInstanceUID)
        twin = first.setdefault(uid, dataset)
        if twin is not dataset and not (
            _alike(twin, dataset, (*_PLACE, *_VALUE)) and twin.PixelData == dataset.PixelData
        ):
            raise RefusedInput(f"two different instances share the SOP Instance UID {uid}", where, "give one of them.")
    copies = len(datasets) - len(first)
    if copies:
        remarks.append(f"{copies} duplicate instance{'s' if copies > 1 else ''} (same SOP Instance UID) left out")
    return list(first.values())


def _reading_order(
    datasets: list[Dataset], family: Family, modality: Modality, remarks: list[str], where: object
) -> tuple[SampleKind, list[Frame], list[PlaneGeometry | None]]:
    """The kind of Sample, the frames that make its planes in order, and where each lies."""
    if family is Family.SLIDE:
        tiles = choose_tiles(datasets, remarks, where)
        return SampleKind.TILES, tiles, [None] * len(tiles)
    frames = [frame for dataset in datasets for frame in frames_of(dataset)]
    if family is Family.PICTURE:
        if len(datasets) > 1:
            raise RefusedInput(
                f"{len(datasets)} separate pictures in one series of {modality.value}", where,
                "give the file of one, or all as inputs of one read: the first is read, the others shown beside it.",
            )  # fmt: skip
        return (SampleKind.IMAGE if len(frames) == 1 else SampleKind.CINE), frames, [None] * len(frames)
    if family is Family.SLICES and len(frames) > len(datasets):
        raise RefusedInput("several frames in a single-frame CT, MR or PET instance", where, "give one slice a file.")
    return _volume(frames, remarks, where)


def _volume(
    frames: list[Frame], remarks: list[str], where: object
) -> tuple[SampleKind, list[Frame], list[PlaneGeometry | None]]:
    kind = SampleKind.IMAGE if len(frames) == 1 else SampleKind.VOLUME
    geometries = [frame.geometry(file_of(frame.dataset, where)) for frame in frames]
    lacking = sum(geometry is None for geometry in geometries)
    if lacking == len(frames) and len({id(f.dataset) for f in frames}) == 1:
        remarks.append("no place in the patient recorded" + ("" if len(frames) == 1 else ": frames in stored order"))
        return kind, frames, geometries
    if lacking:
        raise RefusedInput(
            f"{lacking} of {len(frames)} slices without position, orientation or pixel spacing in the patient",
            where, "give the original series, or one file.",
        )  # fmt: skip
    slices = [
        Slice(geometry, (int(frame.dataset.Rows), int(frame.dataset.Columns)), _is_localizer(frame.dataset))
        for frame, geometry in zip(frames, geometries, strict=True)
        if geometry is not None
    ]
    order, found = arrange(slices, lambda a, b: _same_pixels(frames[a], frames[b]), where)
    remarks += found
    kind = SampleKind.IMAGE if len(order) == 1 else SampleKind.VOLUME
    return kind, [frames[i] for i in order], [geometries[i] for i in order]


def _planes(
    frames: list[Frame], geometries: list[PlaneGeometry | None], modality: Modality, remarks: list[str],
    *, hounsfield: bool,
) -> tuple[Plane, ...]:  # fmt: skip
    stored = _decode(frames)
    places = [file_of(frame.dataset, frame.dataset.SOPInstanceUID) for frame in frames]
    pixels = [values_of(*each) for each in zip(frames, stored, places, strict=True)]
    windows = [None if p.ndim == 3 else window_of(frame, remarks) for frame, p in zip(frames, pixels, strict=True)]
    bare = [i for i, p in enumerate(pixels) if p.ndim == 2 and windows[i] is None]
    if bare:
        default = default_window(
            modality, frames[bare[0]], [grey_values(pixels[i]) for i in bare],
            [padding_of(frames[i], stored[i]) for i in bare], hounsfield=hounsfield,
        )  # fmt: skip
        for i in bare:
            windows[i] = default
    return tuple(
        Plane(
            pixels=p,
            source=frame.source,
            window=window,
            inverted=str(frame.dataset.PhotometricInterpretation) == "MONOCHROME1",
            geometry=geometry,
        )
        for frame, p, window, geometry in zip(frames, pixels, windows, geometries, strict=True)
    )


def _decode(frames: list[Frame]) -> list[NDArray[Any]]:
    """Stored pixels of every frame, each instance decoded once in stored order."""
    stored: dict[int, NDArray[Any]] = {}
    by_instance: dict[int, list[int]] = {}
    for place, frame in enumerate(frames):
        by_instance.setdefault(id(frame.dataset), []).append(place)
    for places in by_instance.values():
        places.sort(key=lambda i: frames[i].index or 0)
        dataset = frames[places[0]].dataset
        where = file_of(dataset, dataset.SOPInstanceUID)
        indices = [i for i in (frames[p].index for p in places) if i is not None]
        whole = len(indices) in (0, int(dataset.get("NumberOfFrames") or 1))
        decoded = stored_frames(dataset, where, None if whole else indices)
        count = 0
        for count, pixels in enumerate(decoded, start=1):
            if count <= len(places):
                stored[places[count - 1]] = pixels
        if count != len(places):
            raise RefusedInput(
                f"{len(places)} frames announced, {count} found", where, "get the file again from its source."
            )
    return [stored[i] for i in range(len(frames))]


def _same_pixels(a: Frame, b: Frame) -> bool:
    if a.index is None and b.index is None:
        return _alike(a.dataset, b.dataset, _VALUE) and bool(a.dataset.PixelData == b.dataset.PixelData)
    first, second = (
        grey_values(values_of(frame, _decode([frame])[0], file_of(frame.dataset, frame.dataset.SOPInstanceUID)))
        for frame in (a, b)
    )
    return np.array_equal(first, second)


def _alike(a: Dataset, b: Dataset, keywords: tuple[str, ...]) -> bool:
    return all(a.get(keyword) == b.get(keyword) for keyword in keywords)


def _is_localizer(dataset: Dataset) -> bool:
    return "LOCALIZER" in {str(v) for v in dataset.get("ImageType") or []}


def _is_hounsfield(frame: Frame) -> bool:
    """CT values are HU unless the rescale type says otherwise (PS3.3 C.8.2.1.1.2)."""
    return frame.attribute("RescaleIntercept") is not None and str(frame.attribute("RescaleType") or "HU") == "HU"


def _listed(families: set[Family]) -> str:
    return ", ".join(sorted(family.value for family in families))
