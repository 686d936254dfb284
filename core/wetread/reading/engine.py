"""The in-process engine: one model in memory that serves any number of callers at once.

Three steps with plain values between them, so that another engine can take their place: `encode` a picture once,
`write` an answer token by token, `ground` a finished answer on any picture. Callers block; what they wait for runs on
one thread together with what others wait for (`batching`), answers are decoded together (`decoding`), and what one
picture cost is kept for the next question about it (`caches`). Decoding is greedy; the same input gives the same
answer, whoever else is served meanwhile.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from wetread.errors import ReadCancelled, RefusedInput
from wetread.model.encoded import Encoded, bundle, joined
from wetread.model.loaded import LoadedModel, load_model
from wetread.model.processing import normalise
from wetread.reading.batching import Batcher, Limits
from wetread.reading.caches import ByteBoundedCache, digest
from wetread.reading.decoding import Decoder, Row
from wetread.reading.grounding_step import Task, ground_tasks, stacked, task_for
from wetread.reading.interface import LONGEST_ANSWER
from wetread.reading.key_values import KeyValues
from wetread.reading.pieces import Pieces
from wetread.reading.waiting import Writing
from wetread.reading.written import Grounded, Written

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from wetread.model.checkpoint import ModelInfo

    Film = tuple[Sequence[NDArray[np.uint8]], Sequence[float] | None]

__all__ = ["LONGEST_ANSWER", "Encoded", "Grounded", "InProcessEngine", "Written"]

CPU_CACHE_BYTES = 256 << 20
CPU_AT_ONCE = 4
"""Pictures encoded or grounded together on a CPU, where more no longer fit its caches (measured)."""
SMALL, MOST_LANES = 100_000_000, 8
"""Parameters below which a CPU's cores take batches of their own, and so many at most; see `lanes`."""
GPU_CACHE_SHARE, GPU_KEY_VALUE_SHARE = 8, 2
"""A cache gets one eighth of the memory that the weights leave free, the answers under way one half."""


