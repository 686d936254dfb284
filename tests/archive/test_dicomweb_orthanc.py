"""The DICOMweb archive against a real Orthanc: store, find, read back, and tell a conflict."""

from __future__ import annotations

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import generate_uid

from orthanc import OrthancServer, orthanc
from wetread.archive import StoreState
from wetread.archive.dicomweb import DicomwebArchive
from wetread.errors import ArchiveRefused

__all__ = ["orthanc"]
pytestmark = pytest.mark.orthanc


@pytest.fixture
def archive(orthanc: OrthancServer) -> DicomwebArchive:
    return DicomwebArchive(orthanc.url, user=orthanc.user, password=orthanc.password)


def fresh(name: str = "CT_small.dcm", count: int = 1) -> list[Dataset]:
    study, series = generate_uid(), generate_uid()
    datasets = []
    for number in range(count):
        dataset = dcmread(get_testdata_file(name))
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPInstanceUID = study, series, generate_uid()
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.InstanceNumber = number + 1
        datasets.append(dataset)
    return datasets


@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small_RLE.dcm", "examples_rgb_color.dcm", "liver_1frame.dcm"])
def test_what_is_stored_is_pixel_equal_when_read_back(archive: DicomwebArchive, name: str) -> None:
    (sent,) = fresh(name)
    archive.store([sent]).require_complete()
    (back,) = archive.retrieve_series(sent.StudyInstanceUID, sent.SeriesInstanceUID)
    assert np.array_equal(back.pixel_array, sent.pixel_array)
    (study,) = archive.search_studies({"StudyInstanceUID": sent.StudyInstanceUID})
    assert study.PatientID == sent.PatientID
    assert len(archive.search_series(sent.StudyInstanceUID)) == 1
    assert len(archive.search_instances(sent.StudyInstanceUID, sent.SeriesInstanceUID)) == 1


def test_a_whole_series_is_stored_and_streamed_back(archive: DicomwebArchive) -> None:
    sent = fresh(count=60)
    report = archive.store(sent)
    assert {instance.state for instance in report.instances} == {StoreState.STORED}
    back = {
        dataset.SOPInstanceUID for dataset in archive.iter_series(sent[0].StudyInstanceUID, sent[0].SeriesInstanceUID)
    }
    assert back == {dataset.SOPInstanceUID for dataset in sent}
    assert {instance.state for instance in archive.store(sent).instances} == {StoreState.IDENTICAL}


def test_other_content_under_a_uid_is_a_conflict_although_orthanc_would_say_200(archive: DicomwebArchive) -> None:
    (first,) = fresh()
    archive.store([first]).require_complete()
    first.WindowWidth = 7
    first.PixelData = bytes(len(first.PixelData))
    (outcome,) = archive.store([first]).instances
    assert outcome.state is StoreState.CONFLICT
    assert "PixelData" in outcome.reason


def test_a_coerced_patient_is_held_and_told(archive: DicomwebArchive) -> None:
    (first,) = fresh()
    archive.store([first]).require_complete()
    first.PatientID = "reconciled"
    (outcome,) = archive.store([first]).instances
    assert outcome.is_held
    assert outcome.reason == "the archive set its own PatientID"


def test_a_uid_that_is_none_is_never_sent(archive: DicomwebArchive) -> None:
    (bad,) = fresh()
    bad["SOPInstanceUID"] = type(bad["SOPInstanceUID"])(bad["SOPInstanceUID"].tag, "LO", "../../etc/passwd")
    (outcome,) = archive.store([bad]).instances
    assert outcome.state is StoreState.REFUSED
    assert archive.search_studies({"StudyInstanceUID": bad.StudyInstanceUID}) == []


def test_wrong_credentials_and_wrong_uids_are_one_line(archive: DicomwebArchive, orthanc: OrthancServer) -> None:
    with pytest.raises(ArchiveRefused, match=r"access refused \(401\)"):
        DicomwebArchive(orthanc.url, user=orthanc.user, password="wrong").search_studies()
    with pytest.raises(ArchiveRefused, match=r"access refused \(401\)"):
        DicomwebArchive(orthanc.url, token="no-such-token").store(fresh())
    with pytest.raises(ArchiveRefused, match=r"check the UIDs|no such series"):
        archive.retrieve_series(generate_uid(), generate_uid())
    with pytest.raises(ArchiveRefused, match="check the UIDs"):
        archive.retrieve_instance(generate_uid(), generate_uid(), generate_uid())
