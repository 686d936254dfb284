"""The app over a DICOMweb archive: Wetread's own, so that nothing else needs to be installed."""

import socket
import threading
import time
from pathlib import Path

import pytest
import SimpleITK as sitk
import uvicorn

import dicom_phantoms
from bright_pixel_reader import BrightPixelReader
from wetread.archive import open_archive
from wetread.service.app import create_app

monailabel = pytest.importorskip("monailabel", reason="MONAI Label is not installed: make install-app")
APP = Path(__file__).parents[2] / "monailabel_app"


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    """(URL of an archive, the series it holds)."""
    archive, held = open_archive(tmp_path_factory.mktemp("archive")), dicom_phantoms.ct_series(orientation="oblique")
    archive.store(held).require_complete()
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(create_app(archive, BrightPixelReader()), log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/dicom-web", held
    server.should_exit = True
    thread.join(20)


@pytest.fixture(scope="module")
def app(series, tmp_path_factory):
    from monailabel.config import settings
    from monailabel.utils.others.class_utils import get_class_of_subclass_from_file

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settings, "MONAI_LABEL_DICOMWEB_CACHE_PATH", str(tmp_path_factory.mktemp("cache")))
        patch.setattr(settings, "MONAI_LABEL_SESSION_PATH", str(tmp_path_factory.mktemp("sessions")))
        found = get_class_of_subclass_from_file("main", str(APP / "main.py"), "MONAILabelApp")
        yield found(str(APP), series[0], {})


def test_a_series_is_fetched_and_its_label_lies_on_the_converted_volume(app, series):
    uid = series[1][0].SeriesInstanceUID
    result = app.infer({"model": "wetread", "image": uid})
    label, shown = sitk.ReadImage(result["file"]), sitk.ReadImage(app.datastore().get_image_uri(uid))
    Path(result["file"]).unlink()
    assert label.GetSize() == shown.GetSize()
    assert label.GetOrigin() == pytest.approx(shown.GetOrigin(), abs=1e-4)
    assert label.GetDirection() == pytest.approx(shown.GetDirection(), abs=1e-6)
    assert result["params"]["source"]["series_instance_uids"] == [uid]


@pytest.mark.parametrize("image", ["2.25.1", "../../elsewhere", "not-a-uid"])
def test_what_the_archive_does_not_hold_is_refused_in_words(app, image):
    from fastapi import HTTPException

    with pytest.raises(HTTPException) as refusal:
        app.infer({"model": "wetread", "image": image})
    assert refusal.value.status_code == 422
    assert not list(Path(app.datastore()._datastore_path).parent.glob("elsewhere*"))


def test_nothing_is_fetched_from_github_when_dcmqi_is_absent(app, monkeypatch):
    monkeypatch.setattr("monailabel.interfaces.app.download_and_extract", pytest.fail)
    monkeypatch.setenv("PATH", "")
    app._download_dcmqi_tools()
