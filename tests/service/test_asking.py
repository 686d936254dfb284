"""What may be asked of ``POST reads`` and what comes back: instances, series beside, priority, files, masks."""

from __future__ import annotations

import base64
import io
import json
import time
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from fastapi.testclient import TestClient
from PIL import Image
from pydicom import dcmread
from pydicom.filebase import DicomBytesIO

from bright_pixel_reader import BrightPixelReader
from dicom_phantoms import ct_series, dx_image, mr_series
from dicom_phantoms import write as write_files
from wetread.archive.folder import FolderArchive
from wetread.findings import Box, BoxFrame
from wetread.pointing import Point
from wetread.service.app import create_app
from wetread.service.jobs import Priority

API = "/wetread/v1"


@pytest.fixture
def reader() -> BrightPixelReader:
    return BrightPixelReader()


@pytest.fixture
def app(archive, reader):
    return create_app(archive, reader, allowed_hosts=["*"])


@pytest.fixture
def client(app):
    with TestClient(app) as running:
        yield running


def store(archive: FolderArchive, datasets) -> dict[str, str]:
    archive.store(datasets).require_complete()
    return {"study_uid": datasets[0].StudyInstanceUID, "series_uid": datasets[0].SeriesInstanceUID}


def finished(client: TestClient, body: dict[str, Any]) -> dict[str, Any]:
    answer = client.post(f"{API}/reads", json=body)
    assert answer.status_code == 202, answer.text
    deadline = time.monotonic() + 30
    while (view := client.get(f"{API}/reads/{answer.json()['uid']}").json())["state"] not in ("COMPLETED", "CANCELED"):
        assert time.monotonic() < deadline, view
        time.sleep(0.02)
    return view


def refused(client: TestClient, body: dict[str, Any], status: int = 400) -> str:
    answer = client.post(f"{API}/reads", json=body)
    assert answer.status_code == status, answer.text
    return answer.json()["what"]


def test_some_instances_of_a_series_are_read_and_no_others(client, archive):
    series = ct_series()
    chosen = [dataset.SOPInstanceUID for dataset in series[2:5]]
    view = finished(client, store(archive, series) | {"instances": chosen})
    assert view["state"] == "COMPLETED"
    assert client.get(f"{API}/reads/{view['uid']}/result").json()["source"]["planes"] == 3


def test_an_instance_that_the_series_does_not_have_fails_the_read_in_words(client, archive):
    view = finished(client, store(archive, ct_series()) | {"instances": ["1.2.3"]})
    assert (view["state"], "1 of 1 instances are not in this series" in view["reason"]) == ("CANCELED", True)


def test_several_series_are_shown_beside(client, archive, reader):
    asked = store(archive, ct_series())
    others = [store(archive, ct_series(name="prior")), store(archive, ct_series(name="second prior"))]
    view = finished(client, asked | {"beside": others})
    assert view["state"] == "COMPLETED", view["reason"]
    assert reader.beside == 2
    assert len(client.get(f"{API}/reads/{view['uid']}/result").json()["beside"]) == 2


def test_a_model_that_is_not_served_is_refused_and_the_one_that_is_may_be_named(client, archive):
    asked = store(archive, ct_series())
    assert "another model" in refused(client, asked | {"model": "other"})
    assert finished(client, asked | {"model": "test-double 0"})["state"] == "COMPLETED"


def drawing(rows, columns):
    buffer = io.BytesIO()
    Image.fromarray(np.full((rows, columns), 255, dtype=np.uint8)).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def test_prompts_reach_the_reader_as_they_were_given(client, archive, reader):
    asked = store(archive, ct_series())
    prompts = {"boxes": [{"plane": 1, "box": [1, 2, 3, 4]}], "points": [{"x": 5, "y": 6.5, "wanted": False}],
               "mask": {"2": drawing(8, 9)}}  # fmt: skip
    assert finished(client, asked | {"prompts": prompts})["state"] == "COMPLETED"
    assert reader.pointing.boxes == ((1, Box(1, 2, 3, 4, BoxFrame.IMAGE)),)
    assert reader.pointing.points == (Point(0, 5, 6.5, False),)
    assert reader.pointing.drawn[2].shape == (8, 9)
    said = client.get(f"{API}/capabilities").json()["prompts"]
    assert said == {"boxes": True, "points": True, "mask": True}


@pytest.mark.parametrize(("prompts", "status"), [
    ({"boxes": [{"box": [4, 2, 3, 4]}]}, 400), ({"mask": {"0": "AAAA"}}, 400), ({"boxes": [[1, 2, 3, 4]]}, 422),
    ({"points": [{"x": -1, "y": 2}]}, 422), ({"scribbles": []}, 422),
])  # fmt: skip
def test_prompts_that_are_none_are_refused_at_once(client, archive, prompts, status):
    refused(client, store(archive, ct_series()) | {"prompts": prompts}, status)


def test_a_word_that_nobody_knows_is_refused(client, archive):
    refused(client, store(archive, ct_series()) | {"qestion": "liver?"}, 422)


def test_the_same_uid_sent_twice_is_one_job_and_another_request_under_it_a_conflict(client, archive):
    body = store(archive, ct_series()) | {"uid": "2.25.77"}
    assert [client.post(f"{API}/reads", json=body).json()["uid"] for _ in range(2)] == ["2.25.77"] * 2
    assert len(client.get(f"{API}/reads").json()) == 1
    refused(client, body | {"question": "another"}, 409)
    refused(client, body | {"uid": "../x"})


def test_priority_and_owner_are_kept(app, client, archive):
    view = finished(client, store(archive, ct_series()) | {"priority": "batch"})
    assert (view["priority"], view["owner"]) == ("batch", "local")
    assert app.state.backing.queue.get(view["uid"]).priority == Priority.BATCH


