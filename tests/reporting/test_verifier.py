"""The semantic verifier: good objects pass without a word, every kind of broken one is named."""

import copy

import pydicom
import pytest

import dicom_phantoms
from reporting_cases import CASES
from wetread.reporting.segmentation import build_seg
from wetread.reporting.structured_report import build_sr
from wetread.reporting.verifier import verify_files


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """(folder, SEG, SR) of a radiograph with one mask and one box; sources lie in folder / "source"."""
    datasets, sample, read = CASES["dx"]()
    folder = tmp_path_factory.mktemp("verify")
    dicom_phantoms.write(datasets, folder / "source")
    seg = build_seg(read, sample)
    sr = build_sr(read, sample, seg)
    seg.save_as(folder / "seg.dcm", enforce_file_format=True)
    sr.save_as(folder / "sr.dcm", enforce_file_format=True)
    return folder, pydicom.dcmread(folder / "seg.dcm"), pydicom.dcmread(folder / "sr.dcm")


def items(parent, code=None, value_type=None):
    """All content items below `parent` with this concept code and value type, with their parents."""
    found = []
    for item in parent.get("ContentSequence", []):
        name = item.ConceptNameCodeSequence[0].CodeValue
        if code in (None, name) and value_type in (None, item.ValueType):
            found.append((item, parent))
        found += items(item, code, value_type)
    return found


def first(sr, code, value_type=None):
    return items(sr, code, value_type)[0][0]


def remove(sr, code):
    for item, parent in items(sr, code):
        parent.ContentSequence.remove(item)


def no_observer(sr):
    for code in ("121005", "121012", "121013", "121014", "121015", "121016"):
        remove(sr, code)


def box_outside(sr):
    region = first(sr, "111030", "SCOORD")
    region.GraphicData = [value + 40 for value in region.GraphicData]


def finding_without_code(sr):
    first(sr, "121071").ConceptCodeSequence = []


def region_without_extent(sr):
    first(sr, "111030", "SCOORD").GraphicData = [3, 2, 3, 2, 3, 2, 3, 2, 3, 2]


def negative_coordinates(sr):
    first(sr, "111030", "SCOORD").GraphicData = [-3, 2, 5, 2, 5, 9, -3, 9, -3, 2]


def open_polyline(sr):
    region = first(sr, "111030", "SCOORD")
    region.GraphicData = list(region.GraphicData)[:-2]


def no_tracking_uid(sr):
    remove(sr, "112040")


def no_finding(sr):
    for group, _ in items(sr, "125007"):
        remove(group, "121071")


def no_algorithm(sr):
    remove(sr, "111001")


def wrong_study(sr):
    sr.StudyInstanceUID = "2.25.99"


def wrong_patient(sr):
    sr.PatientID = "SOMEONE-ELSE"


def code_with_other_meaning(sr):
    first(sr, "121071", "CODE").ConceptCodeSequence[0].CodeMeaning = "Normal"


def own_predecessor(sr):
    sr.PredecessorDocumentsSequence = copy.deepcopy(sr.CurrentRequestedProcedureEvidenceSequence)
    reference = sr.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence[0]
    reference.ReferencedSOPInstanceUID = sr.SOPInstanceUID


def no_template(sr):
    del sr.ContentTemplateSequence


def endless_text(sr):
    first(sr, "REASONING").TextValue = "lesion " * 300_000


def control_characters(sr):
    first(sr, "REASONING").TextValue = "dense\x1b[31m cells"


def negative_area(sr):
    first(sr, "42798000", "NUM").MeasuredValueSequence[0].NumericValue = "-12"


def impossible_certainty(sr):
    first(sr, "111012", "NUM").MeasuredValueSequence[0].NumericValue = "140"


def bad_unit(sr):
    first(sr, "42798000", "NUM").MeasuredValueSequence[0].MeasurementUnitsCodeSequence[0].CodeValue = "furlong"


def no_value(sr):
    first(sr, "42798000", "NUM").MeasuredValueSequence = []


def no_evidence(sr):
    del sr.CurrentRequestedProcedureEvidenceSequence


def image_not_in_evidence(sr):
    image = first(sr, "121112", "IMAGE")
    image.ReferencedSOPSequence[0].ReferencedSOPInstanceUID = "2.25.98"


