"""Reporting on what the loader really gives: drawn studies of every kind, and real ones where they are at hand."""

from pathlib import Path

import pydicom
import pytest
from highdicom.spatial import iter_tiled_full_frame_data

import dicom_multiframe_phantoms as multiframe
import dicom_phantoms as phantoms
import reporting_reads as reads
import validators
from wetread.imaging import load_sample, to_sample
from wetread.reporting.segmentation import build_seg
from wetread.reporting.structured_report import build_sr
from wetread.reporting.verifier import verify_files


def one_frame_cine():
    return phantoms.ultrasound_cine(1)


def angiogram():
    """XA without Number of Frames, which its IOD allows."""
    (dataset,) = phantoms.ultrasound_image(name="xa")
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.12.1"
    dataset.Modality = "XA"
    return [dataset]


def numbered_radiograph():
    (dataset,) = phantoms.dx_image()
    dataset.NumberOfFrames = 1
    return [dataset]


def mr_backwards():
    series = phantoms.mr_series()
    for dataset in series:
        dataset.SpacingBetweenSlices = -3
    return series


def mr_without_frame_of_reference():
    series = phantoms.mr_series()
    for dataset in series:
        del dataset.FrameOfReferenceUID
    return series


STUDIES = {
    "a cine of one frame": one_frame_cine,
    "an angiogram": angiogram,
    "a radiograph that counts its frame": numbered_radiograph,
    "mr with negative spacing": mr_backwards,
    "mr without a frame of reference": mr_without_frame_of_reference,
    "ct": phantoms.ct_series,
    "mr": phantoms.mr_series,
    "pet": multiframe.pet_series,
    "enhanced ct": multiframe.enhanced_ct,
    "enhanced mr": multiframe.enhanced_mr,
    "dx": phantoms.dx_image,
    "ultrasound cine": phantoms.ultrasound_cine,
    "microscopy": phantoms.visible_light,
    "slide": multiframe.slide,
}
REAL = Path(__file__).parents[3] / "shared" / "data"
REAL_STUDIES = ("dicom_mr_brain/Study3/11-T1post-18670", "dicom_misc/cxr_dicom_nih/test1.dcm")


@pytest.mark.parametrize("name", STUDIES)
def test_a_loaded_study_gives_objects_without_defect(name, tmp_path):
    datasets = STUDIES[name]()
    sources = phantoms.write(datasets, tmp_path / "source")
    _check(to_sample(datasets), sources, tmp_path)


@pytest.mark.parametrize("name", REAL_STUDIES)
def test_a_real_study_gives_objects_without_defect(name, tmp_path):
    if not REAL.exists():
        pytest.skip("needs ../shared/data, which is not here")
    _check(load_sample(REAL / name), [REAL / name], tmp_path)


def test_two_tiles_of_a_huge_slide_are_segmented_where_they_lie():
    (dataset,) = multiframe.slide()
    dataset.TotalPixelMatrixRows = dataset.TotalPixelMatrixColumns = 200 * 32
    dataset.NumberOfFrames = 40_000
    header = reads.header(dataset)
    (small,) = multiframe.slide()
    sample = reads.frames_sample(small, reads.Modality.PATHOLOGY, reads.SampleKind.TILES, [0, 1])
    planes = tuple(
        reads.Plane(plane.values, reads.source(dataset, number))
        for plane, number in zip(sample.planes, (12_345, 3), strict=True)
    )
    huge = reads.Sample(sample.kind, sample.modality, planes, (header,))
    mask = reads.asymmetric_mask(huge, [0, 1], top=2, left=3)
    seg = build_seg(reads.read_of([reads.finding(huge, "nuclei", mask)]), huge)
    expected = {n: tile for n, tile in enumerate(iter_tiled_full_frame_data(header), start=1) if n in {3, 12_345}}
    places = {}
    for groups in seg.PerFrameFunctionalGroupsSequence:
        position = groups.PlanePositionSlideSequence[0]
        number = groups.DerivationImageSequence[0].SourceImageSequence[0].ReferencedFrameNumber
        column, row = position.ColumnPositionInTotalImagePixelMatrix, position.RowPositionInTotalImagePixelMatrix
        places[number] = (column, row)
    assert places == {number: (tile[2], tile[3]) for number, tile in expected.items()}


def _check(sample, sources, folder):
    middle = len(sample.planes) // 2
    mask = reads.asymmetric_mask(sample, sorted({middle, max(middle - 1, 0)}))
    box = reads.box_finding("lesion", (3.0, 4.0, 20.0, 22.0), middle)
    read = reads.read_of([reads.finding(sample, "liver", mask), box])
    seg = build_seg(read, sample)
    sr = build_sr(read, sample, seg)
    for name, dataset in (("seg", seg), ("sr", sr)):
        dataset.save_as(folder / f"{name}.dcm", enforce_file_format=True)
        assert validators.dciodvfy_errors(folder / f"{name}.dcm") == []
    assert pydicom.dcmread(folder / "seg.dcm").StudyInstanceUID == sample.study_uid
    assert verify_files([folder / "seg.dcm", folder / "sr.dcm"], sources) == []
