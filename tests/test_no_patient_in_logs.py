"""A name that is nowhere else: after good and bad reads, on the command line and over HTTP, it is in no log.

Both run as processes of their own with every logger at DEBUG, so that the libraries' lines and tracebacks count too.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests
from pydicom import Dataset

import dicom_phantoms as phantoms
from wetread.archive import open_archive
from wetread.archive.content import encoded
from wetread.model.checkpoint import SHIPPED

pytestmark = pytest.mark.skipif(not (SHIPPED / "wetread-mini").is_dir(), reason="wetread-mini is not in the package")

NAME, IDENTITY, DESCRIPTION = "Quetzalcoatlus^Zebulon", "PID-7QX93", "Xylophone follow-up"
SECRETS = (NAME.split("^")[0].lower(), "zebulon", IDENTITY.lower(), "xylophone")
VERBOSE = "import logging, sys; logging.basicConfig(level=logging.DEBUG); "
CLI = VERBOSE + "from wetread.cli import main; sys.exit(main(sys.argv[1:]))"


def named(datasets: list[Dataset]) -> list[Dataset]:
    for dataset in datasets:
        dataset.PatientName, dataset.PatientID, dataset.StudyDescription = NAME, IDENTITY, DESCRIPTION
    return datasets


def leaks(text: str) -> list[str]:
    return [line for line in text.splitlines() if any(secret in line.lower() for secret in SECRETS)]


def run(*arguments: object) -> tuple[int, str]:
    done = subprocess.run([sys.executable, "-c", CLI, *map(str, arguments)], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def broken(kind: str) -> list[Dataset]:
    """Studies that are refused, each at another step."""
    datasets = named(phantoms.ct_series(4))
    match kind:
        case "two series":
            datasets[0].SeriesInstanceUID = "2.25.1"
        case "two patients":
            datasets += named(phantoms.visible_light())
        case "short pixels":
            datasets[1].PixelData = datasets[1].PixelData[:100]
        case "name in a number":
            datasets[1]["PatientWeight"] = type(datasets[1]["PatientID"])(0x00101030, "LO", NAME)
        case "name in a UID":
            datasets[1]["FrameOfReferenceUID"] = type(datasets[1]["PatientID"])(0x00200052, "LO", NAME)
        case "name in the spacing":
            datasets[1]["PixelSpacing"] = type(datasets[1]["PatientID"])(0x00280030, "LO", NAME)
    return datasets


@pytest.mark.parametrize("kind", ["good", "two series", "two patients", "short pixels", "name in a number",
                                  "name in a UID", "name in the spacing"])  # fmt: skip
def test_the_command_line_says_nothing_of_the_patient(kind: str, tmp_path: Path) -> None:
    phantoms.write(broken(kind), tmp_path / "study")
    archive = tmp_path / "archive"
    code, output = run("read", tmp_path / "study", "--out", tmp_path / "out", "--archive", archive)
    assert (code == 0) == (kind in ("good", "name in a number")), output
    assert leaks(output) == []
    if code == 0:
        _, output = run("verify", tmp_path / "out/sr.dcm", tmp_path / "out/seg.dcm", "--source", tmp_path / "study")
        assert leaks(output) == []


def test_what_verify_finds_wrong_says_nothing_of_the_patient(tmp_path: Path) -> None:
    from reporting_cases import CASES
    from wetread.reporting import build_seg, build_sr

    datasets, sample, read = CASES["dx"]()
    phantoms.write(named(datasets), tmp_path / "source")
    seg = build_seg(read, sample)
    sr = build_sr(read, sample, seg)
    for dataset in (seg, sr):
        dataset.PatientName, dataset.PatientID, dataset.PatientBirthDate = NAME, IDENTITY + "-2", "19010101"
        dataset.save_as(tmp_path / f"{dataset.Modality}.dcm", enforce_file_format=True)
    code, output = run("verify", tmp_path / "SR.dcm", tmp_path / "SEG.dcm", "--source", tmp_path / "source")
    assert code == 1
    assert "patient" in output.lower()
    assert leaks(output) == []


def test_the_service_says_nothing_of_the_patient(tmp_path: Path) -> None:
    archive = open_archive(tmp_path / "archive")
    good = named(phantoms.ct_series(3))
    archive.store(good).require_complete()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path / "log"
    with log.open("w") as output:
        server = subprocess.Popen(
            [sys.executable, "-c", CLI, "serve", "--archive", str(tmp_path / "archive"), "--port", str(port)],
            stdout=output, stderr=subprocess.STDOUT, env=os.environ | {"OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        try:
            address = f"http://127.0.0.1:{port}"
            answers = _used(address, good)
        finally:
            server.terminate()
            server.wait(30)
    written = log.read_text()
    assert "wetread" in written.lower()
    assert leaks(written) == []
    assert leaks("\n".join(answers)) == []


def _used(address: str, good: list[Dataset]) -> list[str]:
    """Ask for everything, rightly and wrongly; the texts of what was refused."""
    for _ in range(300):
        try:
            requests.get(f"{address}/wetread/v1/health", timeout=2)
            break
        except requests.ConnectionError:
            time.sleep(0.1)
    series = {"study_uid": good[0].StudyInstanceUID, "series_uid": good[0].SeriesInstanceUID}
    job = requests.post(f"{address}/wetread/v1/reads", json=series, timeout=60).json()["uid"]
    requests.get(f"{address}/wetread/v1/reads/{job}/events", timeout=120)
    assert requests.get(f"{address}/wetread/v1/reads/{job}", timeout=60).json()["state"] == "COMPLETED"
    study = f"{address}/dicom-web/studies/{good[0].StudyInstanceUID}"
    for path in ("", "/metadata", f"/series/{good[0].SeriesInstanceUID}/rendered"):
        requests.get(study + path, timeout=60)
    requests.get(f"{address}/dicom-web/studies", params={"PatientName": NAME, "PatientID": IDENTITY}, timeout=60)
    refused = [
        requests.get(f"{address}/dicom-web/studies", params={"PatientComments": NAME}, timeout=60),
        requests.post(f"{address}/wetread/v1/reads", json=series | {"question": [NAME]}, timeout=60),
        requests.get(f"{address}/wetread/v1/reads/{NAME}", timeout=60),
    ]
    other = encoded(named([phantoms.dx_image()[0]])[0])
    conflicting = Dataset()
    conflicting.update(good[1])
    conflicting.file_meta, conflicting.WindowWidth = good[1].file_meta, 7
    for part in (other[: len(other) // 2], other.replace(b"UI", b"U\x7f"), encoded(conflicting)):
        body = b"--B\r\nContent-Type: application/dicom\r\n\r\n" + part + b"\r\n--B--\r\n"
        headers = {"Content-Type": 'multipart/related; type="application/dicom"; boundary=B'}
        refused.append(requests.post(f"{address}/dicom-web/studies", data=body, headers=headers, timeout=60))
    assert all(answer.status_code >= 400 for answer in refused), [answer.status_code for answer in refused]
    # A path that the client made up comes back as the place of the error: it is his own word.
    return [answer.text for answer in refused if NAME not in answer.request.url]