class InProcessEngine:
    """transformers in this process; weights load at the first use, once, whichever thread asks first.

    Args:
        info: which model.
        limits: of one batch; chosen from the device when None.
        cache_bytes: of each of the two caches; chosen from the device when None.
    """

    def __init__(self, info: ModelInfo, limits: Limits | None = None, cache_bytes: int | None = None) -> None:
        self.info = info
        self._limits, self._cache_bytes = limits, cache_bytes
        self._lock, self._tokenizing = threading.Lock(), threading.Lock()
        self._loaded: LoadedModel | None = None
        self._batcher: Batcher | None = None
        self._closed = False
        self.visions: ByteBoundedCache[Encoded] = ByteBoundedCache(0)
        self.prefixes: ByteBoundedCache[KeyValues] = ByteBoundedCache(0)

    @property
    def is_loaded(self) -> bool:
        """True once the weights are in memory."""
        return self._loaded is not None

    def load(self) -> LoadedModel:
        """The model.

        Raises:
            ModelUnavailable: its weights do not load.
            ReadCancelled: the engine was closed.
        """
        with self._lock:
            if self._closed:
                raise ReadCancelled("The engine was closed.")
            if self._loaded is None:
                self._start(load_model(self.info))
            assert self._loaded is not None
            return self._loaded

    def model(self) -> LoadedModel:
        """The model."""
        return self.load()

    def fit(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A picture (rows, columns, 3) at the size the model sees."""
        return self.load().fit(picture)

    def encode(self, pictures: Sequence[NDArray[np.uint8]], key: str | Sequence[str] | None = None) -> Encoded:
        """Pictures to visual tokens, from the cache where they are known.

        Args:
            pictures: N fitted pictures, (H, W, 3) uint8 each; also as one (N, H, W, 3) array.
            key: what they are called, see `caches.plane_key`: one name each, or one for all; nothing is kept when
                None. Names need not be unique: the pixels themselves are part of the key.
        """
        self.load()
        shown = [np.asarray(picture) for picture in pictures]
        names = [key] * len(shown) if isinstance(key, str) else list(key or [])
        keys = [f"{name}|{digest(p)}" for name, p in zip(names, shown, strict=bool(names))]
        found = [self.visions.get(k) for k in keys] if keys else [None] * len(shown)
        missing = [index for index, known in enumerate(found) if known is None]
        new = self._ready.run("encode", [(shown[i].shape, shown[i]) for i in missing])
        for index, encoded in zip(missing, new, strict=True):
            if keys:
                # The pixels are at hand whenever the key is: only what the encoder made of them is worth keeping.
                encoded = replace(encoded, pictures=(), keys=(keys[index],))
                self.visions.put(keys[index], encoded, _nbytes(encoded))
            found[index] = encoded
        model = self.load()
        return joined([part if part.pictures else replace(part, pictures=(normalise(p[None])[0].to(model.device),))
                       for part, p in zip(found, shown, strict=True) if part is not None])  # fmt: skip

    def encode_video(self, pictures: Sequence[NDArray[np.uint8]], times: Sequence[float] | None = None) -> Encoded:
        """Fitted pictures of one size as one native video; see `LoadedModel.encode_video`. Nothing of it is kept."""
        self.load()
        shown = [np.asarray(picture) for picture in pictures]
        (encoded,) = self._ready.run("film", [((len(shown), shown[0].shape), (shown, times))])
        return encoded

    def write(
        self,
        encoded: Encoded,
        text: str,
        on_text: Callable[[str], None] | None = None,
        cancel: threading.Event | None = None,
        longest: int = LONGEST_ANSWER,
        shortest: int = 0,
    ) -> Written:
        """Write the answer to `text` about encoded pictures, which come before it in the prompt.

        Args:
            encoded: the pictures, in the order in which they are shown.
            text: the user's words, see `prompts.user_text`.
            on_text: called with each new piece of the answer, in the caller's thread.
            cancel: checked at every token.
            longest: most new tokens.
            shortest: least new tokens; only benchmarks need a fixed length.

        Raises:
            ReadCancelled: `cancel` was set; nothing is kept.
            ModelUnavailable: not enough memory.
            RefusedInput: a prompt longer than the model holds.
        """
        model = self.load()
        with self._tokenizing:
            prompt = tuple(model.prompt(text, encoded))
        most = int(model.backbone.config.text_config.max_position_embeddings)
        if len(prompt) > most:
            raise RefusedInput(f"a prompt of {len(prompt):,} tokens", "the question",
                               f"{self.info.name} holds {most:,}: use fewer words or pictures.")  # fmt: skip
        keys = "&".join(encoded.keys) if encoded.video is None else ""
        row = Row(prompt, encoded, frozenset(model.ends), longest, shortest, keys)
        pieces = Pieces(self._decode, on_text) if on_text else None
        row = self._ready.write(Writing(row, cancel), pieces.add if pieces else None)
        words = self._decode(row.answer)
        if pieces:
            pieces.end(words)
        # A head that writes back changed these states while the answer was written; it was trained to ground others.
        changed = model.head is not None and model.head.size.write_back
        hidden = torch.stack(row.hidden) if row.hidden and not changed else None
        return Written(words, prompt, tuple(row.answer), row.finished, hidden, encoded)

    def dictate(self, encoded: Encoded, text: str, answer: str) -> Written:
        """An answer that is not the model's own words, as if it had been written about encoded pictures.

        Args:
            encoded: the pictures, in the order in which they are shown.
            text: the user's words, see `prompts.user_text`.
            answer: with its `<seg>` marks.
        """
        model = self.load()
        with self._tokenizing:
            prompt = tuple(model.prompt(text, encoded))
            tokens = tuple(model.tokenizer(answer, add_special_tokens=False)["input_ids"])
        return Written(self._decode(tokens), prompt, tokens, finished=True, dictated=True)

    def segs(self, written: Written) -> int:
        """Number of marked objects in an answer: the K of `ground`."""
        return len(self.load().marks(written.answer))

    def ground(
        self, encoded: Encoded, written: Written, cancel: threading.Event | None = None, own: int = 0, *,
        fixed: bool = False,
    ) -> Grounded:  # fmt: skip
        """Masks and presence of a finished answer's objects, on each of N encoded pictures.

        The picture that was written about costs the head alone, any other one prefill besides.

        Args:
            encoded: the pictures; each takes the place of the answer's own one.
            written: the answer.
            cancel: checked between batches.
            own: which picture of the answer's prompt is replaced.
            fixed: keep the states of the written answer for every picture; no prefill then.

        Raises:
            ReadCancelled: `cancel` was set.
            ModelUnavailable: not enough memory.
            ValueError: the model has no grounding head.
        """
        model = self.load()
        marks = self.segs(written)
        if not marks or not len(encoded):
            return Grounded(np.zeros((len(encoded), marks, 0, 0), np.float32),
                            np.zeros((len(encoded), marks), np.float32))  # fmt: skip
        tasks = [task_for(model, encoded.picked([i]), written, own, fixed=fixed) for i in range(len(encoded))]
        return stacked(self._ready.run("ground", [(task.group(marks), task) for task in tasks], cancel))

    def close(self) -> None:
        """End the thread and let go of weights and caches; who still waits gets ReadCancelled."""
        with self._lock:
            batcher, self._batcher, self._loaded, self._closed = self._batcher, None, None, True
        if batcher is not None:
            batcher.close()
        self._drop_caches()

    @property
    def _ready(self) -> Batcher:
        batcher = self._batcher
        if batcher is None:
            raise ReadCancelled("The engine was closed.")
        return batcher

    def _start(self, model: LoadedModel) -> None:
        limits, cache_bytes = self._limits, self._cache_bytes
        if model.device.type == "cuda":
            free = torch.cuda.mem_get_info(model.device)[0]
            limits = limits or Limits(rows=32, key_value_bytes=free // GPU_KEY_VALUE_SHARE)
            cache_bytes = free // GPU_CACHE_SHARE if cache_bytes is None else cache_bytes
        cache_bytes = CPU_CACHE_BYTES if cache_bytes is None else cache_bytes
        self.visions, self.prefixes = ByteBoundedCache(cache_bytes), ByteBoundedCache(cache_bytes)

        def encode(pictures: list[NDArray[np.uint8]]) -> list[Encoded]:
            return _apart(model.encode(pictures))

        def ground(tasks: list[Task]) -> list[Grounded]:
            return ground_tasks(model, tasks)

        def film(videos: list[Film]) -> list[Encoded]:
            return [model.encode_video(pictures, times) for pictures, times in videos]

        limits = limits or Limits(at_once=CPU_AT_ONCE, lanes=_lanes(model))
        self._batcher = Batcher({"encode": encode, "film": film, "ground": ground}, Decoder(model, self.prefixes),
                                limits, self._drop_caches, self.info.name)  # fmt: skip
        self._loaded = model

    def _drop_caches(self) -> None:
        self.visions.clear()
        self.prefixes.clear()

    def _decode(self, answer: Sequence[int]) -> str:
        model = self.load()
        with self._tokenizing:
            return str(model.tokenizer.decode(list(answer), skip_special_tokens=True))


def _lanes(model: LoadedModel) -> int:
    small = sum(weights.numel() for weights in model.backbone.parameters()) < SMALL
    return min(torch.get_num_threads(), MOST_LANES) if small and model.device.type == "cpu" else 1


def _apart(encoded: Encoded) -> list[Encoded]:
    """One for each picture, none of which keeps the memory of the others alive."""
    if len(encoded) == 1:
        return [encoded]
    parts = []
    for index in range(len(encoded)):
        one = encoded.picked([index])
        pooled = [tokens.clone() for tokens in one.features.pooler_output]
        deep = one.features.get("deepstack_features")
        features = bundle(pooled, None if deep is None else [[tokens.clone() for tokens in layer] for layer in deep])
        parts.append(Encoded(tuple(p.clone() for p in one.pictures), features, one.grid.clone()))
    return parts


def _nbytes(encoded: Encoded) -> int:
    """Memory of what the encoder made of a picture."""
    layers = [encoded.features.pooler_output, *(encoded.features.get("deepstack_features") or [])]
    return sum(tokens.nbytes for layer in layers for tokens in layer)
