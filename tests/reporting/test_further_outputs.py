"""FHIR, the page as PDF, and rejection notes: valid for those who read them, and saying what the read says."""

from __future__ import annotations

import copy
import io
import json
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pydicom
import pytest
from fhir.resources.bundle import Bundle as BundleR5
from fhir.resources.R4B.bundle import Bundle as BundleR4B
from pypdf import PdfReader

import dicom_phantoms
import validators
from reporting_cases import CASES
from wetread.cli import main
from wetread.errors import RefusedInput
from wetread.findings import Mask
from wetread.reporting import build_pdf, build_seg, build_signed, build_sr, build_withdrawal, fhir_bundle
from wetread.reporting.pdf_page import UNVERIFIED, pdf_page, showable
from wetread.signed import Origin, Signed, SignedFinding, Signer

MODELS = {"R5": BundleR5, "R4": BundleR4B}


def built(name: str):
    datasets, sample, read = CASES[name]()
    seg = build_seg(read, sample)
    objects = [("SEG", seg), ("SR", build_sr(read, sample, seg))]
    return datasets, sample, read, objects if any(f.mask for f in read.findings) else objects[1:]


def of(bundle: dict, kind: str) -> list[dict]:
    return [e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == kind]


@pytest.mark.parametrize("release", MODELS)
@pytest.mark.parametrize("name", CASES)
def test_the_bundle_is_valid_fhir_and_every_reference_leads_somewhere(name, release) -> None:
    _, sample, read, objects = built(name)
    bundle = fhir_bundle(read, sample, objects, release)
    MODELS[release].model_validate(json.loads(json.dumps(bundle)))
    assert bundle == fhir_bundle(read, sample, objects, release)
    urls = {entry["fullUrl"] for entry in bundle["entry"]}
    assert len(urls) == len(bundle["entry"])

    def referenced(value):
        if isinstance(value, dict):
            return ([value["reference"]] if "reference" in value else []) + [
                r for v in value.values() for r in referenced(v)
            ]
        return [r for v in value for r in referenced(v)] if isinstance(value, list) else []

    assert set(referenced(bundle)) <= urls
    assert len(of(bundle, "Observation")) == len(read.findings)
    assert of(bundle, "DiagnosticReport")[0]["status"] == "preliminary"


def test_the_validator_would_notice() -> None:
    _, sample, read, objects = built("dx")
    bundle = fhir_bundle(read, sample, objects)
    of(bundle, "DiagnosticReport")[0]["conclusion"] = 7
    with pytest.raises(ValueError, match="conclusion"):
        BundleR5.model_validate(bundle)


def test_an_observation_says_what_its_finding_says() -> None:
    _, sample, read, objects = built("ct axial")
    bundle = fhir_bundle(read, sample, objects)
    liver, lesion = of(bundle, "Observation")
    finding = read.findings[0]
    assert liver["identifier"][0]["value"] == f"urn:oid:{finding.tracking_uid}"
    assert liver["valueCodeableConcept"]["coding"][0]["code"] == finding.target.type.code
    sizes = {c["code"]["coding"][0]["display"]: c["valueQuantity"] for c in liver["component"]}
    marked = sum(int(plane.sum()) for plane in finding.mask.planes.values())
    first = sample.planes[0].geometry
    step = abs(sample.planes[1].geometry.position[2] - first.position[2])
    assert sizes["Volume"]["value"] == pytest.approx(marked * first.row_spacing * first.column_spacing * step)
    assert sizes["Volume"]["code"] == "mm3"
    assert [c["code"]["coding"][0]["display"] for c in lesion["component"]] == ["Certainty of Finding"]
    (selection,) = of(bundle, "ImagingSelection")
    assert selection["instance"][0]["uid"] == str(objects[0][1].SOPInstanceUID)
    assert liver["derivedFrom"][0]["reference"].endswith(selection["id"])
    assert "PatientName" not in json.dumps(bundle)
    assert "Phantom, " not in json.dumps(bundle)


def test_a_verified_report_is_final() -> None:
    _, sample, read, objects = built("dx")
    signer = Signer("zoe", "Zoe^A", "Nowhere")
    findings = tuple(SignedFinding(finding, Origin.AUTOMATIC) for finding in read.findings)
    signed = Signed("2.25.77", read, findings, signer, datetime(2026, 1, 3, tzinfo=UTC))
    _, verified = build_signed(signed, sample, dict(objects)["SR"], dict(objects)["SEG"])
    bundle = fhir_bundle(read, sample, [objects[0], ("SR", verified)])
    assert {r["status"] for r in (*of(bundle, "DiagnosticReport"), *of(bundle, "Observation"))} == {"final"}


def words_of(content: bytes) -> str:
    return " ".join(" ".join(page.extract_text() for page in PdfReader(io.BytesIO(content)).pages).split())


