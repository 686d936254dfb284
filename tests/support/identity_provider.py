"""A small OpenID Connect issuer on this machine: a discovery document, keys, and tokens of every kind."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

AUDIENCE = "wetread"


class IdentityProvider:
    """Makes tokens; `issuer` is its address."""

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.foreign_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.issuer = ""
        self.asked: list[str] = []

    def documents(self) -> dict[str, dict[str, object]]:
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
        return {
            "/.well-known/openid-configuration": {"issuer": self.issuer, "jwks_uri": f"{self.issuer}/keys"},
            "/keys": {"keys": [public | {"kid": "one", "use": "sig", "alg": "RS256"}]},
        }

    def token(self, *, key=None, algorithm: str = "RS256", kid: str = "one", **changed: object) -> str:
        """A reviewer's valid token, with claims changed, or taken out where None."""
        now = int(time.time())
        claims = {
            "iss": self.issuer, "aud": AUDIENCE, "sub": "u-17", "exp": now + 300, "iat": now,
            "preferred_username": "ada", "family_name": "Lovelace", "given_name": "Ada",
            "realm_access": {"roles": ["offline_access", "wetread-reviewer"]},
        }  # fmt: skip
        claims = {name: value for name, value in (claims | changed).items() if value is not None}
        return jwt.encode(claims, self.key if key is None else key, algorithm=algorithm, headers={"kid": kid})


@contextmanager
def identity_provider() -> Iterator[IdentityProvider]:
    provider = IdentityProvider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            provider.asked.append(self.path)
            document = provider.documents().get(self.path)
            self.send_response(404 if document is None else 200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(document).encode())

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider.issuer = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
