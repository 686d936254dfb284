"""An unmodified viewer on the service's own origin: its files as they are, its configuration ours, nothing else."""

from __future__ import annotations

import base64
import hashlib
import re

import pytest
import requests

from bright_pixel_reader import BrightPixelReader
from wetread.errors import RefusedInput
from wetread.service.access.people import Role
from wetread.service.access.token_file import TokenFile, add_token
from wetread.service.app import create_app
from wetread.service.viewer import MODULES, PLUGIN_VARIABLE, plugin_folder, viewer_address

INDEX = "<!doctype html><script>start()</script><script defer src='/app.bundle.0123456789abcdef.js'></script>"
SCRIPT = "app.bundle.0123456789abcdef.js"


@pytest.fixture
def viewer(tmp_path, monkeypatch):
    """A folder like an unpacked OHIF, a plugin, and a secret beside them."""
    folder = tmp_path / "viewer"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text(INDEX)
    (folder / SCRIPT).write_text("// the viewer")
    (folder / "app-config.js").write_text("window.config = { somebody: 'else' }")
    (folder / "assets" / "favicon.ico").write_bytes(b"icon")
    (folder / "notes.txt").write_text("not of a viewer")
    (tmp_path / "secret.js").write_text("secret")
    (folder / "link.js").symlink_to(tmp_path / "secret.js")
    plugin = tmp_path / "plugin"
    plugin.mkdir()
    for name in MODULES:
        (plugin / name).write_text(f"// {name}")
    monkeypatch.setenv(PLUGIN_VARIABLE, str(plugin))
    return folder


@pytest.fixture
def address(archive, serving, viewer):
    with serving(create_app(archive, BrightPixelReader(), viewer=viewer)) as url:
        yield url


def test_a_mode_of_the_viewer_is_its_index_and_a_study_has_an_address_in_it(address):
    answer = requests.get(address + viewer_address("1.2.3"), timeout=30)
    assert (answer.status_code, answer.text) == (200, INDEX)
    assert answer.headers["Content-Type"].startswith("text/html")


def test_the_services_own_pages_stay_where_they_are(address):
    assert "Wetread" in requests.get(f"{address}/", timeout=30).text
    assert requests.get(f"{address}/wetread/v1/health", timeout=30).json()["status"] == "ok"


def test_files_come_as_they_are_and_are_kept_where_their_name_is_their_content(address):
    script, icon = (requests.get(f"{address}/{name}", timeout=30) for name in (SCRIPT, "assets/favicon.ico"))
    assert (script.text, script.headers["Content-Type"].split(";")[0]) == ("// the viewer", "text/javascript")
    assert "immutable" in script.headers["Cache-Control"]
    assert icon.headers["Cache-Control"] == "no-cache"


def test_the_configuration_is_the_services_own(address):
    text = requests.get(f"{address}/app-config.js", timeout=30).text
    assert "somebody" not in text
    assert 'window.location.origin + "/dicom-web"' in text
    assert all(f'"/plugins/{name}"' in text for name in MODULES)


def test_the_plugin_is_served_by_name_alone(address):
    for name in MODULES:
        answer = requests.get(f"{address}/plugins/{name}", timeout=30)
        assert (answer.text, answer.headers["Content-Type"].split(";")[0]) == (f"// {name}", "text/javascript")
    assert requests.get(f"{address}/plugins/other.mjs", timeout=30).status_code == 404


@pytest.mark.parametrize(
    "path", ["link.js", "notes.txt", "../secret.js", "..%2fsecret.js", "assets/../../secret.js", "nobody.js"]
)
def test_nothing_else_is_served(address, path):
    session = requests.Session()
    prepared = requests.Request("GET", f"{address}/x").prepare()
    prepared.url = f"{address}/{path}"  # as it is: requests would tidy it up
    answer = session.send(prepared, timeout=30)
    assert answer.status_code == 404
    assert answer.text != "secret"


def test_only_scripts_of_this_origin_and_the_inline_ones_of_its_index_may_run(address):
    policy = requests.get(f"{address}/wetread", timeout=30).headers["Content-Security-Policy"]
    allowed = re.search(r"script-src ([^;]*)", policy)[1].split()
    digest = base64.b64encode(hashlib.sha256(b"start()").digest()).decode()
    assert allowed == ["'self'", "'wasm-unsafe-eval'", f"'sha256-{digest}'"]


def test_with_access_control_the_viewer_opens_and_shows_nothing_without_a_token(archive, serving, viewer, tmp_path):
    token = add_token(tmp_path / "tokens.json", "ada", Role.READER)
    app = create_app(archive, BrightPixelReader(), viewer=viewer, access=TokenFile(tmp_path / "tokens.json"))
    with serving(app) as url:
        open_to_all = ("/wetread", f"/{SCRIPT}", "/app-config.js", f"/plugins/{MODULES[0]}", "/assets/favicon.ico")
        assert [requests.get(url + path, timeout=30).status_code for path in open_to_all] == [200] * 5
        for path in ("/dicom-web/studies", "/wetread/v1/studies", "/openapi.json"):
            assert requests.get(url + path, timeout=30).status_code == 401
            told = {"Authorization": f"Bearer {token}"}
            assert requests.get(url + path, headers=told, timeout=30).status_code == 200


def test_a_folder_without_a_viewer_is_refused(archive, tmp_path):
    with pytest.raises(RefusedInput, match="no OHIF in this folder"):
        create_app(archive, BrightPixelReader(), viewer=tmp_path)


def test_the_plugin_ships_with_the_package(monkeypatch):
    monkeypatch.delenv(PLUGIN_VARIABLE, raising=False)
    sizes = [(plugin_folder() / name).stat().st_size for name in MODULES]
    assert 0 < sum(sizes) <= 250_000
