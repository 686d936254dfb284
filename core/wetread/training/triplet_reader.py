"""Triplets as a stream: shuffled with a seed, shared out among processes, pixels decoded when they are asked for."""

from __future__ import annotations

import io
import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wetread.errors import RefusedInput
from wetread.regions.overlay import paint
from wetread.training.triplet_shards import read_shard

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from wetread.training.triplet_sample import Sample

MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True, eq=False)
class Triplet:
    """One triplet as it was written; pixels are decoded when they are asked for.

    Args:
        key: unique in the folder.
        sample: the encoded files, and all else in ``sample.data``.
    """

    key: str
    sample: Sample

    @property
    def data(self) -> dict[str, Any]:
        """Text, regions, questions, attributes, group, licence: see docs/triplets.md."""
        return self.sample.data

    @property
    def image(self) -> NDArray[np.uint8]:
        """(rows, columns, 3) uint8."""
        return _decoded(self.sample.image, "RGB")

    @property
    def masks(self) -> tuple[NDArray[np.bool_], ...]:
        """One bool (rows, columns) for each of ``data["regions"]``, in that order."""
        files = [_decoded(mask) for mask in self.sample.masks]
        regions = self.data["regions"]
        return tuple(files[int(r["mask"].removeprefix("mask").removesuffix(".png"))] == r["value"] for r in regions)

    @property
    def overlay(self) -> NDArray[np.uint8]:
        """(rows, columns, 3) uint8: the image with every region drawn over it in its colour."""
        whole = (slice(None), slice(None))
        regions = zip(self.masks, self.data["regions"], strict=True)
        return paint(self.image, [(whole, mask, tuple(region["rgb"])) for mask, region in regions])


def read_triplets(
    folder: str | Path, *, seed: int | None = None, rank: int = 0, world: int = 1, buffer: int = 256
) -> Iterator[Triplet]:
    """Stream the triplets of a finished folder, once.

    Args:
        folder: what `build` wrote.
        seed: shuffles the shards, and the triplets within a buffer; the order written when None.
        rank: of this process, 0 to world - 1.
        world: processes that share the triplets, none of which is given to two; whole shards each where there are
            enough of them, otherwise every `world`-th triplet.
        buffer: triplets held for shuffling.

    Raises:
        RefusedInput: the folder is not finished, or a shard cannot be read.
    """
    if not 0 <= rank < world:
        raise ValueError(f"Rank {rank} of {world} processes.")
    root = Path(folder)
    try:
        shards = json.loads((root / MANIFEST).read_text(encoding="utf-8"))["shards"]
        paths = [root / Path(shard["file"]).name for shard in shards]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RefusedInput(
            "no finished triplets", root, "build them with: wetread triplets SOURCE --out DIR"
        ) from error
    rng = random.Random(f"{seed}|{rank}")
    if seed is not None:
        random.Random(seed).shuffle(paths)
    by_shard = len(paths) >= world
    mine = paths[rank::world] if by_shard else paths
    numbered = enumerate((key, sample) for path in mine for key, sample in read_shard(path))
    held: list[Triplet] = []
    for number, (key, sample) in numbered:
        if not by_shard and number % world != rank:
            continue
        triplet = Triplet(key, sample)
        if seed is None:
            yield triplet
            continue
        held.append(triplet)
        if len(held) >= buffer:
            yield held.pop(rng.randrange(len(held)))
    rng.shuffle(held)
    yield from held


def _decoded(data: bytes, mode: str = "") -> NDArray[Any]:
    from PIL import Image

    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert(mode) if mode else image)
