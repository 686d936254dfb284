"""The guard: no route without it, no role too low, and a log of who did what."""

from __future__ import annotations

import time

import pytest
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from starlette.responses import JSONResponse

from bright_pixel_reader import BrightPixelReader
from dicom_phantoms import PATIENT_ID, PATIENT_NAME, ct_series
from identity_provider import AUDIENCE, identity_provider
from wetread.archive import open_archive
from wetread.service.access.audit import AuditLog, action
from wetread.service.access.guard import Guard, Pace, needed_role
from wetread.service.access.oidc import Oidc
from wetread.service.access.people import Role
from wetread.service.app import create_app

API = "/wetread/v1"
CT = ct_series()


@pytest.fixture(scope="module")
def provider():
    with identity_provider() as running:
        yield running


@pytest.fixture(scope="module")
def app(provider, tmp_path_factory):
    archive = open_archive(tmp_path_factory.mktemp("guard") / "archive")
    archive.store(CT).require_complete()
    return create_app(archive, BrightPixelReader(), allowed_hosts=["*"], access=Oidc(provider.issuer, AUDIENCE))


@pytest.fixture(scope="module")
def client(app):
    with TestClient(app) as running:
        yield running


def as_(provider, role):
    token = provider.token(preferred_username=role, realm_access={"roles": [f"wetread-{role}"]})
    return {"Authorization": f"Bearer {token}"}


def routes(app):
    """Every method and path, with something in the place of each parameter."""
    import re

    found = []
    stack = list(app.routes)
    while stack:
        route = stack.pop()
        if isinstance(route, APIRoute):
            found += [(method, re.sub(r"\{[^}]+\}", "1.2", route.path)) for method in route.methods]
        else:
            stack += getattr(route, "routes", None) or getattr(getattr(route, "original_router", None), "routes", [])
    return sorted(set(found))


PUBLIC = {("GET", "/"), ("GET", "/admin"), ("GET", "/static/1.2"), ("GET", f"{API}/health")}


def test_every_route_is_known_to_this_test(app):
    assert {("POST", f"{API}/reads"), ("GET", "/dicom-web/studies"), ("GET", f"{API}/studies")} <= set(routes(app))


def test_without_a_token_nothing_but_the_page_and_the_sign_of_life(app, client):
    for method, path in routes(app):
        status = client.request(method, path).status_code
        assert (status == 401) is ((method, path) not in PUBLIC), f"{method} {path}: {status}"
    assert client.get("/openapi.json").status_code == 401


@pytest.mark.parametrize("kind", ["expired", "for somebody else", "garbage", "basic"])
def test_a_wrong_token_is_refused_on_every_route(app, client, provider, kind):
    header = {
        "expired": f"Bearer {provider.token(exp=int(time.time()) - 3600)}",
        "for somebody else": f"Bearer {provider.token(aud='another')}",
        "garbage": "Bearer x",
        "basic": "Basic YTpi",
    }[kind]
    for method, path in [*routes(app), ("GET", "/openapi.json"), ("GET", "/no-such-path")]:
        answer = client.request(method, path, headers={"Authorization": header})
        assert answer.status_code == 401, f"{method} {path}"
        assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(("role", "method", "path", "allowed"), [
    ("reader", "GET", f"{API}/reads", True),
    ("reader", "GET", "/dicom-web/studies", True),
    ("reader", "POST", f"{API}/reads/1.2/verdicts", False),
    ("reader", "POST", "/dicom-web/studies", False),
    ("reviewer", "POST", f"{API}/reads/1.2/verdicts", True),
    ("reviewer", "POST", f"{API}/training", False),
    ("admin", "POST", f"{API}/training", True),
])  # fmt: skip
def test_a_role_may_what_it_may(client, provider, role, method, path, allowed):
    assert (client.request(method, path, headers=as_(provider, role)).status_code != 403) is allowed


