"""SEG and SR of every kind of source: accepted by the public validators, read back as they were meant."""

import io
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import highdicom
import numpy as np
import pydicom
import pytest
import SimpleITK
from pydicom import Dataset, dcmwrite

import dicom_phantoms
import validators
from reporting_cases import CASES, PLACED
from wetread.findings import Read
from wetread.imaging.sample import Sample
from wetread.reporting.segmentation import EMPTY_LABEL, build_seg, segmented
from wetread.reporting.structured_report import build_sr
from wetread.reporting.verifier import verify_files


class Written(NamedTuple):
    sample: Sample
    read: Read
    seg: Path
    sr: Path
    sources: list[Path]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A function: name of a case -> its objects on disk, built once."""
    made: dict[str, Written] = {}

    def write(name: str) -> Written:
        if name not in made:
            datasets, sample, read = CASES[name]()
            folder = tmp_path_factory.mktemp("case")
            seg = build_seg(read, sample)
            sr = build_sr(read, sample, seg)
            seg.save_as(folder / "seg.dcm", enforce_file_format=True)
            sr.save_as(folder / "sr.dcm", enforce_file_format=True)
            sources = dicom_phantoms.write(datasets, folder / "source")
            made[name] = Written(sample, read, folder / "seg.dcm", folder / "sr.dcm", sources)
        return made[name]

    return write


@pytest.mark.parametrize("name", CASES)
def test_both_objects_are_without_error_for_dciodvfy(written, name):
    case = written(name)
    assert validators.dciodvfy_errors(case.seg) == []
    assert validators.dciodvfy_errors(case.sr) == []


@pytest.mark.parametrize("name", CASES)
def test_objects_and_sources_agree_for_dcentvfy(written, name):
    case = written(name)
    assert validators.dcentvfy_errors(*case.sources, case.seg, case.sr) == []


@pytest.mark.parametrize("name", CASES)
def test_the_semantic_verifier_finds_nothing(written, name):
    case = written(name)
    assert verify_files([case.seg, case.sr], case.sources) == []


@pytest.mark.parametrize("name", CASES)
def test_dcmtk_reads_the_report(written, name):
    text = validators.dsrdump(written(name).sr)
    assert "Imaging Measurement Report" in text


@pytest.mark.parametrize("name", CASES)
def test_dcmqi_reads_the_report(written, name, tmp_path):
    case = written(name)
    document = validators.tid1500(case.sr, tmp_path)
    assert document["VerificationFlag"] == "UNVERIFIED"
    groups = document.get("Measurements", [])
    seg_uid = str(pydicom.dcmread(case.seg).SOPInstanceUID)
    referring = [group for group in groups if "ReferencedSegment" in group]
    assert [group["segmentationSOPInstanceUID"] for group in referring] == [seg_uid] * len(segmented(case.read))
    tracked = {group["TrackingUniqueIdentifier"] for group in groups}
    assert tracked == {finding.tracking_uid for finding in case.read.findings}


@pytest.mark.parametrize("name", CASES)
def test_highdicom_reads_back_every_pixel(written, name):
    case = written(name)
    seg = highdicom.seg.segread(case.seg)
    masks = [finding.mask for finding in segmented(case.read)]
    labels = [finding.label for finding in segmented(case.read)] or [EMPTY_LABEL]
    assert [seg.get_segment_description(n).segment_label for n in seg.segment_numbers] == labels
    found = {key: plane for key, plane in _frames(seg).items() if plane.any()}
    expected = {
        (number, *_source(case.sample, plane)): marked
        for number, mask in enumerate(masks, start=1)
        for plane, marked in mask.planes.items()
    }
    assert found.keys() == expected.keys()
    for key, marked in expected.items():
        np.testing.assert_array_equal(found[key], marked)


@pytest.mark.parametrize("name", [name for name in PLACED if name != "ct tilted"])
def test_dcmqi_finds_the_same_voxels_in_the_patient(written, name, tmp_path):
    """Every marked voxel of dcmqi's image lies where the mask's pixel lies, and no other does."""
    case = written(name)
    (finding,) = segmented(case.read)
    (image,) = (SimpleITK.ReadImage(str(p)) for p in validators.segimage2itkimage(case.seg, tmp_path / "itk"))
    for index, plane in enumerate(case.sample.planes):
        marked = finding.mask.planes.get(index, np.zeros(case.sample.shape[1:], dtype=bool))
        rows, columns = np.indices(marked.shape)
        centres = plane.geometry.image_to_patient(np.column_stack([columns.ravel() + 0.5, rows.ravel() + 0.5]))
        seen = np.array([_value(image, centre) for centre in centres]).reshape(marked.shape)
        np.testing.assert_array_equal(seen, marked)


def test_dcmqi_finds_the_same_pixels_on_tilted_slices(written, tmp_path):
    """An ITK image cannot be sheared, so dcmqi's voxels are compared slice by slice."""
    case = written("ct tilted")
    (finding,) = segmented(case.read)
    (path,) = validators.segimage2itkimage(case.seg, tmp_path / "itk")
    array = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path))) > 0
    marked = list(finding.mask.planes)
    np.testing.assert_array_equal(array, finding.mask.dense()[marked[0] : marked[-1] + 1])


