"""The OpenAI protocol as vLLM speaks it: one chat completion, streamed, and nothing else.

Plain `http.client`: it follows no redirect (a token must not travel), knows no netrc and no proxy, and gives its
socket, so that a cancelled request is cut off at once and the server stops writing. What a server says in an error is
never repeated, because it may quote the request.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import ssl
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wetread.errors import ModelUnavailable, ReadCancelled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from wetread.reading.servers import Server

TOKEN_VARIABLE = "WETREAD_VLLM_TOKEN"
LOOK_SECONDS = 0.05
LONGEST_LINE = 1 << 20
LONGEST_TEXT = 1 << 20
MODELS_LIMIT = 1 << 20


@dataclass(frozen=True, slots=True)
class Patience:
    """How long is waited.

    Args:
        connect: seconds for a connection.
        silence: seconds without a byte from the server; the first token of a busy server comes late.
    """

    connect: float = 3.0
    silence: float = 120.0


class ServerFailed(Exception):  # noqa: N818 - what happened, in one word
    """This server did not answer; another one may."""


@dataclass(frozen=True, slots=True)
class Completion:
    """What a server wrote.

    Args:
        text: all of it, special tokens included where the server gives them.
        finished: False where it ran into the length limit.
    """

    text: str
    finished: bool


def complete(
    server: Server, body: dict[str, Any], on_text: Callable[[str], None], cancel: threading.Event, patience: Patience
) -> Completion:
    """One streamed chat completion.

    Args:
        server: who is asked.
        body: the request without `stream`.
        on_text: called with the whole text so far, after each piece.
        cancel: cuts the connection.
        patience: how long is waited.

    Raises:
        ReadCancelled: `cancel` was set.
        ServerFailed: no connection, silence, 5xx, or a stream that ended too early.
        ModelUnavailable: the server refuses the request, which another one would refuse as well.
    """
    text, reason = "", None
    with _asked(server, "POST", "/v1/chat/completions", body | {"stream": True}, cancel, patience) as response:
        for event in _events(response, cancel):
            if "error" in event:
                raise ServerFailed("the server broke off with an error")
            piece, ended = _first_choice(event)
            if piece:
                text += piece
                if len(text) > LONGEST_TEXT:
                    raise ServerFailed("an answer without end")
                on_text(text)
            reason = ended or reason
    if reason is None:
        raise ServerFailed("the answer broke off")
    return Completion(text, reason != "length")


def _first_choice(event: dict[str, Any]) -> tuple[str, str | None]:
    """The new piece of text of an event, "" where it brings none, and why the answer ended, if it did."""
    choices = event.get("choices") or []
    if not choices:  # counts of tokens, for instance
        return "", None
    try:
        piece, ended = (choices[0].get("delta") or {}).get("content") or "", choices[0].get("finish_reason")
    except (AttributeError, KeyError, TypeError) as error:
        raise ServerFailed("an event of another protocol") from error
    if not isinstance(piece, str) or not (ended is None or isinstance(ended, str)):
        raise ServerFailed("an event of another protocol")
    # JSON can spell half a character, which no tokenizer takes.
    return piece.encode("utf-16", "surrogatepass").decode("utf-16", "replace"), ended


def served_models(server: Server, cancel: threading.Event, patience: Patience) -> list[str]:
    """Names of the models a server has; raises like `complete`."""
    with _asked(server, "GET", "/v1/models", None, cancel, patience) as response:
        try:
            listed = json.loads(response.read(MODELS_LIMIT))["data"]
            return [str(model["id"]) for model in listed]
        except (ValueError, KeyError, TypeError) as error:
            raise ServerFailed("no list of models") from error


@contextmanager
def _asked(
    server: Server, method: str, path: str, body: dict[str, Any] | None, cancel: threading.Event, patience: Patience
) -> Iterator[http.client.HTTPResponse]:
    """A request whose answer is 200; the connection ends with it, or when `cancel` is set."""
    connection = _connection(server, patience)
    try:
        connection.connect()
        connection.sock.settimeout(patience.silence)
        with _cut_off(connection.sock, cancel):
            content = None if body is None else json.dumps(body).encode()
            connection.request(method, server.path + path, content, _headers())
            response = connection.getresponse()
            _check(response.status, server)
            yield response
    except (OSError, http.client.HTTPException) as error:
        if cancel.is_set():
            raise ReadCancelled("The read was cancelled while the answer was written.") from error
        raise ServerFailed(f"no answer ({type(error).__name__})") from error
    finally:
        connection.close()


def _connection(server: Server, patience: Patience) -> http.client.HTTPConnection:
    if not server.secure:
        return http.client.HTTPConnection(server.host, server.port, timeout=patience.connect)
    context = ssl.create_default_context()
    return http.client.HTTPSConnection(server.host, server.port, timeout=patience.connect, context=context)


@contextmanager
def _cut_off(connected: socket.socket, cancel: threading.Event) -> Iterator[None]:
    """While this is open, `cancel` shuts the socket down, whatever is being waited for."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(LOOK_SECONDS):
            if cancel.is_set():
                with suppress(OSError):  # it may be closed already
                    connected.shutdown(socket.SHUT_RDWR)
                return

    watcher = threading.Thread(target=watch, name="wetread-cancel", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()


def _check(status: int, server: Server) -> None:
    if status == http.client.OK:
        return
    if status in (401, 403):
        raise ModelUnavailable(f"the server wants a token ({status})", server.name, f"set {TOKEN_VARIABLE}")
    if 300 <= status < 400:
        raise ModelUnavailable(f"the server redirects ({status}), which is not followed", server.name,
                               "give the address it redirects to, if you trust it")  # fmt: skip
    if status >= 500 or status in (408, 425, 429):
        raise ServerFailed(f"status {status}")
    raise ModelUnavailable(f"the server refuses the request ({status})", server.name,
                           "see its log; the picture or the answer may be longer than it allows")  # fmt: skip


def _headers() -> dict[str, str]:
    headers = {"Content-Type": "application/json", "Accept": "text/event-stream, application/json"}
    token = os.environ.get(TOKEN_VARIABLE, "").strip()
    if token:
        if not (token.isascii() and token.isprintable()):
            raise ModelUnavailable("a token with characters that no header can hold", TOKEN_VARIABLE, "set it again")
        headers["Authorization"] = f"Bearer {token}"
    return headers


def _events(response: http.client.HTTPResponse, cancel: threading.Event) -> Iterator[dict[str, Any]]:
    """The JSON of each server-sent event, up to ``[DONE]``."""
    while line := response.readline(LONGEST_LINE):
        if cancel.is_set():
            break
        if not line.startswith(b"data:"):
            continue
        content = line[len(b"data:") :].strip()
        if content == b"[DONE]":
            return
        try:
            event = json.loads(content)
        except ValueError as error:
            raise ServerFailed("an event that is no JSON") from error
        if isinstance(event, dict):
            yield event
    if cancel.is_set():
        raise ReadCancelled("The read was cancelled while the answer was written.")
