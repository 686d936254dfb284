"""A Segmentation of frames that have no place in the patient: ultrasound cines and other multi-frame pictures.

highdicom refuses more than one frame without a frame of reference, and the standard does not. The frames are indexed
by segment and by place in time (PS3.3 C.7.6.17, Temporal Position Index), and every frame names the source frame it
was drawn on (Derivation Image, C.7.6.16.2.6), which is all that relates it to the source.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SegmentationStorage

from wetread.reporting.identity import CHARACTER_SET, MANUFACTURER, derived_uid, name_text

if TYPE_CHECKING:
    from highdicom.seg import SegmentDescription

    from wetread.findings import Mask, Read
    from wetread.imaging.sample import Plane, Sample

_FROM_SOURCE = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "PatientAge", "PatientSize", "PatientWeight",
    "IssuerOfPatientID", "StudyInstanceUID", "StudyDate", "StudyTime", "StudyID", "StudyDescription",
    "AccessionNumber", "ReferringPhysicianName",
)  # fmt: skip


def write_frames(
    read: Read, sample: Sample, headers: list[Dataset], masks: list[Mask], descriptions: list[SegmentDescription]
) -> Dataset:
    """A BINARY Segmentation with one frame per segment and marked plane.

    Args:
        read: gives UIDs and device.
        sample: gives the source frame of every plane.
        headers: derivable copies of its headers; the first gives patient and study.
        masks: one per segment, over the planes of `sample`.
        descriptions: one per segment, numbered from 1.
    """
    marked = [(segment, plane) for segment, mask in enumerate(masks, start=1) for plane in mask.planes]
    # An object without frames is not allowed: a read that marked nothing gives one empty frame.
    frames = marked or [(1, 0)]
    dataset = _general(read, headers)
    _references(dataset, [sample.planes[plane] for _, plane in frames])
    _image(dataset, sample, frames, masks)
    dataset.SegmentSequence = list(descriptions)
    _dimensions(dataset, read)
    dataset.SharedFunctionalGroupsSequence = [Dataset()]
    moments = sorted({plane for _, plane in frames})
    dataset.PerFrameFunctionalGroupsSequence = [
        _functional_groups(segment, sample.planes[plane], moment=moments.index(plane) + 1) for segment, plane in frames
    ]
    return dataset


def _general(read: Read, headers: list[Dataset]) -> Dataset:
    dataset = Dataset()
    dataset.SpecificCharacterSet = CHARACTER_SET
    dataset.SOPClassUID = SegmentationStorage
    dataset.SOPInstanceUID = derived_uid(read.uid, "seg")
    for keyword in _FROM_SOURCE:
        if keyword in headers[0]:
            setattr(dataset, keyword, headers[0][keyword].value)
    dataset.Modality = "SEG"
    dataset.SeriesInstanceUID = derived_uid(read.uid, "seg series")
    dataset.Manufacturer = MANUFACTURER
    dataset.ManufacturerModelName = name_text(read.provenance.model)
    dataset.SoftwareVersions = name_text(read.provenance.wetread_version)
    dataset.DeviceSerialNumber = name_text(read.provenance.weights_sha256[:16])
    dataset.InstanceNumber = 1
    dataset.ContentCreatorName = None
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = SegmentationStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return dataset


def _references(dataset: Dataset, planes: list[Plane]) -> None:
    """Referenced Series: the source instances, once each, grouped by series."""
    series: dict[str, dict[str, Dataset]] = {}
    for plane in planes:
        item = Dataset()
        item.ReferencedSOPClassUID = plane.source.sop_class_uid
        item.ReferencedSOPInstanceUID = plane.source.sop_instance_uid
        series.setdefault(plane.source.series_uid, {})[plane.source.sop_instance_uid] = item
    dataset.ReferencedSeriesSequence = []
    for uid, instances in series.items():
        reference = Dataset()
        reference.SeriesInstanceUID = uid
        reference.ReferencedInstanceSequence = list(instances.values())
        dataset.ReferencedSeriesSequence.append(reference)


def _image(dataset: Dataset, sample: Sample, frames: list[tuple[int, int]], masks: list[Mask]) -> None:
    dataset.ImageType = ["DERIVED", "PRIMARY"]
    dataset.NumberOfFrames = len(frames)
    dataset.Rows, dataset.Columns = sample.shape[1:]
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 1
    dataset.HighBit = dataset.PixelRepresentation = 0
    dataset.LossyImageCompression = "00"
    dataset.SegmentationType = "BINARY"
    dataset.SegmentsOverlap = "UNDEFINED" if len(masks) > 1 else "NO"
    empty = np.zeros(sample.shape[1:], dtype=bool)
    bits = np.concatenate([masks[segment - 1].planes.get(plane, empty).ravel() for segment, plane in frames])
    packed = np.packbits(bits, bitorder="little").tobytes()
    dataset.PixelData = packed + b"\0" * (len(packed) % 2)


def _dimensions(dataset: Dataset, read: Read) -> None:
    from pydicom.tag import Tag

    organisation = Dataset()
    organisation.DimensionOrganizationUID = derived_uid(read.uid, "seg dimensions")
    dataset.DimensionOrganizationSequence = [organisation]
    pointers = [
        ("ReferencedSegmentNumber", "SegmentIdentificationSequence", "Segment Number"),
        ("TemporalPositionIndex", "FrameContentSequence", "Temporal Position Index"),
    ]
    dataset.DimensionIndexSequence = []
    for keyword, group, label in pointers:
        item = Dataset()
        item.DimensionOrganizationUID = organisation.DimensionOrganizationUID
        item.DimensionIndexPointer = int(Tag(keyword))
        item.FunctionalGroupPointer = int(Tag(group))
        item.DimensionDescriptionLabel = label
        dataset.DimensionIndexSequence.append(item)


def _functional_groups(segment: int, plane: Plane, moment: int) -> Dataset:
    """Functional groups of one frame: which segment, which moment, which source frame."""
    identification = Dataset()
    identification.ReferencedSegmentNumber = segment
    content = Dataset()
    content.DimensionIndexValues = [segment, moment]
    content.TemporalPositionIndex = moment
    derivation = Dataset()
    derivation.DerivationCodeSequence = [_code("113076", "Segmentation")]
    derivation.SourceImageSequence = [_source_image(plane)]
    groups = Dataset()
    groups.SegmentIdentificationSequence = [identification]
    groups.FrameContentSequence = [content]
    groups.DerivationImageSequence = [derivation]
    return groups


def _source_image(plane: Plane) -> Dataset:
    source = Dataset()
    source.ReferencedSOPClassUID = plane.source.sop_class_uid
    source.ReferencedSOPInstanceUID = plane.source.sop_instance_uid
    if plane.source.frame_number is not None:
        source.ReferencedFrameNumber = plane.source.frame_number
    source.SpatialLocationsPreserved = "YES"
    source.PurposeOfReferenceCodeSequence = [_code("121322", "Source image for image processing operation")]
    return source


def _code(value: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue = value
    item.CodingSchemeDesignator = "DCM"
    item.CodeMeaning = meaning
    return item
