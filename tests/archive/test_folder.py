"""The folder archive: what is stored comes back, nothing is overwritten, and no UID leads out of the folder."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from wetread.archive import StoreState, checked_uid, open_archive
from wetread.archive.folder import FolderArchive
from wetread.errors import ArchiveRefused, RefusedInput


def sample(name: str = "CT_small.dcm", **changes: object) -> Dataset:
    dataset = dcmread(get_testdata_file(name))
    for keyword, value in changes.items():
        setattr(dataset, keyword, value)
    if "SOPInstanceUID" in changes:
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    return dataset


@pytest.fixture
def archive(tmp_path: Path) -> FolderArchive:
    return FolderArchive(tmp_path / "archive")


def test_what_is_stored_comes_back(archive: FolderArchive) -> None:
    ct = sample()
    report = archive.store([ct])
    assert [instance.state for instance in report.instances] == [StoreState.STORED]
    (back,) = archive.retrieve_series(ct.StudyInstanceUID, ct.SeriesInstanceUID)
    assert back == ct
    assert np.array_equal(back.pixel_array, ct.pixel_array)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.integers(1, 9),
    columns=st.integers(1, 9),
    seed=st.integers(0, 2**32 - 1),
    name=st.text(
        st.characters(min_codepoint=0x20, max_codepoint=0x2FFF, exclude_characters="\\^=", exclude_categories=["C"]),
        max_size=20,
    ),
)
def test_any_image_and_any_name_come_back_unchanged(
    tmp_path: Path, rows: int, columns: int, seed: int, name: str
) -> None:
    archive = FolderArchive(tmp_path / "round-trip")
    image = sample(SOPInstanceUID=generate_uid(), PatientName=name, Rows=rows, Columns=columns)
    image.SpecificCharacterSet = "ISO_IR 192"
    pixels = np.random.default_rng(seed).integers(-1000, 1000, (rows, columns), dtype=np.int16)
    image.PixelData = pixels.tobytes()
    archive.store([image]).require_complete()
    back = archive.retrieve_instance(image.StudyInstanceUID, image.SeriesInstanceUID, image.SOPInstanceUID)
    assert np.array_equal(back.pixel_array, pixels)
    assert str(back.PatientName).rstrip() == name.rstrip()


def test_storing_twice_changes_nothing(archive: FolderArchive) -> None:
    ct = sample()
    archive.store([ct])
    path = archive.instance_file(ct.StudyInstanceUID, ct.SeriesInstanceUID, ct.SOPInstanceUID)
    before = path.stat().st_mtime_ns
    assert archive.store([ct]).instances[0].state is StoreState.IDENTICAL
    assert path.stat().st_mtime_ns == before


def test_the_same_content_in_another_transfer_syntax_is_the_same(archive: FolderArchive) -> None:
    compressed = sample("MR_small_RLE.dcm")
    archive.store([compressed])
    plain = sample("MR_small_RLE.dcm")
    plain.decompress(generate_instance_uid=False)
    assert archive.store([plain]).instances[0].state is StoreState.IDENTICAL


@pytest.mark.parametrize("change", [{"PatientID": "other"}, {"WindowWidth": 1}, {"PixelData": b"\1\0" * 128 * 128}])
def test_other_content_under_a_uid_is_a_conflict_and_the_old_stays(
    archive: FolderArchive, change: dict[str, object]
) -> None:
    ct = sample()
    archive.store([ct])
    (outcome,) = archive.store([sample(**change)]).instances
    assert outcome.state is StoreState.CONFLICT
    assert next(iter(change)) in outcome.reason
    assert archive.retrieve_instance(ct.StudyInstanceUID, ct.SeriesInstanceUID, ct.SOPInstanceUID) == ct


def test_a_conflict_becomes_one_line(archive: FolderArchive) -> None:
    archive.store([sample()])
    with pytest.raises(ArchiveRefused, match=r"1 of 1 instances not stored \(conflict\)") as caught:
        archive.store([sample(PatientID="other")]).require_complete()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("uid", ["../../etc/passwd", "..", ".", "", "1..2", "1.2/3", "1.2\n", "1" * 65, "１.２"])
def test_what_is_no_uid_never_becomes_a_path(archive: FolderArchive, tmp_path: Path, uid: str) -> None:
    with pytest.raises(ArchiveRefused, match="not a DICOM UID"):
        checked_uid(uid, "SOPInstanceUID")
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        bad = sample()
        bad[keyword] = type(bad[keyword])(bad[keyword].tag, "LO", uid)
        (outcome,) = archive.store([bad]).instances
        assert outcome.state is StoreState.REFUSED
        assert keyword in outcome.reason
    for call in (
        lambda: archive.retrieve_series(uid, "1.2"),
        lambda: archive.retrieve_series("1.2", uid),
        lambda: archive.retrieve_instance("1.2", "1.2", uid),
        lambda: archive.search_series(uid),
    ):
        with pytest.raises(ArchiveRefused, match="not a DICOM UID"):
            call()
    assert not (tmp_path / "archive").exists()
    assert not list(tmp_path.rglob("*passwd*"))


def test_an_instance_without_transfer_syntax_is_written_as_explicit_little_endian(archive: FolderArchive) -> None:
    ct = sample()
    del ct.file_meta.TransferSyntaxUID
    made = Dataset()
    made.update(ct)
    archive.store([made]).require_complete()
    back = archive.retrieve_instance(ct.StudyInstanceUID, ct.SeriesInstanceUID, ct.SOPInstanceUID)
    assert back.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert not hasattr(made, "file_meta")


def test_a_study_is_found_by_what_qido_asks(archive: FolderArchive) -> None:
    ct, mr = sample(), sample("MR_small.dcm")
    mr.StudyInstanceUID = ct.StudyInstanceUID
    archive.store([ct, mr, sample("examples_rgb_color.dcm")])
    (study,) = archive.search_studies({"StudyInstanceUID": ct.StudyInstanceUID})
    assert list(study.ModalitiesInStudy) == ["CT", "MR"]
    assert (study.NumberOfStudyRelatedSeries, study.NumberOfStudyRelatedInstances) == (2, 2)
    assert len(archive.search_studies()) == 2
    assert len(archive.search_studies(limit=1)) == 1
    assert archive.search_studies(limit=1, offset=1) == archive.search_studies()[1:]
    (series,) = archive.search_series(ct.StudyInstanceUID, {"Modality": "MR"})
    assert series.SeriesInstanceUID == mr.SeriesInstanceUID
    (instance,) = archive.search_instances(filters={"SOPInstanceUID": ct.SOPInstanceUID})
    assert (instance.Rows, instance.Columns) == (128, 128)


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"PatientName": "compressedsamples^ct1"}, 1),
        ({"PatientName": "Compressed*"}, 1),
        ({"00100010": "*CT?"}, 1),
        ({"PatientID": "1CT1"}, 1),
        ({"PatientID": "1ct1"}, 0),
        ({"StudyDate": "20040119"}, 1),
        ({"StudyDate": "20040101-20041231"}, 1),
        ({"StudyDate": "-20040118"}, 0),
        ({"StudyDate": "20040119-"}, 1),
        ({"ModalitiesInStudy": "MR,CT"}, 1),
        ({"ModalitiesInStudy": "US"}, 0),
        ({"AccessionNumber": ""}, 1),
    ],
)
def test_matching_follows_ps3_4(archive: FolderArchive, filters: dict[str, str], found: int) -> None:
    archive.store([sample()])
    assert len(archive.search_studies(filters)) == found


def test_an_attribute_that_is_not_indexed_is_refused_not_ignored(archive: FolderArchive) -> None:
    archive.store([sample()])
    for filters in ({"KVP": "120"}, {"NoSuchWord": "1"}, {"SOPInstanceUID": "1.2"}):
        with pytest.raises(RefusedInput, match="not searchable"):
            archive.search_studies(filters)


def test_the_index_follows_the_files(archive: FolderArchive) -> None:
    first, second = sample(), sample(SOPInstanceUID=generate_uid())
    archive.store([first])
    assert len(archive.search_instances()) == 1
    FolderArchive(archive.root).store([second])
    assert len(archive.search_instances()) == 2
    path = archive.instance_file(first.StudyInstanceUID, first.SeriesInstanceUID, first.SOPInstanceUID)
    path.unlink()
    assert [found.SOPInstanceUID for found in archive.search_instances()] == [second.SOPInstanceUID]


@pytest.mark.parametrize("damage", ["missing", "garbage", "other version"])
def test_an_index_that_is_lost_is_built_again(archive: FolderArchive, damage: str) -> None:
    archive.store([sample()])
    assert len(archive.search_studies()) == 1
    index = archive.root / ".wetread-index.sqlite"
    if damage == "missing":
        index.unlink()
    elif damage == "garbage":
        index.write_bytes(b"not a database, far from it" * 400)
    else:
        with sqlite3.connect(index) as connection:
            connection.execute("PRAGMA user_version = 999")
    assert len(FolderArchive(archive.root).search_studies()) == 1


def test_what_is_not_dicom_in_the_folder_is_left_out(archive: FolderArchive) -> None:
    ct = sample()
    archive.store([ct])
    folder = archive.root / ct.StudyInstanceUID / ct.SeriesInstanceUID
    (folder / "1.2.3.dcm").write_bytes(b"garbage")
    (archive.root / "notes.txt").write_text("mine")
    assert len(archive.search_instances()) == 1


PROCESS = """
import sys
from pydicom import dcmread
from wetread.archive.folder import FolderArchive
archive = FolderArchive(sys.argv[1])
image = dcmread(sys.argv[2])
for i in range(25):
    image.SOPInstanceUID = f"1.2.3.{i}"
    image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
    if sys.argv[3] == "contend":
        image.PatientID = sys.argv[4]
    print(archive.store([image]).instances[0].state.value)
    archive.search_instances()
