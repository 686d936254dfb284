"""From a series to kept files and stored objects: whole or not at all."""

from __future__ import annotations

import copy
import dataclasses
import json
import threading

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

import dicom_phantoms as phantoms
from threshold_reader import NOT_COVERED, ThresholdReader
from wetread import pipeline
from wetread.archive import StoredInstance, StoreReport, StoreState, open_archive
from wetread.errors import ArchiveRefused, ReadCancelled, RefusedInput
from wetread.pipeline import OUTCOME_FILES, check_output, read_series, store_outcome, write_outcome


@pytest.fixture(scope="module")
def outcome():
    return read_series(phantoms.ct_series(), reader=ThresholdReader())


@pytest.fixture(scope="module")
def abstained():
    return read_series(phantoms.dx_image(), reader=ThresholdReader(abstain=True))


class RecordingArchive:
    """An archive that keeps the order of what it was sent, and refuses what it is told to refuse."""

    location = "a recording"

    def __init__(self, refuse: str = "") -> None:
        self.sent: list[Dataset] = []
        self.refuse = refuse

    def store(self, datasets):
        self.sent += datasets
        return StoreReport(tuple(self._answer(dataset) for dataset in datasets))

    def _answer(self, dataset):
        state = StoreState.REFUSED if dataset.Modality == self.refuse else StoreState.STORED
        uids = (dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPClassUID, dataset.SOPInstanceUID)
        return StoredInstance(*map(str, uids), state)

    @property
    def modalities(self):
        return [dataset.Modality for dataset in self.sent]


class TestReading:
    def test_an_outcome_holds_the_read_its_sample_and_both_objects(self, outcome):
        assert outcome.seg.Modality == "SEG"
        assert outcome.sr.Modality == "SR"
        assert outcome.seg.StudyInstanceUID == outcome.sr.StudyInstanceUID == outcome.sample.study_uid
        assert outcome.read.findings[0].mask.shape == outcome.sample.shape

    def test_the_question_goes_to_the_reader(self):
        asked = read_series(phantoms.dx_image(), "Is there a lesion?", reader=ThresholdReader())
        assert asked.read.question == "Is there a lesion?"

    def test_a_cancelled_read_stops(self):
        cancel = threading.Event()
        cancel.set()
        with pytest.raises(ReadCancelled):
            read_series(phantoms.dx_image(), reader=ThresholdReader(), cancel=cancel)

    def test_a_read_cancelled_at_its_end_builds_nothing(self, monkeypatch):
        cancel = threading.Event()

        class CancelledAtTheEnd(ThresholdReader):
            def read(self, *arguments, **options):
                read = super().read(*arguments, **options)
                cancel.set()
                return read

        monkeypatch.setattr("wetread.reporting.build_seg", lambda *_: pytest.fail("a SEG was built"))
        with pytest.raises(ReadCancelled):
            read_series(phantoms.dx_image(), reader=CancelledAtTheEnd(), cancel=cancel)

    def test_two_series_mixed_are_refused(self):
        mixed = phantoms.dx_image() + phantoms.ct_series()
        with pytest.raises(RefusedInput, match="series"):
            read_series(mixed, reader=ThresholdReader())


