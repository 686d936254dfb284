"""The app in a stock MONAI Label server, over HTTP on loopback, with the shipped model."""

import email
import email.policy
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import requests
import SimpleITK as sitk
from PIL import Image

import dicom_phantoms
from wetread.archive import open_archive

pytest.importorskip("monailabel", reason="MONAI Label is not installed: make install-app")
APP = Path(__file__).parents[2] / "monailabel_app"
START_SECONDS = 180


def test_exactly_one_app_class_is_found():
    from monailabel.utils.others.class_utils import get_class_of_subclass, module_from_file

    module = module_from_file("main", str(APP / "main.py"))
    found = get_class_of_subclass(module, "MONAILabelApp")
    assert found.__name__ == "WetreadApp"
    assert [c for c in vars(module).values() if isinstance(c, type) and issubclass(c, found)] == [found]


def test_the_stand_in_for_pydicom_seg_says_what_to_use_instead():
    import pydicom_seg

    with pytest.raises(ImportError, match="dcmqi"):
        _ = pydicom_seg.MultiClassWriter


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def oblique_head():
    """A drawn head as MR, (12, 24, 20) voxels of 1 x 1.25 x 2 mm, turned and mirrored against the patient."""
    z, y, x = np.mgrid[0:12, 0:24, 0:20]
    head = ((x - 10) / 9) ** 2 + ((y - 12) / 10) ** 2 + ((z - 6) / 5.5) ** 2 <= 1
    image = sitk.GetImageFromArray((head * 300 + 2 * x + y).astype(np.int16))
    image.SetSpacing((1.0, 1.25, 2.0))
    image.SetOrigin((-10.5, 22.0, 7.25))
    image.SetDirection((0.8, 0.6, 0.0, 0.6, -0.8, 0.0, 0.0, 0.0, -1.0))
    return image


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    folder = tmp_path_factory.mktemp("studies")
    Image.fromarray(dicom_phantoms.stained_tissue(96, 128)).save(folder / "tissue.png")
    sitk.WriteImage(oblique_head(), str(folder / "head.nii.gz"))
    (folder / "series").mkdir()
    dicom_phantoms.write(dicom_phantoms.ct_series(), folder / "series")
    (folder.parent / "elsewhere.png").write_bytes((folder / "tissue.png").read_bytes())
    return folder


@pytest.fixture(scope="module")
def server(studies, tmp_path_factory):
    port, work = free_port(), tmp_path_factory.mktemp("server")
    command = [sys.executable, "-m", "monailabel.main", "start_server", "--app", str(APP), "--studies", str(studies)]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "MONAI_LABEL_SESSION_PATH": str(work / "sessions"),
    }
    log = work / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=work, env=environment, stdout=output, stderr=subprocess.STDOUT)
    url, started = f"http://127.0.0.1:{port}", time.monotonic()
    try:
        while not answers(url):
            if process.poll() is not None or time.monotonic() - started > START_SECONDS:
                pytest.fail(f"The server did not start:\n{log.read_text()[-3000:]}")
            time.sleep(0.5)
        yield url
    finally:
        process.terminate()
        process.wait(30)


def answers(url):
    try:
        return requests.get(f"{url}/info/", timeout=30).ok
    except requests.ConnectionError:
        return False


def infer(server, image, **params):
    """The answer to a stock client: (params, label image)."""
    answer = requests.post(
        f"{server}/infer/wetread", params={"image": str(image)}, data={"params": json.dumps(params)}, timeout=300
    )
    assert answer.ok, answer.text
    message = email.message_from_bytes(
        f"Content-Type: {answer.headers['content-type']}\r\n\r\n".encode() + answer.content, policy=email.policy.HTTP
    )
    return {part.get_param("name", header="content-disposition"): part for part in message.iter_parts()}


def read_and_label(server, folder, image, **params):
    parts = infer(server, image, **params)
    path = folder / parts["image"].get_filename()
    path.write_bytes(parts["image"].get_payload(decode=True))
    return json.loads(parts["params"].get_payload(decode=True)), sitk.ReadImage(str(path))


def assert_same_grid(label, image):
    assert label.GetSize() == image.GetSize()
    assert label.GetSpacing() == pytest.approx(image.GetSpacing(), abs=1e-5)
    assert label.GetOrigin() == pytest.approx(image.GetOrigin(), abs=1e-4)
    assert label.GetDirection() == pytest.approx(image.GetDirection(), abs=1e-5)


def assert_names_match_voxels(document, label):
    assert sorted(document["label_names"].values()) == [v for v in np.unique(sitk.GetArrayFromImage(label)) if v]


