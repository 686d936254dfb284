"""The way from data sets to a trainer: shuffled with a seed, shared out to ranks, resumable to the item.

A source is an index: it knows how many lines it has and reads any one of them when asked, so nothing but line
offsets is held in memory (8 bytes a line). Each epoch visits a permutation drawn from (seed, epoch); rank r of w takes
every w-th position. The state is the epoch and the position counted over all ranks, so an interrupted run goes on
with the next item, also on another number of ranks. A fault is counted and the rank takes another item in its place,
for ranks that see different numbers of items would wait for each other for ever.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from wetread.errors import RefusedInput
from wetread.training.data.item import Faults, TrainingItem


class FaultyItem(ValueError):  # noqa: N818 - the word of the report
    """A line that cannot be used; the stream counts it under `kind`.

    Args:
        kind: a few words that group faults.
        where: file and line.
        why: what was found.
    """

    def __init__(self, kind: str, where: object, why: str = "") -> None:
        self.kind, self.where, self.why = kind, str(where), why
        super().__init__(f"{kind}: {where} {why}".rstrip())


class ItemSource(Protocol):
    """A data set that can be asked for any of its lines."""

    @property
    def name(self) -> str:
        """For reports and for the check of a resumed state."""
        ...

    def __len__(self) -> int:
        """Number of lines, broken ones included."""
        ...

    def __getitem__(self, index: int) -> TrainingItem:
        """One item, its files not yet read.

        Raises:
            FaultyItem: the line cannot be used.
        """
        ...


class Items:
    """A source of items that are already in memory, e.g. of a test or of a list of manifest entries."""

    def __init__(self, items: Sequence[TrainingItem], name: str = "items") -> None:
        self.items, self.name = tuple(items), name

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> TrainingItem:
        return self.items[index]


class ItemStream:
    """Items of one or several sources, epoch after epoch.

    Args:
        sources: data sets; a longer one is seen more often.
        seed: of the order.
        shuffle: False keeps the order of the sources.
        rank: of this process, 0 to world - 1.
        world: number of processes.
        epochs: passes over the data; None goes on for ever.
        load: hand out items whose pictures, waveforms and masks are arrays; a broken file is then a fault as well.
        frames: frames taken of each video where `load`.

    `faults` is the report of this rank. Every rank yields the same number of items in an epoch: the last
    ``len(data) % world`` positions of the permutation are left for the next epoch's other order, and a faulty line is
    replaced by the next usable one of the same rank's share.

    Raises:
        RefusedInput: no line at all, or (when iterating) a whole epoch without one usable line.
    """

    def __init__(
        self,
        sources: Sequence[ItemSource],
        *,
        seed: int = 0,
        shuffle: bool = True,
        rank: int = 0,
        world: int = 1,
        epochs: int | None = 1,
        load: bool = False,
        frames: int = 4,
    ) -> None:
        if not 0 <= rank < world:
            raise ValueError(f"Rank {rank} of {world} processes.")
        self.sources = tuple(sources)
        self.seed, self.shuffle, self.rank, self.world, self.epochs = seed, shuffle, rank, world, epochs
        self.load, self.frames = load, frames
        self.faults = Faults()
        self.epoch = self.position = 0
        self._ends = np.cumsum([len(source) for source in self.sources], dtype=np.int64)
        self.total = int(self._ends[-1]) if len(self._ends) else 0
        if self.total < world:
            names = ", ".join(source.name for source in self.sources) or "no source"
            raise RefusedInput(f"{self.total} lines for {world} processes", names, "give a data set with lines")

    def __len__(self) -> int:
        """Items that each rank yields in an epoch."""
        return self.total // self.world

    def __iter__(self) -> Iterator[TrainingItem]:
        """Go on from the present position to the end of the last epoch."""
        while self.epochs is None or self.epoch < self.epochs:
            order = self._order(self.epoch)
            while self.position < len(self) * self.world:
                item = self._usable(order)
                if self.epoch == 0 and "missing" in item.extra:
                    self.faults.add(f"missing {item.extra['missing']} (item kept)", item.location)
                self.position += self.world
                yield item
            self.epoch, self.position = self.epoch + 1, 0

    def state_dict(self) -> dict[str, Any]:
        """Where the stream is; the same on every rank that has yielded the same number of items."""
        return {"epoch": self.epoch, "position": self.position, "seed": self.seed, "shuffle": self.shuffle,
                "sources": self._fingerprint()}  # fmt: skip

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where another stream over the same data was, also with another number of ranks.

        Raises:
            RefusedInput: the state is of other data or of another seed.
        """
        ours = {"seed": self.seed, "shuffle": self.shuffle, "sources": self._fingerprint()}
        for name, value in ours.items():
            if state.get(name) != value:
                raise RefusedInput(f"a state of another {name}", ", ".join(s.name for s in self.sources),
                                   "resume with the data, the seed and the order of the first run")  # fmt: skip
        self.epoch = int(state["epoch"])
        self.position = int(state["position"]) // self.world * self.world

    def _usable(self, order: np.ndarray) -> TrainingItem:
        """The item of the present position, or the next usable one of this rank's share, round and round."""
        share = len(self)
        first = self.position // self.world
        for step in range(share):
            place = order[((first + step) % share) * self.world + self.rank]
            try:
                item = self._item(int(place))
                return item.loaded(frames=self.frames) if self.load and not item.is_loaded else item
            except FaultyItem as error:
                # A replacement looks ahead, so its own position meets the same fault again: counted once only.
                if step == 0:
                    self.faults.add(error.kind, error.where, error.why)
            except RefusedInput as error:
                if step == 0:
                    self.faults.add("unreadable file", _file_name(error.where), error.what)
        raise RefusedInput("no usable line in a whole epoch", ", ".join(s.name for s in self.sources),
                           "; ".join(self.faults.lines()[:1]) or "check the data set")  # fmt: skip

    def _item(self, place: int) -> TrainingItem:
        source = int(np.searchsorted(self._ends, place, side="right"))
        return self.sources[source][place - (int(self._ends[source - 1]) if source else 0)]

    def _order(self, epoch: int) -> np.ndarray:
        if not self.shuffle:
            return np.arange(self.total)
        return np.random.default_rng([self.seed, epoch]).permutation(self.total)

    def _fingerprint(self) -> list[list[Any]]:
        return [[source.name, len(source)] for source in self.sources]


def _file_name(where: str) -> str:
    """The last two parts of a path: enough to find the file, without the folders of this machine."""
    return "/".join(Path(where).parts[-2:])
