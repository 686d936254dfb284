"""What can go wrong between a viewer and a service: each a clear state in words, and never a lost verdict."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from starlette.requests import Request

from bright_pixel_reader import BrightPixelReader
from dicom_phantoms import ct_series
from ecg_phantoms import ecg
from faulty_archive import FaultyArchive
from ohif import Viewer, viewer
from wetread.service.app import create_app

pytestmark = pytest.mark.ohif


@pytest.fixture
def study(archive) -> str:
    series = ct_series(3)
    archive.store(series).require_complete()
    return str(series[0].StudyInstanceUID)


@pytest.fixture
def served(archive, study, serving, release) -> Any:
    with serving(create_app(archive, BrightPixelReader(), viewer=release)) as url:
        yield url


@pytest.fixture
def tab(chromium: Any) -> Any:
    """Refused requests are errors of the browser's own on the console, so nothing is asserted of it here."""
    with viewer(chromium) as opened:
        yield opened


def trouble(tab: Viewer, kind: str) -> Any:
    told = tab.page.locator(f'[data-cy="wetread-trouble"][data-trouble="{kind}"]')
    told.wait_for(timeout=60_000)
    return told


def fulfil(status: int, what: str = "") -> Any:
    body = f'{{"what": "{what}", "where": "here", "remedy": "wait"}}' if what else ""
    return lambda route: route.fulfill(status=status, body=body, content_type="application/json")


