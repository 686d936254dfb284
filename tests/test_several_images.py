"""Several images in one question: two chest images, a prior and a current, with objects that validators take."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread

import dicom_phantoms as phantoms
import validators
from wetread.archive import open_archive
from wetread.cli import main
from wetread.imaging.radiographs import open_views, split_radiographs
from wetread.model.checkpoint import SHIPPED

needs_weights = pytest.mark.skipif(not (SHIPPED / "wetread-mini").is_dir(), reason="wetread-mini is not in the package")


def chest(view: str, *, study: str = "study", series: str = "a", patient: str = "", date: str = "20260102") -> Dataset:
    (image,) = phantoms.dx_image(name=f"{study}-{series}-{view}")
    image.StudyInstanceUID, image.SeriesInstanceUID = phantoms.uid(study), phantoms.uid(study, series)
    image.ViewPosition, image.StudyDate = view, date
    image.PatientID = patient or image.PatientID
    return image


def evidence(sr: Dataset) -> dict[str, set[str]]:
    """SOP instances by the sequence that names them as evidence."""
    return {
        name: {str(instance.ReferencedSOPInstanceUID) for study in sr.get(name) or []
               for series in study.ReferencedSeriesSequence for instance in series.ReferencedSOPSequence}
        for name in ("CurrentRequestedProcedureEvidenceSequence", "PertinentOtherEvidenceSequence")
    }  # fmt: skip


@needs_weights
def test_two_chest_images_in_one_question_give_valid_objects_that_name_both(tmp_path: Path) -> None:
    frontal, prior = chest("PA"), chest("PA", study="prior", date="20251201")
    sources = phantoms.write([frontal], tmp_path / "now") + phantoms.write([prior], tmp_path / "before")
    out = tmp_path / "out"
    assert main(["read", str(tmp_path / "now"), str(tmp_path / "before"), "--out", str(out), "--quiet"]) == 0
    for name in ("seg.dcm", "sr.dcm"):
        assert validators.dciodvfy_errors(out / name) == []
    assert validators.dcentvfy_errors(*sources, out / "seg.dcm", out / "sr.dcm") == []
    validators.tid1500(out / "sr.dcm", tmp_path)
    shown = [part for name in ("now", "before") for part in ("--source", str(tmp_path / name))]
    assert main(["verify", str(out / "seg.dcm"), str(out / "sr.dcm"), *shown]) == 0
    named = evidence(dcmread(out / "sr.dcm"))
    assert {frontal.SOPInstanceUID, prior.SOPInstanceUID} <= set.union(*named.values())
    document = json.loads((out / "read.json").read_text())
    assert document["source"]["instances"][0]["sop_instance_uid"] == frontal.SOPInstanceUID
    assert [s["instances"][0]["sop_instance_uid"] for s in document["beside"]] == [prior.SOPInstanceUID]
    assert any("32 days earlier" in remark and "by itself" in remark for remark in document["remarks"])


@needs_weights
def test_a_folder_with_two_views_of_one_study_is_one_question_and_the_frontal_one_is_read(tmp_path: Path) -> None:
    lateral, frontal = chest("LL", series="a"), chest("PA", series="b")
    phantoms.write([lateral], tmp_path / "study" / "a")
    phantoms.write([frontal], tmp_path / "study" / "b")
    archive = tmp_path / "archive"
    arguments = ["read", str(tmp_path / "study"), "--out", str(tmp_path / "out"), "--archive", str(archive), "--quiet"]
    assert main(arguments) == 0
    document = json.loads((tmp_path / "out" / "read.json").read_text())
    assert document["source"]["instances"][0]["sop_instance_uid"] == frontal.SOPInstanceUID
    assert document["beside"][0]["instances"][0]["sop_instance_uid"] == lateral.SOPInstanceUID
    assert any("another image of the same study" in remark for remark in document["remarks"])
    assert len(open_archive(archive).search_instances()) == 1  # the SR; the images are the archive's own business


def test_views_are_ordered_frontal_first_whatever_the_files_are_called() -> None:
    lateral, frontal, oblique = chest("LATERAL"), chest("AP"), chest("RAO")
    ordered = split_radiographs([lateral, oblique, frontal])
    assert [view[0].ViewPosition for view in ordered] == ["AP", "RAO", "LATERAL"]


def test_what_is_no_set_of_radiographs_stays_one_series() -> None:
    ct = phantoms.ct_series(slices=3)
    assert split_radiographs(ct) == [ct]
    five = [chest(view) for view in ("PA", "AP", "LL", "RL", "RAO")]
    assert split_radiographs(five) == [five]
    two_studies = [chest("PA"), chest("PA", study="other")]
    assert split_radiographs(two_studies) == [two_studies]


def test_two_series_that_are_no_radiographs_are_refused_with_the_way_to_ask(tmp_path: Path) -> None:
    from wetread.errors import RefusedInput

    phantoms.write(phantoms.ct_series(slices=2), tmp_path / "a")
    phantoms.write(phantoms.mr_series(), tmp_path / "b")
    with pytest.raises(RefusedInput, match="as an input of one read"):
        open_views(tmp_path)


@needs_weights
@pytest.mark.parametrize(
    ("other", "said"),
    [(lambda: chest("PA", study="other", patient="SOMEBODY-ELSE"), "images of 2 patients in one question"),
     (None, "one input named twice")],
)  # fmt: skip
def test_what_cannot_be_one_question_is_refused_in_one_line(tmp_path: Path, other, said, capsys) -> None:
    phantoms.write([chest("PA")], tmp_path / "one")
    inputs = [str(tmp_path / "one")] * 2
    if other is not None:
        phantoms.write([other()], tmp_path / "two")
        inputs[1] = str(tmp_path / "two")
    assert main(["read", *inputs, "--out", str(tmp_path / "out"), "--quiet"]) == 1
    complaint = capsys.readouterr().err.strip()
    assert said in complaint
    assert "\n" not in complaint
    assert "SOMEBODY" not in complaint
    assert not (tmp_path / "out").exists()
