"""MONAI Label's own client against the app: what it does is in Wetread's ledger, and what it must not do is refused."""

from __future__ import annotations

import time

import numpy as np
import pytest
import requests
import SimpleITK as sitk
from PIL import Image

from monailabel_server import monailabel_server
from wetread.archive import open_archive
from wetread.service.access.people import Role
from wetread.service.access.token_file import add_token
from wetread.service.backing import open_backing
from wetread.training.from_ledger import examples_from_ledger
from wetread.training.phantoms import drawn_nuclei

pytest.importorskip("monailabel", reason="MONAI Label is not installed: make install-app")
pytestmark = pytest.mark.slow
PICTURES = 6


def client_of(server, name):
    from monailabel.client import MONAILabelClient

    return MONAILabelClient(server, client_id=name)


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    folder = tmp_path_factory.mktemp("studies")
    for number in range(PICTURES):
        Image.fromarray(drawn_nuclei(np.random.default_rng(number))[0]).save(folder / f"tissue{number}.png")
    return folder


@pytest.fixture(scope="module")
def server(studies, tmp_path_factory):
    with monailabel_server(studies, tmp_path_factory.mktemp("server"), modality="pathology") as url:
        yield url


@pytest.fixture
def backing(studies, server):
    opened = open_backing(open_archive(studies / "dicom"))
    yield opened
    opened.close()


def test_info_lists_what_a_client_may_do(server):
    info = client_of(server, "ada").info()
    assert list(info["models"]) == ["wetread"]
    assert set(info["trainers"]) == {"head", "sft", "drpo"}
    assert set(info["strategies"]) == {"random", "uncertainty", "disagreement", "representative", "mixed"}
    assert set(info["scoring"]) == {"ledger"}
    assert info["trainers"]["head"]["config"]["steps"] == 100


def test_two_annotators_never_get_the_same_image(server):
    names = [f"annotator {number}" for number in range(PICTURES)]
    given = [client_of(server, name).next_sample("uncertainty", {})["id"] for name in names]
    assert len(set(given)) == PICTURES
    assert client_of(server, "one too many").next_sample("random", {}) == {}


def test_a_read_a_saved_label_and_a_training_are_in_the_ledger(server, studies, backing, tmp_path):
    ada = client_of(server, "ada")
    verdicts = {}
    for number in range(PICTURES):
        image = f"tissue{number}"
        file, said = ada.infer("wetread", image, {})
        assert "nuclei" in said["label_names"], said["abstention"]
        label = sitk.ReadImage(file)
        if number == 0:
            saved = ada.save_label(image, file, params={"label_info": [{"name": "nuclei", "idx": 1}]})
        else:
            voxels = sitk.GetArrayFromImage(label)
            voxels[..., :16, :16] = 1
            mine = sitk.GetImageFromArray(voxels)
            mine.CopyInformation(label)
            path = str(tmp_path / f"{image}.nii.gz")
            sitk.WriteImage(mine, path)
            saved = ada.save_label(image, path)
        assert saved["wetread"]["remark"] == ""
        verdicts[number] = saved["wetread"]["verdicts"]
    assert all(count >= 1 for count in verdicts.values())
    entries = list(backing.ledger.entries(kind="verdict"))
    assert {entry.actor for entry in entries} == {"ada"}
    decisions = [entry.body["decision"] for entry in entries if entry.body["before"]["label"] == "nuclei"]
    assert decisions == ["accept"] + ["correct"] * (PICTURES - 1)
    found = examples_from_ledger(backing.ledger, backing.archive)
    assert len(found.examples) + len(found.kept) == PICTURES
    corner = [e.present["nuclei"][:16, :16].all() for e in found.examples]
    assert sum(corner) >= len(found.examples) - 1, "a saved voxel is the pixel that it was drawn on"
    jobs = requests.get(f"{server}/wetread/v1/reads", timeout=30).json()
    assert len(jobs) == PICTURES, "the service shows the same reads"

    task = ada.train_start("head", {"steps": 1, "batch": 1, "learning_rate": 1e-6})
    assert task["status"] in ("SUBMITTED", "RUNNING")
    deadline = time.monotonic() + 400
    while ada.train_status(check_if_running=True) or ada.train_status()["status"] in ("SUBMITTED", "RUNNING"):
        assert time.monotonic() < deadline, ada.train_status()
        time.sleep(1)
    status = ada.train_status()
    assert status["status"] == "DONE", status["details"]
    assert any("training 1/1" in line for line in status["details"])
    stats = ada.info()["train_stats"]["head"]
    assert (stats["epoch"], stats["total_epochs"], stats["version"]) == (1, 1, "0.1.1")
    assert [e.body["event"] for e in backing.ledger.entries(kind="model")][:1] == ["trained"]
    assert [e.actor for e in backing.ledger.entries(kind="model")][:1] == ["ada"]
    assert backing.ledger.breaks() == []

    answer = requests.post(f"{server}/scoring/ledger", params={"run_sync": True}, json={}, timeout=60).json()
    assert answer.get("images") == PICTURES, answer
    assert ada.next_sample("mixed", {}) == {}, "everything is labelled"