@pytest.mark.parametrize("name", CASES)
def test_the_page_is_a_valid_instance_and_says_what_it_is(name, tmp_path) -> None:
    datasets, sample, read, _ = built(name)
    document = build_pdf(read, sample)
    document.save_as(tmp_path / "pdf.dcm", enforce_file_format=True)
    assert validators.dciodvfy_errors(tmp_path / "pdf.dcm") == []
    sources = dicom_phantoms.write(datasets, tmp_path / "source")
    assert validators.dcentvfy_errors(*sources, tmp_path / "pdf.dcm") == []
    back = pydicom.dcmread(tmp_path / "pdf.dcm")
    content = back.EncapsulatedDocument[: back.EncapsulatedDocumentLength]
    said = words_of(content)
    assert UNVERIFIED in said
    assert read.provenance.weights_sha256 in said.replace(" ", "")
    for finding in read.findings:
        assert finding.label in said
    if read.abstention:
        assert "No interpretation given" in said
    assert len(PdfReader(io.BytesIO(content)).pages[0].images) == 1
    assert content == pdf_page(read, sample)


def test_sizes_are_written_for_people() -> None:
    _, sample, read, _ = built("ct axial")
    assert "1.238 mL" in words_of(pdf_page(read, sample))
    _, large, _, _ = built("microscopy")
    mask = Mask(large.shape, {0: np.ones(large.shape[1:], dtype=bool)})
    many = replace(read, findings=(replace(read.findings[0], mask=mask, box=None, plane=0),))
    assert f"{mask.pixels:,} pixels" in words_of(pdf_page(many, large))


def test_every_page_of_a_long_read_says_that_nobody_verified_it() -> None:
    _, sample, read, _ = built("dx")
    read = replace(read, reasoning="\n".join(f"Line {n}: −820 HU ≈ größe & <b>." for n in range(300)))
    pages = [page.extract_text() for page in PdfReader(io.BytesIO(pdf_page(read, sample))).pages]
    assert len(pages) > 2
    assert all(UNVERIFIED in " ".join(page.split()) for page in pages)
    assert "−820 HU ≈ größe & <b>." in pages[1]


def test_what_the_font_lacks_becomes_plain_letters_or_a_mark() -> None:
    assert showable("größe −1 ≈ µ") == "größe −1 ≈ µ"
    assert showable("ｆｉｎｄｉｎｇ") == "finding"
    assert "山" not in showable("山田")
    assert len(showable("山田")) == 2


def test_a_rejection_note_is_valid_and_names_what_it_rejects(tmp_path) -> None:
    _, sample, read, _ = built("ct axial")
    for header in sample.headers:
        header.PatientName = "Müller^Zoë"
    seg = build_seg(read, sample)
    sr = build_sr(read, sample, seg)
    note = build_withdrawal([seg, sr, build_pdf(read, sample)], "safety", "Zoë^A", datetime(2026, 1, 3, tzinfo=UTC))
    note.save_as(tmp_path / "note.dcm", enforce_file_format=True)
    assert validators.dciodvfy_errors(tmp_path / "note.dcm") == []
    back = pydicom.dcmread(tmp_path / "note.dcm")
    assert back.Modality == "KO"
    assert str(back.PatientName) == "Müller^Zoë"
    assert back.ConceptNameCodeSequence[0].CodeValue == "113037"
    named = {r.ReferencedSOPInstanceUID for s in back.CurrentRequestedProcedureEvidenceSequence
             for series in s.ReferencedSeriesSequence for r in series.ReferencedSOPSequence}  # fmt: skip
    assert named == {seg.SOPInstanceUID, sr.SOPInstanceUID, build_pdf(read, sample).SOPInstanceUID}


def test_nothing_but_our_own_can_be_withdrawn() -> None:
    datasets, _, _, objects = built("dx")
    moment = datetime(2026, 1, 3, tzinfo=UTC)
    with pytest.raises(RefusedInput, match="did not make"):
        build_withdrawal(datasets, "quality", "A^B", moment)
    other = copy.deepcopy(objects[1][1])
    other.Manufacturer = "Somebody"
    with pytest.raises(RefusedInput, match="did not make"):
        build_withdrawal([other], "quality", "A^B", moment)
    elsewhere = copy.deepcopy(objects[1][1])
    elsewhere.StudyInstanceUID = "2.25.9"
    with pytest.raises(RefusedInput, match="several studies"):
        build_withdrawal([objects[1][1], elsewhere], "quality", "A^B", moment)


def test_withdraw_writes_and_stores_a_note_once(tmp_path, capsys) -> None:
    from wetread.archive import open_archive

    _, _, _, objects = built("dx")
    files = []
    for kind, dataset in objects:
        files.append(tmp_path / f"{kind}.dcm")
        dataset.save_as(files[-1], enforce_file_format=True)
    arguments = [
        "withdraw",
        *map(str, files),
        "--reason",
        "quality",
        "--person",
        "A^B",
        "--out",
        str(tmp_path / "note.dcm"),
    ]
    assert main([*arguments, "--archive", str(tmp_path / "archive")]) == 0
    (held,) = open_archive(tmp_path / "archive").search_instances()
    assert held.SOPInstanceUID == pydicom.dcmread(tmp_path / "note.dcm").SOPInstanceUID
    assert main(arguments) == 1
    assert "new name" in capsys.readouterr().err


def test_the_picture_of_the_page_is_the_overlay() -> None:
    from wetread.reporting import overlay_picture

    _, sample, read, _ = built("microscopy")
    (image,) = PdfReader(io.BytesIO(pdf_page(read, sample))).pages[0].images
    np.testing.assert_array_equal(np.asarray(image.image.convert("RGB")), overlay_picture(read, sample))
