"""The remote engine: servers that speak the OpenAI protocol write, the masks are made here.

vLLM and its like give text and no hidden states, so the finished answer is tokenised again and run through the local
weights once (one prefill, a few per cent of a read), which gives the grounding head what it needs. Where a model has
no head, nothing but its tokenizer is loaded and findings are the boxes of the words. Text from a server is bounded in
length and is parsed like any model's answer; pictures travel as PNG of exactly the pixels the model is meant to see.
"""

from __future__ import annotations

import base64
import threading
from dataclasses import dataclass, replace
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from wetread.errors import ModelUnavailable, ReadCancelled
from wetread.model.chat import harmless, prompt_ids
from wetread.model.tokenizer import SEG_TOKEN
from wetread.reading.interface import LONGEST_ANSWER
from wetread.reading.openai_client import Patience, ServerFailed, complete, served_models
from wetread.reading.pieces import Said
from wetread.reading.servers import Server, Servers
from wetread.reading.written import Written

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from transformers import PreTrainedTokenizerFast

    from wetread.model.checkpoint import ModelInfo
    from wetread.model.loaded import LoadedModel
    from wetread.model.processing import Preprocessing
    from wetread.reading.engine import InProcessEngine
    from wetread.reading.openai_client import Completion
    from wetread.reading.written import Grounded

ROUNDS = 2
PAUSE_SECONDS = 0.5
"""Between the rounds in which every server is asked once."""


@dataclass(frozen=True, slots=True, eq=False)
class RemotePictures:
    """N fitted pictures, (H, W, 3) uint8, and their names for the local caches."""

    pictures: tuple[NDArray[np.uint8], ...]
    keys: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.pictures)

    def picked(self, indices: Sequence[int]) -> RemotePictures:
        """Some of the pictures, in the given order."""
        keys = tuple(self.keys[i] for i in indices) if self.keys else ()
        return RemotePictures(tuple(self.pictures[i] for i in indices), keys)


