"""What passes between the steps of a read: an answer that was written, and what grounding makes of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from wetread.model.encoded import Encoded


@dataclass(frozen=True, slots=True)
class Written:
    """A finished answer.

    Args:
        text: decoded, special tokens removed.
        prompt: token ids of the prompt.
        answer: token ids of the answer, without the end of the turn.
        finished: False where the answer ran into the length limit.
        hidden: (T, D) last hidden states of the answer's T tokens, seen while they were written; None where the
            engine does not give them.
        about: the pictures of the prompt, to which `hidden` belongs; None as above.
        dictated: the question named a taught target, and the answer was put into the model's mouth (`dictated`).
    """

    text: str
    prompt: tuple[int, ...]
    answer: tuple[int, ...]
    finished: bool
    hidden: torch.Tensor | None = field(default=None, compare=False, repr=False)
    about: Encoded | None = field(default=None, compare=False, repr=False)
    dictated: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Grounded:
    """One answer grounded on B pictures.

    Args:
        logits: (B, K, h, w) float32 mask logits, zero is the border.
        presence: (B, K) float32 probabilities.
    """

    logits: NDArray[np.float32]
    presence: NDArray[np.float32]