@pytest.mark.parametrize(("method", "path", "status"), [
    ("POST", "/reload", 403),
    ("PUT", "/model/wetread", 403),
    ("POST", "/infer/wsi/wetread?image=/etc/hostname", 403),
    ("GET", "/proxy/dicom/qido/studies", 403),
    ("PUT", "/datastore/label?image=tissue0&tag=../../up", 400),
    ("PUT", "/datastore/image?image=../up", 400),
    ("DELETE", "/datastore/label?id=tissue0&tag=..%2F..", 400),
    ("GET", "/datastore/label?label=..%2Fsecret&tag=final", 400),
])  # fmt: skip
def test_dangerous_routes_are_closed(server, method, path, status):
    answer = requests.request(method, server + path, files={"label": ("x.nii.gz", b"x")} if method == "PUT" else None,
                              timeout=30)  # fmt: skip
    assert answer.status_code == status, answer.text


def test_pages_of_other_origins_and_foreign_names_are_refused_on_stock_routes_too(server):
    assert (
        requests.get(f"{server}/info/", headers={"Origin": "https://elsewhere.example"}, timeout=30).status_code == 403
    )
    assert requests.get(f"{server}/info/", headers={"Host": "elsewhere.example"}, timeout=30).status_code == 400
    assert requests.get(f"{server}/info/", headers={"Origin": server}, timeout=30).status_code == 200


def test_with_access_control_every_stock_route_asks_who_one_is(tmp_path):
    from monailabel.client import MONAILabelClient
    from monailabel.client.client import MONAILabelClientException

    tokens = tmp_path / "tokens.json"
    token = add_token(tokens, "ada", Role.REVIEWER)
    (tmp_path / "studies").mkdir()
    Image.fromarray(drawn_nuclei(np.random.default_rng(0))[0]).save(tmp_path / "studies" / "tissue.png")
    with monailabel_server(tmp_path / "studies", tmp_path, tokens=str(tokens), modality="pathology") as server:
        with pytest.raises(MONAILabelClientException):
            MONAILabelClient(server).info()
        ada = MONAILabelClient(server, client_id="somebody else")
        ada.update_auth({"token_type": "Bearer", "access_token": token})
        assert list(ada.info()["models"]) == ["wetread"]
        assert ada.next_sample("random", {})["id"] == "tissue"
        for method, path, body in (("POST", "/train/head", {}), ("DELETE", "/datastore/image?id=tissue", None),
                                   ("GET", "/logs/", None), ("POST", "/batch/infer/wetread", {})):  # fmt: skip
            headers = {"Authorization": f"Bearer {token}"}
            assert requests.request(method, server + path, json=body, headers=headers, timeout=30).status_code == 403
            assert requests.request(method, server + path, json=body, timeout=30).status_code == 401
        assert requests.get(f"{server}/wetread/v1/reads", timeout=30).status_code == 401