def test_findings_are_events_before_the_end(client, archive):
    view = finished(client, store(archive, ct_series()))
    text = client.get(f"{API}/reads/{view['uid']}/events").text
    blocks = [dict(line.split(": ", 1) for line in block.splitlines()) for block in text.split("\n\n") if block]
    kinds = [block["event"] for block in blocks]
    assert kinds.index("finding") < len(kinds) - 1
    told = json.loads(blocks[kinds.index("finding")]["data"])
    result = client.get(f"{API}/reads/{view['uid']}/result").json()["findings"][0]
    assert told["tracking_uid"] == result["tracking_uid"]
    assert told["box"] == result["box"]


def test_who_waits_is_told_how_many_are_before_him(archive):
    from wetread.service.changes import Changes
    from wetread.service.reads import _look

    app = create_app(archive, BrightPixelReader(), workers=0, allowed_hosts=["*"])
    queue, asked = app.state.backing.queue, store(archive, ct_series())
    first, second = (queue.submit("read", asked).uid for _ in range(2))
    assert _look(queue, second, 0)[2] == 1
    queue.cancel(first)
    assert _look(queue, second, 0)[2] == 0
    assert isinstance(app.state.changes, Changes)


def test_the_files_of_a_read_are_those_that_were_made(client, archive):
    view = finished(client, store(archive, ct_series()))
    at = f"{API}/reads/{view['uid']}/files"
    for name, modality in (("seg.dcm", "SEG"), ("sr.dcm", "SR")):
        assert dcmread(DicomBytesIO(client.get(f"{at}/{name}").content)).Modality == modality
    assert client.get(f"{at}/overlay.png").content.startswith(b"\x89PNG")
    assert client.get(f"{at}/..%2fpasswd").status_code == 404
    assert client.get(f"{at}/other").status_code == 404


@pytest.mark.parametrize("form", ["nrrd", "nii.gz"])
@pytest.mark.parametrize("orientation", ["axial", "coronal", "sagittal", "oblique"])
def test_masks_lie_where_the_source_lies(client, archive, tmp_path, form, orientation):
    series = ct_series(orientation=orientation)
    view = finished(client, store(archive, series))
    answer = client.get(f"{API}/reads/{view['uid']}/masks.{form}")
    assert answer.status_code == 200, answer.text
    (tmp_path / f"masks.{form}").write_bytes(answer.content)
    mask = sitk.ReadImage(str(tmp_path / f"masks.{form}"))
    write_files(series, tmp_path / "source")
    source = sitk.ReadImage(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(tmp_path / "source")))
    assert mask.GetSize() == source.GetSize()
    assert answer.headers["wetread-labels"] == '["liver"]'
    # Through the patient's millimetres onto the source's own grid: the marked plane is the bright pixels of that plane.
    values = sitk.GetArrayFromImage(sitk.Resample(mask, source, sitk.Transform(), sitk.sitkNearestNeighbor))
    tissue = sitk.GetArrayFromImage(source).astype(float)
    (plane,) = np.flatnonzero(values.any(axis=(1, 2)))
    assert np.array_equal(values[plane] > 0, tissue[plane] > tissue[plane].mean())


def test_masks_of_an_image_without_a_place_say_so(client, archive, tmp_path):
    image = dx_image()
    view = finished(client, store(archive, image))
    answer = client.get(f"{API}/reads/{view['uid']}/masks.nrrd")
    assert "no position in the patient" in answer.headers["wetread-remark"]
    (tmp_path / "masks.nrrd").write_bytes(answer.content)
    assert sitk.ReadImage(str(tmp_path / "masks.nrrd")).GetSize() == (image[0].Columns, image[0].Rows, 1)


def test_a_grid_that_no_format_can_hold_is_refused_and_not_bent(client, archive):
    view = finished(client, store(archive, ct_series(orientation="tilted")))
    answer = client.get(f"{API}/reads/{view['uid']}/masks.nrrd")
    assert answer.status_code == 400
    assert "tilted gantry" in answer.json()["what"]
    uneven = mr_series()
    del uneven[2]
    from wetread.imaging import to_sample
    from wetread.service.mask_files import RefusedInput, grid_of

    with pytest.raises(RefusedInput):
        grid_of(to_sample(uneven))


def test_one_finding_may_be_asked_for_and_an_unknown_one_has_no_mask(client, archive):
    view = finished(client, store(archive, ct_series()))
    (finding,) = client.get(f"{API}/reads/{view['uid']}/result").json()["findings"]
    at = f"{API}/reads/{view['uid']}/masks.nrrd"
    assert client.get(at, params={"finding": finding["tracking_uid"]}).status_code == 200
    assert client.get(at, params={"finding": "1.2"}).status_code == 400
    assert client.get(f"{API}/reads/{view['uid']}/masks.png").status_code == 422


def test_a_read_that_takes_too_long_ends_with_the_limit_as_its_reason(archive):
    import threading

    from wetread.service.backing import open_backing
    from wetread.service.worker import ReadWorkers

    asked, gate = store(archive, ct_series()), threading.Event()
    backing = open_backing(archive)
    workers = ReadWorkers(backing, BrightPixelReader(gate), time_limit=0.3)
    uid = backing.queue.submit("read", asked).uid
    workers.start()
    deadline = time.monotonic() + 20
    while not backing.queue.get(uid).is_over:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    workers.stop()
    assert "time limit of 0.3 s" in backing.queue.get(uid).reason
    assert backing.queue.file(uid, "sr.dcm") is None
    backing.close()
