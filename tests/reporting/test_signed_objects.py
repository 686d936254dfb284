"""What goes out when a person signs: verified, with its predecessor, saying who drew what."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

import dicom_phantoms
import validators
from reporting_cases import CASES
from wetread.findings import Mask
from wetread.reporting import build_seg, build_signed, build_sr, verify_files
from wetread.signed import Origin, Signed, SignedFinding, Signer

SIGNER = Signer("ada", "Lovelace^Ada", "St. Wetread")
MOMENT = datetime(2026, 3, 5, 8, 9, 10, tzinfo=UTC)


def as_given(read):
    return tuple(SignedFinding(finding, Origin.AUTOMATIC) for finding in read.findings)


def signed(read, findings=None, uid="2.25.4712"):
    return Signed(uid, read, as_given(read) if findings is None else findings, SIGNER, MOMENT)


def first_corrected(read):
    """The first finding with a mask loses a row of it; the others stay."""
    first = next(f for f in read.findings if f.mask is not None)
    smaller = Mask(first.mask.shape, {i: plane & ~_last_row(plane) for i, plane in first.mask.planes.items()})
    touched = replace(first, mask=smaller, plane=smaller.key_plane, box=smaller.box(smaller.key_plane))
    return tuple(
        SignedFinding(touched if f is first else f, Origin.SEMIAUTOMATIC if f is first else Origin.AUTOMATIC)
        for f in read.findings
    )


def _last_row(plane):
    last = np.zeros_like(plane)
    last[np.flatnonzero(plane.any(axis=1))[-1]] = True
    return last


def with_own(read):
    """The read's own findings and a copy of the first that a person drew."""
    own = replace(read.findings[0], tracking_uid="2.25.990", presence=1.0)
    return (*as_given(read), SignedFinding(own, Origin.MANUAL))


def built(name, change=None):
    datasets, sample, read = CASES[name]()
    seg = build_seg(read, sample)
    sr = build_sr(read, sample, seg)
    of = signed(read, change(read) if change else None)
    return datasets, of, seg, sr, build_signed(of, sample, sr, seg)


def content(report, code):
    found = []
    for item in report.get("ContentSequence", []):
        if item.ConceptNameCodeSequence[0].CodeValue == code:
            found.append(item)
        found += content(item, code)
    return found


@pytest.mark.parametrize("change", [None, first_corrected, with_own], ids=["accepted", "corrected", "added"])
@pytest.mark.parametrize("name", [n for n in CASES if any(f.mask is not None for f in CASES[n]()[2].findings)])
def test_what_is_signed_is_without_error_for_dciodvfy_and_our_own_verifier(tmp_path, name, change):
    datasets, _, seg, _, (new_seg, new_sr) = built(name, change)
    files = [tmp_path / "sr.dcm", tmp_path / "seg.dcm"]
    new_sr.save_as(files[0], enforce_file_format=True)
    (new_seg or seg).save_as(files[1], enforce_file_format=True)
    sources = dicom_phantoms.write(datasets, tmp_path / "source")
    assert validators.dciodvfy_errors(files[0]) == []
    assert validators.dciodvfy_errors(files[1]) == []
    assert [str(d) for d in verify_files(files, sources)] == []


class TestAcceptedAsItIs:
    def test_the_report_is_verified_by_the_person_and_final(self):
        *_, (_, sr) = built("ct axial")
        assert (sr.CompletionFlag, sr.VerificationFlag, sr.PreliminaryFlag) == ("COMPLETE", "VERIFIED", "FINAL")
        (observer,) = sr.VerifyingObserverSequence
        assert (observer.VerifyingObserverName, observer.VerifyingOrganization) == ("Lovelace^Ada", "St. Wetread")
        assert sr.VerificationFlag == "VERIFIED"

    def test_person_and_device_are_observers(self):
        *_, (_, sr) = built("ct axial")
        assert [i.ConceptCodeSequence[0].CodeMeaning for i in content(sr, "121005")] == ["Person", "Device"]
        assert content(sr, "121008")[0].PersonName == "Lovelace^Ada"
        assert content(sr, "128774")[0].TextValue == "ada"
        assert content(sr, "121012")

    def test_it_points_back_to_the_unreviewed_report_and_has_uids_of_its_own(self):
        _, _, _, old, (_, sr) = built("ct axial")
        instance = sr.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence[0]
        assert instance.ReferencedSOPInstanceUID == old.SOPInstanceUID
        assert sr.SOPInstanceUID != old.SOPInstanceUID
        assert sr.SeriesInstanceUID != old.SeriesInstanceUID

    def test_the_algorithms_segmentation_stays_and_is_referenced(self):
        _, _, seg, _, (new_seg, sr) = built("ct axial")
        assert new_seg is None
        referenced = {i.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for i in content(sr, "121191")}
        assert referenced == {seg.SOPInstanceUID}