@pytest.mark.pixelmed
def test_pixelmed_takes_a_volume_with_a_single_finding(tmp_path):
    """With box and mask groups alone it reports two Errors; the outline of the key plane keeps them away."""
    _, sample, read = CASES["mr"]()
    alone = replace(read, findings=read.findings[:1])
    path = tmp_path / "sr.dcm"
    dcmwrite(path, build_sr(alone, sample, build_seg(alone, sample)), enforce_file_format=True)
    errors, complete = validators.pixelmed(path)
    assert errors == []
    assert complete


@pytest.mark.pixelmed
@pytest.mark.parametrize("name", ["microscopy", "ct axial"])
def test_pixelmed_validates_the_root_template(written, name):
    errors, complete = validators.pixelmed(written(name).sr)
    assert errors == []
    assert complete


@pytest.mark.parametrize("name", ["ct axial", "ultrasound cine", "dx"])
def test_building_twice_gives_the_same_bytes(name):
    _, sample, read = CASES[name]()
    assert _built(read, sample) == _built(read, sample)


@pytest.mark.parametrize("name", ["ct axial", "ultrasound cine"])
def test_the_sources_headers_are_left_as_they_were(name):
    _, sample, read = CASES[name]()
    before = [header.to_json() for header in sample.headers]
    build_sr(read, sample, build_seg(read, sample))
    assert [header.to_json() for header in sample.headers] == before


def test_missing_type_2_attributes_are_filled_with_nothing(tmp_path):
    _, sample, read = CASES["ct axial"]()
    missing = ["StudyID", "AccessionNumber", "PatientBirthDate", "PatientSex", "StudyTime", "PatientID"]
    for header in sample.headers:
        for keyword in missing:
            delattr(header, keyword)
    seg = build_seg(read, sample)
    sr = build_sr(read, sample, seg)
    for name, dataset in (("seg", seg), ("sr", sr)):
        dataset.save_as(tmp_path / f"{name}.dcm", enforce_file_format=True)
        assert validators.dciodvfy_errors(tmp_path / f"{name}.dcm") == []
        assert not any(dataset[keyword].value for keyword in missing)


def test_a_radiograph_keeps_its_patient_orientation(written):
    assert pydicom.dcmread(written("dx").seg).PatientOrientation == ["L", "F"]


def test_an_abstained_read_gives_one_empty_segment_and_says_why(written):
    case = written("abstained cine")
    seg = pydicom.dcmread(case.seg)
    (segment,) = seg.SegmentSequence
    assert segment.SegmentLabel == "No region marked"
    assert segment.SegmentedPropertyTypeCodeSequence[0].CodeValue == "111030"
    assert segment.SegmentedPropertyCategoryCodeSequence[0].CodeValue == "309825002"
    assert not any(seg.PixelData)
    report = pydicom.dcmread(case.sr).to_json()
    assert "No interpretation given: The model was not trained on ultrasound." in report
    assert str(seg.SOPInstanceUID) not in report


def _built(read: Read, sample: Sample) -> list[bytes]:
    seg = build_seg(read, sample)
    written = []
    for dataset in (seg, build_sr(read, sample, seg)):
        buffer = io.BytesIO()
        dataset.save_as(buffer, enforce_file_format=True)
        written.append(buffer.getvalue())
    return written


def _source(sample: Sample, plane: int) -> tuple[str, int]:
    source = sample.planes[plane].source
    return source.sop_instance_uid, source.frame_number or 1


def _frames(seg: Dataset) -> dict[tuple[int, str, int], np.ndarray]:
    """(segment, source instance, source frame) -> pixels, from the functional groups alone."""
    pixels = seg.pixel_array.reshape(int(seg.NumberOfFrames), seg.Rows, seg.Columns).astype(bool)
    shared = seg.SharedFunctionalGroupsSequence[0]
    frames = {}
    for plane, groups in zip(pixels, seg.PerFrameFunctionalGroupsSequence, strict=True):
        identification = groups.get("SegmentIdentificationSequence") or shared.SegmentIdentificationSequence
        derivation = groups.get("DerivationImageSequence") or shared.DerivationImageSequence
        image = derivation[0].SourceImageSequence[0]
        frame = int(image.get("ReferencedFrameNumber", 1))
        frames[int(identification[0].ReferencedSegmentNumber), str(image.ReferencedSOPInstanceUID), frame] = plane
    return frames


def _value(image: SimpleITK.Image, point: np.ndarray) -> bool:
    index = image.TransformPhysicalPointToIndex([float(v) for v in point])
    inside = all(0 <= i < size for i, size in zip(index, image.GetSize(), strict=True))
    return inside and image.GetPixel(*index) > 0


@pytest.mark.parametrize("name", ["enhanced mr", "slide full"])
def test_two_segments_over_the_same_frames_name_the_sources_own_frame_numbers(name):
    """highdicom lets both share the reference; renumbering it twice pointed to other frames."""
    _, sample, read = CASES[name]()
    second = replace(read.findings[0], tracking_uid="2.25.4713")
    seg = build_seg(replace(read, findings=(read.findings[0], second)), sample)
    assert len(seg.SegmentSequence) == 2
    numbers: dict[int, list[int]] = {1: [], 2: []}
    for groups in seg.PerFrameFunctionalGroupsSequence:
        (image,) = groups.DerivationImageSequence[0].SourceImageSequence
        numbers[groups.SegmentIdentificationSequence[0].ReferencedSegmentNumber].append(image.ReferencedFrameNumber)
    wanted = [sample.planes[i].source.frame_number for i in read.findings[0].mask.planes]
    assert sorted(numbers[1]) == sorted(numbers[2]) == sorted(wanted)
