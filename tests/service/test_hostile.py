"""Bombs, broken files and climbing paths, sent to a service with 4 GB of address space: refused, and it lives on."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from pydicom import Dataset

import dicom_phantoms as phantoms
from wetread.archive.content import encoded

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of processes are Linux's here")
LIMIT = 4_000_000 * 1024
SERVE = (
    f"import resource, sys; resource.setrlimit(resource.RLIMIT_AS, ({LIMIT}, {LIMIT}))\n"
    "from wetread.cli import main; sys.exit(main(sys.argv[1:]))"
)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    folder = tmp_path_factory.mktemp("hostile")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    command = [sys.executable, "-c", SERVE, "serve", "--archive", str(folder / "data" / "archive"), "--port", str(port)]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, env=os.environ | threads)
    address = f"http://127.0.0.1:{port}"
    for _ in range(300):
        try:
            requests.get(f"{address}/wetread/v1/health", timeout=2)
            break
        except requests.ConnectionError:
            assert server.poll() is None, server.stderr.read() if server.stderr else ""
            time.sleep(0.1)
    yield address, folder
    assert server.poll() is None, "the service died"
    server.terminate()
    server.wait(30)


def store(address: str, content: bytes) -> requests.Response:
    body = b"--B\r\nContent-Type: application/dicom\r\n\r\n" + content + b"\r\n--B--\r\n"
    headers = {"Content-Type": 'multipart/related; type="application/dicom"; boundary=B'}
    return requests.post(f"{address}/dicom-web/studies", data=body, headers=headers, timeout=120)


def image() -> Dataset:
    (dataset,) = phantoms.dx_image(8, 8, name="hostile")
    return dataset


def deflated(extra: int) -> bytes:
    """A good header, then a private element of zeros that is not there before it is inflated."""
    dataset = image()
    dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1.99"
    whole = encoded(dataset)
    start = 144 + int.from_bytes(whole[140:144], "little")
    squeeze = zlib.compressobj(9, wbits=-15)
    head = zlib.decompress(whole[start:], -15) + b"\x99\x99\x10\x10OB\0\0" + extra.to_bytes(4, "little")
    body = squeeze.compress(head) + b"".join(squeeze.compress(bytes(1 << 22)) for _ in range(extra >> 22))
    return whole[:start] + body + squeeze.flush()


def nested(levels: int) -> bytes:
    whole = encoded(image())
    start = whole.index(b"\x08\x00\x60\x00CS")
    opened = b"\x08\x00\x15\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    closed = b"\xfe\xff\x0d\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0"
    return whole[:start] + opened * levels + closed * levels + whole[start:]


def climbing() -> bytes:
    dataset = image()
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4.5.6.7"
    return encoded(dataset).replace(b"1.2.3.4.5.6.7", b"../../../../x")


FILES = {
    "empty": lambda: b"", "no DICOM": lambda: b"%PDF-1.7" * 50, "cut": lambda: encoded(image())[:700],
    "deflate bomb of 1 MB": lambda: deflated(1 << 30), "nested 3000 deep": lambda: nested(3000),
    "nested 60 deep": lambda: nested(60), "a UID that climbs": climbing,
}  # fmt: skip


@pytest.mark.parametrize("kind", FILES)
def test_a_hostile_file_is_refused_and_the_service_lives(service: tuple[str, Path], kind: str) -> None:
    address, folder = service
    before = set(folder.rglob("*"))
    assert 400 <= store(address, FILES[kind]()).status_code < 500
    assert requests.get(f"{address}/wetread/v1/health", timeout=10).status_code == 200
    outside = {path for path in folder.rglob("*") if not path.is_relative_to(folder / "data")} - before
    assert outside == set()
    assert not any("DICM" in path.name or ".." in path.name for path in folder.rglob("*"))


@pytest.mark.parametrize("claim", [{"Rows": 65535, "Columns": 65535}, {"NumberOfFrames": 100_000}])
def test_an_rle_bomb_is_never_decoded(service: tuple[str, Path], claim: dict[str, int]) -> None:
    address, _ = service
    dataset = image()
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"2.25.{len(claim)}{sum(claim.values())}"
    dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.5"
    frame = (1).to_bytes(4, "little") + (64).to_bytes(4, "little") + bytes(56) + b"\x81\x00" * 50
    length = len(frame).to_bytes(4, "little")
    dataset.PixelData = b"\xfe\xff\x00\xe0\0\0\0\0\xfe\xff\x00\xe0" + length + frame
    dataset["PixelData"].is_undefined_length = True
    for keyword, value in claim.items():
        setattr(dataset, keyword, value)
    assert store(address, encoded(dataset)).status_code == 200
    series = f"{address}/dicom-web/studies/{dataset.StudyInstanceUID}/series/{dataset.SeriesInstanceUID}"
    instance = f"{series}/instances/{dataset.SOPInstanceUID}"
    for path in (f"{instance}/rendered", f"{instance}/frames/1/rendered", f"{series}/thumbnail"):
        assert 400 <= requests.get(path, timeout=60).status_code < 500, path
    body = {"study_uid": dataset.StudyInstanceUID, "series_uid": dataset.SeriesInstanceUID}
    job = requests.post(f"{address}/wetread/v1/reads", json=body, timeout=60).json()["uid"]
    requests.get(f"{address}/wetread/v1/reads/{job}/events", timeout=120)
    view = requests.get(f"{address}/wetread/v1/reads/{job}", timeout=60).json()
    assert view["state"] == "CANCELED"
    assert "announced" in view["reason"] or "pixels" in view["reason"] or "slices or frames" in view["reason"]


@pytest.mark.parametrize(
    "path", ["/dicom-web/studies/..%2f..%2fetc", "/wetread/v1/reads/..%2f..", "/static/..%2fapp.py"]
)
def test_no_path_leads_out(service: tuple[str, Path], path: str) -> None:
    assert 400 <= requests.get(service[0] + path, timeout=10).status_code < 500