"""


@pytest.mark.parametrize("kind", ["same", "contend"])
def test_two_processes_store_at_once(tmp_path: Path, kind: str) -> None:
    root, source = tmp_path / "archive", get_testdata_file("CT_small.dcm")
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS, str(root), source, kind, who], stdout=subprocess.PIPE, text=True
        )
        for who in ("one", "two")
    ]
    states = [worker.communicate(timeout=120)[0].split("\n") for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0]
    loser = StoreState.IDENTICAL if kind == "same" else StoreState.CONFLICT
    for first, second in list(zip(*states, strict=True))[:25]:
        assert {first, second} == {StoreState.STORED.value, loser.value}
    archive = FolderArchive(root)
    assert len(archive.search_instances()) == 25
    assert not list((root / ".incoming").iterdir())


def test_a_full_disk_is_one_line_and_leaves_nothing(archive: FolderArchive, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(ArchiveRefused, match=r"No space left on device.*free some space"):
        archive.store([sample()])
    monkeypatch.undo()
    assert not list(archive.root.rglob("*.dcm"))
    assert not list((archive.root / ".incoming").iterdir())


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write to a read-only folder")
def test_a_read_only_folder_is_one_line(tmp_path: Path) -> None:
    root = tmp_path / "archive"
    root.mkdir(mode=0o500)
    with pytest.raises(ArchiveRefused, match="choose a folder you may write"):
        FolderArchive(root).store([sample()])


def test_a_read_only_archive_can_be_searched(archive: FolderArchive, monkeypatch: pytest.MonkeyPatch) -> None:
    archive.store([sample()])
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert len(FolderArchive(archive.root).search_studies()) == 1
    assert not (archive.root / ".wetread-index.sqlite").exists()


def test_a_wrong_uid_is_one_line(archive: FolderArchive) -> None:
    for call in (
        lambda: archive.retrieve_series("1.2", "1.3"),
        lambda: archive.retrieve_instance("1.2", "1.3", "1.4"),
        lambda: archive.study_files("1.2"),
    ):
        with pytest.raises(ArchiveRefused, match="no such"):
            call()
    assert archive.search_studies() == []


def test_a_location_opens_the_archive_it_names(tmp_path: Path) -> None:
    assert open_archive(tmp_path).location == str(tmp_path)
    assert open_archive("http://user:secret@127.0.0.1:1/dicom-web/").location == "http://127.0.0.1:1/dicom-web"
    with pytest.raises(ArchiveRefused, match="not an http"):
        open_archive("ftp://somewhere/x")
    (tmp_path / "file").write_text("x")
    with pytest.raises(ArchiveRefused, match="not a folder"):
        open_archive(tmp_path / "file")
