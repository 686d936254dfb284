"""``wetread viewer``: fetch OHIF's published build from the npm registry, once, and keep what a browser needs of it.

The package `@ohif/app` holds a complete viewer. What is downloaded must have the digest written down here; of it, the
parts that no mode of ours uses (its ONNX runtime, its slide microscopy, source maps) are left out, which leaves a
quarter. A folder is complete or not there: it is unpacked beside its place and renamed.
"""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from wetread.errors import RefusedInput

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

RELEASES = {
    "3.11.1": "0lJRyHguGuIR06PxeJ3rqnPWf1OAqsaXGuqT2kl5HkNjIOxBDnRTTMvyHnkn3ZyjcHlsIhY8gf0h7AhVORqsSQ==",
    "3.12.10": "0kuF66Mq9c9dMD++bUsTjMrJpXJwaZhz9B4uS244DawAjSkTwIYFU93pxPuRUQixaRi7QAHlF3Fe1qudBlZrmA==",
    "3.13.2": "WZdxmpmG7rqFgW9ZJLcbgr3XCtLi1KDNPoMaeY5PPe6j4G4fjEjjkycZM6C6Zk2F87BKxFfpq+jd5xXZB9E8EA==",
    "3.14.0-beta.6": "QwA0talqhh4VlUR+QgT2t8FP7NpX++4s6Z9Cp5VIcta3JMd2zGBPTp/R9t7JaX0Xi1AHAZAJxTv502R+SawaBg==",
}
"""Version -> SHA-512 of its tarball in base64, as the registry states it (dist.integrity)."""
DEFAULT_RELEASE = "3.13.2"
PUBLIC_REGISTRY = "https://registry.npmjs.org/"
FOLDER_VARIABLE = "WETREAD_VIEWERS"
_LEFT_OUT = ("ort/", "dicom-microscopy-viewer/", "customizations/")
_ROOT = PurePosixPath("package/dist")
_MOST_BYTES = 400 * 1024**2
_CHUNK = 1 << 20


def run(options: argparse.Namespace) -> int:
    """Fetch a viewer and say where it is."""
    print(fetch(options.release or DEFAULT_RELEASE, report=lambda line: print(line, flush=True)))
    return 0


def viewer_folder(release: str = DEFAULT_RELEASE) -> Path:
    """Where a viewer is kept, whether it is there or not: `WETREAD_VIEWERS`, else the user's cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wetread"
    return Path(os.environ.get(FOLDER_VARIABLE) or cache) / f"ohif-{release}"


def fetched(release: str = DEFAULT_RELEASE) -> Path | None:
    """The viewer's folder, where it has been fetched."""
    folder = viewer_folder(release)
    return folder if (folder / "index.html").is_file() else None


def fetch(release: str = DEFAULT_RELEASE, report: Callable[[str], None] = lambda line: None) -> Path:
    """The viewer's folder; fetched where it is not there yet.

    Args:
        release: a key of `RELEASES`.
        report: takes a line of progress.

    Raises:
        RefusedInput: an unknown release, a registry that does not answer, or a package that is not the known one.
    """
    if release not in RELEASES:
        raise RefusedInput("no known release of OHIF", release[:40], f"take one of {', '.join(RELEASES)}")
    folder = viewer_folder(release)
    if fetched(release) is not None:
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as near:
        package = Path(near) / "package.tgz"
        report(f"Fetching the OHIF viewer {release} (50 MB, once) ...")
        _download(f"{registry().rstrip('/')}/@ohif/app/-/app-{release}.tgz", package, RELEASES[release])
        unpack(package, Path(near) / "viewer")
        try:
            (Path(near) / "viewer").rename(folder)
        except OSError:
            if fetched(release) is None:  # or else another process was first, with the same files
                raise
    return folder


def registry() -> str:
    """The npm registry that npm is told to use here; the public one where there is no npm."""
    if given := os.environ.get("npm_config_registry"):  # noqa: SIM112 - npm's own name
        return given
    npm = shutil.which("npm")
    if npm is None:
        return PUBLIC_REGISTRY
    told = subprocess.run([npm, "config", "get", "registry"], capture_output=True, text=True, timeout=60).stdout.strip()
    return told if told.startswith(("https://", "http://")) else PUBLIC_REGISTRY


def unpack(package: Path, folder: Path) -> None:
    """Unpack the viewer's files of npm's tarball.

    Raises:
        RefusedInput: something in it that a viewer does not hold: links, foreign paths, too much.
    """
    total = 0
    with tarfile.open(package, "r:gz") as archive:
        for member, inside in _wanted(archive):
            total += member.size
            stream = archive.extractfile(member)
            if stream is None or total > _MOST_BYTES:
                raise RefusedInput("not the package of a viewer", package.name, "fetch it again")
            target = folder / inside
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as file:
                shutil.copyfileobj(stream, file, _CHUNK)


def _wanted(archive: tarfile.TarFile) -> Iterator[tuple[tarfile.TarInfo, str]]:
    for member in archive:
        path = PurePosixPath(member.name)
        if member.isdir() or not path.is_relative_to(_ROOT):
            continue
        if not member.isfile() or ".." in path.parts:
            raise RefusedInput("a link or a foreign path in the package", "@ohif/app", "do not use this registry")
        inside = path.relative_to(_ROOT).as_posix()
        if not inside.startswith(_LEFT_OUT) and not inside.endswith(".map"):
            yield member, inside


def _download(address: str, target: Path, expected: str) -> None:
    import requests
    from tqdm import tqdm
    from urllib3.exceptions import HTTPError

    digest = hashlib.sha512()
    try:
        # As it lies there: some servers call a .tgz a text that was compressed on the way, and it would be unpacked.
        plain = {"Accept-Encoding": "identity"}
        with requests.get(address, headers=plain, stream=True, timeout=(10, 60)) as answer, target.open("wb") as file:
            answer.raise_for_status()
            length = int(answer.headers.get("Content-Length") or 0) or None
            with tqdm(total=length, unit="B", unit_scale=True, leave=False, delay=2) as bar:
                for chunk in answer.raw.stream(_CHUNK, decode_content=False):
                    digest.update(chunk)
                    file.write(chunk)
                    bar.update(len(chunk))
    except (requests.RequestException, HTTPError, OSError) as error:
        raise RefusedInput(f"the viewer cannot be fetched ({type(error).__name__})", "the npm registry",
                           "connect once, or set npm_config_registry to one that can be reached") from None  # fmt: skip
    if base64.b64encode(digest.digest()).decode() != expected:
        raise RefusedInput("not the published package: its digest differs", "@ohif/app", "do not use this registry")
