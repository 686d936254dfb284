"""The OpenAPI description: the committed one is current, and no request that it allows, or nearly, ends in a 5xx."""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable

from bright_pixel_reader import BrightPixelReader
from dicom_phantoms import ct_series
from wetread.archive import open_archive
from wetread.service.app import create_app

EXAMPLES = int(os.environ.get("WETREAD_FUZZ", "10"))
"""Requests a route; more with WETREAD_FUZZ=200."""
REPOSITORY = Path(__file__).parents[2]
schemathesis = pytest.importorskip("schemathesis", reason="pip install schemathesis")
GenerationMode = schemathesis.GenerationMode


@pytest.fixture(scope="session")
def script():
    spec = importlib.util.spec_from_file_location("openapi_script", REPOSITORY / "scripts" / "openapi.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_committed_description_is_current(script):
    said = json.loads(script.DOCUMENT.read_text(encoding="utf-8"))
    assert said == json.loads(script.text()), "run: python scripts/openapi.py"


def test_every_route_of_the_service_is_described(script):
    paths = json.loads(script.DOCUMENT.read_text(encoding="utf-8"))["paths"]
    for path in ("/wetread/v1/reads", "/wetread/v1/worklist/next", "/wetread/v1/history/{study}", "/metrics",
                 "/wetread/v1/reads/{uid}/masks.{form}", "/wetread/v1/training", "/dicom-web/studies"):  # fmt: skip
        assert path in paths


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    archive = open_archive(tmp_path_factory.mktemp("fuzz") / "archive")
    archive.store(ct_series(2)).require_complete()
    app = create_app(archive, BrightPixelReader(), workers=0, allowed_hosts=["*"])
    yield schemathesis.openapi.from_asgi("/openapi.json", app)
    app.state.backing.close()


def test_no_request_ends_in_a_5xx(service):
    """Schemathesis draws requests from the description; its pytest plugin is not used, for it lags behind pytest."""
    routes = [found.ok() for found in service.get_all_operations()]
    assert len(routes) >= 40
    for operation in routes:
        # A stream of events lasts as long as its job, on which nobody works here.
        if not operation.path.endswith("/events"):
            asked(operation)


def asked(operation) -> None:
    """Requests of one route, right ones and wrong ones."""
    kinds = st.sampled_from([GenerationMode.POSITIVE, GenerationMode.NEGATIVE])

    @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(data=st.data())
    def ask(data):
        try:
            case = data.draw(operation.as_strategy(generation_mode=data.draw(kinds)))
        except Unsatisfiable:
            reject()  # nothing about this request can be wrong
        answer = case.call()
        assert answer.status_code < 500, f"{case.method} {case.path}: {answer.content!r}"
        assert b"Traceback" not in answer.content

    ask()
