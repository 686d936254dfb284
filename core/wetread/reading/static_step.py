"""One decode step at fixed shapes, which a CUDA graph can replay.

A step of a large model is hundreds of small kernels; launched one by one from Python they take several times as long
as the memory needs to stream the weights. At fixed shapes and addresses the whole step is recorded once and replayed
with one launch. So keys and values stay in their buffers, the place to write is a tensor, and the attention mask
covers the whole buffer. The same step runs eagerly on any device, where it is tested to write the same tokens. Should
a device refuse to record, the step goes on eagerly.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import torch
from transformers.cache_utils import Cache

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from wetread.reading.key_values import PlacedLayer

logger = logging.getLogger(__name__)
EAGER_STEPS = 3
"""Rows that join or leave end a recording; one is made once the batch has been the same for so many steps."""


class StaticStep:
    """Feeds one embedded token per row.

    Args:
        backbone: a Qwen-VL model for conditional generation.
        layers: keys and values (B, heads, room, width) of B rows; they write where this step says.
        seen: (B, room) bool, False on the padding of each row.
        record: make a CUDA graph.
    """

    def __init__(self, backbone: Any, layers: Sequence[PlacedLayer], seen: Tensor, record: bool) -> None:
        self._backbone, self._layers, self._record = backbone, list(layers), record
        rows, room = seen.shape
        text = backbone.config.text_config
        device, dtype = layers[0].keys.device, layers[0].keys.dtype
        written = torch.arange(room, device=device) < layers[0].length
        self._seen = (seen & written)[:, None, None, :].contiguous()
        self._embedded = torch.zeros((rows, 1, text.hidden_size), device=device, dtype=dtype)
        self._positions = torch.zeros((3, rows, 1), device=device, dtype=torch.long)
        self._place = torch.zeros(1, device=device, dtype=torch.long)
        self._graph: Any = None
        self._output: tuple[Tensor, Tensor] | None = None
        self._steps = 0
        for layer in self._layers:
            layer.place = self._place

    def __call__(self, embedded: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 1, D) embeddings and (3, B, 1) positions to (B, D) last hidden states and (B, V) scores."""
        place = self._layers[0].length
        self._place.fill_(place)
        self._seen[..., place] = True
        self._embedded.copy_(embedded)
        self._positions.copy_(positions)
        if self._record and self._graph is None and self._steps >= EAGER_STEPS:
            self._make_graph()
        if self._graph is not None:
            self._graph.replay()
        else:
            self._output = self._once()
        self._steps += 1
        for layer in self._layers:
            layer.length = place + 1
        assert self._output is not None
        return self._output[0].clone(), self._output[1].clone()

    def _once(self) -> tuple[Tensor, Tensor]:
        output = self._backbone.model(
            inputs_embeds=self._embedded,
            attention_mask=self._seen,
            position_ids=self._positions,
            past_key_values=Cache(layers=list(self._layers)),
            use_cache=True,
        )
        hidden = output.last_hidden_state[:, -1]
        return hidden, self._backbone.lm_head(hidden)

    def _make_graph(self) -> None:
        """Record the step. Running it to warm up writes what the replay will write again."""
        try:
            side = torch.cuda.Stream(self._place.device)
            side.wait_stream(torch.cuda.current_stream(self._place.device))
            with torch.cuda.stream(side):
                self._once()
            torch.cuda.current_stream(self._place.device).wait_stream(side)
            graph = torch.cuda.CUDAGraph()
            # Callers' threads may copy pictures to the device meanwhile.
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                self._output = self._once()
            self._graph = graph
        except RuntimeError as error:
            if isinstance(error, torch.OutOfMemoryError):
                raise
            logger.warning("decode steps are not recorded on this device (%s)", type(error).__name__)
            self._record = False
