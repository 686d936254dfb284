"""The ECG-JEPA encoder, compatible with the published checkpoints key for key.

A 12-lead ECG is given as its eight independent leads (I, II, V1 to V6), ten seconds at 250 Hz: eight times 50 patches
of 50 samples. The transformer attends in a cross (CroPA): a patch sees its own lead and its own column of time, 57 of
400 patches. The fixed 2-D sine-cosine position is added again before every block; its first half encodes time, its
second half the lead. Facts from sehunfromdaegu/ECG_JEPA @d937ad2 (MIT), `ecg_jepa.py`; written anew here. An encoder
that is given fewer leads restricts positions and mask to them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import nn

from wetread.errors import ModelUnavailable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class Attention(nn.Module):
    """Multi-head self-attention under a boolean mask; `qkv` without bias, as published.

    Args:
        dim: width D.
        heads: number of heads; D is a multiple of it.
    """

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """(B, N, D) -> (B, N, D); `mask` (N, N) is True where a token may look."""
        batch, tokens, dim = x.shape
        q, k, v = self.qkv(x).reshape(batch, tokens, 3, self.heads, dim // self.heads).permute(2, 0, 3, 1, 4)
        seen = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        mixed: torch.Tensor = self.proj(seen.transpose(1, 2).reshape(batch, tokens, dim))
        return mixed


class FeedForward(nn.Module):
    """The two linear layers of a block, with the exact GELU between them."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, N, D) -> (B, N, D)."""
        widened: torch.Tensor = self.fc2(nn.functional.gelu(self.fc1(x)))
        return widened


class Block(nn.Module):
    """A pre-norm transformer block."""

    def __init__(self, dim: int, heads: int, mlp_ratio: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim)
        self.attn = Attention(dim, heads)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = FeedForward(dim, int(dim * mlp_ratio))

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """(B, N, D) -> (B, N, D)."""
        x = x + self.attn(self.norm1(x), mask)
        return x + self.mlp(self.norm2(x))