def test_a_route_that_somebody_forgets_needs_an_administrator():
    for method in ("GET", "POST", "DELETE", "TRACE"):
        assert needed_role(method, f"{API}/something/new") is Role.ADMIN
        assert needed_role(method, f"{API}/reads/../training") in (Role.ADMIN, Role.READER)
    assert needed_role("GET", f"{API}/reads\n/x") is Role.ADMIN


def test_with_a_token_the_service_works(client, provider):
    body = {"study_uid": CT[0].StudyInstanceUID, "series_uid": CT[0].SeriesInstanceUID}
    job = client.post(f"{API}/reads", json=body, headers=as_(provider, "reader")).json()
    assert "COMPLETED" in client.get(f"{API}/reads/{job['uid']}/events", headers=as_(provider, "reader")).text


def test_who_looked_and_who_was_turned_away_is_on_record_without_the_patient(app, client, provider):
    study = CT[0].StudyInstanceUID
    client.get(f"{API}/studies/{study}/series", headers=as_(provider, "reader"))
    client.get("/dicom-web/studies", params={"PatientName": PATIENT_NAME}, headers=as_(provider, "reader"))
    entries = AuditLog(app.state.backing.database).entries(login="reader")
    assert ("looked at a study", study, 200) in {(e.action, e.subject, e.status) for e in entries}
    assert "searched" in {e.action for e in entries}
    assert PATIENT_NAME not in str(entries)
    assert PATIENT_ID not in str(entries)


def test_a_body_that_is_too_large_is_refused_before_it_is_read(client, provider):
    headers = as_(provider, "reader") | {"Content-Length": str(10**9), "Content-Type": "application/json"}
    assert client.post(f"{API}/reads", content=b"{}", headers=headers).status_code == 413


def test_nobody_may_ask_without_end():
    pace = Pace(10)
    assert [pace.allows("ada") for _ in range(12)].count(True) == 10
    assert pace.allows("bo")


@pytest.mark.parametrize(("method", "path", "called"), [
    ("GET", f"{API}/reads/1.2/masks.nii.gz", ("looked at a read", "1.2")),
    ("GET", f"{API}/reads/1.2/files/seg.dcm", ("looked at a read", "1.2")),
    ("GET", f"{API}/history/1.2", ("looked at a study", "1.2")),
    ("POST", f"{API}/worklist/prepare", ("asked for reads ahead", "")),
    ("GET", f"{API}/ledger/export", ("exported", "")),
    ("GET", f"{API}/ledger/check", None),
    ("GET", f"{API}/reads/1.2", None),
])  # fmt: skip
def test_what_shows_or_changes_something_of_a_patient_is_noted(method, path, called):
    assert action(method, path) == called


def test_metrics_are_for_administrators_and_for_this_machine_asking_directly(app, provider):
    local = TestClient(app, client=("127.0.0.1", 5))
    assert local.get("/metrics").status_code == 200
    assert local.get("/metrics", headers={"X-Forwarded-For": "192.0.2.1"}).status_code == 401
    assert local.get("/metrics", headers={"Authorization": "Bearer x"}).status_code == 401
    assert local.get(f"{API}/audit").status_code == 401
    assert TestClient(app).get("/metrics").status_code == 401
    assert TestClient(app).get("/metrics", headers=as_(provider, "reader")).status_code == 403
    assert TestClient(app).get("/metrics", headers=as_(provider, "admin")).status_code == 200


def test_where_nobody_has_a_name_nobody_is_counted(provider):
    """A hundred viewers of one machine share the local user."""

    async def answers(scope, receive, send):
        await JSONResponse({})(scope, receive, send)

    free = TestClient(Guard(answers, access=None, per_minute=3))
    assert {free.get(f"{API}/reads").status_code for _ in range(10)} == {200}
    counted = TestClient(Guard(answers, access=Oidc(provider.issuer, AUDIENCE), per_minute=3))
    headers = as_(provider, "reader")
    assert [counted.get(f"{API}/reads", headers=headers).status_code for _ in range(4)] == [200, 200, 200, 429]
    assert counted.get(f"{API}/health", headers=headers).status_code == 200
