"""The example for a reverse proxy is one that nginx takes."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "docs" / "nginx.conf"
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")


@pytest.mark.skipif(NGINX is None, reason="nginx is not installed (Debian: nginx-light)")
def test_nginx_takes_the_example(tmp_path):
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=wetread.example", "-days", "1",
         "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True,
    )  # fmt: skip
    text = EXAMPLE.read_text(encoding="utf-8")
    for name, own in (
        ("/etc/ssl/certs/wetread.example.pem", certificate),
        ("/etc/ssl/private/wetread.example.key", key),
    ):
        assert name in text
        text = text.replace(name, str(own))
    file = tmp_path / "nginx.conf"
    file.write_text(f"pid {tmp_path}/nginx.pid;\nerror_log {tmp_path}/error.log;\n{text}", encoding="utf-8")
    said = subprocess.run(
        [str(NGINX), "-t", "-p", str(tmp_path), "-c", str(file)], capture_output=True, text=True, check=False
    )
    assert said.returncode == 0, said.stderr
