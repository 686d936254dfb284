"""The module with a real PACS behind the server: images come from it, and what is signed goes to it."""

from __future__ import annotations

import pydicom
import pytest
import requests
from dicomweb_client.api import DICOMwebClient
from outside import Service, agreed, read, sent, until, work
from slicer_scene import load

from dicom_phantoms import ct_series, write
from orthanc import orthanc
from WetreadLib.background import Background
from WetreadLib.client import ServiceError
from WetreadLib.drafts import Drafts
from WetreadLib.session import Session
from WetreadLib.transfers import download, upload

__all__ = ["orthanc"]


def test_a_series_of_a_pacs_is_fetched_read_signed_and_stored_there(scene, orthanc, tmp_path):
    web = requests.Session()
    web.auth = (orthanc.user, orthanc.password)
    pacs = DICOMwebClient(orthanc.url, session=web)
    series = ct_series(5, orientation="oblique", name="pacs")
    pacs.store_instances([pydicom.dcmread(path) for path in write(series, tmp_path / "stored")])
    (tmp_path / "archive").mkdir()
    service = Service(tmp_path / "archive", "--pacs", f"{orthanc.url},{orthanc.user},{orthanc.password}")
    session = Session(scene, Background(), Drafts(tmp_path / "drafts"), lambda: None)
    session.connect(agreed(service.address))
    study, uid = str(series[0].StudyInstanceUID), str(series[0].SeriesInstanceUID)
    fetched = download(session.client, study, uid, tmp_path / "fetched")
    assert len(fetched) == 5
    with pytest.raises(ServiceError):
        upload(session.client, fetched)

    session.open(load(scene, series, tmp_path / "files"))
    until(lambda: session.planes, often=work(session))
    read(session)
    session.decisions.acceptAll()
    sent(session)
    session.decisions.sign()
    until(lambda: session.decisions.stored and not session.decisions.signing, 60, work(session))
    assert {one["state"] for one in session.decisions.stored} == {"stored"}, session.failure
    kinds = {str(one["00080060"]["Value"][0]) for one in pacs.search_for_series(study)}
    assert {"CT", "SEG", "SR"} <= kinds
    (report,) = (one for one in session.decisions.stored if one["kind"] == "SR")
    assert len(download(session.client, study, report["series_uid"], tmp_path / "report")) == 1
    session.close()
    service.close()
