"""The pages in a real browser: signing in, a read as it comes, and the administrator's tables, by keyboard too."""

from __future__ import annotations

import pytest

from bright_pixel_reader import BrightPixelReader
from browser import CHROMIUM, browser
from dicom_phantoms import ct_series
from wetread.service.access.people import Role
from wetread.service.access.token_file import TokenFile, add_token
from wetread.service.app import create_app

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
