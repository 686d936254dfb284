"""Keys and values of the language model: of one sequence, and written in place for a batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from transformers.cache_utils import Cache, DynamicLayer

if TYPE_CHECKING:
    from torch import Tensor

SPARE, STATIC_SPARE = 64, 256
"""Steps for which there is room before the buffers are laid out anew; more where steps are recorded."""


@dataclass(frozen=True, slots=True, eq=False)
class KeyValues:
    """Keys and values of one sequence of L tokens: a (keys, values) pair of (heads, L, head width) for each layer."""

    layers: tuple[tuple[Tensor, Tensor], ...]

    @property
    def length(self) -> int:
        """Number of tokens L."""
        return int(self.layers[0][0].shape[-2])

    @property
    def nbytes(self) -> int:
        """Memory taken."""
        return sum(part.nbytes for layer in self.layers for part in layer)

    def first(self, length: int) -> KeyValues:
        """A copy of the first `length` tokens, which keeps nothing else alive."""
        return KeyValues(tuple((k[:, :length].clone(), v[:, :length].clone()) for k, v in self.layers))

    def grown(self, length: int) -> Cache:
        """A cache for one sequence of `length` tokens that begins with these; they themselves are never written."""
        layers = []
        for pair in self.layers:
            room = [part.new_empty((1, part.shape[0], length, part.shape[2])) for part in pair]
            for place, part in zip(room, pair, strict=True):
                place[0, :, : self.length] = part
            layers.append(PlacedLayer(room[0], room[1], self.length))
        return Cache(layers=layers)


class PlacedLayer(DynamicLayer):
    """One layer's keys and values (B, heads, room, width), written in place: nothing is copied from step to step."""

    def __init__(self, keys: Tensor, values: Tensor, length: int) -> None:
        super().__init__()
        self.keys, self.values, self.length = keys, values, length
        self.place: Tensor | None = None
        self.dtype, self.device = keys.dtype, keys.device
        self.is_initialized = True

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Write behind what is there and give everything so far; with a `place`, write there and give the buffers."""
        if self.place is not None:
            self.keys.index_copy_(2, self.place, key_states)
            self.values.index_copy_(2, self.place, value_states)
            return self.keys, self.values
        end = self.length + key_states.shape[-2]
        self.keys[:, :, self.length : end] = key_states
        self.values[:, :, self.length : end] = value_states
        self.length = end
        return self.keys[:, :, :end], self.values[:, :, :end]

    def get_seq_length(self) -> int:
        """Tokens written, padding counted."""
        return self.length
