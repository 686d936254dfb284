"""A small server that speaks the OpenAI protocol as vLLM does, and really runs the shipped model.

It knows `/v1/models` and `/v1/chat/completions` with `stream`, pictures as data URLs and vLLM's `skip_special_tokens`.
How it misbehaves is a setting: a test can have it break off, fail, stay silent or ask for a token.
"""

from __future__ import annotations

import base64
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from PIL import Image

from wetread.model.checkpoint import read_info
from wetread.model.loaded import LoadedModel, load_model


@dataclass
class Manners:
    """How a server behaves.

    Args:
        dies_after: closes the connection after so many pieces of an answer.
        status: answers every completion with this.
        location: for a redirect.
        silent: seconds before the first piece; cut short when the server stops.
        pause: seconds between pieces.
        token: the bearer token it wants.
    """

    dies_after: int | None = None
    status: int = 200
    location: str = ""
    silent: float = 0.0
    pause: float = 0.0
    token: str = ""


@dataclass
class OpenAIServer:
    """A running server.

    Args:
        model: what it serves.
        manners: may be changed while it runs.
        port: 0 takes a free one.
    """

    model: LoadedModel
    manners: Manners = field(default_factory=Manners)
    port: int = 0
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    broken_off: threading.Event = field(default_factory=threading.Event)
    under_way: int = 0
    most_under_way: int = 0

    def __enter__(self) -> OpenAIServer:
        self.stopping, self.lock = threading.Event(), threading.Lock()
        handler = type("Handler", (_Handler,), {"owner": self})
        self.http = ThreadingHTTPServer(("127.0.0.1", self.port), handler)
        self.http.daemon_threads = True
        self.port = self.http.server_address[1]
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @torch.inference_mode()
    def write(self, body: dict[str, Any]) -> tuple[list[str], str]:
        """The pieces of the answer and why it ended."""
        content = body["messages"][-1]["content"]
        pictures = [_picture(part["image_url"]["url"]) for part in content if part["type"] == "image_url"]
        (text,) = (part["text"] for part in content if part["type"] == "text")
        with self.lock:
            encoded = self.model.encode(pictures)
            ids = torch.tensor([self.model.prompt(text, encoded)])
            output = self.model.backbone.generate(
                **self.model.forward_inputs(ids, encoded), do_sample=body["temperature"] > 0,
                max_new_tokens=body["max_tokens"], eos_token_id=list(self.model.ends), pad_token_id=self.model.pad,
            )[0, ids.shape[1] :].tolist()  # fmt: skip
        ended = output[-1] in self.model.ends
        skip = body.get("skip_special_tokens", True)
        answer = output[:-1] if ended else output
        texts = [self.model.tokenizer.decode(answer[:n], skip_special_tokens=skip) for n in range(len(answer) + 1)]
        pieces = [b[len(a) :] for a, b in pairwise(texts)]
        return pieces, "stop" if ended else "length"


class _Handler(BaseHTTPRequestHandler):
    owner: OpenAIServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Tests need no log."""

    def do_GET(self) -> None:
        if self.path != "/v1/models":
            return self.refuse(404)
        name = self.owner.model.info.name
        content = json.dumps({"object": "list", "data": [{"id": name, "object": "model"}]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_POST(self) -> None:
        owner, manners = self.owner, self.owner.manners
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        owner.requests.append(body)
        owner.headers.append(dict(self.headers))
        if manners.token and self.headers.get("Authorization") != f"Bearer {manners.token}":
            return self.refuse(401)
        if manners.status != 200:
            return self.refuse(manners.status)
        if self.path != "/v1/chat/completions" or body["model"] != owner.model.info.name or not body["stream"]:
            return self.refuse(404)
        owner.under_way += 1
        owner.most_under_way = max(owner.most_under_way, owner.under_way)
        try:
            self.stream(*owner.write(body))
        except (BrokenPipeError, ConnectionResetError):
            owner.broken_off.set()
        finally:
            owner.under_way -= 1

    def stream(self, pieces: list[str], reason: str) -> None:
        manners, stopping = self.owner.manners, self.owner.stopping
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        stopping.wait(manners.silent)
        self.event({"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}]})
        for number, piece in enumerate(pieces):
            if manners.dies_after == number:
                self.close_connection = True
                return
            self.event({"choices": [{"index": 0, "delta": {"content": piece}, "finish_reason": None}]})
            if manners.pause:
                stopping.wait(manners.pause)
        self.event({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
        self.chunk(b"data: [DONE]\n\n")
        self.chunk(b"")

    def event(self, content: dict[str, Any]) -> None:
        self.chunk(b"data: " + json.dumps({"object": "chat.completion.chunk", **content}).encode() + b"\n\n")

    def chunk(self, content: bytes) -> None:
        self.wfile.write(f"{len(content):x}\r\n".encode() + content + b"\r\n")
        self.wfile.flush()

    def refuse(self, status: int) -> None:
        content = b'{"error": {"message": "the request said: PATIENT"}}'
        self.send_response(status)
        if self.owner.manners.location:
            self.send_header("Location", self.owner.manners.location)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _picture(url: str) -> np.ndarray:
    kind, _, content = url.partition(",")
    assert kind == "data:image/png;base64"
    return np.asarray(Image.open(BytesIO(base64.b64decode(content))).convert("RGB"))


def served_model(name: str = "wetread-mini") -> LoadedModel:
    return load_model(read_info(name))
