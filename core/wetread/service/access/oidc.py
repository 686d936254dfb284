"""Access by an identity provider: OpenID Connect access tokens as JWTs (RFC 9068, OpenID Connect Core 1.0).

Checked on every request: the signature with a key of the issuer, and that the algorithm is one of the asymmetric ones
that were allowed (never the one the token itself asks for); issuer, audience, expiry and not-before. Keys come from
the issuer's discovery document and are kept; an unknown key is looked up again, at most twice a minute.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests

from wetread.errors import RefusedInput
from wetread.service.access.people import NotLetIn, Person, highest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jwt import PyJWKClient

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA")
LEEWAY_SECONDS = 30
_TIMEOUT = 10.0


class Oidc:
    """An OpenID Connect issuer whose tokens are taken.

    Args:
        issuer: exactly as tokens name it in ``iss``; https, or http on this machine.
        audience: must be among the token's ``aud``.
        algorithms: allowed signatures.
        roles: path of the claim that lists roles, parts joined by dots (Keycloak: ``realm_access.roles``).

    Raises:
        RefusedInput: an issuer that is no such address, or a symmetric or missing algorithm.
    """

    def __init__(
        self, issuer: str, audience: str, algorithms: Sequence[str] = ("RS256", "ES256"),
        roles: str = "realm_access.roles",
    ) -> None:  # fmt: skip
        parts = urlsplit(issuer)
        on_this_machine = parts.hostname in ("127.0.0.1", "localhost", "::1")
        if parts.scheme != "https" and not (parts.scheme == "http" and on_this_machine):
            raise RefusedInput("the issuer has no https address", "issuer", "give the issuer as tokens name it")
        if not audience.strip():
            raise RefusedInput("no audience", "audience", "give the client or resource that tokens are made for")
        if not algorithms or not set(algorithms) <= set(ALGORITHMS):
            raise RefusedInput(
                "signature algorithms that are not allowed", "algorithms", f"use {', '.join(ALGORITHMS)}"
            )
        self._issuer, self._audience, self._algorithms = issuer, audience, list(algorithms)
        self._roles = roles.split(".")
        self._lock = threading.Lock()
        self._keys: PyJWKClient | None = None

    def person(self, token: str) -> Person:
        """See `Access.person`."""
        import jwt

        try:
            key = self._client().get_signing_key_from_jwt(token)
            claims: dict[str, Any] = jwt.decode(
                token, key.key, algorithms=self._algorithms, audience=self._audience, issuer=self._issuer,
                leeway=LEEWAY_SECONDS, options={"require": ["exp", "iss", "aud", "sub"]},
            )  # fmt: skip
        except jwt.ExpiredSignatureError:
            raise NotLetIn("the token has expired") from None
        except jwt.PyJWKClientConnectionError:
            raise NotLetIn("the issuer's keys cannot be fetched") from None
        except (jwt.PyJWTError, ValueError, TypeError, KeyError):
            # The library's words may repeat claims; ours say nothing of the token.
            raise NotLetIn("not a token of this issuer for this service") from None
        role = highest(_listed(claims, self._roles))
        if role is None:
            raise NotLetIn("the token carries no role of this service")
        login = str(claims.get("preferred_username") or claims["sub"])[:100]
        return Person(login, role, _name(claims) or login, str(claims.get("organization") or "")[:64])

    def _client(self) -> PyJWKClient:
        import jwt

        with self._lock:
            if self._keys is None:
                address = self._issuer.rstrip("/") + "/.well-known/openid-configuration"
                try:
                    answer = requests.get(address, timeout=_TIMEOUT, allow_redirects=False)
                    said = answer.json() if answer.status_code == 200 else {}
                except (requests.RequestException, ValueError):
                    raise NotLetIn("the issuer does not answer") from None
                if said.get("issuer") != self._issuer or not str(said.get("jwks_uri", "")).startswith(
                    ("https:", "http:")
                ):
                    raise NotLetIn("the issuer's configuration does not fit")
                self._keys = jwt.PyJWKClient(said["jwks_uri"], timeout=_TIMEOUT)
            return self._keys


def _listed(claims: Mapping[str, Any], path: Sequence[str]) -> list[object]:
    value: object = claims
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    if isinstance(value, str):
        return list(value.split())
    return list(value) if isinstance(value, list) else []


def _name(claims: Mapping[str, Any]) -> str:
    """A DICOM person name (PS3.5 6.2.1) from the standard claims."""
    family, given = (str(claims.get(key) or "").strip() for key in ("family_name", "given_name"))
    if family or given:
        return f"{family}^{given}".replace("\\", " ").replace("=", " ")[:64]
    return str(claims.get("name") or "").replace("\\", " ").replace("=", " ").replace("^", " ")[:64]