def verified_by_nobody(sr):
    sr.VerificationFlag = "VERIFIED"


def selected_from_nothing(sr):
    del first(sr, "111030", "SCOORD").ContentSequence


def wrong_relation(sr):
    first(sr, "42798000", "NUM").RelationshipType = "SELECTED FROM"


def too_small_character_set(sr):
    sr.SpecificCharacterSet = "ISO_IR 100"
    first(sr, "REASONING").TextValue = "mean −820 HU"


def unknown_character_set(sr):
    sr.SpecificCharacterSet = "UTF-8"


def no_character_set(sr):
    first(sr, "REASONING").TextValue = "größe"
    sr.SpecificCharacterSet = None


def no_language(sr):
    remove(sr, "121049")


def language_of_no_kind(sr):
    first(sr, "121049").ConceptCodeSequence[0].CodeValue = "the usual"


def verified_in_part(sr):
    sr.VerificationFlag, sr.PreliminaryFlag, sr.CompletionFlag = "VERIFIED", "FINAL", "PARTIAL"


def evidence_of_another_series(sr):
    sr.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0].SeriesInstanceUID = "2.25.95"


def evidence_of_another_class(sr):
    series = sr.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0]
    series.ReferencedSOPSequence[0].ReferencedSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"


def its_own_evidence(sr):
    series = sr.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0]
    reference = copy.deepcopy(series.ReferencedSOPSequence[0])
    reference.ReferencedSOPInstanceUID = sr.SOPInstanceUID
    series.ReferencedSOPSequence.append(reference)


def image_as_predecessor(sr):
    sr.PredecessorDocumentsSequence = copy.deepcopy(sr.CurrentRequestedProcedureEvidenceSequence)


def item_without_type(sr):
    del first(sr, "42798000", "NUM").ValueType


def area_of_something_else(sr):
    """Of the mask; the box's area comes first."""
    items(sr, "42798000", "NUM")[-1][0].MeasuredValueSequence[0].NumericValue = "77.7"


def area_that_the_box_does_not_enclose(sr):
    first(sr, "42798000", "NUM").MeasuredValueSequence[0].NumericValue = "77.7"


def finding_that_the_segment_does_not_show(sr):
    for item, _ in items(sr, "121071", "CODE"):
        item.ConceptCodeSequence[0].CodeValue = "10200004"
        item.ConceptCodeSequence[0].CodeMeaning = "Liver"


def another_units_name(sr):
    units = first(sr, "42798000", "NUM").MeasuredValueSequence[0].MeasurementUnitsCodeSequence[0]
    units.CodeMeaning = "cubic millimeter"


def impossible_uid(sr):
    sr.SOPInstanceUID = "../../etc/passwd"


def segment_that_is_not_there(sr):
    first(sr, "121191").ReferencedSOPSequence[0].ReferencedSegmentNumber = 7


def other_tracking_uid(sr):
    for item, _ in items(sr, "112040"):
        item.UID = "2.25.97"


MUTANTS = (
    no_observer, box_outside, negative_coordinates, open_polyline, no_tracking_uid, no_finding, no_algorithm,
    wrong_study, wrong_patient, code_with_other_meaning, own_predecessor, no_template, endless_text,
    control_characters, negative_area, impossible_certainty, bad_unit, no_value, no_evidence, image_not_in_evidence,
    verified_by_nobody, selected_from_nothing, wrong_relation, too_small_character_set, impossible_uid,
    unknown_character_set, no_character_set, no_language, language_of_no_kind, verified_in_part,
    evidence_of_another_series, evidence_of_another_class, its_own_evidence, image_as_predecessor, item_without_type,
    area_of_something_else, area_that_the_box_does_not_enclose, finding_that_the_segment_does_not_show,
    another_units_name,
    segment_that_is_not_there, other_tracking_uid, region_without_extent, finding_without_code,
)  # fmt: skip


@pytest.mark.parametrize("mutate", MUTANTS, ids=lambda mutate: mutate.__name__)
def test_a_broken_report_is_named(good, mutate, tmp_path):
    folder, _, sr = good
    broken = copy.deepcopy(sr)
    mutate(broken)
    broken.save_as(tmp_path / "broken.dcm", enforce_file_format=True)
    defects = verify_files([folder / "seg.dcm", tmp_path / "broken.dcm"], [folder / "source"])
    assert defects
    assert {defect.path for defect in defects} == {tmp_path / "broken.dcm"}
    assert not any("incomplete or malformed" in defect.what for defect in defects)


