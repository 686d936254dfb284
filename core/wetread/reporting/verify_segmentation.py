"""What a Segmentation must mean: segments that say what they are and who drew them, frames that belong to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wetread.reporting.verify_codes import code_defects
from wetread.reporting.verify_pixels import segment_of_frames
from wetread.reporting.verify_places import place_defects

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydicom import Dataset

Words = tuple[str, str]


def segmentation_defects(seg: Dataset, sources: dict[str, Dataset]) -> Iterator[Words]:
    """Defects of one Segmentation as (what, remedy)."""
    yield from code_defects(seg.SegmentSequence)
    yield from _segment_defects(seg)
    if "NumberOfFrames" not in seg:
        yield "Number of Frames is missing", "write the file again."
        return
    yield from _frame_defects(seg)
    yield from _source_defects(seg, sources)
    yield from place_defects(seg, sources)


def _segment_defects(seg: Dataset) -> Iterator[Words]:
    numbers = [int(item.SegmentNumber) for item in seg.SegmentSequence]
    if seg.SegmentationType == "BINARY" and numbers != list(range(1, len(numbers) + 1)):
        yield f"segments are numbered {numbers}", "number them from 1 without gaps."
    for item in seg.SegmentSequence:
        name = f"segment {item.SegmentNumber}"
        if not item.get("SegmentLabel"):
            yield f"{name} has no label", "name what it shows."
        for keyword in ("SegmentedPropertyTypeCodeSequence", "SegmentedPropertyCategoryCodeSequence"):
            if not item.get(keyword):
                yield f"{name} lacks {keyword}", "code what it shows."
        if item.get("SegmentAlgorithmType") in {"AUTOMATIC", "SEMIAUTOMATIC"} and int(item.SegmentNumber) > 0:
            identified = item.get("SegmentationAlgorithmIdentificationSequence")
            if not item.get("SegmentAlgorithmName") or not identified:
                yield f"{name} was drawn by an algorithm that is not identified", "give its name, version and family."
        if ("TrackingID" in item) != ("TrackingUID" in item):
            yield f"{name} has only one of Tracking ID and Tracking UID", "give both or neither."


def _frame_defects(seg: Dataset) -> Iterator[Words]:
    frames = seg.get("PerFrameFunctionalGroupsSequence")
    if frames is None and seg.get("DimensionOrganizationType") == "TILED_FULL":
        frames = []  # a full grid of tiles may leave them out (PS3.3 C.7.6.17.3)
    elif frames is None:
        yield "no functional groups of the frames", "say where each frame lies."
    elif len(frames) != int(seg.NumberOfFrames):
        yield f"{len(frames)} functional groups for {seg.NumberOfFrames} frames", "give one item a frame."
    numbers = {int(item.SegmentNumber) for item in seg.SegmentSequence}
    named = set(segment_of_frames(seg))
    if named - numbers:
        yield f"frames name segments {sorted(named - numbers)} that do not exist", "describe or remove them."
    bits = int(seg.Rows) * int(seg.Columns) * int(seg.NumberOfFrames)
    if seg.SegmentationType == "BINARY" and not seg.file_meta.TransferSyntaxUID.is_compressed:
        expected = (bits + 7) // 8
        if len(seg.PixelData) not in {expected, expected + 1}:
            yield f"{len(seg.PixelData)} bytes of pixels, {expected} expected", "write the file again."


def _source_defects(seg: Dataset, sources: dict[str, Dataset]) -> Iterator[Words]:
    if not seg.get("ReferencedSeriesSequence"):
        yield "no Referenced Series", "say which series was segmented."
    named = {
        str(source.ReferencedSOPInstanceUID)
        for groups in seg.get("PerFrameFunctionalGroupsSequence") or []
        for derivation in groups.get("DerivationImageSequence", [])
        for source in derivation.get("SourceImageSequence", [])
    }
    if not sources:
        return
    if named - sources.keys():
        yield f"{len(named - sources.keys())} source images are not among the sources", "give the right sources."
    known = [sources[uid] for uid in sorted(named & sources.keys())]
    places = {str(source.FrameOfReferenceUID) for source in known if source.get("FrameOfReferenceUID")}
    if places and "FrameOfReferenceUID" in seg and str(seg.FrameOfReferenceUID) not in places:
        yield "the frame of reference is not that of the source images", "copy it from the source."
    sizes = {(int(source.Rows), int(source.Columns)) for source in known if "Rows" in source}
    if "ImagePositionPatient" in seg or any("ImageOrientationSlide" in source for source in known):
        return  # tiles may be cut anew
    if sizes and (int(seg.Rows), int(seg.Columns)) not in sizes:
        yield f"frames of {seg.Rows} x {seg.Columns} on images of {sorted(sizes)}", "segment in the image's own grid."
