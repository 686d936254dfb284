"""Copies without the patient: nothing of him at any depth, still valid, still pointing to each other."""

from __future__ import annotations

import copy
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom import Dataset

import dicom_phantoms
import validators
from reporting_cases import CASES
from wetread.archive.deidentification import Deidentifier, _table
from wetread.cli import main
from wetread.errors import RefusedInput
from wetread.reporting import build_seg, build_signed, build_sr, verify_files
from wetread.signed import Origin, Signed, SignedFinding, Signer

NAME, IDENTITY = "Quetzalcoatlus^Zebulon", "PID-7QX93"
DEIDENTIFIER = Deidentifier(bytes(range(32)))


def study(kind: str = "ct axial"):
    """Sources, SEG, unreviewed SR and verified SR of a patient with a distinctive name."""
    datasets, sample, read = CASES[kind]()
    for dataset in (*datasets, *sample.headers):
        dataset.PatientName, dataset.PatientID, dataset.PatientBirthDate = NAME, IDENTITY, "19340506"
        dataset.ReferringPhysicianName, dataset.AccessionNumber = "Xylophone^Doctor", "ACC-88123"
        dataset.InstitutionName, dataset.StationName = "Hospital of Nowhere", "STATION7"
        dataset.StudyDate, dataset.PatientAge = "20260102", "091Y"
    read = replace(read, question=f"Is {NAME} ill?", reasoning="The name Quetzalcoatlus is burned into the picture.")
    seg = build_seg(read, sample)
    sr = build_sr(read, sample, seg)
    signer = Signer("zquetzal", "Zebulon^Quentin", "Nowhere")
    findings = tuple(SignedFinding(finding, Origin.AUTOMATIC) for finding in read.findings)
    _, verified = build_signed(
        Signed("2.25.77", read, findings, signer, datetime(2026, 1, 3, tzinfo=UTC)), sample, sr, seg
    )
    return datasets, seg, sr, verified


def everything(dataset: Dataset) -> str:
    buffer = pydicom.filebase.DicomBytesIO()
    slim = copy.deepcopy(dataset)
    slim.pop("PixelData", None)
    pydicom.dcmwrite(buffer, slim, enforce_file_format=True)
    return buffer.getvalue().decode("latin-1").lower()


SECRETS = ("quetzal", "zebulon", "7qx93", "19340506", "xylophone", "88123", "nowhere", "station7", "20260102", "091y")


@pytest.mark.parametrize("kind", ["ct axial", "enhanced mr", "dx", "slide full", "microscopy"])
def test_nothing_of_the_patient_is_left_and_the_objects_are_valid_and_belong_together(kind, tmp_path) -> None:
    datasets, seg, sr, verified = study(kind)
    original = dicom_phantoms.write(datasets, tmp_path / "original")
    before = {path: set(validators.dciodvfy_errors(path)) for path in original}
    copies = [DEIDENTIFIER.copy_of(dataset, "test") for dataset in (*datasets, seg, sr, verified)]
    for dataset in copies:
        assert [secret for secret in SECRETS if secret in everything(dataset)] == []
        assert dataset.PatientIdentityRemoved == "YES"
        assert dataset.DeidentificationMethodCodeSequence[0].CodeValue == "113100"
    paths = []
    for number, dataset in enumerate(copies):
        paths.append(tmp_path / f"{number}.dcm")
        dataset.save_as(paths[-1], enforce_file_format=True)
        assert set(validators.dciodvfy_errors(paths[-1])) <= (
            set.union(*before.values()) if number < len(datasets) else set()
        )
    count = len(datasets)
    assert verify_files(paths[count:], paths[:count]) == []
    assert np.array_equal(copies[0].pixel_array, datasets[0].pixel_array)
    assert {str(d.PatientID) for d in copies} == {DEIDENTIFIER.pseudonym(f"|{IDENTITY}")}


def uids_of(dataset: Dataset) -> set[str]:
    return {str(e.value) for e in dataset.iterall() if e.VR == "UI" and "Class" not in e.keyword and e.VM == 1}


def test_no_uid_of_the_original_is_left() -> None:
    datasets, seg, sr, verified = study()
    own = uids_of(datasets[0]) | uids_of(seg) | uids_of(sr)
    own = {uid for uid in own if not uid.startswith("1.2.840.10008.")}
    for dataset in (datasets[0], seg, sr, verified):
        assert not own & uids_of(DEIDENTIFIER.copy_of(dataset, "test"))


