"""Training and versions over HTTP: started, watched, stopped; promoted and rolled back without a restart."""

from __future__ import annotations

import shutil
import threading
import time

import pytest
from fastapi.testclient import TestClient

from bright_pixel_reader import BrightPixelReader
from dicom_phantoms import ct_series
from wetread.archive import open_archive
from wetread.commands import learning
from wetread.model.checkpoint import read_info
from wetread.model.location import SHIPPED
from wetread.model.versions import ModelVersions
from wetread.reading import Reader
from wetread.service import training
from wetread.service.access.people import Role
from wetread.service.access.token_file import TokenFile, add_token
from wetread.service.app import create_app
from wetread.service.model_switch import SwitchingReader

API = "/wetread/v1"
CT = ct_series()


@pytest.fixture
def versions(tmp_path):
    return ModelVersions(tmp_path / "models", "wetread-mini")


def add(versions, name, number):
    """A version that differs in its weights, as far as anybody can tell without loading them."""
    source = SHIPPED / "wetread-mini"
    with versions.adding(name) as folder:
        for file in source.iterdir():
            shutil.copy(file, folder / file.name)
        statement = (folder / "wetread.json").read_text().replace('"version": "0.1.0"', f'"version": "{name}"')
        (folder / "wetread.json").write_text(statement)
        with (folder / "grounding.safetensors").open("ab") as stream:
            stream.write(bytes([number]))


class Named(BrightPixelReader):
    """The double under a version's name; remembers that it was closed."""

    def __init__(self, location, gate=None):
        super().__init__(gate)
        self.info, self.location, self.closed = read_info(location), location, False

    def close(self):
        self.closed = True


@pytest.fixture
def archive(tmp_path):
    archive = open_archive(tmp_path / "archive")
    archive.store(CT).require_complete()
    return archive


@pytest.fixture
def client(archive, versions):
    with TestClient(create_app(archive, SwitchingReader(versions, Named), allowed_hosts=["*"])) as running:
        yield running


def current(client):
    return next(v for v in client.get(f"{API}/models").json()["versions"] if v["reads"])


def test_a_promoted_version_reads_at_once_and_goes_back_with_one_request(client, versions):
    add(versions, "0.1.1", 1)
    assert current(client)["name"] == "base"
    answer = client.post(f"{API}/models/0.1.1/promote", json={"reason": "looks right"})
    assert answer.status_code == 200, answer.text
    assert client.get(f"{API}/capabilities").json()["model"]["version"] == "0.1.1"
    assert current(client)["device_uid"] == versions.info("0.1.1").device_uid
    client.post(f"{API}/models/rollback", json={"reason": "misses small ones"})
    assert client.get(f"{API}/capabilities").json()["model"]["version"] == "0.1.0"
    said = [(h["event"], h["by"], h["reason"]) for h in client.get(f"{API}/models").json()["history"]]
    assert said == [("promoted", "local", "looks right"), ("rolled back", "local", "misses small ones")]


def test_every_finished_read_is_of_one_version_and_the_next_job_takes_the_new_one(versions):
    add(versions, "0.1.1", 1)
    gate = threading.Event()
    reader = SwitchingReader(versions, lambda location: Named(location, gate))
    from wetread.imaging import to_sample

    sample, done = to_sample(CT), []
    with reader.using() as first:
        thread = threading.Thread(target=lambda: done.append(reader.read(sample)))
        thread.start()
        while reader._users.get(id(first), 0) != 2:
            time.sleep(0.01)
        versions.switch("0.1.1")
        assert reader.info.version == "0.1.1"
        assert not first.closed, "a read under way keeps its model"
        gate.set()
        thread.join(10)
    assert len(done) == 1
    assert first.closed
    assert first.location == "wetread-mini"


def test_a_version_that_is_gone_does_not_stop_the_service(client, versions):
    add(versions, "0.1.1", 1)
    client.post(f"{API}/models/0.1.1/promote", json={})
    shutil.rmtree(versions.folder / "0.1.1")
    assert client.get(f"{API}/capabilities").json()["model"]["version"] == "0.1.1", "what reads goes on reading"


@pytest.mark.parametrize("name", ["9.9.9", "..", "%2e%2e", "x" * 65])
def test_a_version_that_is_none_is_refused(client, name):
    assert client.post(f"{API}/models/{name}/promote", json={}).status_code in (400, 404, 405, 422)
    assert client.post(f"{API}/models/rollback", json={}).status_code == 400


@pytest.mark.parametrize("body", [{"kind": "magic"}, {"steps": 0}, {"learning_rate": 0}, {"out": "/tmp"}])
def test_a_wrong_training_is_refused(client, body):
    assert client.post(f"{API}/training", json=body).status_code == 422


def test_only_administrators_train_and_switch(archive, versions, tmp_path):
    tokens = tmp_path / "tokens.json"
    headers = {"Authorization": f"Bearer {add_token(tokens, 'ada', Role.REVIEWER)}"}
    app = create_app(archive, SwitchingReader(versions, Named), allowed_hosts=["*"], access=TokenFile(tokens))
    with TestClient(app, headers=headers) as client:
        for path in ("training", "models/rollback", "models/base/promote", "descriptors"):
            assert client.post(f"{API}/{path}", json={}).status_code == 403, path
        assert client.get(f"{API}/models").status_code == 200


def finished(client, uid, seconds=120):
    deadline = time.monotonic() + seconds
    while (run := client.get(f"{API}/training/{uid}").json())["state"] == "IN PROGRESS":
        assert time.monotonic() < deadline, run
        time.sleep(0.2)
    return run


def test_a_training_with_nothing_to_learn_says_so(client):
    uid = client.post(f"{API}/training", json={"steps": 1}).json()["uid"]
    assert client.post(f"{API}/training", json={}).status_code == 409, "one at a time"
    run = finished(client, uid)
    assert (run["state"], run["login"]) == ("CANCELED", "local")
    assert "nothing new to learn" in run["reason"]
    assert client.get(f"{API}/training/2.25.1").status_code == 409


def test_a_training_can_be_stopped(client):
    uid = client.post(f"{API}/training", json={"steps": 1}).json()["uid"]
    run = client.delete(f"{API}/training/{uid}").json()
    assert (run["state"], run["reason"]) == ("CANCELED", "stopped")
    again = client.post(f"{API}/training", json={"steps": 1})
    assert again.status_code == 202
    client.delete(f"{API}/training/{again.json()['uid']}")


def test_the_service_and_the_command_agree_on_where_the_database_is_told():
    assert training.DATABASE_VARIABLE == learning.DATABASE_VARIABLE


@pytest.mark.slow
def test_series_are_described_once_and_then_ordered_by_cover(archive, versions):
    from wetread.review.descriptors import descriptors

    with TestClient(create_app(archive, SwitchingReader(versions, Reader), allowed_hosts=["*"])) as client:
        body = {"study_uid": CT[0].StudyInstanceUID, "series_uid": CT[0].SeriesInstanceUID}
        uid = client.post(f"{API}/reads", json=body).json()["uid"]
        client.get(f"{API}/reads/{uid}/events")
        assert client.post(f"{API}/descriptors", json={}).json() == {"made": 1, "left_out": 0}
        assert client.post(f"{API}/descriptors", json={}).json()["made"] == 0
        assert set(descriptors(client.app.state.backing.ledger)) == {CT[0].SeriesInstanceUID}
