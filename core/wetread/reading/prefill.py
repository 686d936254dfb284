"""The language model over a prompt and what is written of its answer: once per answer, before it joins a batch.

The prompt puts pictures before words, so everything up to the end of the last picture is equal for every question on
the same pictures. Its keys and values are kept; a further question is prefilled from there, and the pictures are
neither encoded nor read again. The whole prompt is kept as well: the same question again costs one token.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np
from transformers import DynamicCache

from wetread.errors import ModelUnavailable
from wetread.reading.key_values import KeyValues

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    from wetread.model.loaded import LoadedModel
    from wetread.reading.caches import ByteBoundedCache
    from wetread.reading.decoding import Row


def prefill(model: LoadedModel, row: Row, prefixes: ByteBoundedCache[KeyValues]) -> KeyValues:
    """Run the language model over a row's prompt and answer so far; the row takes its next token.

    Args:
        model: any family.
        row: its `offset`, `hidden` and `answer` are set.
        prefixes: where the part up to the end of the pictures is looked up and kept.

    Returns:
        Keys and values of all tokens but the one that was just taken.

    Raises:
        ModelUnavailable: what comes out is not finite, as float16 may overflow.
    """
    import torch

    backbone = model.backbone
    inputs = model.forward_inputs(torch.tensor([[*row.prompt, *row.answer]]), row.encoded)
    positions, offsets = _positions(backbone, inputs)
    row.offset = int(offsets.flatten()[0])
    lengths = _kept_lengths(row, placeholders(backbone))
    names = {_name(row.prefix_key, row.prompt[:length]): length for length in lengths}
    prefix = next((found for found in map(prefixes.get, names) if found is not None), None)
    ids = inputs["input_ids"]
    if prefix is not None:
        cache, start = prefix.grown(ids.shape[1]), prefix.length
        output = backbone.model(
            input_ids=ids[:, start:], position_ids=positions[:, :, start:], past_key_values=cache, use_cache=True
        )
    else:
        cache = DynamicCache(config=backbone.config.text_config)
        del inputs["attention_mask"]  # nothing is padded
        output = backbone.model(**inputs, position_ids=positions, past_key_values=cache, use_cache=True)
    hidden = output.last_hidden_state[0]
    row.hidden = list(hidden[len(hidden) - len(row.answer) :].clone()) if row.answer else []
    scores = backbone.lm_head(hidden[-1])
    if not bool(scores.isfinite().all()):  # its argmax would be an answer of one token without end
        raise ModelUnavailable(
            f"the model computes no numbers in {str(model.dtype).removeprefix('torch.')}", model.info.name,
            "use --dtype bfloat16 or float32; where that is in use, download the weights again",
        )  # fmt: skip
    scores[[*placeholders(backbone), *row.barred]] = float("-inf")
    row.take(int(scores.argmax()))
    held = KeyValues(tuple((layer.keys[0], layer.values[0]) for layer in cache.layers))
    for name, length in names.items():
        if prefix is None or length > prefix.length:
            kept = held.first(length)
            prefixes.put(name, kept, kept.nbytes)
    return held


def _kept_lengths(row: Row, visual: Sequence[int]) -> list[int]:
    """What is worth keeping, longest first: all but the prompt's last token, and up to the end of the pictures."""
    shared = prefix_length(row.prompt, visual)
    return [len(row.prompt) - 1, shared] if row.prefix_key and shared else []


def placeholders(backbone: Any) -> list[int]:
    """Tokens that stand for pictures: an answer cannot show any, and one that wrote them could not be read again."""
    return [int(backbone.config.image_token_id), int(backbone.config.video_token_id)]


def prefix_length(prompt: Sequence[int], visual: Sequence[int]) -> int:
    """Number of tokens up to the end of the last picture; 0 where there is none."""
    return next((index + 1 for index in range(len(prompt) - 1, -1, -1) if prompt[index] in visual), 0)


def visual_runs(prompt: Sequence[int], token: int) -> list[tuple[int, int]]:
    """(first, past the last) of every run of one placeholder token: one run per picture."""
    runs: list[tuple[int, int]] = []
    for index, found in enumerate(prompt):
        if found == token:
            start = runs.pop()[0] if runs and runs[-1][1] == index else index
            runs.append((start, index + 1))
    return runs


def _positions(backbone: Any, inputs: dict[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:
    """M-RoPE positions (3, 1, S) and the offset of the tokens to come."""
    grids = {name: inputs[name] for name in ("image_grid_thw", "video_grid_thw") if name in inputs}
    positions, offsets = backbone.model.get_rope_index(
        inputs["input_ids"], mm_token_type_ids=inputs["mm_token_type_ids"], **grids
    )
    return positions, offsets


def _name(pictures: str, prefix: Sequence[int]) -> str:
    """A prefix's name: its pictures and its very tokens."""
    return f"{pictures}|{hashlib.blake2b(np.array(prefix).tobytes(), digest_size=16).hexdigest()}"
