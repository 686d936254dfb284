"""What a PACS may answer, good and bad: nothing but a verified instance counts as stored, and nothing leaks."""

from __future__ import annotations

import copy
import json
import logging
import threading
import warnings
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file

from wetread.archive import StoreState
from wetread.archive.content import encoded
from wetread.archive.dicomweb import DicomwebArchive
from wetread.errors import ArchiveRefused

SECRET = "Distinctive^Patient"
JSON = "application/dicom+json"


class Pacs:
    """A PACS that answers as told; remembers requests. `held` is what it gives back."""

    def __init__(self) -> None:
        self.post: tuple[int, str, bytes] = (200, JSON, b"{}")
        self.get: tuple[int, dict[str, str], bytes] | None = None
        self.held: Dataset | None = None
        self.hold_after_post: Dataset | None = None
        self.requests: list[tuple[str, str, str | None]] = []
        self.url = ""


@pytest.fixture
def pacs() -> Iterator[Pacs]:
    told = Pacs()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            told.requests.append(("GET", self.path, self.headers.get("Authorization")))
            if told.get is not None:
                self.answer(*told.get)
            elif told.held is None:
                self.answer(404, {}, b"")
            else:
                body = b"--B\r\nContent-Type: application/dicom\r\n\r\n" + encoded(told.held) + b"\r\n--B--\r\n"
                self.answer(200, {"Content-Type": 'multipart/related; type="application/dicom"; boundary=B'}, body)

        def do_POST(self) -> None:
            told.requests.append(("POST", self.path, self.headers.get("Authorization")))
            if self.headers.get("Transfer-Encoding") == "chunked":
                while int(self.rfile.readline(), 16):
                    self.rfile.readline()
            else:
                self.rfile.read(int(self.headers["Content-Length"]))
            told.held = told.hold_after_post
            status, kind, body = told.post
            self.answer(status, {"Content-Type": kind}, body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    told.url = f"http://127.0.0.1:{server.server_address[1]}/dicom-web"
    yield told
    server.shutdown()
    server.server_close()


@pytest.fixture
def ct() -> Dataset:
    found = get_testdata_file("CT_small.dcm", download=False)
    assert isinstance(found, str)
    dataset = dcmread(found)
    dataset.PatientName = SECRET
    return dataset


def says(ct: Dataset, stored: bool = True, reason: int | None = None) -> bytes:
    item = {"00081150": {"vr": "UI", "Value": [ct.SOPClassUID]}, "00081155": {"vr": "UI", "Value": [ct.SOPInstanceUID]}}
    if reason is not None:
        item["00081197"] = {"vr": "US", "Value": [reason]}
    return json.dumps({"00081199" if stored else "00081198": {"vr": "SQ", "Value": [item]}}).encode()


def test_stored_and_read_back_counts(pacs: Pacs, ct: Dataset) -> None:
    pacs.post, pacs.hold_after_post = (200, JSON, says(ct)), ct
    (outcome,) = DicomwebArchive(pacs.url).store([ct]).instances
    assert (outcome.state, outcome.reason) == (StoreState.STORED, "")


@pytest.mark.parametrize(
    ("status", "kind", "body", "reason"),
    [
        (202, JSON, lambda ct: says(ct, stored=False, reason=0x0122), "SOP class not supported (0x0122)"),
        (202, JSON, lambda ct: says(ct, stored=False, reason=0xA701), "out of resources (0xA701)"),
        (409, JSON, lambda ct: says(ct, stored=False, reason=0x0110), "processing failure (0x0110)"),
        (409, JSON + "; charset=utf-8", lambda ct: says(ct, stored=False), "failed without a reason"),
        (409, "text/html", lambda ct: b"<html>conflict</html>", "the archive answered 409"),
        (200, "text/html", lambda ct: b"<html>please log in</html>", "no STOW response"),
        (200, "text/html", lambda ct: b"", "no STOW response"),
        (200, JSON, lambda ct: b"{}", "no STOW response"),
        (200, JSON, lambda ct: b"not json", "no STOW response"),
        (200, JSON, lambda ct: b'{"00081199": {"vr": "SQ", "Value": [7]}}', "without naming this instance"),
        (200, JSON, says, "does not give the instance back"),
        (500, "text/plain", lambda ct: b"boom", "the archive answered 500"),
        (503, "text/plain", lambda ct: b"later", "the archive answered 503"),
    ],
)
def test_everything_else_is_shown_as_not_stored(
    pacs: Pacs, ct: Dataset, status: int, kind: str, body: Callable[[Dataset], bytes], reason: str
) -> None:
    pacs.post = (status, kind, body(ct))
    report = DicomwebArchive(pacs.url).store([ct])
    assert report.instances[0].state is StoreState.REFUSED
    assert reason in report.instances[0].reason
    with pytest.raises(ArchiveRefused, match=r"1 of 1 instances not stored \(refused\)"):
        report.require_complete()


def test_200_while_other_content_stays_is_a_conflict(pacs: Pacs, ct: Dataset) -> None:
    other = dcmread(Path(str(get_testdata_file("CT_small.dcm", download=False))))
    other.WindowWidth = 5
    pacs.post, pacs.hold_after_post = (200, JSON, says(ct)), other
    (outcome,) = DicomwebArchive(pacs.url).store([ct]).instances
    assert outcome.state is StoreState.CONFLICT
    assert "WindowWidth" in outcome.reason


def coerced(ct: Dataset, change: Callable[[Dataset], None]) -> Dataset:
    theirs = copy.deepcopy(ct)
    change(theirs)
    return theirs


def _name(dataset: Dataset) -> None:
    dataset.PatientName = "MASTER^RECORD"


def _order(dataset: Dataset) -> None:
    dataset.AccessionNumber, dataset.RequestedProcedureID = "A-17", "P-4"
    dataset.PatientAge, dataset.OtherPatientIDs = "042Y", "second"


def _private_note(dataset: Dataset) -> None:
    dataset.private_block(0x0013, "AN ARCHIVE", create=True).add_new(1, "LO", "received")


def _original(dataset: Dataset) -> None:
    dataset.OriginalAttributesSequence = [Dataset()]
    dataset.InstanceCoercionDateTime = "20260101"


@pytest.mark.parametrize("change", [_name, _order, _private_note, _original])
def test_what_a_pacs_may_coerce_is_stored_and_told(pacs: Pacs, ct: Dataset, change: Callable[[Dataset], None]) -> None:
    pacs.post, pacs.hold_after_post = (200, JSON, says(ct)), coerced(ct, change)
    (outcome,) = DicomwebArchive(pacs.url).store([ct]).instances
    assert outcome.state is StoreState.STORED
    assert outcome.reason.startswith("the archive set its own ")
    assert "MASTER" not in outcome.reason


def _pixel(dataset: Dataset) -> None:
    dataset.PixelData = b"\1" + dataset.PixelData[1:]


def _place(dataset: Dataset) -> None:
    dataset.ImagePositionPatient = [0, 0, 0]


def _content_item(dataset: Dataset) -> None:
    dataset.ContentSequence = [Dataset()]


def _verification(dataset: Dataset) -> None:
    dataset.VerificationFlag = "VERIFIED"


def _lost_order(dataset: Dataset) -> None:
    del dataset.FrameOfReferenceUID


@pytest.mark.parametrize("change", [_pixel, _place, _content_item, _verification, _lost_order])
def test_what_a_pacs_may_not_change_is_a_conflict(pacs: Pacs, ct: Dataset, change: Callable[[Dataset], None]) -> None:
    pacs.post = (200, JSON, says(ct))
    pacs.hold_after_post = coerced(coerced(ct, _name), change)
    (outcome,) = DicomwebArchive(pacs.url).store([ct]).instances
    assert outcome.state is StoreState.CONFLICT


@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_stop_the_store(pacs: Pacs, ct: Dataset, status: int) -> None:
    pacs.post = (status, "text/html", b"<html>who are you</html>")
    with pytest.raises(ArchiveRefused, match=rf"access refused \({status}\)"):
        DicomwebArchive(pacs.url).store([ct])


@pytest.mark.parametrize(
    "get",
    [
        (401, {}, b""),
        (500, {}, b"x"),
        (200, {"Content-Type": "text/html"}, b"<html>log in</html>"),
        (200, {"Content-Type": JSON}, b"[{]"),
        (302, {"Location": "http://127.0.0.1:9/elsewhere"}, b""),
    ],
)
def test_a_failed_search_is_one_line_without_the_query(
    pacs: Pacs, caplog: pytest.LogCaptureFixture, get: tuple[int, dict[str, str], bytes]
) -> None:
    caplog.set_level(logging.INFO)
    pacs.get = get
    with pytest.raises(ArchiveRefused) as caught:
        DicomwebArchive(pacs.url).search_studies({"PatientName": SECRET, "PatientID": "4711-secret"})
    error: BaseException | None = caught.value
    assert "\n" not in str(error)
    assert error is not None
    assert error.__cause__ is None
    assert error.__suppress_context__
    for text in (str(error), caplog.text):
        assert "secret" not in text
        assert SECRET.split("^")[0] not in text


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"])
def test_another_instance_than_was_asked_for_is_refused(pacs: Pacs, ct: Dataset, keyword: str) -> None:
    asked = [str(ct[k].value) for k in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")]
    pacs.held = ct
    archive = DicomwebArchive(pacs.url)
    assert archive.retrieve_instance(*asked) == ct
    setattr(ct, keyword, "1.2.3.4")
    with pytest.raises(ArchiveRefused, match=f"another {keyword}"):
        archive.retrieve_instance(*asked)
    if keyword != "SOPInstanceUID":
        with pytest.raises(ArchiveRefused, match=f"another {keyword}"):
            archive.retrieve_series(*asked[:2])


def test_what_the_client_library_warns_about_is_not_shown(pacs: Pacs) -> None:
    pacs.get = (200, {"Content-Type": JSON}, b"{}")
    archive = DicomwebArchive(pacs.url)
    with warnings.catch_warnings(record=True) as shown, pytest.raises(ArchiveRefused, match="no DICOM answer"):
        archive.retrieve_series("1.2", "1.3")
    assert not shown


def test_an_address_that_is_none_is_one_line() -> None:
    with pytest.raises(ArchiveRefused, match="not an http"):
        DicomwebArchive("http://[::1/dicom-web")


def test_nobody_there_is_one_line() -> None:
    archive = DicomwebArchive("http://127.0.0.1:9/dicom-web")
    for call in (
        lambda: archive.search_studies({"PatientID": "4711-secret"}),
        lambda: archive.retrieve_series("1.2", "1.3"),
        lambda: archive.store([dcmread(Path(str(get_testdata_file("CT_small.dcm", download=False))))]),
    ):
        with pytest.raises(ArchiveRefused, match="cannot be reached") as caught:
            call()
        assert "secret" not in str(caught.value)


def test_no_answer_in_time_is_one_line(ct: Dataset) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        archive = DicomwebArchive(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout=(1.0, 0.3))
        with pytest.raises(ArchiveRefused, match="no answer in time"):
            archive.search_studies()


def test_the_token_goes_to_the_archive_and_nowhere_else(
    pacs: Pacs, ct: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = json.loads(says(ct))
    elsewhere["00081190"] = {"vr": "UR", "Value": ["http://127.0.0.1:9/steal"]}
    pacs.post, pacs.hold_after_post = (200, JSON, json.dumps(elsewhere).encode()), ct
    monkeypatch.setenv("WETREAD_ARCHIVE_TOKEN", "token-1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/no/such/file.pem")
    archive = DicomwebArchive(pacs.url)
    assert archive.store([ct]).is_complete
    assert {authorization for _, _, authorization in pacs.requests} == {"Bearer token-1"}
    assert all(path.startswith("/dicom-web/studies") for _, path, _ in pacs.requests)
    assert "token-1" not in archive.location


def test_a_missing_certificate_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ArchiveRefused, match="no such certificate file"):
        DicomwebArchive("https://127.0.0.1/dicom-web", certificates=tmp_path / "none.pem")
