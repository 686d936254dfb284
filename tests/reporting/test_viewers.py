"""What OHIF and 3D Slicer ask of a report before they draw its boxes, restated (their readers are not run here)."""

from dataclasses import replace

import pytest
from pydicom import Dataset

import reporting_reads as reads
from reporting_cases import CASES
from wetread.reporting.report_groups import EDITABLE_RECTANGLE
from wetread.reporting.segmentation import build_seg
from wetread.reporting.structured_report import build_sr

NAMES = ("ct axial", "dx", "microscopy", "ultrasound cine")


def report(name: str) -> Dataset:
    _, sample, read = CASES[name]()
    return build_sr(read, sample, build_seg(read, sample))


def code(item: Dataset) -> str:
    return item.ConceptNameCodeSequence[0].CodeValue


def groups(sr: Dataset) -> list[Dataset]:
    (measurements,) = (item for item in sr.ContentSequence if code(item) == "126010")
    return list(measurements.ContentSequence)


def box_groups(sr: Dataset) -> list[Dataset]:
    return [g for g in groups(sr) if g.ContentSequence[0].TextValue == EDITABLE_RECTANGLE]


@pytest.mark.parametrize("name", NAMES)
def test_ohif_finds_the_rectangle_inside_the_first_number_of_a_box_group(name):
    sr = report(name)
    assert box_groups(sr)
    for group in box_groups(sr):
        first = next(item for item in group.ContentSequence if item.ValueType == "NUM")
        (region,) = first.ContentSequence
        assert (region.RelationshipType, region.GraphicType) == ("INFERRED FROM", "POLYLINE")
        assert len(region.GraphicData) == 10
        assert list(region.GraphicData[:2]) == list(region.GraphicData[-2:])
        assert region.ContentSequence[0].RelationshipType == "SELECTED FROM"


@pytest.mark.parametrize("name", NAMES)
def test_slicer_has_its_four_demands(name):
    sr = report(name)
    assert sr.SeriesDescription == "AI findings (unreviewed)"
    for group in groups(sr):
        assert "363698007" in [code(item) for item in group.ContentSequence]
    for group in box_groups(sr):
        (purpose,) = (item for item in group.ContentSequence if code(item) == "130400")
        assert purpose.ConceptCodeSequence[0].CodeValue == "75958009"
        assert [item.GraphicType for item in group.ContentSequence if item.ValueType == "SCOORD"] == ["POLYLINE"]
    evidence = sr.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0]
    assert evidence.ReferencedSOPSequence[0].ReferencedSOPClassUID != "1.2.840.10008.5.1.4.1.1.66.4"


@pytest.mark.parametrize("name", NAMES)
def test_the_report_is_preliminary_unverified_and_by_a_device(name):
    sr = report(name)
    assert (sr.CompletionFlag, sr.PreliminaryFlag, sr.VerificationFlag) == ("COMPLETE", "PRELIMINARY", "UNVERIFIED")
    observer = [item for item in sr.ContentSequence if item.RelationshipType == "HAS OBS CONTEXT"]
    assert observer[0].ConceptCodeSequence[0].CodeValue == "121007"
    assert observer[1].UID == "2.25.1234567"


def test_the_weights_hash_is_the_first_algorithm_parameter():
    for group in groups(report("ct axial")):
        parameters = [item.TextValue for item in group.ContentSequence if code(item) == "111002"]
        assert parameters[0] == f"weights_sha256={'ab' * 32}"
        assert "seed=7" in parameters


def test_masks_are_outlined_those_of_volumes_on_their_key_plane_only():
    def outlines(sr):
        return [g for g in groups(sr) if g.ContentSequence[0].TextValue.endswith("outline")]

    assert len(outlines(report("microscopy"))) == 2
    (volume,) = outlines(report("ct axial"))
    _, sample, read = CASES["ct axial"]()
    key = sample.planes[read.findings[0].mask.key_plane].source.sop_instance_uid
    drawn_on = [
        item.ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID
        for item in volume.ContentSequence
        if item.ValueType == "SCOORD"
    ]
    assert drawn_on
    assert set(drawn_on) == {key}


def test_a_countable_finding_says_how_many():
    counts = [
        item.MeasuredValueSequence[0].NumericValue
        for group in groups(report("microscopy"))
        for item in group.ContentSequence
        if code(item) == "246432004"
    ]
    assert counts == [1, 1]


def test_a_box_over_the_edge_is_clipped_to_the_image_with_its_area():
    _, sample, _ = CASES["dx"]()
    read = reads.read_of([reads.box_finding("lesion", (-5.0, 60.0, 10.0, 80.0))])
    (group,) = groups(build_sr(read, sample, build_seg(read, sample)))
    area = next(item for item in group.ContentSequence if item.ValueType == "NUM")
    assert list(area.ContentSequence[0].GraphicData[:6]) == [0, 60, 10, 60, 10, 64]
    assert float(area.MeasuredValueSequence[0].NumericValue) == pytest.approx(10 * 4 * 0.04)


def test_a_model_named_by_a_windows_path_stays_one_value():
    _, sample, read = CASES["dx"]()
    provenance = replace(reads.PROVENANCE, model="C:\\models\\" + "very-long-" * 9)
    sr = build_sr(replace(read, provenance=provenance), sample, build_seg(read, sample))
    assert isinstance(sr.ManufacturerModelName, str)
    assert sr.ManufacturerModelName.startswith("C:/models/very-long-")
    assert len(sr.ManufacturerModelName) <= 64
