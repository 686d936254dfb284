"""Pictures as the backbone holds them: visual tokens with everything that is needed to use them again.

An `Encoded` is what an engine keeps in its cache: it can be cut into single pictures and put together in another
order, so that a batch, or a prior beside the current picture, never encodes anything twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class EncodedVideo:
    """A volume or cine as native video tokens.

    Args:
        features: transformers' encoder output with `pooler_output`, and `deepstack_features` for Qwen3-VL.
        grid: (1, 3) time steps, patch rows, patch columns.
        times: one number per time step, written before it by families that mark times: seconds of a cine, the
            position along the normal in centimetres of a volume.
    """

    features: Any
    grid: Tensor
    times: tuple[float, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """N pictures, and at most one video before them.

    Args:
        pictures: N tensors (3, H, W) float32 in [-1, 1]: what the grounding head looks at.
        features: transformers' encoder output: `pooler_output`, N tensors (tokens, D) of merged visual tokens, and
            for Qwen3-VL `deepstack_features`, one list of N such tensors per layer; None without pictures.
        grid: (N, 3) long, image_grid_thw in patches.
        video: shown before the pictures.
        keys: N names under which an engine keeps what belongs to the pictures; empty where it keeps nothing.
    """

    pictures: tuple[Tensor, ...]
    features: Any
    grid: Tensor
    video: EncodedVideo | None = None
    keys: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.pictures)

    def picked(self, indices: Sequence[int]) -> Encoded:
        """Some of the pictures, in the given order; the video stays."""
        wanted = list(indices)
        if not wanted:
            return Encoded((), None, self.grid[:0], self.video)
        deep = self.features.get("deepstack_features")
        features = bundle(
            [self.features.pooler_output[i] for i in wanted],
            None if deep is None else [[layer[i] for i in wanted] for layer in deep],
        )
        keys = tuple(self.keys[i] for i in wanted) if self.keys else ()
        return Encoded(tuple(self.pictures[i] for i in wanted), features, self.grid[wanted], self.video, keys)


def bundle(pooled: Sequence[Tensor], deep: Sequence[Sequence[Tensor]] | None) -> Any:
    """The encoder output of transformers for N pictures, without the states of single patches, which nothing reads.

    Args:
        pooled: N tensors (tokens, D).
        deep: per DeepStack layer N tensors (tokens, D); None for families without.
    """
    from transformers.modeling_outputs import BaseModelOutputWithPooling
    from transformers.models.qwen3_vl.modeling_qwen3_vl import BaseModelOutputWithDeepstackFeatures

    if deep is None:
        return BaseModelOutputWithPooling(pooler_output=tuple(pooled))
    return BaseModelOutputWithDeepstackFeatures(
        pooler_output=tuple(pooled), deepstack_features=[tuple(layer) for layer in deep]
    )


def joined(parts: Sequence[Encoded]) -> Encoded:
    """The pictures of several in one, in order; the video is that of the only part that has one.

    Raises:
        ValueError: two parts have a video.
    """
    videos = [part.video for part in parts if part.video is not None]
    if len(videos) > 1:
        raise ValueError("Only one part may hold a video.")
    shown = [part for part in parts if len(part)]
    grid = torch.cat([part.grid for part in parts])
    video = videos[0] if videos else None
    if not shown:
        return Encoded((), None, grid, video)
    pooled = [tokens for part in shown for tokens in part.features.pooler_output]
    layers = [part.features.get("deepstack_features") for part in shown]
    deep = None
    if layers[0] is not None:
        deep = [[tokens for part in level for tokens in part] for level in zip(*layers, strict=True)]
    pictures = tuple(picture for part in shown for picture in part.pictures)
    keys = tuple(key for part in shown for key in part.keys) if all(part.keys for part in shown) else ()
    return Encoded(pictures, bundle(pooled, deep), grid, video, keys)