class TestWriting:
    def test_all_four_files_are_there_and_can_be_read(self, outcome, tmp_path):
        folder = tmp_path / "deep" / "read"
        assert [path.name for path in write_outcome(outcome, folder)] == list(OUTCOME_FILES)
        assert sorted(path.name for path in folder.iterdir()) == sorted(OUTCOME_FILES)
        assert [path.name for path in folder.parent.iterdir()] == ["read"]
        assert json.loads((folder / "read.json").read_text(encoding="utf-8"))
        assert dcmread(folder / "seg.dcm").pixel_array.any()
        assert dcmread(folder / "sr.dcm").SOPInstanceUID == outcome.sr.SOPInstanceUID
        assert np.asarray(Image.open(folder / "overlay.png")).ndim == 3

    @pytest.mark.parametrize("exists", [False, True], ids=["new folder", "empty folder"])
    def test_nothing_is_left_when_one_file_fails(self, outcome, tmp_path, monkeypatch, exists):
        folder = tmp_path / "read"
        if exists:
            folder.mkdir()
        monkeypatch.setattr("wetread.reporting.overlay_picture", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            write_outcome(outcome, folder)
        assert list(tmp_path.iterdir()) == ([folder] if exists else [])
        assert not exists or list(folder.iterdir()) == []

    def test_an_earlier_read_stays_whole_when_the_next_one_fails(self, outcome, tmp_path, monkeypatch):
        before = {path.name: path.read_bytes() for path in write_outcome(outcome, tmp_path / "read")}
        monkeypatch.setattr("wetread.reporting.overlay_picture", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            write_outcome(outcome, tmp_path / "read")
        assert {path.name: path.read_bytes() for path in (tmp_path / "read").iterdir()} == before

    def test_an_earlier_read_is_replaced(self, outcome, abstained, tmp_path):
        write_outcome(outcome, tmp_path / "read")
        write_outcome(abstained, tmp_path / "read")
        assert dcmread(tmp_path / "read" / "sr.dcm").SOPInstanceUID == abstained.sr.SOPInstanceUID
        assert sorted(path.name for path in (tmp_path / "read").iterdir()) == sorted(OUTCOME_FILES)

    def test_a_folder_with_other_files_is_refused_and_untouched(self, outcome, tmp_path):
        (tmp_path / "thesis.docx").write_text("three years")
        with pytest.raises(RefusedInput, match=r"other files .*thesis\.docx.*: give a folder"):
            write_outcome(outcome, tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == ["thesis.docx"]

    def test_a_file_in_the_way_is_refused(self, tmp_path):
        (tmp_path / "read").write_text("")
        with pytest.raises(RefusedInput, match="a file is in the way"):
            check_output(tmp_path / "read")

    def test_a_disk_that_cannot_be_written_is_a_refusal(self, outcome, tmp_path, monkeypatch):
        def full(*_):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(pipeline, "_write_files", full)
        with pytest.raises(RefusedInput, match="No space left on device"):
            write_outcome(outcome, tmp_path / "read")
        assert list(tmp_path.iterdir()) == []

    def test_an_abstained_read_writes_its_empty_seg(self, abstained, tmp_path):
        write_outcome(abstained, tmp_path / "read")
        assert not dcmread(tmp_path / "read" / "seg.dcm").pixel_array.any()
        assert NOT_COVERED in (tmp_path / "read" / "read.json").read_text(encoding="utf-8")


class TestStoring:
    def test_the_seg_goes_before_the_sr(self, outcome):
        archive = RecordingArchive()
        report = store_outcome(outcome, archive)
        assert archive.modalities == ["SEG", "SR"]
        assert report.is_complete
        assert len(report.instances) == 2

    def test_sources_that_no_archive_can_know_go_first(self, outcome):
        archive = RecordingArchive()
        sources = phantoms.ct_series()
        store_outcome(outcome, archive, sources)
        assert archive.modalities == ["CT"] * len(sources) + ["SEG", "SR"]

    @pytest.mark.parametrize(("refused", "sent"), [("CT", ["CT"]), ("SEG", ["CT", "SEG"])])
    def test_nothing_is_sent_that_points_to_what_was_refused(self, outcome, refused, sent):
        archive = RecordingArchive(refuse=refused)
        with pytest.raises(ArchiveRefused):
            store_outcome(outcome, archive, phantoms.ct_series()[:1])
        assert archive.modalities == sent

    def test_the_empty_seg_of_an_abstained_read_is_not_stored(self, abstained):
        archive = RecordingArchive()
        store_outcome(abstained, archive)
        assert archive.modalities == ["SR"]

    def test_a_read_that_found_nothing_stores_its_sr_alone_and_that_points_to_no_seg(self):
        class FindsNothing(ThresholdReader):
            def read(self, *arguments, **options):
                return dataclasses.replace(super().read(*arguments, **options), findings=(), diagnoses=())

        nothing = read_series(phantoms.dx_image(), reader=FindsNothing())
        archive = RecordingArchive()
        store_outcome(nothing, archive)
        assert archive.modalities == ["SR"]
        assert nothing.seg.SOPInstanceUID not in str(nothing.sr)

    def test_a_defect_stops_everything_in_words(self, outcome):
        wrong = copy.deepcopy(outcome.sr)
        wrong.StudyInstanceUID = "1.2.3"
        archive = RecordingArchive()
        with pytest.raises(RefusedInput, match=r"defect.*nothing was sent"):
            store_outcome(dataclasses.replace(outcome, sr=wrong), archive)
        assert archive.sent == []

    def test_a_box_outside_its_image_is_such_a_defect(self):
        wrong = read_series(phantoms.dx_image(), reader=ThresholdReader())
        smaller = [copy.copy(header) for header in wrong.sample.headers]
        for header in smaller:
            header["Rows"] = DataElement(header["Rows"].tag, "US", 8)
        sample = dataclasses.replace(wrong.sample, headers=tuple(smaller))
        with pytest.raises(RefusedInput, match="defect"):
            store_outcome(dataclasses.replace(wrong, sample=sample), RecordingArchive())

    def test_a_folder_archive_holds_what_was_sent_and_takes_it_twice(self, outcome, tmp_path):
        archive = open_archive(tmp_path / "archive")
        store_outcome(outcome, archive, phantoms.ct_series())
        again = store_outcome(outcome, archive)
        assert {instance.state for instance in again.instances} == {StoreState.IDENTICAL}
        seg = outcome.seg
        held = archive.retrieve_instance(seg.StudyInstanceUID, seg.SeriesInstanceUID, seg.SOPInstanceUID)
        np.testing.assert_array_equal(held.pixel_array, seg.pixel_array)
