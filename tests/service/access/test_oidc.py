"""Tokens of an identity provider: the right ones, and every wrong one."""

from __future__ import annotations

import base64
import json
import time

import jwt
import pytest
from cryptography.hazmat.primitives import serialization

from identity_provider import AUDIENCE, IdentityProvider, identity_provider
from wetread.errors import RefusedInput
from wetread.service.access.oidc import Oidc
from wetread.service.access.people import NotLetIn, Person, Role, highest


@pytest.fixture(scope="module")
def provider():
    with identity_provider() as running:
        yield running


@pytest.fixture(scope="module")
def access(provider):
    return Oidc(provider.issuer, AUDIENCE)


def unsigned(provider: IdentityProvider) -> str:
    header = base64.urlsafe_b64encode(json.dumps({"alg": "none", "typ": "JWT", "kid": "one"}).encode()).rstrip(b"=")
    return f"{header.decode()}.{provider.token().split('.')[1]}."


def signed_with_the_public_key(provider: IdentityProvider) -> str:
    """The classic confusion: HMAC under the issuer's public key."""
    import hashlib
    import hmac

    pem = provider.key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    header = base64.urlsafe_b64encode(json.dumps({"alg": "HS256", "typ": "JWT", "kid": "one"}).encode()).rstrip(b"=")
    signed = f"{header.decode()}.{provider.token().split('.')[1]}"
    tag = base64.urlsafe_b64encode(hmac.new(pem, signed.encode(), hashlib.sha256).digest()).rstrip(b"=")
    return f"{signed}.{tag.decode()}"


def test_a_valid_token_says_who_it_is(provider, access):
    assert access.person(provider.token()) == Person("ada", Role.REVIEWER, "Lovelace^Ada")


WRONG = {
    "expired": lambda p: p.token(exp=int(time.time()) - 3600),
    "not valid yet": lambda p: p.token(nbf=int(time.time()) + 3600),
    "for somebody else": lambda p: p.token(aud="another-service"),
    "of another issuer": lambda p: p.token(iss="https://evil.example"),
    "signed with another key": lambda p: p.token(key=p.foreign_key),
    "of an unknown key": lambda p: p.token(kid="two"),
    "without a role": lambda p: p.token(realm_access={"roles": ["offline_access"]}),
    "without an end": lambda p: p.token(exp=None),
    "without an audience": lambda p: p.token(aud=None),
    "without a subject": lambda p: p.token(sub=None),
    "unsigned": unsigned,
    "signed with the public key": signed_with_the_public_key,
    "of another algorithm": lambda p: p.token(algorithm="RS384"),
    "changed": lambda p: p.token()[:-6] + "AAAAAA",
    "no token": lambda p: "x",
    "empty": lambda p: "",
    "two dots": lambda p: "..",
    "not text": lambda p: "\x00\udc80" * 3,
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_token_is_refused_and_not_repeated(provider, access, kind):
    token = WRONG[kind](provider)
    with pytest.raises(NotLetIn) as refusal:
        access.person(token)
    assert len(token) < 4 or token not in str(refusal.value)


def test_keys_are_fetched_once_for_many_tokens(provider):
    access, before = Oidc(provider.issuer, AUDIENCE), len(provider.asked)
    for _ in range(20):
        access.person(provider.token())
    assert provider.asked[before:] == ["/.well-known/openid-configuration", "/keys"]


def test_roles_may_be_in_another_claim(provider):
    access = Oidc(provider.issuer, AUDIENCE, roles="groups")
    assert access.person(provider.token(groups=["wetread-admin", "staff"])).role is Role.ADMIN
    assert access.person(provider.token(groups="reader staff")).role is Role.READER


def test_an_issuer_that_does_not_answer_lets_nobody_in():
    token = jwt.encode({"sub": "x"}, "0" * 32, algorithm="HS256", headers={"kid": "one"})
    with pytest.raises(NotLetIn, match="does not answer"):
        Oidc("http://127.0.0.1:9", AUDIENCE).person(token)


@pytest.mark.parametrize("given", [
    {"issuer": "http://login.example", "audience": "a"},
    {"issuer": "login.example", "audience": "a"},
    {"issuer": "https://login.example", "audience": " "},
    {"issuer": "https://login.example", "audience": "a", "algorithms": ["HS256"]},
    {"issuer": "https://login.example", "audience": "a", "algorithms": ["none"]},
    {"issuer": "https://login.example", "audience": "a", "algorithms": []},
])  # fmt: skip
def test_an_unsafe_configuration_is_refused(given):
    with pytest.raises(RefusedInput):
        Oidc(**given)


@pytest.mark.parametrize(("names", "role"), [
    (["wetread-reader", "wetread-admin"], Role.ADMIN), (["REVIEWER"], Role.REVIEWER), (["administrator"], None),
    ([], None), ([None, 3], None),
])  # fmt: skip
def test_the_highest_role_of_many_names(names, role):
    assert highest(names) is role