class EncoderBlocks(nn.Module):
    """The blocks, each of which sees the position anew."""

    def __init__(self, dim: int, depth: int, heads: int, mlp_ratio: float) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(dim, heads, mlp_ratio) for _ in range(depth))

    def forward(self, x: torch.Tensor, position: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """(B, N, D) with (N, D) positions and the (N, N) mask -> (B, N, D)."""
        for block in self.blocks:
            x = block(x + position, mask)
        return x


class ECGJEPA(nn.Module):
    """The encoder; its `state_dict` has the 137 published names at the published depth of 12.

    Args:
        embed_dim: width D, a multiple of 4 (position) and of `num_heads`.
        depth: number of blocks.
        num_heads: attention heads.
        c: leads.
        p: patches per lead.
        t: samples per patch.
        mlp_ratio: width of the feed-forward layer over D.

    Raises:
        ValueError: a width that the heads or the position cannot divide.
    """

    pos_embed: torch.Tensor

    def __init__(
        self, embed_dim: int = 768, depth: int = 12, num_heads: int = 16, c: int = 8, p: int = 50, t: int = 50,
        mlp_ratio: float = 4.0,
    ) -> None:  # fmt: skip
        super().__init__()
        if embed_dim % 4 or embed_dim % num_heads:
            raise ValueError(f"embed_dim {embed_dim} must be a multiple of 4 and of num_heads {num_heads}.")
        self.embed_dim, self.c, self.p, self.t = embed_dim, c, p, t
        self.W_P = nn.Linear(t, embed_dim)
        # A parameter and not a buffer, because it is one in the published state dict; it never trains.
        self.pos_embed = nn.Parameter(sine_cosine_position(embed_dim, c, p), requires_grad=False)
        self.encoder_blocks = EncoderBlocks(embed_dim, depth, num_heads, mlp_ratio)
        self.norm = nn.LayerNorm(embed_dim)
        self.register_load_state_dict_pre_hook(_flat_position)

    def forward(self, x: torch.Tensor, leads: Sequence[int] | None = None) -> torch.Tensor:
        """Every patch's state.

        Args:
            x: (B, leads, p * t) signals in the units of the checkpoint, in any number format; (leads, p * t) counts
                as a batch of one.
            leads: which of the c leads the rows of `x` are, by index, in any order without repeats; all when None.

        Returns:
            (B, leads * p, D), after the final norm; patches of the first lead given come first.

        Raises:
            ValueError: `x` does not have the shape that `leads` asks for.
        """
        x = x[None] if x.ndim == 2 else x
        chosen = list(range(self.c)) if leads is None else [int(lead) for lead in leads]
        if not chosen or len(set(chosen)) != len(chosen) or not set(chosen) <= set(range(self.c)):
            raise ValueError(f"leads are different numbers of 0 to {self.c - 1}, found {chosen}.")
        if x.ndim != 3 or tuple(x.shape[1:]) != (len(chosen), self.p * self.t):
            raise ValueError(
                f"ECGJEPA takes (B, {len(chosen)}, {self.p * self.t}) for these leads, found {tuple(x.shape)}."
            )
        patches = self.W_P(x.reshape(x.shape[0], len(chosen) * self.p, self.t).to(self.W_P.weight.dtype))
        position = self.pos_embed.reshape(self.c, self.p, self.embed_dim)[chosen].reshape(-1, self.embed_dim)
        states: torch.Tensor = self.norm(
            self.encoder_blocks(patches, position, cross_mask(len(chosen), self.p, x.device))
        )
        return states

    def representation(self, x: torch.Tensor, leads: Sequence[int] | None = None) -> torch.Tensor:
        """One vector per ECG: the mean over all patches, (B, D); arguments as for `forward`."""
        return self.forward(x, leads).mean(dim=1)


def _flat_position(module: nn.Module, state: dict[str, torch.Tensor], prefix: str, *_: object) -> None:
    """A position saved with a batch dimension, (1, leads * patches, D), is the same position."""
    name = f"{prefix}pos_embed"
    if name in state and state[name].ndim == 3 and len(state[name]) == 1:
        state[name] = state[name][0]


def cross_mask(leads: int, patches: int, device: torch.device | None = None) -> torch.Tensor:
    """CroPA: (leads * patches) squared, True where two patches share their lead or their column of time."""
    index = torch.arange(leads * patches, device=device)
    lead, column = index // patches, index % patches
    return (lead[:, None] == lead) | (column[:, None] == column)


def sine_cosine_position(dim: int, leads: int, patches: int) -> torch.Tensor:
    """The fixed position of every patch, (leads * patches, D): D/2 for the column of time, then D/2 for the lead.

    Sines before cosines in each half, wavelengths from 2 pi to 10000 times 2 pi (Vaswani et al. 2017, section 3.5).
    """
    time = torch.arange(patches, dtype=torch.float64).repeat(leads)
    lead = torch.arange(leads, dtype=torch.float64).repeat_interleave(patches)
    return torch.cat([_waves(time, dim // 2), _waves(lead, dim // 2)], dim=1).to(torch.get_default_dtype())


def _waves(place: torch.Tensor, dim: int) -> torch.Tensor:
    frequency = torch.exp(-math.log(10000.0) * torch.arange(dim // 2, dtype=torch.float64) / (dim / 2))
    angle = place[:, None] * frequency
    return torch.cat([angle.sin(), angle.cos()], dim=1)


def convert_checkpoint(checkpoint: Path, target: Path) -> int:
    """A published ``.pth`` checkpoint, written once as safetensors; nothing in it is ever executed.

    Args:
        checkpoint: ``torch.save({"encoder": state_dict, ...})``, or the state dict itself.
        target: ``.safetensors`` file to write.

    Returns:
        Number of tensors written.

    Raises:
        ModelUnavailable: not such a checkpoint, or one that holds more than tensors.
    """
    from safetensors.torch import save_file

    try:
        held = torch.load(checkpoint, map_location="cpu", weights_only=True)
    except Exception as error:  # the unpickler raises many types for bytes that are no checkpoint
        raise ModelUnavailable(
            f"not a checkpoint of tensors ({type(error).__name__})", checkpoint, "give the published ECG-JEPA .pth file"
        ) from error
    state = held.get("encoder", held) if isinstance(held, dict) else held
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise ModelUnavailable("no encoder weights in it", checkpoint, "give the published ECG-JEPA .pth file")
    if not {"W_P.weight", "pos_embed", "norm.weight"} <= state.keys():
        raise ModelUnavailable("the weights are not ECG-JEPA's", checkpoint, "give the published ECG-JEPA .pth file")
    save_file({name: value.contiguous().clone() for name, value in state.items()}, target)
    return len(state)
