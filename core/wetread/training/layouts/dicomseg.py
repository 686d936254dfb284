"""DICOM Segmentations with the series they were drawn on, anywhere below SOURCE.

Frames are matched to source images by the SOP Instance UID that each frame names (Derivation Image, PS3.3
C.7.6.16.2.6), through highdicom; places alone are not enough. The source is read by `wetread.imaging`, as a read would
take it, so what the model will see is what is shown. Every segment is one region a plane.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wetread.errors import RefusedInput
from wetread.terminology import Modality, find_target
from wetread.training.layouts.picture import BadItem, Index, Options, Picture, inside, kept, relative
from wetread.training.layouts.slices import chosen_slices

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pydicom import Dataset

    from wetread.imaging.sample import Sample

SEGMENTATIONS = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
_TAGS = ["SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "PatientID", "Modality"]


@dataclass(frozen=True, slots=True)
class DicomSegEntry:
    """One Segmentation and the files of its source series."""

    id: str
    group: str
    modality: Modality
    root: Path
    seg: str
    sources: tuple[str, ...]

    def load(self) -> list[Picture]:
        """The chosen planes."""
        from wetread.imaging.load import images, load_sample
        from wetread.reading.pictures import pictures

        sample = images(load_sample([inside(self.root, name, "image") for name in self.sources]))
        masks = segment_masks(inside(self.root, self.seg, "Segmentation"), sample)
        planes = chosen_slices(dict(enumerate(masks.values())))  # type: ignore[arg-type]
        if not planes:
            raise BadItem("no region: every segment is empty")
        shown = pictures(sample)
        found = []
        for plane in planes:
            labels, marked = kept((label, mask[plane]) for (_, label), mask in masks.items())
            found.append(
                Picture(
                    shown=shown(plane),
                    values=np.asarray(sample.planes[plane].values),
                    masks=marked,
                    labels=labels,
                    name=f"#{plane}" if sample.shape[0] > 1 else "",
                    geometry=sample.planes[plane].geometry,
                    units=sample.units,
                )
            )
        return found


def detect(root: Path) -> bool:
    """True where some file below is a Segmentation."""
    return any(header.get("SOPClassUID") in SEGMENTATIONS for _, header in _headers(root))


def index(root: Path, options: Options) -> Index:
    """Every Segmentation whose source series is there."""
    from wetread.imaging.kinds import modality_of

    found = Index(licence=options.licence)
    files: defaultdict[tuple[str, str], list[tuple[str, Path]]] = defaultdict(list)  # a series, one kind of object
    segs: list[tuple[Path, Dataset]] = []
    for path, header in _headers(root):
        if header.get("SOPClassUID") in SEGMENTATIONS:
            segs.append((path, header))
        else:
            series_and_kind = (str(header.get("SeriesInstanceUID", "")), str(header.get("SOPClassUID", "")))
            files[series_and_kind].append((str(header.get("SOPInstanceUID", "")), path))
    by_image = {uid: series for series, members in files.items() for uid, _ in members}
    for path, header in segs:
        name = relative(root, path)
        try:
            series = {by_image[uid] for uid in _named(path) if uid in by_image}
            if not series:
                raise BadItem("its source images are not here")
            if len(series) > 1:
                raise BadItem(f"drawn on {len(series)} series at once")
            members = sorted(member for _, member in files[series.pop()])
            modality = options.modality or modality_of(_full_header(members[0]), name)
        except (BadItem, RefusedInput, OSError) as error:
            found.bad.append((name, error.what if isinstance(error, RefusedInput) else str(error)))
            continue
        group = str(header.get("PatientID") or name)
        names = tuple(relative(root, member) for member in members)
        found.entries.append(DicomSegEntry(name, group, modality, root, name, names))
    return found


def segment_masks(path: Path, sample: Sample) -> dict[tuple[int, str], NDArray[np.bool_]]:
    """(segment number, label) -> bool (planes, rows, columns) in the Sample's order.

    Raises:
        BadItem: frames do not say which image they lie on, or are of another size.
    """
    import highdicom

    try:
        seg = highdicom.seg.segread(path)
        names = {int(item.SegmentNumber): segment_name(item) for item in seg.SegmentSequence if item.SegmentNumber}
        numbers = list(names)
        pixels = _of_planes(seg, sample, numbers)
    except (ValueError, KeyError, AttributeError, RuntimeError, TypeError, NotImplementedError) as error:
        raise BadItem(
            f"the Segmentation cannot be laid on its source ({' '.join(str(error).split())[:160]})"
        ) from error
    if pixels.shape[1:3] != sample.shape[1:]:
        raise BadItem(f"frames of {pixels.shape[1:3]} on images of {sample.shape[1:]}")
    return {(number, names[number]): pixels[..., place] > 0.5 for place, number in enumerate(numbers)}


def _of_planes(seg: Any, sample: Sample, numbers: list[int]) -> NDArray[Any]:
    """(planes, rows, columns, segments), planes in the Sample's order."""
    sources = [plane.source for plane in sample.planes]
    common: dict[str, Any] = {
        "segment_numbers": numbers, "ignore_spatial_locations": True, "assert_missing_frames_are_empty": True,
        "rescale_fractional": True,
    }  # fmt: skip
    if sources[0].frame_number is not None and len({s.sop_instance_uid for s in sources}) == 1:
        frames = [source.frame_number for source in sources]
        return np.asarray(seg.get_pixels_by_source_frame(sources[0].sop_instance_uid, frames, **common))
    return np.asarray(seg.get_pixels_by_source_instance([source.sop_instance_uid for source in sources], **common))


