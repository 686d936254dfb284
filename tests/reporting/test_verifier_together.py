"""Objects verified together: a report against the pixels it measured, the reports it supersedes, and foreign ones."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest

import dicom_phantoms
from reporting_cases import CASES, PLACED
from wetread.reporting.segmentation import build_seg
from wetread.reporting.structured_report import build_sr
from wetread.reporting.verifier import verify_datasets, verify_files
from wetread.reporting.verify_codes import code_defects
from wetread.reporting.verify_pixels import pixel_counts

DCMQI_EXAMPLE = (
    Path(__file__).parents[2] / "../shared/data/dicom_misc/dcmqi_doc_examples/sr-tid1500-ct-liver-example.json"
)
HIGHDICOM_FILES = Path(__file__).parents[2] / "../shared/data/dicom_misc/highdicom_test_files"


def built(name: str):
    """(sources by UID, SEG, SR) of a case."""
    datasets, sample, read = CASES[name]()
    seg = build_seg(read, sample)
    return {str(d.SOPInstanceUID): d for d in datasets}, seg, build_sr(read, sample, seg)


def words(*objects, sources=None):
    named = [(Path(str(i)), dataset) for i, dataset in enumerate(objects)]
    return [defect.what for defect in verify_datasets(named, sources or {})]


def sizes(parent, codes=("42798000", "118565006")):
    for item in parent.get("ContentSequence", []):
        if item.ValueType == "NUM" and item.ConceptNameCodeSequence[0].CodeValue in codes:
            yield item
        yield from sizes(item, codes)


def test_counted_pixels_are_those_of_the_mask():
    """Frames of 35 x 37 pixels do not end at byte borders."""
    rng = np.random.default_rng(3)
    for name in ("ultrasound cine", "ct axial", "slide full"):
        _, seg, _ = built(name)
        frames = rng.random((int(seg.NumberOfFrames), 35, 37)) < 0.3
        seg.Rows, seg.Columns = 35, 37
        packed = np.packbits(frames.ravel(), bitorder="little").tobytes()
        seg.PixelData = packed + b"\0" * (len(packed) % 2)
        counts = pixel_counts(seg)
        counted = {frame: marked for of in counts.values() for frame, marked in of.items()}
        assert counted == {frame: int(marked.sum()) for frame, marked in enumerate(frames)}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("factor", [1.01, 0.5, 10.0])
def test_a_size_that_does_not_follow_from_the_mask_is_named(name, factor):
    sources, seg, sr = built(name)
    assert words(seg, sr, sources=sources) == []
    measured = list(sizes(sr))
    for index in range(len(measured)):
        broken = copy.deepcopy(sr)
        value = list(sizes(broken))[index].MeasuredValueSequence[0]
        value.NumericValue = float(f"{factor * float(value.NumericValue):.10g}")
        assert any("is given as" in what for what in words(seg, broken, sources=sources))


def test_a_slice_is_as_thick_as_the_next_one_is_away():
    """Slice Thickness is not what a slice stands for, where the slices tell their distances."""
    sources, seg, sr = built("ct axial")
    thickness = float(next(iter(sources.values())).SliceThickness)
    for source in sources.values():
        source.SliceThickness = 3 * thickness
    seg.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].SliceThickness = 3 * thickness
    assert words(seg, sr, sources=sources) == []
    volume = next(sizes(sr, ("118565006",))).MeasuredValueSequence[0]
    volume.NumericValue = float(f"{3 * float(volume.NumericValue):.10g}")
    assert any("volume of segment 1" in what for what in words(seg, sr, sources=sources))


@pytest.mark.parametrize("name", [name for name in PLACED if name != "ct tilted"])
def test_a_volume_is_checked_without_the_sources_too(name):
    _, seg, sr = built(name)
    assert words(seg, sr) == []
    volume = next(sizes(sr, ("118565006",))).MeasuredValueSequence[0]
    volume.NumericValue = float(f"{1.1 * float(volume.NumericValue):.10g}")
    assert any("volume of segment 1" in what for what in words(seg, sr))


def test_a_label_map_passes_with_its_report_and_is_measured_too():
    from highdicom.seg import Segmentation, SegmentDescription

    sources, seg, sr = built("ct axial")
    images = sorted(sources.values(), key=lambda d: float(d.ImagePositionPatient[2]))
    pixels = np.zeros((len(images), images[0].Rows, images[0].Columns), dtype=np.uint8)
    pixels[1:3, 4:9, 5:12] = 1
    described = SegmentDescription.from_dataset(copy.deepcopy(seg.SegmentSequence[0]))
    labelled = Segmentation(
        images, pixels, "LABELMAP", [described], seg.SeriesInstanceUID, 1, seg.SOPInstanceUID, 1, "Wetread", "mini",
        "1", "1", specific_character_set="ISO_IR 192",
    )  # fmt: skip
    for instances in sr.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence:
        for one in instances.ReferencedSOPSequence:
            if one.ReferencedSOPInstanceUID == seg.SOPInstanceUID:
                one.ReferencedSOPClassUID = labelled.SOPClassUID
    volume = next(sizes(sr, ("118565006",))).MeasuredValueSequence[0]
    assert [what for what in words(labelled, sr, sources=sources) if "volume" in what]
    row, column = (float(v) for v in images[0].PixelSpacing)
    step = abs(float(images[1].ImagePositionPatient[2]) - float(images[0].ImagePositionPatient[2]))
    volume.NumericValue = float(f"{2 * 5 * 7 * row * column * step:.10g}")
    assert words(labelled, sr, sources=sources) == []


def shifted(seg):
    for groups in seg.PerFrameFunctionalGroupsSequence:
        x, y, z = groups.PlanePositionSequence[0].ImagePositionPatient
        groups.PlanePositionSequence[0].ImagePositionPatient = [x + 10, y, z]


def sources_swapped(seg):
    first, last = seg.PerFrameFunctionalGroupsSequence[0], seg.PerFrameFunctionalGroupsSequence[-1]
    here, there = first.DerivationImageSequence, last.DerivationImageSequence
    first.DerivationImageSequence, last.DerivationImageSequence = there, here


def turned(seg):
    plane = seg.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0]
    plane.ImageOrientationPatient = [0, 1, 0, 1, 0, 0]


def spacing_swapped(seg):
    measures = seg.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    measures.PixelSpacing = list(reversed(measures.PixelSpacing))


def another_source_class(seg):
    for groups in seg.PerFrameFunctionalGroupsSequence:
        groups.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPClassUID = "1.2.840.10008.5.1.4.1.1.4"


def another_patient(seg):
    seg.PatientName = "Somebody^Else"


@pytest.mark.parametrize(
    "mutate",
    [shifted, sources_swapped, turned, spacing_swapped, another_source_class, another_patient],
    ids=lambda mutate: mutate.__name__,
)
@pytest.mark.parametrize("study", ["ct axial", "enhanced mr"])
def test_a_segmentation_that_lies_elsewhere_is_named(study, mutate, tmp_path):
    datasets, sample, read = CASES[study]()
    dicom_phantoms.write(datasets, tmp_path / "source")
    seg = build_seg(read, sample)
    seg.save_as(tmp_path / "seg.dcm", enforce_file_format=True)
    assert verify_files([tmp_path / "seg.dcm"], [tmp_path / "source"]) == []
    mutate(seg)
    seg.save_as(tmp_path / "broken.dcm", enforce_file_format=True)
    defects = verify_files([tmp_path / "broken.dcm"], [tmp_path / "source"])
    assert defects
    assert not any("Somebody" in str(defect) or "incomplete" in str(defect) for defect in defects)


def superseding(sr, before):
    later = copy.deepcopy(sr)
    later.SOPInstanceUID = later.file_meta.MediaStorageSOPInstanceUID = sr.SOPInstanceUID + ".1"
    reference = pydicom.Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = before.SOPClassUID, before.SOPInstanceUID
    series = pydicom.Dataset()
    series.SeriesInstanceUID, series.ReferencedSOPSequence = before.SeriesInstanceUID, [reference]
    study = pydicom.Dataset()
    study.StudyInstanceUID, study.ReferencedSeriesSequence = before.StudyInstanceUID, [series]
    later.PredecessorDocumentsSequence = [study]
    return later


def test_a_chain_of_versions_passes_and_a_broken_one_is_named():
    _, _, sr = built("dx")
    later = superseding(sr, sr)
    assert words(sr, later) == []
    other = copy.deepcopy(sr)
    other.PatientID = "SOMEONE-ELSE"
    assert any("another patient" in what for what in words(other, later))
    moved = copy.deepcopy(sr)
    moved.SeriesInstanceUID = "2.25.94"
    assert any("another study or series" in what for what in words(moved, later))
    circular = copy.deepcopy(sr)
    circular.PredecessorDocumentsSequence = superseding(sr, later).PredecessorDocumentsSequence
    assert any("lead back to itself" in what for what in words(circular, later))


def test_a_segmentation_of_another_patient_is_named_without_the_sources():
    _, seg, sr = built("dx")
    seg.PatientID = "SOMEONE-ELSE"
    found = words(seg, sr)
    assert any("PatientID is not that of the segmentation" in what for what in found)
    assert not any("SOMEONE-ELSE" in what for what in found)


@pytest.mark.skipif(not HIGHDICOM_FILES.is_dir(), reason="../shared/data/dicom_misc is not here")
@pytest.mark.parametrize("name", ["sr_document.dcm", "seg_image_ct_binary.dcm", "seg_image_cr_binary.dcm",
                                  "seg_image_sm_control_labelmap.dcm", "seg_image_sm_dots_tiled_full.dcm",
                                  "seg_image_ct_true_fractional.dcm"])  # fmt: skip
def test_good_objects_of_others_pass(name):
    assert verify_files([HIGHDICOM_FILES / name]) == []


def test_a_report_that_highdicom_makes_passes(tmp_path):
    """By its own templates, TID 1500 with a planar and a volumetric group."""
    import highdicom as hd
    from pydicom.sr.codedict import codes

    sources, seg, _ = built("ct axial")
    images = list(sources.values())
    observer = hd.sr.ObserverContext(
        codes.DCM.Device, hd.sr.DeviceObserverIdentifyingAttributes(uid=hd.UID(), name="someone's device")
    )
    context = hd.sr.ObservationContext(observer_device_context=observer)
    region = hd.sr.ImageRegion(
        graphic_type="POLYLINE", graphic_data=np.array([[2.0, 2], [9, 2], [9, 9], [2, 9], [2, 2]]),
        source_image=hd.sr.SourceImageForRegion.from_source_image(images[0]),
    )  # fmt: skip
    algorithm = hd.sr.AlgorithmIdentification("finder", "1.0")
    row, column = (float(v) for v in images[0].PixelSpacing)
    area = hd.sr.Measurement(name=codes.SCT.Area, value=round(49 * row * column, 4), unit=codes.UCUM.SquareMillimeter)
    planar = hd.sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.sr.TrackingIdentifier(uid=hd.UID(), identifier="1"), referenced_region=region,
        finding_type=codes.SCT.Lesion, algorithm_id=algorithm, measurements=[area],
    )  # fmt: skip
    segment = hd.sr.ReferencedSegment(
        seg.SOPClassUID, seg.SOPInstanceUID, 1,
        source_series=hd.sr.SourceSeriesForSegmentation(images[0].SeriesInstanceUID),
    )  # fmt: skip
    volumetric = hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.sr.TrackingIdentifier(seg.SegmentSequence[0].TrackingUID, "2"),
        referenced_segment=segment, finding_type=codes.SCT.Liver, algorithm_id=algorithm,
    )  # fmt: skip
    report = hd.sr.MeasurementReport(context, codes.SCT.ImagingProcedure, [planar, volumetric])
    sr = hd.sr.Comprehensive3DSR(
        [*images, seg], report, hd.UID(), 1, hd.UID(), 1, "someone", is_complete=True, is_final=True
    )
    assert words(seg, sr, sources=sources) == []


def test_a_report_that_dcmqi_makes_passes(tmp_path):
    """Its own example of a CT's liver, less the parameters whose codes and units it made up for its tests."""
    writer = Path(sys.executable).with_name("tid1500writer")
    if not (DCMQI_EXAMPLE.is_file() and writer.exists()):
        pytest.skip("dcmqi or ../shared/data/dicom_misc is not here")
    document = json.loads(DCMQI_EXAMPLE.read_text())
    for group in document["Measurements"]:
        for item in group["measurementItems"]:
            for made_up in ("measurementModifiers", "measurementDerivationParameters"):
                item.pop(made_up, None)
    (tmp_path / "example.json").write_text(json.dumps(document))
    images = DCMQI_EXAMPLE.parents[1] / "dcmqi_segmentations"
    subprocess.run(
        [writer, "--inputImageLibraryDirectory", images, "--inputCompositeContextDirectory", images,
         "--inputMetadata", tmp_path / "example.json", "--outputDICOM", tmp_path / "sr.dcm"],
        check=True, capture_output=True,
    )  # fmt: skip
    assert verify_files([tmp_path / "sr.dcm"], [images]) == []


