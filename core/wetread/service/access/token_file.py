"""Access by a file of tokens, for a house without an identity provider.

The file holds the SHA-256 of each token, never the token: who reads it cannot come in with it. Tokens are drawn with
256 bits, so that a plain hash cannot be turned around. The file is read again whenever it changes; a token that was
taken out or has run its time is refused from the next request on.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from wetread.errors import RefusedInput
from wetread.service.access.people import NotLetIn, Person, Role

PREFIX = "wetread_"
LONGEST_TOKEN = 512


class TokenFile:
    """Tokens in a JSON file: ``{"tokens": [{"sha256", "login", "name", "organisation", "role", "expires"}]}``.

    Args:
        path: the file; must not be readable by others.

    Raises:
        RefusedInput: it is not there, not JSON of this form, or others may read it.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._lock = threading.Lock()
        self._seen: tuple[int, int] | None = None
        self._entries: list[dict[str, Any]] = []
        self._read()

    def person(self, token: str) -> Person:
        """See `Access.person`."""
        if not token or len(token) > LONGEST_TOKEN:
            raise NotLetIn("unknown token")
        with self._lock:
            self._read()
            entries = self._entries
        digest = _digest(token)
        # Every entry is compared, in constant time: how long it takes tells nothing.
        found = [entry for entry in entries if hmac.compare_digest(entry["sha256"], digest)]
        if not found:
            raise NotLetIn("unknown token")
        entry = found[0]
        if entry["expires"] is not None and datetime.now(UTC) >= datetime.fromisoformat(entry["expires"]):
            raise NotLetIn("the token has expired")
        return Person(
            entry["login"], Role[entry["role"].upper()], entry["name"] or entry["login"], entry["organisation"]
        )

    def _read(self) -> None:
        try:
            state = self._path.stat()
            if (now := (state.st_mtime_ns, state.st_size)) == self._seen:
                return
            if os.name == "posix" and state.st_mode & 0o077:
                raise RefusedInput("others may read the token file", self._path, f"chmod 600 {self._path.name}")
            self._entries = _load(self._path)
            self._seen = now
        except OSError as error:
            raise RefusedInput(f"no token file ({error.strerror})", self._path, "make one: wetread token add") from None


def add_token(
    path: str | Path, login: str, role: Role, *, name: str = "", organisation: str = "", days: float | None = 365.0
) -> str:
    """Add a token to the file, made where missing, and give it: it is shown once and kept nowhere.

    Args:
        path: the file.
        login: whose it is.
        role: what he may do.
        name: as it goes into a signed report.
        organisation: as it goes into a signed report.
        days: how long it is good; None for ever.

    Raises:
        RefusedInput: a file of another form, or a login that cannot be used.
    """
    if not login.strip() or len(login) > 100 or not login.isprintable():
        raise RefusedInput("not a login", "login", "give 1 to 100 printable characters")
    target = Path(path)
    entries = _load(target) if target.exists() else []
    token = PREFIX + secrets.token_urlsafe(32)
    expires = None if days is None else (datetime.now(UTC) + timedelta(days=days)).isoformat(timespec="seconds")
    entries.append({"sha256": _digest(token), "login": login, "name": name, "organisation": organisation,
                    "role": role.name.lower(), "expires": expires})  # fmt: skip
    _save(target, entries)
    return token


def remove_tokens(path: str | Path, login: str) -> int:
    """Take every token of a login out of the file; returns how many there were."""
    target = Path(path)
    entries = _load(target)
    kept = [entry for entry in entries if entry["login"] != login]
    if len(kept) != len(entries):
        _save(target, kept)
    return len(entries) - len(kept)


def listed(path: str | Path) -> list[dict[str, Any]]:
    """The tokens of a file without their hashes."""
    return [{key: value for key, value in entry.items() if key != "sha256"} for entry in _load(Path(path))]


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _load(path: Path) -> list[dict[str, Any]]:
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))["tokens"]
        for entry in entries:
            missing = {"sha256", "login", "name", "organisation", "role", "expires"} - entry.keys()
            if missing or entry["role"].upper() not in Role.__members__:
                raise ValueError("an entry is not whole")
            if entry["expires"] is not None and datetime.fromisoformat(entry["expires"]).tzinfo is None:
                raise ValueError("an expiry without a time zone")
        return list(entries)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RefusedInput(f"not a token file ({type(error).__name__})", path, "make one: wetread token add") from None


def _save(path: Path, entries: list[dict[str, Any]]) -> None:
    """Whole or not at all, and for its owner alone from the first byte."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as stream:
        json.dump({"tokens": entries}, stream, indent=2)
        stream.write("\n")
    beside.replace(path)