WAYS = {
    "server down": (lambda route: route.abort("connectionrefused"), "unreachable", "cannot be reached"),
    "401": (fulfil(401, "no token"), "sign-in", "not signed in"),
    "429": (fulfil(429, "too many requests"), "busy", "busy"),
    "500": (fulfil(500), "broken", "went wrong in the service"),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_verdict_that_cannot_be_sent_waits_and_is_sent_when_it_can_be(tab: Viewer, served, study, way):
    answer, kind, words = WAYS[way]
    tab.open(served, study)
    tab.read()
    ((tracking, _),) = tab.findings()
    tab.page.route("**/wetread/v1/reads/*/verdicts", answer)
    tab.part("accept").click()
    assert words in trouble(tab, kind).inner_text()
    assert "1 decisions wait" in tab.part("waiting").inner_text()
    tab.picture(f"trouble-{kind}")
    tab.page.unroute("**/wetread/v1/reads/*/verdicts")
    tab.page.reload()  # the page is left in the middle of it
    tab.part("model").wait_for(timeout=60_000)
    tab.wait_for_state(tracking, "accepted", 60)
    assert tab.part("trouble").count() == 0


def test_a_verdict_that_is_refused_is_shown_and_is_not_said_to_be_given(tab: Viewer, served, study):
    tab.open(served, study)
    tab.read()
    ((tracking, _),) = tab.findings()
    tab.page.route("**/wetread/v1/reads/*/verdicts", lambda route: (
        fulfil(413, "request too large")(route) if route.request.method == "POST" else route.continue_()
    ))  # fmt: skip
    tab.part("accept").click()
    assert "too large" in trouble(tab, "too-large").inner_text()
    assert "request too large" in tab.part("refused").inner_text()
    tab.wait_for_state(tracking, "undecided")
    tab.part("dismiss").click()
    assert tab.part("refused").count() == 0


def test_a_service_that_is_down_when_the_study_opens_is_tried_again_on_request(tab: Viewer, served, study):
    tab.page.route("**/wetread/v1/**", lambda route: route.abort("connectionrefused"))
    tab.page.goto(f"{served}/wetread?StudyInstanceUIDs={study}")
    trouble(tab, "unreachable")
    tab.page.unroute("**/wetread/v1/**")
    tab.part("retry").click()
    tab.part("model").wait_for()
    assert tab.part("trouble").count() == 0


def test_a_read_that_was_asked_for_but_not_heard_of_is_asked_for_once(tab: Viewer, archive, study, serving, release):
    reader = BrightPixelReader()
    with serving(create_app(archive, reader, viewer=release)) as url:
        tab.open(url, study)

        def lost(route: Any) -> None:
            route.fetch()  # the service has it; the answer is lost
            route.abort("connectionreset")

        def asked(route: Any) -> None:
            lost(route) if route.request.method == "POST" else route.continue_()

        tab.page.route("**/wetread/v1/reads", asked)
        tab.part("read").click()
        trouble(tab, "unreachable")
        tab.page.unroute("**/wetread/v1/reads")
        tab.part("retry").click()
        tab.part("provenance").wait_for(timeout=60_000)
        assert reader.reads == 1


def test_a_slow_service_shows_where_the_read_is_and_can_be_cancelled(tab: Viewer, archive, study, serving, release):
    gate = threading.Event()
    app = create_app(archive, BrightPixelReader(gate), viewer=release)

    @app.middleware("http")
    async def slowly(request: Request, go_on: Any) -> Any:
        if request.method == "POST":
            await asyncio.sleep(10)
        return await go_on(request)

    with serving(app) as url:
        tab.open(url, study)
        tab.part("read").click()
        assert "Sending" in tab.part("stage").inner_text()
        tab.page.get_by_text("I am a test double").first.wait_for(timeout=60_000)  # words before the read is done
        assert "Writing" in tab.part("stage").inner_text()
        tab.picture("streaming")
        tab.part("cancel").click()
        assert "Not read" in trouble(tab, "canceled").inner_text()
        gate.set()


def test_a_stream_that_breaks_goes_on_where_it_was(tab: Viewer, archive, study, serving, release):
    gate = threading.Event()
    with serving(create_app(archive, BrightPixelReader(gate), viewer=release)) as url:
        tab.open(url, study)
        broken: list[int] = []

        def breaking(route: Any) -> None:
            if len(broken) >= 2:
                route.continue_()
                return
            broken.append(1)
            if len(broken) == 1:  # half an event, and the end
                route.fulfill(status=200, content_type="text/event-stream", body='id: 1\nevent: state\ndata: {"sta')
            else:
                route.abort("connectionreset")

        tab.page.route("**/wetread/v1/reads/*/events", breaking)
        tab.part("read").click()
        tab.part("broken").wait_for(timeout=30_000)
        gate.set()
        tab.part("provenance").wait_for(timeout=60_000)
        assert [state for _, state in tab.findings()] == ["undecided"]


def test_an_archive_that_refuses_is_named_and_the_verdicts_stay(tab: Viewer, archive, study, serving, release):
    app = create_app(archive, BrightPixelReader(), viewer=release)
    refusing = FaultyArchive(archive, lambda: "refused")
    app.state.backing.outbox._archive = refusing
    with serving(app) as url:
        tab.open(url, study)
        tab.read()
        told = tab.part("object").filter(has_text="out of resources").first
        told.wait_for(timeout=60_000)
        assert "SEG is on its way to the archive" in told.inner_text()  # it is tried again
        tab.picture("archive-refuses")
        ((tracking, _),) = tab.findings()
        tab.part("accept").click()
        tab.wait_for_state(tracking, "accepted")


def test_a_study_without_pictures_says_that_there_is_nothing_to_read(tab: Viewer, archive, serving, release, tissue):
    from wetread.pipeline import read_series

    outcome = read_series([tissue], reader=BrightPixelReader())
    archive.store([dataset for _, dataset in outcome.objects]).require_complete()
    with serving(create_app(archive, BrightPixelReader(), viewer=release)) as url:
        tab.open(url, str(tissue.StudyInstanceUID), images=False)
        assert "Nothing in this study can be read" in tab.part("no-series").inner_text()


def test_two_tabs_decide_and_each_sees_the_other(chromium, served, study):
    with viewer(chromium) as one:
        two = Viewer(one.page.context.new_page())
        one.open(served, study)
        one.read()
        ((tracking, _),) = one.findings()
        two.open(served, study)
        two.wait_for_state(tracking, "undecided")
        two.page.route("**/wetread/v1/reads/*/verdicts", lambda route: route.abort("connectionrefused"))
        two.part("accept").click()
        trouble(two, "unreachable")
        one.page.locator(f'[data-tracking="{tracking}"][data-state="accepted"]').wait_for(timeout=90_000)
        two.page.unroute("**/wetread/v1/reads/*/verdicts")


def test_an_ecg_is_shown_as_its_twelve_leads(tab: Viewer, archive, serving, release):
    from wetread.reading import Reader

    dataset = ecg()
    archive.store([dataset]).require_complete()
    with serving(create_app(archive, Reader(), viewer=release)) as url:
        tab.open(url, str(dataset.StudyInstanceUID), images=False)
        tab.read()
        tab.part("tracing").wait_for(timeout=60_000)
        assert tab.page.evaluate("() => document.querySelector('[data-cy=\"wetread-tracing\"]').naturalWidth") > 500
        ((tracking, _),) = tab.findings()
        tab.part("jump").click()
        tab.part("accept").click()
        tab.wait_for_state(tracking, "accepted")
        tab.part("sign").click()
        tab.page.locator('[data-cy="wetread-signature"] [data-state="stored"]').first.wait_for(timeout=60_000)
        tab.picture("ecg")
        assert tab.part("trouble").count() == 0


def test_a_panel_that_was_left_for_another_one_comes_back_as_it_was(tab: Viewer, served, study):
    tab.open(served, study)
    tab.read()
    before = tab.findings()
    tab.page.locator('[data-cy="panelMeasurement-btn"]').click()
    tab.part("panel").wait_for(state="detached")
    tab.page.locator('[data-cy="reads-btn"]').click()
    tab.part("provenance").wait_for()
    assert tab.findings() == before