def unlabelled(seg):
    seg.SegmentSequence[0].SegmentLabel = ""


def unidentified_algorithm(seg):
    del seg.SegmentSequence[0].SegmentationAlgorithmIdentificationSequence


def spleen_called_lesion(seg):
    seg.SegmentSequence[0].SegmentedPropertyTypeCodeSequence[0].CodeValue = "78961009"


def half_the_pixels(seg):
    seg.PixelData = seg.PixelData[: len(seg.PixelData) // 2]


def segment_of_another_study(seg):
    seg.StudyInstanceUID = "2.25.96"


def frames_of_another_size(seg):
    seg.Rows, seg.Columns = seg.Columns, seg.Rows


@pytest.mark.parametrize(
    "mutate",
    [
        unlabelled, unidentified_algorithm, spleen_called_lesion, half_the_pixels, segment_of_another_study,
        frames_of_another_size,
    ],
    ids=lambda mutate: mutate.__name__,
)  # fmt: skip
def test_a_broken_segmentation_is_named(good, mutate, tmp_path):
    folder, seg, _ = good
    broken = copy.deepcopy(seg)
    mutate(broken)
    broken.save_as(tmp_path / "broken.dcm", enforce_file_format=True)
    assert verify_files([tmp_path / "broken.dcm"], [folder / "source"])


def test_a_segment_that_marks_nothing_is_named_where_the_report_names_it(good, tmp_path):
    folder, seg, _ = good
    broken = copy.deepcopy(seg)
    broken.PixelData = bytes(len(seg.PixelData))
    broken.save_as(tmp_path / "empty.dcm", enforce_file_format=True)
    (defect,) = verify_files([tmp_path / "empty.dcm", folder / "sr.dcm"])
    assert "marks no pixel" in defect.what


def test_objects_that_share_a_uid_are_named(good, tmp_path):
    folder, _, sr = good
    broken = copy.deepcopy(sr)
    seg = pydicom.dcmread(folder / "seg.dcm")
    broken.SOPInstanceUID, broken.SeriesInstanceUID = seg.SOPInstanceUID, seg.SeriesInstanceUID
    broken.save_as(tmp_path / "broken.dcm", enforce_file_format=True)
    what = [defect.what for defect in verify_files([folder / "seg.dcm", tmp_path / "broken.dcm"])]
    assert "another file has the same SOP Instance UID" in what
    assert "a series of another modality has the same UID" in what


def test_good_objects_pass_alone_and_with_their_sources(good):
    folder, _, _ = good
    files = [folder / "seg.dcm", folder / "sr.dcm"]
    assert verify_files(files) == []
    assert verify_files(files, [folder / "source"]) == []
    assert verify_files(files[1:]) == []


@pytest.mark.parametrize("content", [b"", b"not dicom at all", b"\x00" * 128 + b"DICM" + b"\xff" * 40])
def test_what_is_no_dicom_is_one_line_and_no_traceback(content, tmp_path):
    (tmp_path / "file.dcm").write_bytes(content)
    (defect,) = verify_files([tmp_path / "file.dcm"])
    assert "\n" not in str(defect)
    assert str(defect).startswith(str(tmp_path / "file.dcm"))


def test_every_truncation_of_a_report_is_a_defect_not_a_traceback(good, tmp_path):
    folder, _, _ = good
    whole = (folder / "sr.dcm").read_bytes()
    for length in range(0, len(whole) - 1, 397):
        (tmp_path / "cut.dcm").write_bytes(whole[:length])
        assert verify_files([tmp_path / "cut.dcm"]), f"{length} of {len(whole)} bytes"


def test_a_missing_file_is_a_defect(tmp_path):
    (defect,) = verify_files([tmp_path / "nowhere.dcm"])
    assert "cannot be read" in defect.what


def test_an_image_is_no_report(good):
    folder, _, _ = good
    (image,) = (folder / "source").iterdir()
    (defect,) = verify_files([image])
    assert "neither a structured report nor a segmentation" in defect.what
