"""The whole loop over HTTP: read, decide, sign, learn, a new version reads, and the worklist is in another order."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
import requests
from PIL import Image

from orthanc import OrthancServer, orthanc
from waiting import until
from wetread.archive.dicomweb import DicomwebArchive
from wetread.imaging.wrap_picture import wrap_picture
from wetread.model.versions import ModelVersions
from wetread.reading import Reader
from wetread.service.app import create_app
from wetread.service.model_switch import SwitchingReader
from wetread.terminology import Modality
from wetread.training.phantoms import drawn_nuclei

__all__ = ["orthanc"]
pytestmark = pytest.mark.slow
CASES = 5


def drawn_cases():
    found = []
    for number in range(CASES):
        picture, masks = drawn_nuclei(np.random.default_rng(100 + number))
        dataset = wrap_picture(picture, Modality.PATHOLOGY)
        dataset.PatientID = f"drawn-{number}"
        found.append((dataset, masks["nuclei"]))
    return found


def png(mask):
    buffer = io.BytesIO()
    Image.fromarray(mask.astype(np.uint8) * 255).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def loop(archive, versions, serving, database):
    cases = drawn_cases()
    archive.store([dataset for dataset, _ in cases]).require_complete()
    reader = SwitchingReader(versions, Reader)
    base = reader.info.device_uid
    with serving(create_app(archive, reader, database=database)) as address:
        api = f"{address}/wetread/v1"
        jobs = []
        for dataset, _ in cases:
            body = {"study_uid": str(dataset.StudyInstanceUID), "series_uid": str(dataset.SeriesInstanceUID),
                    "question": "Please segment nuclei in the given image."}  # fmt: skip
            jobs.append(requests.post(f"{api}/reads", json=body, timeout=30).json()["uid"])
        told = requests.get(f"{api}/reads/{jobs[0]}/events", timeout=300).text
        assert "event: text" in told
        for job in jobs:
            at = f"{api}/reads/{job}"
            assert until(lambda at=at: requests.get(at, timeout=30).json()["state"] == "COMPLETED", 300)
        order = [one["series_uid"] for one in
                 requests.get(f"{api}/worklist?strategy=uncertainty", timeout=30).json()]  # fmt: skip
        assert set(order) == {str(dataset.SeriesInstanceUID) for dataset, _ in cases}

        decided = []
        verdicts = [{"decision": "accept"}, {"decision": "reject", "reason": "an artefact"}]
        verdicts += [{"decision": "correct", "mask": {"0": png(cases[number][1])}} for number in (2, 3)]
        for number, verdict in enumerate(verdicts):
            (finding,) = requests.get(f"{api}/reads/{jobs[number]}/verdicts", timeout=30).json()["findings"]
            said = [verdict | {"tracking_uid": finding["tracking_uid"]}]
            assert requests.post(f"{api}/reads/{jobs[number]}/verdicts", json=said, timeout=30).status_code == 200
            decided.append(str(cases[number][0].SeriesInstanceUID))
            signed = requests.post(f"{api}/reads/{jobs[number]}/signature", timeout=120)
            assert signed.status_code == (400 if verdict["decision"] == "reject" else 200), signed.text
        objects = until(lambda: all_stored(api, jobs[2]), 300)
        seg, sr = (archive.retrieve_instance(str(cases[2][0].StudyInstanceUID), o["series_uid"], o["sop_instance_uid"])
                   for o in sorted(objects, key=lambda o: o["kind"]))  # fmt: skip
        assert (sr.VerificationFlag, seg.SegmentSequence[0].SegmentAlgorithmType) == ("VERIFIED", "SEMIAUTOMATIC")

        after = [one["series_uid"] for one in
                 requests.get(f"{api}/worklist?strategy=uncertainty", timeout=30).json()]  # fmt: skip
        assert after == [name for name in order if name not in decided], "what was decided on is done"
        following = requests.post(f"{api}/worklist/next", json={"strategy": "uncertainty"}, timeout=30).json()
        assert following["series_uid"] == str(cases[4][0].SeriesInstanceUID)

        wanted = {"kind": "head", "steps": 1, "batch": 1, "learning_rate": 1e-6}
        run = requests.post(f"{api}/training", json=wanted, timeout=30).json()["uid"]
        done = until(lambda: over(api, run), 500)
        assert done["state"] == "COMPLETED", done["reason"]
        version = done["result"]["version"]
        if done["result"]["ruling"] != "promote":
            requests.post(f"{api}/models/{version}/promote", json={"reason": "few patients"}, timeout=60)
        body["question"] = "Please segment nuclei in the given image. Again."
        again = requests.post(f"{api}/reads", json=body, timeout=30).json()["uid"]
        requests.get(f"{api}/reads/{again}/events", timeout=300)
        read = requests.get(f"{api}/reads/{again}/result", timeout=30).json()
        assert read["model"]["device_uid"] == versions.info(version).device_uid != base
        requests.post(f"{api}/models/rollback", json={"reason": "enough"}, timeout=60)
        assert requests.get(f"{api}/capabilities", timeout=30).json()["model"]["device_uid"] == base


def all_stored(api, job):
    signatures = requests.get(f"{api}/reads/{job}/verdicts", timeout=30).json()["signatures"]
    stored = signatures[0]["stored"]
    return stored if all(one["state"] == "stored" for one in stored) else None


def over(api, run):
    found = requests.get(f"{api}/training/{run}", timeout=30).json()
    return found if found["state"] != "IN PROGRESS" else None


def test_over_a_folder(archive, serving, tmp_path):
    loop(archive, ModelVersions(tmp_path / "models", "wetread-mini"), serving, None)


@pytest.mark.orthanc
def test_over_orthanc(orthanc: OrthancServer, serving, tmp_path, monkeypatch):
    # The training process asks the archive itself, with what the environment says.
    monkeypatch.setenv("WETREAD_ARCHIVE_USER", orthanc.user)
    monkeypatch.setenv("WETREAD_ARCHIVE_PASSWORD", orthanc.password)
    pacs = DicomwebArchive(orthanc.url, user=orthanc.user, password=orthanc.password)
    loop(pacs, ModelVersions(tmp_path / "models", "wetread-mini"), serving, tmp_path / "records.sqlite")
