"""The report, the document and the picture of an ECG read: valid, true to the leads, and without a name on it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pydicom
import pytest
from fhir.resources.bundle import Bundle as BundleR5
from fhir.resources.R4B.bundle import Bundle as BundleR4B
from pydicom.sequence import Sequence

import validators
from ecg_phantoms import GENERAL, PATIENT_NAME, STANDARD, ecg, group, save
from wetread.findings import Finding, Interval, Provenance, Read
from wetread.imaging import to_sample
from wetread.reporting import (
    build_pdf,
    build_waveform_sr,
    fhir_bundle,
    overlay_picture,
    read_document,
    verify_datasets,
    verify_files,
)
from wetread.reporting.ecg_plot import strips
from wetread.rhythms import find_rhythm

WHEN = Interval(1.2, 4.6, ("II", "V1"))


def a_read(*findings: Finding, **more) -> Read:
    said = {"uid": "2.25.4711", "question": "Interpret this electrocardiogram.", "reasoning": "Irregular − no P waves.",
            "findings": findings, "diagnoses": tuple(f.label for f in findings), "abstention": None, "answer": "",
            "provenance": Provenance("tiny", "1", "ab" * 32, "2.25.99", "0", 0, 7, 9, 0.1,
                                     datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))}  # fmt: skip
    return Read(**said | more)


def finding(label: str = "atrial fibrillation", interval: Interval | None = None, number: int = 1) -> Finding:
    return Finding(find_rhythm(label), f"2.25.{number}", 0.83, 0, interval=interval)


READS = {
    "marked": a_read(finding(interval=WHEN), finding("left bundle branch block", number=2)),
    "unmarked": a_read(finding()),
    "nothing": a_read(diagnoses=("normal ECG",)),
    "abstained": a_read(abstention="tiny has no ECG encoder.", reasoning=""),
}


@pytest.fixture(scope="module")
def waveform():
    return to_sample([ecg()])


def written(read: Read, waveform, folder: Path) -> tuple[Path, Path]:
    report = build_waveform_sr(read, waveform)
    pydicom.dcmwrite(folder / "sr.dcm", report, enforce_file_format=True)
    return folder / "sr.dcm", save(ecg(), folder / "ecg.dcm")


def items(dataset: pydicom.Dataset, kind: str) -> list[pydicom.Dataset]:
    found = []
    for item in dataset.get("ContentSequence", []):
        found += [item] if item.ValueType == kind else []
        found += items(item, kind)
    return found


@pytest.mark.parametrize("name", READS)
class TestEveryReport:
    def test_dciodvfy_and_our_verifier_find_nothing(self, name, waveform, tmp_path):
        report, source = written(READS[name], waveform, tmp_path)
        assert validators.dciodvfy_errors(source) == []
        assert validators.dciodvfy_errors(report) == []
        assert validators.dcentvfy_errors(report, source) == []
        assert verify_files([report], [source]) == []

    @pytest.mark.dcmtk
    def test_dsrdump_reads_it(self, name, waveform, tmp_path):
        report, _ = written(READS[name], waveform, tmp_path)
        assert "WAVEFORM" in validators.dsrdump(report)

    def test_it_is_preliminary_observed_by_a_device_and_built_twice_the_same(self, name, waveform):
        report = build_waveform_sr(READS[name], waveform)
        assert (report.CompletionFlag, report.VerificationFlag, report.PreliminaryFlag) == (
            "COMPLETE", "UNVERIFIED", "PRELIMINARY")  # fmt: skip
        assert not items(report, "PNAME")
        assert report == build_waveform_sr(READS[name], waveform)
        evidence = report.CurrentRequestedProcedureEvidenceSequence[0]
        assert evidence.ReferencedSeriesSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID == \
            waveform.source.sop_instance_uid  # fmt: skip

    def test_it_is_valid_as_fhir_and_on_paper_too(self, name, waveform, tmp_path):
        read = READS[name]
        for release, model in (("R5", BundleR5), ("R4", BundleR4B)):
            bundle = fhir_bundle(read, waveform, [("SR", build_waveform_sr(read, waveform))], release)
            model.model_validate(json.loads(json.dumps(bundle)))
            assert sum(e["resource"]["resourceType"] == "Observation" for e in bundle["entry"]) == len(read.findings)
        pydicom.dcmwrite(tmp_path / "pdf.dcm", build_pdf(read, waveform), enforce_file_format=True)
        assert validators.dciodvfy_errors(tmp_path / "pdf.dcm") == []

    def test_the_document_is_plain_json(self, name, waveform):
        document = json.loads(json.dumps(read_document(READS[name], waveform), allow_nan=False))
        assert document["kind"] == "waveform"
        assert document["modality"] == "ECG"
        assert [lead["name"] for lead in document["source"]["leads"]] == list(STANDARD)
        assert PATIENT_NAME not in json.dumps(document)


@pytest.mark.pixelmed
@pytest.mark.parametrize("name", ["marked", pytest.param("abstained", marks=pytest.mark.slow)])
def test_pixelmed_has_no_error_but_for_times(name, waveform, tmp_path):
    errors, complete = validators.pixelmed(written(READS[name], waveform, tmp_path)[0])
    assert complete
    # Its template asks for CONTAINS below a TCOORD, which PS3.3 Table A.35.13-2 does not allow.
    assert [line for line in errors if "TCOORD" not in line] == []


def test_a_group_points_to_the_leads_it_is_about_and_to_the_time(waveform):
    report = build_waveform_sr(READS["marked"], waveform)
    groups = [item for item in items(report, "CONTAINER") if item.ConceptNameCodeSequence[0].CodeValue == "125007"]
    marked, whole = groups
    channels = [list(item.ReferencedSOPSequence[0].ReferencedWaveformChannels) for item in marked.ContentSequence
                if item.ValueType == "WAVEFORM"]  # fmt: skip
    assert channels == [[1, 2, 1, 7]], "II is the second channel, V1 the seventh"
    (time,) = items(marked, "TCOORD")
    assert (time.TemporalRangeType, [float(t) for t in time.ReferencedTimeOffsets]) == ("SEGMENT", [1.2, 4.6])
    assert items(whole, "TCOORD") == []
    assert len(items(whole, "WAVEFORM")[0].ReferencedSOPSequence[0].ReferencedWaveformChannels) == 24
    codes = [item.ConceptCodeSequence[0].CodeValue for item in items(marked, "CODE")]
    assert "164889003" in codes


def test_a_derived_lead_is_referred_to_by_the_leads_it_comes_from():
    waveform = to_sample([ecg([group(("I", "aVF", "V1"))], GENERAL)])
    report = build_waveform_sr(a_read(finding(interval=Interval(1, 2, ("II",)))), waveform)
    found = [i for i in items(report, "WAVEFORM") if i.RelationshipType == "CONTAINS"]
    assert list(found[0].ReferencedSOPSequence[0].ReferencedWaveformChannels) == [1, 1, 1, 2]


class TestTheVerifierCatches:
    """Mutants of a good report, each with one thing wrong."""

    def found(self, waveform, change) -> str:
        report = build_waveform_sr(READS["marked"], waveform)
        change(report)
        defects = verify_datasets([(Path("SR"), report)], {str(waveform.source.sop_instance_uid): ecg()})
        return " ".join(map(str, defects))

    @pytest.mark.parametrize(
        ("channels", "words"),
        [([1, 13], "channel 13 of group 1, which is not there"), ([2, 1], "channel 1 of group 2, which is not there"),
         ([1, 2, 1], "are no pairs"), ([0, 1], "are no pairs")],
        ids=str,
    )  # fmt: skip
    def test_leads_that_are_not_there(self, waveform, channels, words):
        def change(report):
            items(report, "WAVEFORM")[0].ReferencedSOPSequence[0].ReferencedWaveformChannels = channels

        assert words in self.found(waveform, change)

    @pytest.mark.parametrize(
        ("offsets", "words"),
        [([4.6, 1.2], "does not run forwards"), ([1.2], "does not run forwards"), ([-1, 2], "before the recording"),
         ([1, 12], "ends at 12 s of a recording of 10 s"), ([], "gives no time")],
        ids=str,
    )  # fmt: skip
    def test_times_that_are_none(self, waveform, offsets, words):
        def change(report):
            items(report, "TCOORD")[0].ReferencedTimeOffsets = offsets

        assert words in self.found(waveform, change)

    def test_a_time_of_no_waveform(self, waveform):
        def change(report):
            del items(report, "TCOORD")[0].ContentSequence

        assert "selected from no waveform" in self.found(waveform, change)

    def test_another_recording(self, waveform):
        def change(report):
            items(report, "WAVEFORM")[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID = "1.2.3"

        said = self.found(waveform, change)
        assert "not among the sources" in said
        assert "not listed as evidence" in said

    def test_no_recording(self, waveform):
        def change(report):
            items(report, "WAVEFORM")[0].ReferencedSOPSequence = Sequence([])

        assert "names no recording" in self.found(waveform, change)


class TestPicture:
    def test_the_paper_is_10_seconds_at_25_mm_and_the_pulse_one_millivolt(self, waveform):
        picture = overlay_picture(READS["abstained"], waveform)
        assert picture.dtype == np.uint8
        assert picture.shape[1] == ((14 + 250 + 4) * 6)
        dark = (picture.max(axis=2) < 60)[:, : 14 * 6]  # ink left of the tracing: the calibration pulses
        top_of_pulse = dark[:, round(6.8 * 6) : round(11.2 * 6)].all(axis=1)
        rows = np.flatnonzero(top_of_pulse)
        feet = np.flatnonzero(dark[:, round(5.2 * 6) : round(6.2 * 6)].all(axis=1))
        assert len(rows) > 0
        assert np.isclose(feet[feet > rows[0]][0] - rows[0], 60, atol=3), "10 mm for 1 mV"

    def test_a_mark_changes_the_paper_and_only_where_it_is(self, waveform):
        plain = overlay_picture(a_read(finding(interval=None)), waveform)
        marked = overlay_picture(a_read(finding(interval=Interval(0.5, 2.0, ("II",)))), waveform)
        height = min(len(plain), len(marked)) - 100
        changed = np.flatnonzero((plain[:height] != marked[:height]).any(axis=(0, 2)))
        begin, end = (14 + 0.5 * 25) * 6, (14 + 2.0 * 25) * 6
        assert abs(changed[0] - begin) <= 3
        assert abs(changed[-1] - end) <= 3

    def test_what_its_column_does_not_show_gets_a_strip(self, waveform):
        shown = a_read(finding(interval=Interval(5.2, 6.0, ("V1",))))
        hidden = a_read(finding(interval=Interval(0.2, 1.0, ("V1",))))
        assert strips(shown, waveform) == ("II",)
        assert strips(hidden, waveform) == ("II", "V1")

    @pytest.mark.parametrize(("seconds", "unseen"), [(9.0, ()), (7.3, ("V4", "V5", "V6")), (5.0, STANDARD[6:])])
    def test_every_lead_of_a_short_recording_is_drawn_somewhere(self, seconds, unseen):
        short = to_sample([ecg([group(seconds=seconds)])])
        assert strips(READS["unmarked"], short) == ("II", *unseen)

    @pytest.mark.parametrize("leads", [("V1",), ("I", "II"), ("V4", "V5", "V6")], ids="+".join)
    def test_few_leads_are_drawn_too(self, leads):
        waveform = to_sample([ecg([group(leads, seconds=6.0)], GENERAL)])
        assert overlay_picture(READS["marked"], waveform).ndim == 3

    def test_the_gain_is_halved_where_a_lead_would_leave_its_row(self, waveform):
        from wetread.reporting.ecg_plot import _sheet

        tall = replace(waveform, signals=waveform.signals * 8)
        assert _sheet(READS["unmarked"], waveform).gain == 10.0
        assert _sheet(READS["unmarked"], tall).gain == 5.0