class TestCorrected:
    def test_only_the_touched_segment_is_semiautomatic_and_all_tracking_uids_stay(self):
        _, of, seg, _, (new_seg, _) = built("ct axial", first_corrected)
        kinds = [segment.SegmentAlgorithmType for segment in new_seg.SegmentSequence]
        assert kinds == ["SEMIAUTOMATIC", *["AUTOMATIC"] * (len(kinds) - 1)]
        assert [s.TrackingUID for s in new_seg.SegmentSequence] == [s.TrackingUID for s in seg.SegmentSequence]
        assert new_seg.SegmentSequence[0].SegmentAlgorithmName == of.read.provenance.model

    def test_the_new_segmentation_is_another_object_by_the_person(self):
        _, _, seg, _, (new_seg, sr) = built("ct axial", first_corrected)
        assert new_seg.SOPInstanceUID != seg.SOPInstanceUID
        assert new_seg.ContentCreatorName == "Lovelace^Ada"
        assert content(sr, "121191")[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID == new_seg.SOPInstanceUID

    def test_the_pixels_are_the_corrected_ones(self):
        _, of, _, _, (new_seg, _) = built("ct axial", first_corrected)
        assert int(new_seg.pixel_array.sum()) == sum(s.finding.mask.pixels for s in of.findings if s.finding.mask)


class TestAdded:
    def test_a_persons_own_segment_is_manual_and_names_no_algorithm(self):
        *_, (seg, _) = built("ct axial", with_own)
        assert seg.SegmentSequence[-1].SegmentAlgorithmType == "MANUAL"
        assert "SegmentAlgorithmName" not in seg.SegmentSequence[-1]

    def test_its_groups_name_no_algorithm_and_no_probability(self):
        *_, (_, sr) = built("ct axial", with_own)
        groups = [g for g in content(sr, "125007") if any(i.get("UID") == "2.25.990" for i in g.ContentSequence)]
        assert groups
        assert not any(content(group, code) for group in groups for code in ("111001", "111003", "111012"))


def test_what_was_rejected_is_not_in_what_goes_out():
    _, of, _, _, (seg, sr) = built("ct axial", lambda read: as_given(read)[1:])
    rejected = of.read.findings[0].tracking_uid
    assert rejected not in sr.to_json()
    assert seg is None or rejected not in seg.to_json(bulk_data_threshold=10**9)


def test_the_report_says_of_each_finding_what_was_done_with_it():
    *_, (_, sr) = built("ct axial", with_own)
    said = [i.TextValue for i in content(sr, "121106")]
    assert any(text.endswith("accepted as the algorithm gave it.") for text in said)
    assert any(text.endswith("added by the reader.") for text in said)


def test_nothing_is_sent_where_nothing_is_signed():
    _, sample, read = CASES["ct axial"]()
    seg = build_seg(read, sample)
    with pytest.raises(ValueError, match="not sent"):
        build_signed(signed(read, ()), sample, build_sr(read, sample, seg), seg)


def test_signing_twice_gives_the_same_bytes():
    _, sample, read = CASES["ct axial"]()
    seg = build_seg(read, sample)
    sr = build_sr(read, sample, seg)
    one, two = (build_signed(signed(read, first_corrected(read)), sample, sr, seg) for _ in range(2))
    assert one[0] == two[0]
    assert one[1] == two[1]
