"""The pages in a real browser: signing in, a read as it comes, and the administrator's tables, by keyboard too."""

from __future__ import annotations

import json
import shutil

import pytest

from bright_pixel_reader import BrightPixelReader
from browser import CHROMIUM, browser
from dicom_phantoms import ct_series
from wetread.model.checkpoint import read_info
from wetread.model.location import SHIPPED
from wetread.model.versions import ModelVersions
from wetread.service.access.people import Role
from wetread.service.access.token_file import TokenFile, add_token
from wetread.service.app import create_app
from wetread.service.model_switch import SwitchingReader

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no Chromium is installed")

NAMELESS = """[...document.querySelectorAll('button, input:not([type=hidden]), [role=region]')].filter((one) => !(
  one.textContent.trim() || one.getAttribute('aria-label') || one.getAttribute('aria-labelledby') || one.labels?.length
)).length"""


@pytest.fixture(scope="module")
def page():
    with browser() as opened:
        yield opened


def sign_in(page, token: str) -> None:
    page.wait("!document.getElementById('sign-in').hidden")
    page.run(f"document.getElementById('token').value = {token!r}")
    page.run("document.getElementById('token').focus()")
    page.run("document.getElementById('sign-in').requestSubmit()")


def test_one_signs_in_reads_sees_the_administration_and_signs_out(page, archive, serving, tmp_path):
    archive.store(ct_series()).require_complete()
    token = add_token(tmp_path / "tokens.json", "ada", Role.ADMIN)
    app = create_app(archive, BrightPixelReader(), allowed_hosts=["*"], access=TokenFile(tmp_path / "tokens.json"))
    with serving(app) as url:
        page.open(url)
        sign_in(page, "wrong")
        page.wait("document.getElementById('sign-in-reason').textContent.includes('refused')")
        sign_in(page, token)
        page.wait("document.querySelectorAll('#series label').length === 1")
        page.wait("document.querySelector('#series img').naturalWidth > 0")

        page.run("document.getElementById('ask').requestSubmit()")
        page.wait("!document.getElementById('result').hidden")
        page.wait("document.getElementById('overlay').naturalWidth > 0")
        assert "I am a test double, I mark bright pixels." in page.run("document.getElementById('text').textContent")
        assert page.run("document.querySelectorAll('#findings tbody tr').length") == 1
        assert not page.run("document.getElementById('failure').hidden === false")

        page.open(f"{url}/admin")
        page.wait("document.querySelectorAll('#queue tbody tr td').length > 1")
        for table in ("queue", "outbox", "audit"):
            assert page.run(f"document.querySelectorAll('#{table} tbody tr').length") >= 1
        assert "ada" in page.run("document.getElementById('audit').innerText")
        # By keyboard alone: to the button, and press it.
        page.run("document.getElementById('check').focus()")
        page.press_enter()
        page.wait("document.getElementById('ledger-said').textContent.startsWith('Sound')")
        page.run("document.getElementById('sign-out').click()")
        page.wait("!document.getElementById('sign-in').hidden && !sessionStorage.getItem('wetread-token')")


def test_without_access_control_nobody_is_asked_and_everything_has_a_name(page, archive, serving):
    with serving(create_app(archive, BrightPixelReader())) as url:
        page.open(f"{url}/admin")
        page.wait("document.getElementById('service').textContent.includes('test-double')")
        assert page.run("document.getElementById('sign-in').hidden")
        assert page.run(NAMELESS) == 0
        page.open(url)
        page.wait("!document.getElementById('no-studies').hidden")
        page.open(f"{url}/admin")
        page.wait("!document.getElementById('no-versions').hidden")
        assert "wetread serve --models DIR" in page.run("document.getElementById('no-versions').textContent")
        assert page.run("document.getElementById('versions-part').hidden")


class NamedDouble(BrightPixelReader):
    """The double under the name of a version."""

    def __init__(self, location):
        super().__init__()
        self.info = read_info(location)

    def close(self):
        """Nothing to let go of."""


