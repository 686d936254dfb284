"""Write-back: the words after a `<seg>` see the mask, through a residual on their embeddings.

The head gives one vector for each `<seg>` (`Grounding.residual`), gated and zero at the start of training. It is
added to the input embeddings of all tokens between that `<seg>` and the next. Training does this with two passes
over the finished answer (teacher forcing): the first gives hidden states, masks and residuals, the second the
words. In reading the residual is made the moment the `<seg>` passes through the network. Both go through hooks on
the embedding layer, so every backbone that transformers knows is served alike.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor, nn


def spread(residual: Tensor, positions: Tensor, present: Tensor, length: int) -> Tensor:
    """Residuals of `<seg>` tokens laid over the tokens that follow them.

    Args:
        residual: (B, K, D).
        positions: (B, K) places of the `<seg>` tokens, rising along K where present.
        present: (B, K) bool.
        length: S, tokens of the sequence.

    Returns:
        (B, S, D): for each token the residual of the last `<seg>` before it, zero where there is none.
    """
    places = torch.arange(length, device=residual.device)
    before = present.unsqueeze(1) & (positions.unsqueeze(1) < places[None, :, None])  # (B, S, K)
    last = before.long().sum(-1) - 1
    chosen = torch.gather(residual, 1, last.clamp(min=0).unsqueeze(-1).expand(-1, -1, residual.shape[-1]))
    return chosen * (last >= 0).unsqueeze(-1)


@contextmanager
def added_to_embeddings(backbone: Any, residual: Tensor) -> Iterator[None]:
    """While this is open, `residual` (B, S, D) is added to what the backbone's embedding layer gives."""
    handle = backbone.get_input_embeddings().register_forward_hook(
        lambda module, inputs, output: output + residual.to(output.dtype)
    )
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def written_back(
    backbone: Any, seg: int, ground: Callable[[Tensor, Tensor], Tensor], *, norm: nn.Module
) -> Iterator[None]:
    """While this is open, one sequence that `generate` writes sees its masks.

    Args:
        backbone: the model whose `generate` runs, with a key-value cache and one sequence.
        seg: id of the `<seg>` token.
        ground: from the answer's last hidden states so far, (1, L, D), and the place of its newest `<seg>` among
            them, (1, 1), to the residual (1, 1, D) of that `<seg>`.
        norm: the language model's last norm, whose output is the last hidden state.

    The states of the answer are collected as they pass; the prompt's last token, whose state predicts the first word,
    is no part of the answer.
    """
    residual: list[Tensor] = []
    states: list[Tensor] = []
    newest: list[int] = []

    def embedded(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor | None:
        ids = inputs[0]
        newest[:] = [int(ids[0, -1])] if ids.shape[1] == 1 else []
        return output + residual[-1].to(output.dtype) if newest and residual else None

    def passed(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if not newest:
            return  # the prompt
        states.append(output[:, -1:].detach())
        if newest[0] == seg:
            residual[:] = [ground(torch.cat(states, dim=1), torch.tensor([[len(states) - 1]], device=output.device))]

    hooks = [
        backbone.get_input_embeddings().register_forward_hook(embedded),
        norm.register_forward_hook(passed),
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
