"""read.json: plain JSON, a box in every frame, sizes in real units, and nothing about the patient."""

import json

import numpy as np
import pytest

import dicom_phantoms
from reporting_cases import CASES
from wetread.reporting.document import read_document


@pytest.mark.parametrize("name", CASES)
def test_every_read_is_plain_json_without_the_patient(name):
    _, sample, read = CASES[name]()
    text = json.dumps(read_document(read, sample), allow_nan=False)
    for secret in (dicom_phantoms.PATIENT_NAME, dicom_phantoms.PATIENT_ID, sample.headers[0].PatientBirthDate):
        assert str(secret) not in text
    assert text == json.dumps(read_document(read, sample), allow_nan=False)


def test_a_box_is_given_in_image_model_and_patient_coordinates():
    _, sample, read = CASES["ct coronal"]()
    finding = read.findings[0]
    box = read_document(read, sample)["findings"][0]["box"]
    assert box["image_pixels"] == list(finding.box.corners)
    _, rows, columns = sample.shape
    expected = np.array(finding.box.corners) * 1000 / [columns, rows, columns, rows]
    np.testing.assert_allclose(box["model_0_1000"], expected, atol=1e-4)
    geometry = sample.planes[finding.plane].geometry
    first, opposite = finding.box.corners[:2], finding.box.corners[2:]
    np.testing.assert_allclose(box["patient_mm"]["corners"][0], geometry.image_to_patient([first])[0], atol=1e-4)
    np.testing.assert_allclose(box["patient_mm"]["corners"][2], geometry.image_to_patient([opposite])[0], atol=1e-4)


def test_a_finding_names_plane_instance_and_frame():
    _, sample, read = CASES["enhanced mr"]()
    document = read_document(read, sample)
    plane = document["findings"][0]["plane"]
    source = sample.planes[read.findings[0].plane].source
    assert plane == {
        "index": read.findings[0].plane,
        "sop_instance_uid": source.sop_instance_uid,
        "frame_number": source.frame_number,
    }
    assert document["source"]["instances"] == [
        {"sop_instance_uid": source.sop_instance_uid, "sop_class_uid": source.sop_class_uid}
    ]


def test_a_volume_is_in_millilitres_and_an_area_in_square_millimetres():
    _, sample, read = CASES["ct missing slice"]()
    mask = read_document(read, sample)["findings"][0]["mask"]
    assert mask["volume_ml"] == pytest.approx(read.findings[0].mask.pixels * 1.25 * 5.0 / 1000)
    assert mask["key_plane_area_mm2"] == pytest.approx(mask["key_plane_area_pixels"] * 1.25)


def test_an_abstained_read_has_a_reason_and_no_findings():
    _, sample, read = CASES["abstained cine"]()
    document = read_document(read, sample)
    assert document["abstention"] == "The model was not trained on ultrasound."
    assert document["findings"] == []
    assert document["status"] == "PRELIMINARY"