class RemoteEngine:
    """Writes on servers, grounds here.

    Args:
        info: the model; its folder holds at least tokenizer and configuration, and the weights where it grounds.
        urls: addresses of servers that serve this model.
        patience: how long is waited for them.
    """

    def __init__(self, info: ModelInfo, urls: Sequence[str], patience: Patience | None = None) -> None:
        self.info = info
        self._servers, self._patience = Servers(urls), patience or Patience()
        self._lock, self._tokenizing = threading.Lock(), threading.Lock()
        self._outline: tuple[PreTrainedTokenizerFast, Preprocessing] | None = None
        self._here: InProcessEngine | None = None
        self._closed = threading.Event()

    @property
    def is_loaded(self) -> bool:
        """True once tokenizer and picture rules are in memory."""
        return self._outline is not None

    def load(self) -> tuple[PreTrainedTokenizerFast, Preprocessing]:
        """Tokenizer and picture rules; the weights are loaded when the first mask is wanted."""
        from wetread.model.families import family_named
        from wetread.model.loading import config_of, load_tokenizer, preprocessing_of

        with self._lock:
            if self._outline is None:
                family = family_named(self.info.family, self.info.side)
                if family is None:
                    raise ModelUnavailable("an unknown family", self.info.family, "use a Qwen-VL model")
                rules = preprocessing_of(family, config_of(self.info.backbone_folder, family), self.info)
                self._outline = load_tokenizer(self.info), rules
            return self._outline

    def model(self) -> LoadedModel:
        """The local weights."""
        return self._local().load()

    def fit(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A picture (rows, columns, 3) at the size the model sees."""
        return self.load()[1].fit(picture)

    def encode(self, pictures: Sequence[NDArray[np.uint8]], key: str | Sequence[str] | None = None) -> RemotePictures:
        """Fitted pictures as they will be sent; see `InProcessEngine.encode`."""
        shown = tuple(np.ascontiguousarray(picture) for picture in pictures)
        return RemotePictures(shown, (key,) * len(shown) if isinstance(key, str) else tuple(key or ()))

    def encode_video(
        self, pictures: Sequence[NDArray[np.uint8]], times: Sequence[float] | None = None
    ) -> RemotePictures:
        """The frames as pictures: the protocol's video part is not spoken by every server."""
        return self.encode(pictures)

    def write(
        self,
        encoded: RemotePictures,
        text: str,
        on_text: Callable[[str], None] | None = None,
        cancel: threading.Event | None = None,
        longest: int = LONGEST_ANSWER,
        shortest: int = 0,
    ) -> Written:
        """The answer of a server; see `InProcessEngine.write`.

        A server that dies under way is replaced by the next; decoding is greedy, so what was passed on is not
        repeated. Should the other server write other words, `Written.text` is the whole of its answer.

        Raises:
            ReadCancelled: `cancel` was set, or the engine was closed.
            ModelUnavailable: no server answers, or they refuse the request.
        """
        tokenizer, rules = self.load()
        with self._tokenizing:
            safe = harmless(tokenizer, text)
            visual = [p.shape[0] * p.shape[1] // rules.cell**2 for p in encoded.pictures]
            prompt = tuple(prompt_ids(tokenizer, text, visual))
            special = tuple(str(token) for token in tokenizer.added_tokens_decoder.values() if token.special)
            marked = SEG_TOKEN in tokenizer.get_vocab()
        body: dict[str, Any] = {
            "messages": [{"role": "user", "content": [*map(_as_content, encoded.pictures),
                                                      {"type": "text", "text": safe}]}],
            "temperature": 0.0,
            "max_tokens": longest,
        }  # fmt: skip
        if marked:
            body |= {"skip_special_tokens": False}  # the marks that are grounded; an extension of vLLM
        if shortest:
            body |= {"min_tokens": shortest}
        said = Said(on_text or _nothing)
        completion = self._complete(body, lambda so_far: said.say(_visible(so_far, special)), cancel)
        with self._tokenizing:
            answer = self._tokens(tokenizer, completion.text)
            words = str(tokenizer.decode(answer, skip_special_tokens=True))
        said.say(words)
        return Written(words, prompt, tuple(answer), completion.finished, None, encoded)  # type: ignore[arg-type]

    def dictate(self, encoded: RemotePictures, text: str, answer: str) -> Written:
        """By the local weights; see `InProcessEngine.dictate`."""
        local = self._local()
        return local.dictate(local.encode(encoded.pictures, encoded.keys or None), text, answer)

    def segs(self, written: Written) -> int:
        """Number of marked objects of an answer; 0 where the model has no grounding head."""
        return self._local().segs(written) if self.info.grounds else 0

    def ground(
        self, encoded: RemotePictures, written: Written, cancel: threading.Event | None = None, own: int = 0, *,
        fixed: bool = False,
    ) -> Grounded:  # fmt: skip
        """Masks by the local weights; see `InProcessEngine.ground`."""
        local = self._local()
        about: Any = written.about
        if about is not None:
            about = local.encode(about.pictures, about.keys or None)
        return local.ground(local.encode(encoded.pictures, encoded.keys or None), replace(written, about=about),
                            cancel, own, fixed=fixed)  # fmt: skip

    def close(self) -> None:
        """Cut what is under way and let go of the local weights."""
        self._closed.set()
        with self._lock:
            local, self._here = self._here, None
        if local is not None:
            local.close()

    def _local(self) -> InProcessEngine:
        """The engine that grounds; it is made when the first mask is wanted."""
        with self._lock:
            if self._closed.is_set():
                raise ReadCancelled("The engine was closed.")
            if self._here is None:
                from wetread.reading.engine import InProcessEngine

                self._here = InProcessEngine(self.info)
            return self._here

    def _complete(
        self, body: dict[str, Any], on_text: Callable[[str], None], cancel: threading.Event | None
    ) -> Completion:
        """The first server that answers, each asked once a round."""
        stop = _Either(cancel, self._closed)
        for round_number in range(ROUNDS):
            if round_number:
                stop.wait(PAUSE_SECONDS)
            tried: set[Server] = set()
            while len(tried) < len(self._servers.all):
                with self._servers.borrowed(tried) as server:
                    if server is None:
                        break
                    tried.add(server)
                    if stop.is_set():
                        raise ReadCancelled("The read was cancelled while the answer was written.")
                    try:
                        named = body | {"model": self._model_of(server, stop)}
                        completion = complete(server, named, on_text, stop, self._patience)
                    except ServerFailed:
                        self._servers.failed(server)
                        continue
                    self._servers.answered(server)
                    return completion
        raise ModelUnavailable("no server answers", self._servers.names,
                               "start one with `vllm serve`, or read without --engine vllm")  # fmt: skip

    def _model_of(self, server: Server, stop: _Either) -> str:
        """The name under which a server has the model: the model's own, or the first it lists."""
        if not server.model:
            names = served_models(server, stop, self._patience)
            if not names:
                raise ServerFailed("no model is served")
            server.model = self.info.name if self.info.name in names else names[0]
        return server.model

    def _tokens(self, tokenizer: PreTrainedTokenizerFast, text: str) -> list[int]:
        """Token ids of a server's text, up to the end of the turn."""
        from wetread.model.families import TURN_END

        return list(tokenizer(text.split(TURN_END)[0], add_special_tokens=False)["input_ids"])


class _Either(threading.Event):
    """Set when either of two events is; waiting looks at both."""

    def __init__(self, one: threading.Event | None, other: threading.Event) -> None:
        super().__init__()
        self._both = [event for event in (one, other) if event is not None]

    def is_set(self) -> bool:
        return any(event.is_set() for event in self._both)

    def wait(self, timeout: float | None = None) -> bool:
        self._both[0].wait(timeout)
        return self.is_set()


def _as_content(picture: NDArray[np.uint8]) -> dict[str, Any]:
    """A picture as a part of a message: PNG in a data URL."""
    from PIL import Image

    buffer = BytesIO()
    Image.fromarray(picture).save(buffer, "PNG", compress_level=1)
    address = f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
    return {"type": "image_url", "image_url": {"url": address}}


def _visible(text: str, special: Sequence[str]) -> str:
    """Text without special tokens, and without the beginning of one at its end."""
    for token in special:
        text = text.replace(token, "")
    tail = text.rfind("<")
    if tail >= 0 and any(token.startswith(text[tail:]) for token in special):
        return text[:tail]
    return text


def _nothing(piece: str) -> None:
    """For callers who do not listen."""
