"""The in-process engine: a loaded model that encodes pictures, writes an answer and grounds it.

Three steps with plain arrays between them, so that another engine (a remote one, a larger backbone) can take its
place: `encode` a picture once, `write` an answer token by token, `ground` a finished answer on any picture by one
prefill. Decoding is greedy; the same input gives the same answer.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from wetread.errors import ReadCancelled
from wetread.model.backbone import IMAGE_TYPE, normalise, prompt_ids, seg_id
from wetread.model.checkpoint import ModelInfo, load_model
from wetread.model.grounded import pad_sequences
from wetread.model.tokenizer import TURN_END

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from transformers import PreTrainedTokenizerFast

    from wetread.model.grounded import GroundedModel

LONGEST_ANSWER = 320


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """B pictures as the model holds them; opaque to callers."""

    pictures: torch.Tensor
    features: Any
    grid: torch.Tensor


@dataclass(frozen=True, slots=True)
class Written:
    """A finished answer.

    Args:
        text: decoded, special tokens removed.
        prompt: token ids of the prompt.
        answer: token ids of the answer, without the end of the turn.
        finished: False where the answer ran into the length limit.
    """

    text: str
    prompt: tuple[int, ...]
    answer: tuple[int, ...]
    finished: bool


@dataclass(frozen=True, slots=True, eq=False)
class Grounded:
    """One answer grounded on B pictures.

    Args:
        logits: (B, K, h, w) float32 mask logits, zero is the border.
        presence: (B, K) float32 probabilities.
    """

    logits: NDArray[np.float32]
    presence: NDArray[np.float32]


class InProcessEngine:
    """transformers in this process; weights load at the first use, once, whichever thread asks first."""

    def __init__(self, info: ModelInfo) -> None:
        self.info = info
        self._lock = threading.Lock()
        self._loaded: tuple[GroundedModel, PreTrainedTokenizerFast] | None = None

    @property
    def is_loaded(self) -> bool:
        """True once the weights are in memory."""
        return self._loaded is not None

    def load(self) -> tuple[GroundedModel, PreTrainedTokenizerFast]:
        """The model and its tokenizer."""
        with self._lock:
            if self._loaded is None:
                self._loaded = load_model(self.info)
            return self._loaded

    @torch.inference_mode()
    def encode(self, pictures: NDArray[np.uint8]) -> Encoded:
        """(B, side, side, 3) uint8 RGB to visual tokens."""
        model, _ = self.load()
        tensor = normalise(pictures)
        features, grid = model.encode(tensor)
        return Encoded(tensor, features, grid)

    @torch.inference_mode()
    def write(
        self,
        encoded: Encoded,
        text: str,
        on_text: Callable[[str], None] | None = None,
        cancel: threading.Event | None = None,
        longest: int = LONGEST_ANSWER,
        shortest: int = 0,
    ) -> Written:
        """Write the answer to `text` about one encoded picture.

        Args:
            encoded: one picture.
            text: the user's words, see `prompts.user_text`.
            on_text: called with each new piece of the answer.
            cancel: checked at every token.
            longest: most new tokens.
            shortest: least new tokens; only benchmarks need a fixed length.

        Raises:
            ReadCancelled: `cancel` was set; nothing is kept.
        """
        model, tokenizer = self.load()
        visual = int(encoded.grid[0].prod()) // model.merge**2
        prompt = prompt_ids(tokenizer, text, visual)
        ids = torch.tensor([prompt])
        end = int(tokenizer.convert_tokens_to_ids(TURN_END))
        output = model.backbone.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            mm_token_type_ids=(ids == model.backbone.config.image_token_id).int() * IMAGE_TYPE,
            image_grid_thw=encoded.grid,
            mm_encoder_outputs={"image": encoded.features},
            do_sample=False,
            max_new_tokens=longest,
            min_new_tokens=shortest,
            eos_token_id=end,
            pad_token_id=int(tokenizer.pad_token_id),
            streamer=_Pieces(tokenizer, on_text) if on_text else None,
            stopping_criteria=[_Cancelled(cancel)] if cancel else None,
        )
        if cancel is not None and cancel.is_set():
            raise ReadCancelled("The read was cancelled while the answer was written.")
        answer = output[0, len(prompt) :].tolist()
        finished = bool(answer) and answer[-1] == end
        answer = answer[:-1] if finished else answer
        return Written(tokenizer.decode(answer, skip_special_tokens=True), tuple(prompt), tuple(answer), finished)

    def segs(self, written: Written) -> int:
        """Number of `<seg>` tokens in an answer: the K of `ground`."""
        _, tokenizer = self.load()
        return written.answer.count(seg_id(tokenizer))

    @torch.inference_mode()
    def ground(self, encoded: Encoded, written: Written) -> Grounded:
        """Masks and presence at every `<seg>` of a finished answer, on each of B encoded pictures."""
        model, tokenizer = self.load()
        count = len(encoded.pictures)
        rows = [[*written.prompt, *written.answer]] * count
        sequences = pad_sequences(rows, [len(written.prompt)] * count, seg_id(tokenizer), int(tokenizer.pad_token_id))
        hidden = model.hidden_states(sequences, encoded.features, encoded.grid)
        grounding = model.ground(encoded.pictures, sequences, encoded.features, encoded.grid, hidden)
        return Grounded(grounding.mask_logits.float().numpy(), grounding.presence_logits[-1].sigmoid().float().numpy())


class _Pieces:
    """Receives token ids from generate() and passes on the text they add."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, on_text: Callable[[str], None]) -> None:
        self._tokenizer, self._on_text = tokenizer, on_text
        self._ids: list[int] = []
        self._said = ""
        self._prompt_seen = False

    def put(self, value: torch.Tensor) -> None:
        """The prompt once, then each new token."""
        if not self._prompt_seen:
            self._prompt_seen = True
            return
        self._ids.extend(value.flatten().tolist())
        text = self._tokenizer.decode(self._ids, skip_special_tokens=True)
        if not text.endswith("\ufffd") and text.startswith(self._said) and text != self._said:
            self._on_text(text[len(self._said) :])
            self._said = text

    def end(self) -> None:
        """Nothing is held back."""


class _Cancelled:
    """Stops generate() within one token of the event."""

    def __init__(self, cancel: threading.Event) -> None:
        self._cancel = cancel

    def __call__(self, input_ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
        return torch.full((len(input_ids),), self._cancel.is_set(), dtype=torch.bool)
