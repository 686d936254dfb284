"""What goes wrong on the way: a clear message, and no lost work."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import requests
import slicer
from outside import ENGINE, Service, Settings, agreed, opened, read, sent, until, work
from slicer_scene import load

from dicom_phantoms import ct_series
from WetreadLib import nodes
from WetreadLib.background import Background
from WetreadLib.client import ServiceClient, ServiceError
from WetreadLib.consent import Consent, NoConsent
from WetreadLib.drafts import Drafts
from WetreadLib.session import Session
from WetreadLib.volumes import volumeOf


@pytest.fixture
def gated(tmp_path):
    """A service of its own whose reads wait for a file."""
    gate = tmp_path / "gate"
    started = Service(tmp_path / "archive", "--gate", str(gate))
    started.gate = gate
    yield started
    started.close()


def session_with(scene, address, folder, token=""):
    made = Session(scene, Background(), Drafts(folder), lambda: None)
    made.connect(agreed(address, token))
    return made


def state_at(session, uid):
    """What the server knows of a finding, asked beside the session."""
    found = session.client.get(f"/reads/{session.job}/verdicts")["findings"]
    return next(one["state"] for one in found if one["tracking_uid"] == uid)


def test_without_consent_not_one_byte_is_sent(service):
    client = ServiceClient(service.address, "", Consent(Settings()))
    with pytest.raises(NoConsent, match="Nothing was sent"):
        client.get("/capabilities")
    with pytest.raises(NoConsent):
        client.post("/reads", {})


def test_a_server_that_dies_during_a_read_is_waited_for_and_the_read_goes_on(scene, gated, tmp_path):
    session = session_with(scene, gated.address, tmp_path / "drafts")
    opened(session, ct_series(4), tmp_path / "files")
    session.ask("")
    until(lambda: session.text, often=work(session))
    gated.kill()
    until(lambda: "cannot be reached" in session.failure, often=work(session))
    assert session.phase == "running", "it is not given up"
    gated.gate.touch()
    gated.start()
    until(lambda: session.phase == "done" and session.screen.shown, 60, work(session))
    assert session.failure == ""
    session.close()


def test_a_decision_while_the_server_is_down_is_kept_and_sent_when_it_is_back(scene, gated, tmp_path):
    gated.gate.touch()
    session = session_with(scene, gated.address, tmp_path / "drafts")
    opened(session, ct_series(4), tmp_path / "files")
    read(session)
    uid = session.read["findings"][0]["tracking_uid"]
    gated.kill()
    session.decisions.accept(uid)
    assert session.states[uid] == "accepted", "shown at once"
    until(lambda: "cannot be reached" in session.failure, often=work(session))
    assert session.drafts.isWaiting(session.job)
    gated.start()
    until(lambda: not session.drafts.isWaiting(session.job), 60, work(session))
    assert state_at(session, uid) == "accepted"
    session.close()


def test_a_decision_survives_a_crash_of_slicer(scene, gated, tmp_path):
    """Nothing of the first session is left but the disk; the second sends what it finds there."""
    gated.gate.touch()
    session = session_with(scene, gated.address, tmp_path / "drafts")
    opened(session, ct_series(4), tmp_path / "files")
    read(session)
    uid = session.read["findings"][1]["tracking_uid"]
    gated.kill()
    session.decisions.reject(uid, "an artefact")
    job = session.job
    session.background.close()  # as if the process were gone
    gated.start()

    other = session_with(scene, gated.address, tmp_path / "drafts")
    until(lambda: not other.drafts.isWaiting(job), 60, work(other))
    found = other.client.get(f"/reads/{job}/verdicts")["findings"]
    assert {one["tracking_uid"]: one["state"] for one in found}[uid] == "rejected"
    other.close()


def test_asking_again_after_a_lost_answer_is_asking_once(session, tmp_path, monkeypatch):
    opened(session, ct_series(4, name="lost"), tmp_path / "files")
    post = session.client.post

    def lost(path, body, **given):
        post(path, body, **given)
        raise ServiceError("unreachable")

    monkeypatch.setattr(session.client, "post", lost)
    session.ask("Please segment liver in the given image.")
    until(lambda: session.phase == "failed", often=work(session))
    monkeypatch.setattr(session.client, "post", post)
    read(session)
    jobs = [one for one in session.client.get("/reads") if one["series_uid"] == session.series]
    assert [one["uid"] for one in jobs] == [session.job]


def test_a_cancelled_read_is_no_failure(scene, gated, tmp_path):
    session = session_with(scene, gated.address, tmp_path / "drafts")
    opened(session, ct_series(4), tmp_path / "files")
    session.ask("")
    until(lambda: session.text, often=work(session))
    session.cancel()
    until(lambda: session.phase == "idle", often=work(session))
    assert (session.failure, session.notice) == ("", "The read ended: cancelled")
    session.close()


def test_a_series_that_the_archive_lacks_can_be_sent(session, tmp_path):
    session.open(load(session.scene, ct_series(4, name="absent"), tmp_path / "files"))
    until(lambda: session.failure, often=work(session))
    assert "Send images" in session.notice


def test_an_expired_token_is_said_and_a_new_one_sends_what_waited(scene, tmp_path):
    tokens = tmp_path / "tokens.json"

    def new_token(login):
        command = [ENGINE, "-m", "wetread", "token", "add", login, "--file", tokens, "--role", "reviewer",
                   "--name", "Reader^Red"]  # fmt: skip
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        return max(said.split(), key=len)

    first = new_token("red")
    service = Service(tmp_path / "archive", "--tokens", str(tokens))
    session = session_with(scene, service.address, tmp_path / "drafts", first)
    opened(session, ct_series(4), tmp_path / "files")
    read(session)
    uid = session.read["findings"][0]["tracking_uid"]
    session.client.token = "no-longer-valid"
    session.decisions.accept(uid)
    until(lambda: "token" in session.failure, often=work(session))
    assert session.drafts.isWaiting(session.job)
    session.connect(agreed(service.address, first))
    until(lambda: not session.drafts.isWaiting(session.job), 60, work(session))
    assert state_at(session, uid) == "accepted"
    session.close()
    service.close()


def test_a_study_that_is_closed_while_it_is_read_is_shown_when_it_is_opened_again(scene, gated, tmp_path):
    session = session_with(scene, gated.address, tmp_path / "drafts")
    series = ct_series(4)
    node = opened(session, series, tmp_path / "files")
    session.ask("")
    until(lambda: session.text, often=work(session))
    scene.RemoveNode(node)
    gated.gate.touch()
    until(lambda: session.notice, often=work(session))
    assert "were closed" in session.notice
    assert session.phase == "done"
    opened(session, series, tmp_path / "again")
    until(lambda: session.screen.shown, often=work(session))
    assert session.screen.segmentation is not None
    session.close()


def test_a_node_that_the_reader_deletes_is_no_decision_and_comes_back(session, tmp_path):
    opened(session, ct_series(4, name="deleted"), tmp_path / "files")
    read(session)
    session.scene.RemoveNode(session.screen.segmentation)
    assert "Show again" in session.notice
    session.scene.RemoveNode(next(iter(session.screen.rois.values())))
    until(lambda: not session.screen.isSettled(0, 0), often=work(session))
    assert set(session.states.values()) == {"undecided"}
    session.refresh()
    until(lambda: session.screen.segmentation and len(session.screen.rois) == 2, often=work(session))
    assert set(session.states.values()) == {"undecided"}


def test_two_modules_at_once_see_each_others_decisions_and_lose_none(scene, service, tmp_path):
    one = session_with(scene, service.address, tmp_path / "drafts")
    node = opened(one, ct_series(4, name="two"), tmp_path / "files")
    read(one)
    liver, spleen = (finding["tracking_uid"] for finding in one.read["findings"])
    other_scene = slicer.vtkMRMLScene()
    other = session_with(other_scene, service.address, tmp_path / "drafts")
    other.open(load(other_scene, ct_series(4, name="two"), tmp_path / "other"))
    until(lambda: other.screen.shown, often=work(other))
    one.decisions.accept(liver)
    other.decisions.reject(spleen, "an artefact")
    sent(one)
    sent(other)
    assert {state_at(one, liver), state_at(one, spleen)} == {"accepted", "rejected"}
    one.refresh()
    until(lambda: set(one.states.values()) == {"accepted", "rejected"}, often=work(one))
    assert node is not None
    one.close()
    other.close()


def test_what_the_server_refuses_is_said_and_stands_as_the_server_has_it(session, tmp_path):
    opened(session, ct_series(4, name="refused"), tmp_path / "files")
    read(session)
    uid = session.read["findings"][0]["tracking_uid"]
    session.decisions.decide([{"tracking_uid": uid, "decision": "reject", "reason": ""}])
    until(lambda: session.failure and session.states[uid] == "undecided", often=work(session))
    assert "reason" in session.failure
    assert session.drafts.refusals(session.job)
    session.drafts.dismiss(session.job)
    assert not session.drafts.refusals(session.job)


def test_strokes_that_come_while_an_answer_is_awaited_are_not_wiped(session, tmp_path):
    node = opened(session, ct_series(6, name="strokes"), tmp_path / "files")
    read(session)
    liver, spleen = (finding["tracking_uid"] for finding in session.read["findings"])
    roi = session.screen.rois[spleen]
    roi.SetCenter(*(np.array(roi.GetCenter()) + np.array([3, 0, 0])))
    assert session.decisions.collect(), "a moved box: the masks are fetched again after it"
    voxels = slicer.util.arrayFromSegmentBinaryLabelmap(session.screen.segmentation, liver, node)
    voxels[2, 2:6, 2:6] = 1
    slicer.util.updateSegmentBinaryLabelmapFromArray(voxels, session.screen.segmentation, liver, node)
    until(lambda: session.states[liver] == "corrected", often=work(session))
    sent(session)
    until(lambda: session.screen.shown, often=work(session))
    now = slicer.util.arrayFromSegmentBinaryLabelmap(session.screen.segmentation, liver, node)
    assert now[2, 2:6, 2:6].all()
    (mask,) = (one for one in session.client.get(f"/reads/{session.job}/masks") if one["tracking_uid"] == liver)
    assert "2" in mask["mask"]


def test_a_box_that_is_moved_while_an_answer_is_awaited_stays_moved(session, tmp_path):
    opened(session, ct_series(4, name="moved meanwhile"), tmp_path / "files")
    read(session)
    liver, spleen = (finding["tracking_uid"] for finding in session.read["findings"])
    session.decisions.accept(liver)
    roi = session.screen.rois[spleen]
    moved = np.array(roi.GetCenter()) + np.array([3, 0, 0])
    roi.SetCenter(*moved)
    until(lambda: session.states[spleen] == "corrected", often=work(session))
    sent(session)
    until(lambda: state_at(session, spleen) == "corrected", often=work(session))
    assert np.abs(np.array(session.screen.rois[spleen].GetCenter()) - moved).max() < 1e-3
    assert state_at(session, liver) == "accepted"


def test_turning_to_another_series_keeps_what_was_painted_a_moment_before(session, tmp_path):
    node = opened(session, ct_series(6, name="left"), tmp_path / "files")
    read(session)
    job, liver = session.job, session.read["findings"][0]["tracking_uid"]
    voxels = slicer.util.arrayFromSegmentBinaryLabelmap(session.screen.segmentation, liver, node)
    voxels[1, 2:6, 2:6] = 1
    slicer.util.updateSegmentBinaryLabelmapFromArray(voxels, session.screen.segmentation, liver, node)
    opened(session, ct_series(3, name="next"), tmp_path / "next")
    until(lambda: not session.drafts.isWaiting(job), often=work(session))
    found = session.client.get(f"/reads/{job}/verdicts")["findings"]
    assert {one["tracking_uid"]: one["state"] for one in found}[liver] == "corrected"


def test_findings_of_a_saved_scene_are_found_again_and_go_on(session, tmp_path):
    node = opened(session, ct_series(4, name="saved"), tmp_path / "files")
    read(session)
    job, liver = session.job, session.read["findings"][0]["tracking_uid"]
    kept = {"seg.nrrd": (session.screen.segmentation, slicer.vtkMRMLSegmentationStorageNode())}
    for number, roi in enumerate(session.screen.rois.values()):
        kept[f"{number}.mrk.json"] = (roi, slicer.vtkMRMLMarkupsROIJsonStorageNode())
    kept["volume.nrrd"] = (node, slicer.vtkMRMLVolumeArchetypeStorageNode())
    for name, (one, storage) in kept.items():
        session.scene.AddNode(storage)
        storage.SetFileName(str(tmp_path / name))
        one.SetAndObserveStorageNodeID(storage.GetID())
        assert storage.WriteData(one)
    session.scene.SetURL(str(tmp_path / "scene.mrml"))
    assert session.scene.Commit()
    session.scene.Clear(True)
    session.leave()

    assert session.scene.Connect()
    segmentation = nodes.segmentationOf(session.scene, job)
    assert nodes.trackingOf(segmentation.GetSegmentation().GetSegment(liver)) == liver
    session.open(volumeOf(session.scene, str(ct_series(4, name="saved")[0].SeriesInstanceUID)))
    until(lambda: session.screen.shown, often=work(session))
    assert len(slicer.util.getNodesByClass("vtkMRMLSegmentationNode", session.scene)) == 1
    assert len(nodes.roisOf(session.scene, job)) == 2
    box = session.screen.rois[session.read["findings"][1]["tracking_uid"]]
    box.SetCenter(*(np.array(box.GetCenter()) + np.array([2, 0, 0])))
    until(lambda: "corrected" in session.states.values(), often=work(session))


def test_a_redirect_never_takes_the_token_elsewhere(tmp_path):
    """A server that answers with a redirect is refused; what it points to is never asked."""
    import http.server
    import threading

    asked = []

    class Elsewhere(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.headers.get("Authorization"))
            self.send_response(302)
            self.send_header("Location", f"http://localhost:{self.server.server_port}/taken")
            self.end_headers()

        def log_message(self, *given):
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    client = agreed(f"http://127.0.0.1:{server.server_port}", "secret")
    with pytest.raises(Exception, match="token"):
        client.get("/capabilities")
    assert asked == ["Bearer secret"]
    server.shutdown()


def test_a_netrc_file_does_not_take_the_tokens_place(tmp_path, monkeypatch, service):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    client = agreed(service.address, "mine")
    prepared = client.session.prepare_request(requests.Request("GET", service.address))
    assert prepared.headers["Authorization"] == "Bearer mine"


def test_drafts_hold_nothing_of_the_patient(session, tmp_path):
    opened(session, ct_series(4, name="private"), tmp_path / "files")
    read(session)
    session.client.address = "http://127.0.0.1:9"  # nobody is there: the draft stays
    session.decisions.accept(session.read["findings"][0]["tracking_uid"])
    (path,) = (tmp_path / "drafts").glob("*/*.json")
    held = json.loads(path.read_text())
    assert set(held) == {"address", "job", "study", "series", "verdicts"}
    assert "Phantom" not in path.read_text()
    if sys.platform != "win32":
        assert path.stat().st_mode & 0o077 == 0