@pytest.mark.parametrize(
    ("code", "scheme", "meaning", "is_wrong"),
    [
        ("cm", "UCUM", "centimeter", False), ("mm2", "UCUM", "square millimetre", False),
        ("mm2", "UCUM", "cubic millimeter", True), ("113343008", "SCT", "Organ", False),
        ("10200004", "SCT", "Liver", False), ("10200004", "SCT", "Spleen", True),
        ("10200004", "SCT", "Structure of liver", False), ("123037004", "SCT", "Anatomical Structure", False),
        ("52988006", "SCT", "Normal", True), ("12345678", "SCT", "of a dictionary that we do not have", False),
    ],
)  # fmt: skip
def test_a_meaning_is_a_synonym_or_wrong(code, scheme, meaning, is_wrong):
    item = pydicom.Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code, scheme, meaning
    holder = pydicom.Dataset()
    holder.ConceptCodeSequence = [item]
    assert bool(list(code_defects([holder]))) == is_wrong


def test_a_deflated_bomb_is_a_line_and_takes_no_memory(tmp_path):
    import zlib

    _, _, sr = built("dx")
    sr.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1.99"
    sr.save_as(tmp_path / "good.dcm", enforce_file_format=True)
    good = (tmp_path / "good.dcm").read_bytes()
    start = 144 + int.from_bytes(good[140:144], "little")
    deflater = zlib.compressobj(9, wbits=-15)
    content = zlib.decompress(good[start:], -15)
    # A private element of 1.5 GB of zeros after everything else.
    content += b"\x99\x99\x10\x10OB\0\0" + (1_500_000_000).to_bytes(4, "little")
    bomb = deflater.compress(content) + b"".join(deflater.compress(bytes(10_000_000)) for _ in range(150))
    (tmp_path / "bomb.dcm").write_bytes(good[:start] + bomb + deflater.flush())
    (defect,) = verify_files([tmp_path / "bomb.dcm"])
    assert "out of bounds" in defect.what