def test_info_lists_the_model(server):
    info = requests.get(f"{server}/info/", timeout=30).json()
    assert list(info["models"]) == ["wetread"]
    assert info["models"]["wetread"]["type"] == "reading"
    assert "nuclei" in info["models"]["wetread"]["labels"]


def test_a_picture_gives_a_label_on_its_own_pixels_and_the_read(server, studies, tmp_path):
    document, label = read_and_label(server, tmp_path, "tissue", modality="pathology")
    assert label.GetSize() == (128, 96)
    assert document["abstention"] is None
    assert document["reasoning"]
    assert_names_match_voxels(document, label)
    assert {f["label"] for f in document["findings"]} >= set(document["label_names"])


@pytest.mark.parametrize("extension", [".nii.gz", ".nrrd"])
def test_a_nifti_volume_gives_a_label_on_its_own_voxels(server, studies, tmp_path, extension):
    document, label = read_and_label(server, tmp_path, "head", modality="MR", result_extension=extension)
    assert_same_grid(label, sitk.ReadImage(str(studies / "head.nii.gz")))
    assert_names_match_voxels(document, label)


def test_a_dicom_folder_gives_a_label_on_the_series_grid(server, studies, tmp_path):
    document, label = read_and_label(server, tmp_path, studies / "series")
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(studies / "series")))
    assert_same_grid(label, reader.Execute())
    assert_names_match_voxels(document, label)


def test_an_uncovered_modality_gives_an_empty_label_and_says_why(server, tmp_path):
    document, label = read_and_label(server, tmp_path, "tissue", modality="endoscopy")
    assert document["abstention"]
    assert document["findings"] == []
    assert document["label_names"] == {}
    assert not sitk.GetArrayFromImage(label).any()


def test_an_uploaded_picture_is_read_too(server, studies):
    with (studies / "tissue.png").open("rb") as picture:
        answer = requests.post(
            f"{server}/infer/wetread",
            params={"output": "json"},
            files={"file": ("tissue.png", picture)},
            data={"params": json.dumps({"modality": "pathology"})},
            timeout=300,
        )
    assert answer.ok, answer.text
    assert answer.json()["reasoning"]


@pytest.mark.parametrize("by", ["query", "parameter"])
def test_a_path_outside_the_studies_is_forbidden(server, studies, by):
    outside = str(studies.parent / "elsewhere.png")
    query, params = (outside, {}) if by == "query" else ("tissue", {"image": outside})
    answer = requests.post(
        f"{server}/infer/wetread", params={"image": query}, data={"params": json.dumps(params)}, timeout=60
    )
    assert answer.status_code == 403
    assert str(studies.parent) not in answer.text


@pytest.mark.parametrize(
    ("image", "params"),
    [("nobody", {}), ("tissue", {"modality": "tea leaves"}), ("tissue", {"result_extension": ".exe"})],
)
def test_what_cannot_be_read_is_refused_in_words(server, image, params):
    answer = requests.post(
        f"{server}/infer/wetread", params={"image": image}, data={"params": json.dumps(params)}, timeout=60
    )
    assert answer.status_code == 422
    assert len(answer.json()["detail"].splitlines()) == 1


def test_reads_are_also_jobs_that_do_not_block_the_server(server, studies):
    series = dicom_phantoms.mr_series()
    archive = requests.get(f"{server}/wetread/v1/capabilities", timeout=30).json()["archive"]
    assert archive == str(studies / "dicom")
    open_archive(archive).store(series).require_complete()
    wanted = {"study_uid": series[0].StudyInstanceUID, "series_uid": series[0].SeriesInstanceUID}
    job = requests.post(f"{server}/wetread/v1/reads", json=wanted, timeout=30).json()
    slowest = 0.0
    while job["state"] in ("SCHEDULED", "IN PROGRESS"):
        asked = time.monotonic()
        requests.get(f"{server}/info/", timeout=30).raise_for_status()
        slowest = max(slowest, time.monotonic() - asked)
        time.sleep(0.1)
        job = requests.get(f"{server}/wetread/v1/reads/{job['uid']}", timeout=30).json()
    assert job["state"] == "COMPLETED", job["reason"]
    assert slowest < 2.0


def test_the_service_refuses_pages_of_other_origins_and_foreign_host_names(server):
    address = f"{server}/wetread/v1/capabilities"
    assert requests.get(address, headers={"Origin": server}, timeout=30).status_code == 200
    assert requests.get(address, headers={"Origin": "https://elsewhere.example"}, timeout=30).status_code == 403
    assert requests.get(address, headers={"Host": "elsewhere.example"}, timeout=30).status_code == 400


def test_stock_routes_stay_where_they_were(server):
    assert requests.get(f"{server}/info", timeout=30).json()["name"] == "Wetread"
    assert requests.get(f"{server}/wetread/v2/reads", timeout=30).status_code == 404
