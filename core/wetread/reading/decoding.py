"""Greedy decoding of several answers at once, each exactly as it would be written alone.

Every answer is prefilled by itself and its keys and values are laid right-aligned beside those of the others: left
of a shorter one lies padding that the attention mask hides. Positions are given explicitly. Qwen's M-RoPE counts them
from the answer's own first token (a picture advances them by its longer side, not by its number of tokens), so a
token's position is `number of its own tokens before it + its own offset` and padding never enters it. That is why
answers can join and leave between any two tokens, and why a batch writes the same tokens as one at a time.

The last hidden states pass by on their way to the logits; those of the answer are kept. They are what a hook on
`language_model.norm` sees, and all that the grounding head needs: no second forward pass is made for the picture that
was written about. The last token of an answer that hit its length limit is fed too, for its hidden state alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from transformers.cache_utils import Cache

from wetread.reading.key_values import SPARE, STATIC_SPARE, KeyValues, PlacedLayer
from wetread.reading.prefill import placeholders, prefill
from wetread.reading.static_step import StaticStep

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wetread.model.loaded import Encoded, LoadedModel
    from wetread.reading.caches import ByteBoundedCache


@dataclass(slots=True, eq=False)
class Row:
    """One answer under way.

    Args:
        prompt: token ids of the prompt.
        encoded: the pictures of the prompt.
        stops: token ids that end an answer.
        longest: most new tokens.
        shortest: least new tokens; before them no stop token is taken.
        prefix_key: name of the prompt's pictures in the cache of prefixes; "" keeps nothing.
        answer: what is written so far, without the stop token.
        hidden: one (D,) last hidden state for each answer token that was fed.
        offset: what M-RoPE adds to the number of a token; known after the prefill.
        residual: (D,) what a head with write-back adds to the embeddings of the words after the last mark.
        finished: True where a stop token was reached.
        done: nothing is left to do, hidden states included.
        alone_without_memory: memory ran out for this answer alone.
    """

    prompt: tuple[int, ...]
    encoded: Encoded
    stops: frozenset[int]
    longest: int
    shortest: int = 0
    prefix_key: str = ""
    answer: list[int] = field(default_factory=list)
    hidden: list[Tensor] = field(default_factory=list)
    offset: int = 0
    residual: Tensor | None = None
    finished: bool = False
    done: bool = False
    alone_without_memory: bool = False

    @property
    def barred(self) -> list[int]:
        """Tokens that may not come next."""
        return sorted(self.stops) if len(self.answer) < self.shortest else []

    def take(self, token: int) -> None:
        """Accept the likeliest next token; at the length limit none is taken any more."""
        if len(self.answer) >= self.longest:
            self.done = True
        elif token in self.stops:
            self.finished = self.done = True
        else:
            self.answer.append(token)


class Decoder:
    """The answers under way and their keys and values.

    Args:
        model: any family; a Qwen-VL model for conditional generation.
        prefixes: keys and values up to the end of the pictures, by `Row.prefix_key`.
        static: steps of fixed shapes, see `StaticStep`; where None, on CUDA with any attention but flash-attn.
    """

    def __init__(self, model: LoadedModel, prefixes: ByteBoundedCache[KeyValues], static: bool | None = None) -> None:
        self._model, self._prefixes = model, prefixes
        self._flash = "flash" in str(model.backbone.config.text_config._attn_implementation)
        self._static = model.device.type == "cuda" and not self._flash if static is None else static
        self._spare = STATIC_SPARE if self._static else SPARE
        self._static_step: StaticStep | None = None
        self._writes_back = model.head is not None and model.head.size.write_back
        self.rows: list[Row] = []
        self._layers: list[PlacedLayer] = []
        self._seen = torch.zeros((0, 0), dtype=torch.bool)
        self._padded = False

    def cost(self, row: Row) -> int:
        """Bytes of keys and values a row needs at its longest."""
        text = self._model.backbone.config.text_config
        width = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
        tokens = len(row.prompt) + row.longest + self._spare
        return 2 * text.num_hidden_layers * text.num_key_value_heads * width * self._model.dtype.itemsize * tokens

    def start(self, rows: Sequence[Row]) -> None:
        """Prefill rows and let those that are not done with their first token join."""
        joining = []
        for row in rows:
            if self._writes_back:
                # A second start: what the words saw of the masks cannot be prefilled, so they are written anew.
                row.answer, row.residual = [], None
            held = prefill(self._model, row, self._prefixes)
            if not row.done:
                joining.append((row, held))
        if joining:
            self._arrange(self.rows, joining)

    def leave(self, rows: Sequence[Row]) -> None:
        """Take rows out."""
        if rows:
            gone = {id(row) for row in rows}
            self._arrange([row for row in self.rows if id(row) not in gone])

    def clear(self) -> None:
        """Let go of every row and of the memory."""
        self.rows, self._layers, self._static_step = [], [], None
        self._seen = self._seen[:0, :0]

    def step(self) -> None:
        """Feed every row's last token and let it take the next; rows that are done leave."""
        if self._layers[0].length == self._layers[0].keys.shape[2]:
            self._arrange(self.rows)
        backbone, device = self._model.backbone, self._model.device
        ids = torch.tensor([[row.answer[-1]] for row in self.rows], device=device)
        numbers = [[len(row.prompt) + len(row.answer) - 1 + row.offset] for row in self.rows]
        positions = torch.tensor(numbers, device=device).expand(3, -1, -1)
        hidden, scores = (self._static_step or self._forward)(self._embedded(ids), positions)
        scores[:, placeholders(backbone)] = float("-inf")
        for index, row in enumerate(self.rows):
            if barred := row.barred:
                scores[index, barred] = float("-inf")
        for row, state, token in zip(self.rows, hidden.unbind(), scores.argmax(-1).tolist(), strict=True):
            row.hidden.append(state)
            if self._writes_back:
                self._write_back(row)
            row.take(token)
        self.leave([row for row in self.rows if row.done])

    def _forward(self, embedded: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 1, D) embeddings and (3, B, 1) positions to (B, D) last hidden states and (B, V) scores."""
        output = self._model.backbone.model(
            inputs_embeds=embedded,
            attention_mask=self._mask(self._layers[0].length + 1),
            position_ids=positions,
            past_key_values=Cache(layers=list(self._layers)),
            use_cache=True,
        )
        hidden = output.last_hidden_state[:, -1]
        return hidden, self._model.backbone.lm_head(hidden)

    def _embedded(self, ids: Tensor) -> Tensor:
        """(B, 1, D) input embeddings, with what the head writes back."""
        embedded = self._model.backbone.get_input_embeddings()(ids)
        for index, row in enumerate(self.rows):
            if row.residual is not None:
                embedded[index, 0] += row.residual.to(embedded.dtype)
        return embedded

    def _write_back(self, row: Row) -> None:
        """Ground the mark that was just fed, if it was one; the words after it see its mask."""
        fed = row.answer[: len(row.hidden)]
        marks = self._model.marks(fed)
        if not marks or marks[-1] != len(fed) - 1:
            return
        sequences = self._model.sequences((), fed)
        grounding = self._model.ground(row.encoded.picked([0]), sequences, torch.stack(row.hidden)[None])
        if grounding.residual is not None:
            row.residual = grounding.residual[0, len(marks) - 1]

    def _mask(self, end: int) -> Tensor | None:
        """Which of the `end` tokens each row's query sees; None where no row is padded."""
        if not self._padded:
            return None
        seen = self._seen[:, :end]
        return seen.long() if self._flash else seen[:, None, None, :]

    def _arrange(self, staying: Sequence[Row], joining: Sequence[tuple[Row, KeyValues]] = ()) -> None:
        """Lay rows right-aligned into new buffers, just long enough for some more steps."""
        at = {id(row): index for index, row in enumerate(self.rows)}
        held = [self._held(at[id(row)]) for row in staying] + [kept for _, kept in joining]
        if not held:
            self.clear()
            return
        length = max(kept.length for kept in held)
        layers = []
        for parts in zip(*(kept.layers for kept in held), strict=True):
            shape = (len(held), parts[0][0].shape[0], length + self._spare, parts[0][0].shape[2])
            keys, values = parts[0][0].new_zeros(shape), parts[0][1].new_zeros(shape)
            for index, (key, value) in enumerate(parts):
                keys[index, :, length - key.shape[1] : length] = key
                values[index, :, length - value.shape[1] : length] = value
            layers.append(PlacedLayer(keys, values, length))
        starts = torch.tensor([length - kept.length for kept in held], device=self._model.device)
        self._seen = torch.arange(length + self._spare, device=starts.device) >= starts[:, None]
        self._padded = any(kept.length < length for kept in held)
        self.rows, self._layers = [*staying, *(row for row, _ in joining)], layers
        if self._static:
            self._static_step = StaticStep(self._model.backbone, layers, self._seen, record=starts.is_cuda)

    def _held(self, index: int) -> KeyValues:
        """Keys and values of a row in the batch, without its padding."""
        end = self._layers[0].length
        start = int((~self._seen[index]).sum())
        return KeyValues(tuple((x.keys[index, :, start:end], x.values[index, :, start:end]) for x in self._layers))