def test_another_key_gives_another_patient() -> None:
    datasets, *_ = study()
    first, second = (Deidentifier(bytes([n]) * 32).copy_of(datasets[0], "test") for n in (1, 2))
    assert first.PatientID != second.PatientID
    assert first.StudyInstanceUID != second.StudyInstanceUID


def test_the_tables_rows_are_those_of_the_standard() -> None:
    """A few that everybody knows, and their number: an empty or a shifted table would clean nothing."""
    table = _table()
    assert len(table) > 600
    for keyword, action in {
        "PatientName": "Z",
        "PatientID": "Z/D",
        "StudyInstanceUID": "U",
        "PatientAddress": "X",
    }.items():
        assert table[pydicom.tag.Tag(keyword)] == action


def test_what_is_nested_or_private_goes_too() -> None:
    (dataset,) = dicom_phantoms.dx_image()
    dataset.PatientName = NAME
    item = Dataset()
    item.PatientName, item.ReferringPhysicianName, item.ReferencedSOPInstanceUID = NAME, NAME, "1.2.3.4"
    dataset.ReferencedSeriesSequence = [item]
    dataset.private_block(0x0013, "MAKER", create=True).add_new(1, "LO", NAME)
    dataset.add_new(0x60004000, "LT", NAME)
    dataset.add_new(0x00189999, "LO", NAME)
    cleaned = DEIDENTIFIER.copy_of(dataset, "test")
    assert "quetzal" not in everything(cleaned)
    assert cleaned.ReferencedSeriesSequence[0].ReferencedSOPInstanceUID == DEIDENTIFIER.uid("1.2.3.4")
    assert dataset.PatientName == NAME


def test_an_identifying_text_where_the_profile_keeps_it_is_refused_without_repeating_it() -> None:
    _, seg, *_ = study()
    seg.SegmentSequence[0].SegmentLabel = "lesion of Quetzalcoatlus"
    with pytest.raises(RefusedInput, match="SegmentLabel repeats") as caught:
        DEIDENTIFIER.copy_of(seg, "test")
    assert "Quetzal" not in str(caught.value)


@pytest.mark.parametrize("burned", ["YES", ""])
def test_pixels_that_may_carry_a_name_are_refused_until_somebody_looked(burned) -> None:
    (ultrasound,) = dicom_phantoms.ultrasound_image()
    ultrasound.BurnedInAnnotation = burned
    with pytest.raises(RefusedInput, match="pixels"):
        DEIDENTIFIER.copy_of(ultrasound, "test")
    assert replace(DEIDENTIFIER, pixels_checked=True).copy_of(ultrasound, "test").PatientIdentityRemoved == "YES"
    ultrasound.BurnedInAnnotation = "NO"
    DEIDENTIFIER.copy_of(ultrasound, "test")


def test_an_object_that_nobody_knows_how_to_clean_is_refused() -> None:
    document = Dataset()
    document.SOPClassUID, document.EncapsulatedDocument = "1.2.840.10008.5.1.4.1.1.104.1", b"%PDF"
    with pytest.raises(RefusedInput, match="no image, waveform or report"):
        DEIDENTIFIER.copy_of(document, "test")


def test_the_command_writes_all_or_none(tmp_path: Path, capsys) -> None:
    datasets, seg, sr, _ = study()
    dicom_phantoms.write([*datasets, seg, sr], tmp_path / "study")
    arguments = ["deidentify", str(tmp_path / "study"), "--key", str(tmp_path / "key")]
    assert main([*arguments, "--out", str(tmp_path / "one")]) == 0
    assert main([*arguments, "--out", str(tmp_path / "two")]) == 0
    names = [sorted(path.name for path in (tmp_path / folder).iterdir()) for folder in ("one", "two")]
    assert names[0] == names[1]
    assert len(names[0]) == len(datasets) + 2
    assert (tmp_path / "key").stat().st_mode & 0o077 == 0
    (tmp_path / "study" / "broken.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 40)
    assert main([*arguments, "--out", str(tmp_path / "three")]) == 1
    assert not (tmp_path / "three").exists()
    assert main([*arguments, "--out", str(tmp_path / "one")]) == 1
    assert "Quetzal" not in "".join(capsys.readouterr())
