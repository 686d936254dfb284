"""What DRPO remembers of earlier questions: their reward vectors by domain, for a run, a step, a window or an average.

The memory is plain: it goes into a checkpoint as JSON and comes back bit for bit (Python writes a float so that it
reads back equal, and float32 is exact in it).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

    from numpy.typing import NDArray

EMA_DECAY = 0.9


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """One question of a step.

    Args:
        key: its id.
        domain: the key under which it is counted.
        places: rows of its rollouts in the batch.
        vector: (R,) its rewards, or what stands for them.
    """

    key: Hashable
    domain: Hashable
    places: tuple[int, ...]
    vector: NDArray[np.floating]


class QuestionHistory:
    """Reward vectors by domain.

    Args:
        kind: "run" (everything, as released), "step" (this step's questions, as printed), "window:n" (the last n
            questions over all domains) or "ema" (this step's vectors; counts and means of domains as averages that
            forget with 0.9 a step).

    Raises:
        ValueError: another word, or a window of no questions.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.window: int | None = None
        name, _, number = kind.partition(":")
        if name == "window":
            if not number.isdigit() or int(number) < 1:
                raise ValueError(f"A window is written window:n with n of 1 or more, found {kind!r}.")
            self.window = int(number)
        elif kind not in ("run", "step", "ema"):
            raise ValueError(f"history is 'run', 'step', 'window:n' or 'ema', found {kind!r}.")
        self._order: deque[Hashable] = deque()
        self._entries: dict[Hashable, deque[tuple[Hashable, NDArray[np.floating]]]] = {}
        self._averages: dict[Hashable, tuple[float, float]] = {}

    def add(self, questions: Iterable[Question]) -> None:
        """Take in the questions of a step, in the order given."""
        if self.kind in ("step", "ema"):
            self._order.clear()
            self._entries.clear()
        for question in questions:
            self._order.append(question.domain)
            self._entries.setdefault(question.domain, deque()).append((question.key, question.vector))
        while self.window is not None and len(self._order) > self.window:
            domain = self._order.popleft()
            self._entries[domain].popleft()
            if not self._entries[domain]:
                del self._entries[domain]

    def vectors(self, domain: Hashable) -> NDArray[np.floating]:
        """(Q, R) vectors of a domain, oldest first.

        Raises:
            ValueError: vectors of different lengths, which the published functions refuse as well.
        """
        return np.stack([vector for _, vector in self._entries.get(domain, ())])

    def places(self, domain: Hashable) -> dict[Hashable, int]:
        """Question id -> its first place among the vectors of the domain."""
        places: dict[Hashable, int] = {}
        for place, (key, _) in enumerate(self._entries.get(domain, ())):
            places.setdefault(key, place)
        return places

    def domains(self) -> tuple[Hashable, ...]:
        """Every domain that is remembered."""
        return tuple(self._entries)

    def count_and_mean(self, domain: Hashable, mean: float) -> tuple[float, float]:
        """N and mu of a domain, averaged over steps where the history is an average.

        Call once a step for each domain.

        Args:
            domain: one of the step.
            mean: the domain's mean reward by the remembered vectors.
        """
        count = float(len(self._entries[domain]))
        if self.kind != "ema":
            return count, mean
        if domain in self._averages:
            old_count, old_mean = self._averages[domain]
            count = EMA_DECAY * old_count + (1 - EMA_DECAY) * count
            mean = EMA_DECAY * old_mean + (1 - EMA_DECAY) * mean
        self._averages[domain] = (count, mean)
        return count, mean

    def state_dict(self) -> dict[str, Any]:
        """Plain lists, numbers and words."""
        waiting = {domain: iter(entries) for domain, entries in self._entries.items()}
        entries = []
        for domain in self._order:
            key, vector = next(waiting[domain])
            entries.append([plain(domain), plain(key), [float(value) for value in vector]])
        return {"kind": self.kind, "entries": entries,
                "averages": [[plain(domain), *pair] for domain, pair in self._averages.items()]}  # fmt: skip

    def load_state_dict(self, state: dict[str, Any], dtype: type[np.floating]) -> None:
        """Replace the memory by a saved one.

        Args:
            state: of `state_dict`.
            dtype: of the vectors.

        Raises:
            ValueError: saved by another kind of history.
        """
        if state["kind"] != self.kind:
            raise ValueError(f"The saved history is {state['kind']!r}, this one is {self.kind!r}.")
        self._order.clear()
        self._entries.clear()
        for domain, key, vector in state["entries"]:
            self._order.append(hashable(domain))
            entry = (hashable(key), np.asarray(vector, dtype=dtype))
            self._entries.setdefault(hashable(domain), deque()).append(entry)
        self._averages = {hashable(domain): (count, mean) for domain, count, mean in state["averages"]}


def plain(key: Hashable) -> Any:
    """A key as JSON has it; tuples become lists."""
    if isinstance(key, tuple):
        return [plain(part) for part in key]
    return key.item() if isinstance(key, np.generic) else key


def hashable(key: Any) -> Hashable:
    """A key as it was before JSON."""
    return tuple(hashable(part) for part in key) if isinstance(key, list) else key
