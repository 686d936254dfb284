"""Fetching the viewer: only the package that is known, only what a viewer is made of, all or nothing."""

from __future__ import annotations

import base64
import hashlib
import io
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from wetread.commands import viewer
from wetread.errors import RefusedInput

FILES = {
    "package/dist/index.html": b"<!doctype html>",
    "package/dist/assets/favicon.ico": b"icon",
    "package/dist/app.bundle.js": b"// app",
    "package/dist/app.bundle.js.map": b"{}",
    "package/dist/ort/big.wasm": b"0" * 1000,
    "package/dist/dicom-microscopy-viewer/worker.js": b"//",
    "package/package.json": b"{}",
}


def package(files=FILES, *members):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for member in members:
            archive.addfile(member)
    return stream.getvalue()


@pytest.fixture
def registry(monkeypatch, tmp_path):
    """A registry on this machine with one release; `serve` says what it sends."""
    asked: list[str] = []
    held = {"content": package()}

    class Registry(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", str(len(held["content"])))
            self.send_header("Content-Encoding", "gzip")  # as some servers say of a .tgz
            self.end_headers()
            self.wfile.write(held["content"])

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Registry)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("npm_config_registry", f"http://127.0.0.1:{server.server_port}/")
    monkeypatch.setenv(viewer.FOLDER_VARIABLE, str(tmp_path / "viewers"))

    def serve(content, known=True):
        held["content"] = content
        digest = base64.b64encode(hashlib.sha512(content if known else b"other").digest()).decode()
        monkeypatch.setattr(viewer, "RELEASES", {"9.9.9": digest})

    serve(package())
    yield serve, asked
    server.shutdown()


def test_it_is_fetched_once_and_holds_what_a_viewer_needs(registry, tmp_path):
    _, asked = registry
    folder = viewer.fetch("9.9.9")
    assert folder == tmp_path / "viewers" / "ohif-9.9.9"
    assert {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()} == {
        "index.html", "assets/favicon.ico", "app.bundle.js",
    }  # fmt: skip
    assert viewer.fetch("9.9.9") == folder
    assert asked == ["/@ohif/app/-/app-9.9.9.tgz"]


def test_another_package_under_the_name_is_refused_and_leaves_nothing(registry, tmp_path):
    serve, _ = registry
    serve(package(), known=False)
    with pytest.raises(RefusedInput, match="digest differs"):
        viewer.fetch("9.9.9")
    assert list((tmp_path / "viewers").iterdir()) == []


def link(name, target):
    member = tarfile.TarInfo(name)
    member.type, member.linkname = tarfile.SYMTYPE, target
    return member


REACHING_OUT = {
    "a link": package(FILES, link("package/dist/link.js", "/etc/passwd")),
    "a path upwards": package(FILES | {"package/dist/../../../out.js": b"//"}),
}


@pytest.mark.parametrize("way", REACHING_OUT)
def test_a_package_that_reaches_out_of_its_folder_is_refused(registry, tmp_path, way):
    serve, _ = registry
    serve(REACHING_OUT[way])
    with pytest.raises(RefusedInput, match="link or a foreign path"):
        viewer.fetch("9.9.9")
    assert not list(tmp_path.rglob("out.js"))
    assert viewer.fetched("9.9.9") is None


def test_no_network_and_an_unknown_release_are_one_line_each(monkeypatch, tmp_path):
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9/")
    monkeypatch.setenv(viewer.FOLDER_VARIABLE, str(tmp_path))
    with pytest.raises(RefusedInput, match="cannot be fetched"):
        viewer.fetch()
    with pytest.raises(RefusedInput, match="no known release"):
        viewer.fetch("1.0.0")
