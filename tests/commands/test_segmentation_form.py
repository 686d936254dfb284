"""A label map where the archive takes it, BINARY by itself where not, and never two contents under one UID."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmwrite
from pydicom.uid import RLELossless, SegmentationStorage

import dicom_phantoms as phantoms
import reporting_reads as reads
import validators
from orthanc import orthanc_server, why_not
from reporting_cases import CASES
from threshold_reader import ThresholdReader
from wetread.archive import NotTaken, StoredInstance, StoreReport, StoreState, open_archive
from wetread.archive.dicomweb import DicomwebArchive
from wetread.archive.label_maps import cache_file, refuses_label_maps
from wetread.commands.segmentation_form import in_form, store_in_form
from wetread.findings import Mask
from wetread.pipeline import as_label_map, read_series, refuse_defects
from wetread.reporting import build_seg, build_sr, verify_datasets
from wetread.reporting.label_map import LABEL_MAP_SEGMENTATION
from wetread.reporting.verify_pixels import pixel_counts
from wetread.terminology import Modality


@pytest.fixture(scope="module")
def binary():
    return read_series(phantoms.ct_series(), reader=ThresholdReader())


@pytest.fixture(scope="module")
def label_map(binary):
    return as_label_map(binary)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


class Choosy:
    """An archive that answers for one SOP class as told, and takes all else."""

    location = "https://pacs.example/dicom-web"

    def __init__(self, state=StoreState.STORED, sop_class=LABEL_MAP_SEGMENTATION):
        self.state, self.sop_class, self.held = state, sop_class, []

    def store(self, datasets):
        return StoreReport(tuple(self._answer(dataset) for dataset in datasets))

    def _answer(self, dataset):
        state = self.state if dataset.SOPClassUID == self.sop_class else StoreState.STORED
        if state is StoreState.STORED:
            self.held.append(dataset)
        uids = (dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPClassUID, dataset.SOPInstanceUID)
        return StoredInstance(*map(str, uids), state)


def volumes(seg):
    """Segment number -> source instance -> marked pixels, whatever the form."""
    found = {}
    frames = seg.PerFrameFunctionalGroupsSequence
    for number, counts in pixel_counts(seg).items():
        for frame, marked in counts.items():
            place = tuple(float(v) for v in frames[frame].PlanePositionSequence[0].ImagePositionPatient)
            if marked:
                found[number, place] = marked
    return found


class TestTheObject:
    def test_it_is_a_compressed_label_map_with_the_same_voxels(self, binary, label_map):
        seg = label_map.seg
        assert (seg.SOPClassUID, seg.SegmentationType) == (LABEL_MAP_SEGMENTATION, "LABELMAP")
        assert seg.file_meta.TransferSyntaxUID == RLELossless
        assert volumes(seg) == volumes(binary.seg) != {}

    def test_highdicom_reads_the_same_pixels_from_both(self, binary, label_map):
        from highdicom.seg import Segmentation

        planes = [header.SOPInstanceUID for header in binary.sample.headers]
        marked = [
            Segmentation.from_dataset(one.seg).get_pixels_by_source_instance(
                planes, ignore_spatial_locations=True, assert_missing_frames_are_empty=True, segment_numbers=[1]
            )
            for one in (binary, label_map)
        ]
        np.testing.assert_array_equal(*marked)
        assert marked[0].any()

    def test_the_verifier_finds_nothing_and_dciodvfy_what_it_does_not_know(self, label_map, tmp_path):
        refuse_defects(label_map)
        for name, dataset in label_map.objects:
            dcmwrite(tmp_path / name, dataset, enforce_file_format=True)
        assert validators.dciodvfy_errors(tmp_path / "SEG") == []
        # dciodvfy takes Label Map Segmentation, which has segments (PS3.3 A.51), for no segmentation in a reference.
        (only,) = validators.dciodvfy_errors(tmp_path / "SR")
        assert "ReferencedSegmentNumber" in only
        assert "Referenced SOP Class that is not segmentation" in only

    @pytest.mark.parametrize("name", CASES)
    def test_of_every_kind_of_source_it_is_valid_or_binary(self, name, tmp_path):
        datasets, sample, read = CASES[name]()
        seg = build_seg(read, sample, label_map=True)
        dcmwrite(tmp_path / "seg.dcm", seg, enforce_file_format=True)
        assert validators.dciodvfy_errors(tmp_path / "seg.dcm") == []
        sources = {str(dataset.SOPInstanceUID): dataset for dataset in datasets}
        report = build_sr(read, sample, seg)
        assert [one.what for one in verify_datasets([(Path("seg"), seg), (Path("sr"), report)], sources)] == []

    def test_no_uid_stands_for_two_contents(self, binary, label_map):
        for ours, theirs in zip(binary.objects, label_map.objects, strict=True):
            assert ours[1].SOPInstanceUID != theirs[1].SOPInstanceUID

    def test_masks_that_share_a_pixel_stay_binary(self):
        sample = reads.slices_sample(phantoms.ct_series(), Modality.CT)
        dense = np.zeros(sample.shape, dtype=bool)
        dense[1, 4:9, 4:9] = True
        both = [reads.finding(sample, name, Mask.from_dense(dense)) for name in ("liver", "spleen")]
        apart = np.roll(dense, 5, axis=2)
        assert build_seg(reads.read_of(both), sample, label_map=True).SOPClassUID == SegmentationStorage
        both[1] = reads.finding(sample, "spleen", Mask.from_dense(apart))
        assert build_seg(reads.read_of(both), sample, label_map=True).SOPClassUID == LABEL_MAP_SEGMENTATION

    def test_a_read_that_abstains_stays_as_it_is(self):
        abstained = read_series(phantoms.dx_image(), reader=ThresholdReader(abstain=True))
        assert as_label_map(abstained) is abstained


class TestStoring:
    def test_an_archive_that_takes_it_keeps_it(self, binary, label_map):
        archive = Choosy()
        kept = store_in_form(label_map, archive, otherwise=binary)
        assert not kept.fell_back
        assert archive.held == [label_map.seg, label_map.sr]

    @pytest.mark.parametrize("state", [StoreState.REFUSED, StoreState.CONFLICT])
    def test_one_that_refuses_it_or_gives_back_another_gets_binary_and_is_remembered(self, binary, label_map, state):
        archive = Choosy(state)
        kept = store_in_form(label_map, archive, otherwise=binary)
        assert kept.fell_back
        assert archive.held == [binary.seg, binary.sr]
        assert in_form(binary, "auto", archive) is binary
        assert in_form(binary, "labelmap", archive).seg.SOPClassUID == LABEL_MAP_SEGMENTATION
        archive.location = "https://another.example"
        assert in_form(binary, "auto", archive).seg.SOPClassUID == LABEL_MAP_SEGMENTATION

    def test_one_that_takes_neither_is_not_remembered(self, binary, label_map):
        archive = Choosy(StoreState.REFUSED)
        archive.store = lambda datasets: StoreReport(
            tuple(StoredInstance("1", "2", str(d.SOPClassUID), "4", StoreState.REFUSED) for d in datasets)
        )
        with pytest.raises(NotTaken):
            store_in_form(label_map, archive, otherwise=binary)
        assert not refuses_label_maps(archive.location)

    def test_what_was_refused_besides_the_label_map_is_no_reason(self, binary, label_map):
        archive = Choosy(StoreState.REFUSED, binary.sr.SOPClassUID)
        with pytest.raises(NotTaken):
            store_in_form(label_map, archive, otherwise=binary)
        assert archive.held == [label_map.seg]

    def test_without_a_second_form_the_refusal_is_said(self, label_map):
        with pytest.raises(NotTaken, match="not stored"):
            store_in_form(label_map, Choosy(StoreState.REFUSED))

    def test_an_archive_that_has_learned_is_forgotten(self, binary, label_map):
        store_in_form(label_map, Choosy(StoreState.REFUSED), otherwise=binary)
        assert refuses_label_maps(Choosy.location)
        store_in_form(label_map, Choosy())
        assert not refuses_label_maps(Choosy.location)

    def test_a_broken_memory_costs_one_more_try(self):
        cache_file().parent.mkdir(parents=True)
        cache_file().write_text("[")
        assert not refuses_label_maps(Choosy.location)

    def test_a_folder_takes_it(self, binary, label_map, tmp_path):
        kept = store_in_form(label_map, open_archive(tmp_path / "archive"), otherwise=binary)
        assert not kept.fell_back

    @pytest.mark.orthanc
    def test_orthanc_gives_it_back_equal_by_stow(self, binary, label_map, tmp_path):
        if reason := why_not():
            pytest.skip(reason)
        with orthanc_server(tmp_path / "orthanc") as server:
            archive = DicomwebArchive(f"{server.root}/dicom-web", user=server.user, password=server.password)
            kept = store_in_form(label_map, archive, phantoms.ct_series(), binary)
            assert not kept.fell_back
            seg = label_map.seg
            held = archive.retrieve_instance(seg.StudyInstanceUID, seg.SeriesInstanceUID, seg.SOPInstanceUID)
        assert volumes(held) == volumes(binary.seg)
