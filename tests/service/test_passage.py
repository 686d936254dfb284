"""A PACS's DICOMweb through the service: what was asked for and nothing more, with the service's rights, read only."""

from __future__ import annotations

import pytest
import requests

from bright_pixel_reader import BrightPixelReader
from dicom_phantoms import ct_series
from wetread.archive.dicomweb import DicomwebArchive
from wetread.service.app import create_app


@pytest.fixture
def pacs(archive, serving):
    """A second service plays the PACS."""
    archive.store(ct_series(3)).require_complete()
    with serving(create_app(archive, BrightPixelReader())) as url:
        yield f"{url}/dicom-web"


@pytest.fixture
def through(pacs, serving, tmp_path):
    app = create_app(DicomwebArchive(pacs), BrightPixelReader(), database=tmp_path / "records.sqlite")
    with serving(app) as url:
        yield f"{url}/dicom-web"


def test_queries_and_metadata_are_the_pacss_with_addresses_of_this_origin(pacs, through):
    first = ct_series(3)[0]
    series = f"studies/{first.StudyInstanceUID}/series/{first.SeriesInstanceUID}"
    for path in ("studies?limit=5&includefield=all", f"{series}/metadata", f"{series}/instances"):
        direct, passed = (requests.get(f"{root}/{path}", timeout=30) for root in (pacs, through))
        assert passed.status_code == direct.status_code == 200
        assert passed.text == direct.text.replace(pacs, through)
        assert pacs not in passed.text


def test_frames_come_as_they_are(pacs, through):
    first = ct_series(3)[0]
    series = f"studies/{first.StudyInstanceUID}/series/{first.SeriesInstanceUID}"
    path = f"{series}/instances/{first.SOPInstanceUID}/frames/1"
    headers = {"Accept": "multipart/related; type=application/octet-stream"}
    direct, passed = (requests.get(f"{root}/{path}", headers=headers, timeout=30) for root in (pacs, through))
    assert first.PixelData in passed.content
    assert len(passed.content) == len(direct.content)


@pytest.mark.parametrize(
    "path", ["studies/../../wetread/v1/me", "patients", "studies/1.2%2f..%2f..", "studies/1.2/../1", "system"]
)
def test_other_paths_do_not_pass(through, path):
    prepared = requests.Request("GET", through).prepare()
    prepared.url = f"{through}/{path}"
    assert requests.Session().send(prepared, timeout=30).status_code in (400, 404)


def test_nothing_is_stored_or_deleted_through_it(through):
    assert requests.post(f"{through}/studies", data=b"x", timeout=30).status_code == 405
    assert requests.delete(f"{through}/studies/1.2", timeout=30).status_code == 405


def test_a_pacs_that_is_away_is_said_in_words_without_the_query(serving, tmp_path):
    app = create_app(DicomwebArchive("http://127.0.0.1:9/dicom-web"), BrightPixelReader(),
                     database=tmp_path / "records.sqlite")  # fmt: skip
    with serving(app) as url:
        answer = requests.get(f"{url}/dicom-web/studies?PatientName=Doe", timeout=60)
        assert answer.status_code == 503
        assert "Doe" not in answer.text