@pytest.fixture
def versions(tmp_path):
    """Two versions beside the shipped model, which differ as far as anybody can tell without loading them."""
    made, source = ModelVersions(tmp_path / "models", "wetread-mini"), SHIPPED / "wetread-mini"
    for number, name in enumerate(("0.1.1", "0.1.2")):
        with made.adding(name) as folder:
            for file in source.iterdir():
                shutil.copy(file, folder / file.name)
            stated = json.loads((folder / "wetread.json").read_text()) | {"version": name}
            (folder / "wetread.json").write_text(json.dumps(stated))
            with (folder / "grounding.safetensors").open("ab") as stream:
                stream.write(bytes([number]))
    return made


READS_NOW = "document.querySelector('#versions .tag.now')?.closest('tr').cells[0].textContent"


def press(page, button: str) -> str:
    """By keyboard: the button, then the first answer of the dialogue; its question."""
    page.run(f"{button}.focus()")
    page.press_enter()
    page.wait("document.getElementById('confirm').open")
    question = page.run("document.getElementById('confirm-question').textContent")
    page.run("document.getElementById('confirm-yes').focus()")
    page.press_enter()
    page.wait("!document.getElementById('confirm').open")
    return question


def test_versions_are_listed_promoted_and_rolled_back(page, archive, serving, versions, tmp_path):
    token = add_token(tmp_path / "tokens.json", "ada", Role.ADMIN)
    app = create_app(archive, SwitchingReader(versions, NamedDouble), allowed_hosts=["*"],
                     access=TokenFile(tmp_path / "tokens.json"))  # fmt: skip
    with serving(app) as url:
        page.open(f"{url}/admin")
        sign_in(page, token)
        page.wait("document.querySelectorAll('#versions tbody tr').length === 3")
        listed = page.run("[...document.querySelectorAll('#versions tbody tr')].map((row) => row.cells[0].textContent)")
        assert listed == ["base (0.1.0)", "0.1.1", "0.1.2"]
        assert page.run(READS_NOW) == "base (0.1.0)"
        assert page.run("document.getElementById('roll-back').disabled"), "nothing read before"
        assert page.run(NAMELESS) == 0

        for name, before in (("0.1.1", "base (0.1.0)"), ("0.1.2", "0.1.1")):
            question = press(page, f"document.querySelector('[aria-label=\"Promote {name}\"]')")
            assert question == f"Let {name} read from now on, instead of {before}?"
            page.wait(f"{READS_NOW} === {name!r}")
            assert versions.pointer().current == name

        page.run("document.getElementById('roll-back').click()")
        page.wait("document.getElementById('confirm').open")
        page.run("document.querySelector('#confirm [value=no]').click()")
        page.wait("!document.getElementById('confirm').open")
        assert versions.pointer().current == "0.1.2", "who says no changes nothing"

        button = "document.getElementById('roll-back')"
        assert press(page, button) == "Roll back from 0.1.2 to 0.1.1?"
        page.wait(f"{READS_NOW} === '0.1.1'")
        assert versions.pointer().current == "0.1.1"
        assert press(page, button) == "Roll back from 0.1.1 to base (0.1.0)?"
        page.wait(f"{READS_NOW} === 'base (0.1.0)' && {button}.disabled")
        assert "0.1.1 rolled back by ada" in page.run("document.getElementById('models').textContent")
        assert page.run("document.getElementById('failure').hidden")


@pytest.mark.slow
def test_a_training_is_started_stopped_and_watched_to_its_end(page, archive, serving, versions):
    with serving(create_app(archive, SwitchingReader(versions, NamedDouble))) as url:
        page.open(f"{url}/admin")
        page.wait("document.querySelectorAll('#versions tbody tr').length === 3")
        page.run("document.getElementById('train-steps').value = 1")
        page.run("document.getElementById('train').requestSubmit()")
        page.wait("!document.getElementById('train-stop').hidden && document.getElementById('train-start').disabled")
        page.run("document.getElementById('train-stop').click()")
        page.wait("document.getElementById('train-said').textContent.startsWith('Ended without a version: stopped')")
        page.wait("!document.getElementById('train-start').disabled && document.getElementById('train-stop').hidden")
        # Nothing was decided on: the next one ends by itself, which only asking again can tell.
        page.run("document.getElementById('train').requestSubmit()")
        page.wait("document.getElementById('train-said').textContent.includes('nothing new to learn')", 120)
        page.wait("document.getElementById('train-progress').hidden")
