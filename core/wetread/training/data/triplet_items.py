"""Triplets (`wetread triplets`) as items: one question of each triplet, chosen by the seed.

Questions about a colour are asked on the picture with its regions painted; questions that are answered with pixels are
asked on the plain picture, and carry the mask. The answer is the bare word that a reward can compare (label, colour or
place); the sentence as it was written is in ``extra["sentence"]``.
"""

from __future__ import annotations

import hashlib
import json
import tarfile
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from wetread.errors import RefusedInput
from wetread.training.data.item import TrainingItem
from wetread.training.data.stream import FaultyItem
from wetread.training.triplet_shards import read_shard
from wetread.training.triplets import MANIFEST, Triplet

_PIXEL_KINDS = ("location to mask", "class to mask")
_ANSWER_OF = {"class to colour": "colour", "colour to location": "place"}


class TripletItems:
    """The triplets of a finished folder.

    Args:
        folder: what `wetread triplets` wrote.
        seed: chooses the question of each triplet.
        pixels_only: ask only for masks.

    Raises:
        RefusedInput: the folder is not finished.
    """

    def __init__(self, folder: str | Path, *, seed: int = 0, pixels_only: bool = False) -> None:
        root = Path(folder)
        try:
            shards = json.loads((root / MANIFEST).read_text(encoding="utf-8"))["shards"]
            self._paths = [root / Path(shard["file"]).name for shard in shards]
            counts = [int(shard["samples"]) for shard in shards]
        except (OSError, ValueError, KeyError, TypeError) as error:
            remedy = "build them with: wetread triplets SOURCE --out DIR"
            raise RefusedInput("no finished triplets", root, remedy) from error
        self._ends = np.cumsum(counts, dtype=np.int64)
        self.name, self._seed, self._pixels_only = root.resolve().name, seed, pixels_only

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def __getitem__(self, index: int) -> TrainingItem:
        """One triplet with one of its questions.

        Raises:
            FaultyItem: the shard cannot be read, or the triplet asks nothing.
        """
        shard = int(np.searchsorted(self._ends, index, side="right"))
        path, place = self._paths[shard], index - (int(self._ends[shard - 1]) if shard else 0)
        where = f"{path.name}:{place}"
        try:
            triplet = _shard(path)[place]
        except (RefusedInput, tarfile.TarError) as error:
            raise FaultyItem("unreadable shard", where, type(error).__name__) from error
        except IndexError as error:
            raise FaultyItem("shard with fewer triplets than its record says", where) from error
        return self._item(triplet, where)

    def _item(self, triplet: Triplet, where: str) -> TrainingItem:
        data = triplet.data
        asked = [q for q in data["questions"] if not self._pixels_only or q["kind"] in _PIXEL_KINDS]
        if not asked:
            raise FaultyItem("triplet without a question", where)
        digest = hashlib.sha256(f"{self._seed}:{data['id']}".encode()).digest()
        question = asked[int.from_bytes(digest[:8], "big") % len(asked)]
        pixels = question["kind"] in _PIXEL_KINDS
        pointed = [r for r in data["regions"] if [r["mask"], r["value"]] in question["masks"]]
        return TrainingItem(
            id=f"{self.name}/{data['id']}", question=question["question"], answer=_answer(question["kind"], pointed),
            domain=data["modality"], dataset=data["source"], group=f"{data['source']}:{data['group']}",
            images=((lambda: triplet.image) if pixels else (lambda: triplet.overlay),),
            mask=(lambda: _union(triplet, pointed)) if pixels else None,
            extra={"kind": question["kind"], "sentence": question["answer"]}, location=where,
        )  # fmt: skip


def _answer(kind: str, regions: list[dict[str, Any]]) -> str:
    key = _ANSWER_OF.get(kind, "label")
    return ", ".join(dict.fromkeys(str(region[key]) for region in regions))


def _union(triplet: Triplet, regions: list[dict[str, Any]]) -> np.ndarray:
    masks = [mask for mask, region in zip(triplet.masks, triplet.data["regions"], strict=True) if region in regions]
    return np.asarray(np.logical_or.reduce(masks))


@lru_cache(maxsize=8)
def _shard(path: Path) -> tuple[Triplet, ...]:
    """The triplets of one shard, still encoded."""
    return tuple(Triplet(key, sample) for key, sample in read_shard(path))