def segment_name(item: Dataset) -> str:
    """A segment's label where that is a target, else what its type code says: labels are often "Segment_1"."""
    label = str(item.get("SegmentLabel") or "")
    kinds = item.get("SegmentedPropertyTypeCodeSequence") or []
    meaning = str(kinds[0].get("CodeMeaning", "")) if kinds else ""
    if find_target(label) is None and meaning:
        sides = kinds[0].get("SegmentedPropertyTypeModifierCodeSequence") or []
        side = str(sides[0].get("CodeMeaning", "")).lower() if sides else ""
        return f"{side} {meaning}" if side in ("left", "right") else meaning
    return label or meaning or "segment"


def _headers(root: Path) -> list[tuple[Path, Dataset]]:
    from pydicom import dcmread
    from pydicom.errors import InvalidDicomError

    found: list[tuple[Path, Dataset]] = []
    for path in sorted(root.rglob("*")):
        if not path.is_file() or path.suffix.lower() in (".json", ".jsonl", ".txt", ".csv", ".png", ".jpg", ".gz"):
            continue
        try:
            found.append((path, dcmread(path, stop_before_pixels=True, specific_tags=_TAGS)))
        except (InvalidDicomError, OSError, ValueError, KeyError, AttributeError, TypeError, EOFError):
            continue  # not DICOM, and no item of this layout
    return found


def _full_header(path: Path) -> Dataset:
    from pydicom import dcmread

    return dcmread(path, stop_before_pixels=True)


def _named(path: Path) -> list[str]:
    """SOP Instance UIDs that the frames, or else the object, say they were drawn on."""
    from pydicom import dcmread

    header = dcmread(path, stop_before_pixels=True)
    uids = [
        str(source.get("ReferencedSOPInstanceUID"))
        for groups in header.get("PerFrameFunctionalGroupsSequence") or []
        for derivation in groups.get("DerivationImageSequence") or []
        for source in derivation.get("SourceImageSequence") or []
    ]
    series = header.get("ReferencedSeriesSequence") or []
    uids += [
        str(instance.get("ReferencedSOPInstanceUID"))
        for one in series
        for instance in one.get("ReferencedInstanceSequence") or []
    ]
    return list(dict.fromkeys(uids))
