"""Active learning: in which order cases are worth a person's time.

Five strategies over what the ledger knows (Settles, Active Learning, 2012): random; uncertainty and disagreement of the
last read of a series (`doubt`); representative, the greedy k-centre cover of the descriptors around what people have
decided on already (core-set; Sener and Savarese, ICLR 2018); and mixed, the weighted sum of the four ranks. Equal
ledger, cases and seed give an equal order. Cases that somebody has decided on since their last read come last; among
the others those that a strategy cannot measure come after those that it can, in random order, and `said` tells so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import numpy as np

from wetread.errors import RefusedInput
from wetread.review.descriptors import descriptors
from wetread.review.doubt import Measure, disagreement, uncertainty

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from wetread.review.ledger import Ledger

RANDOM, UNCERTAINTY, DISAGREEMENT, REPRESENTATIVE, MIXED = (
    "random", "uncertainty", "disagreement", "representative", "mixed",
)  # fmt: skip
STRATEGIES = (RANDOM, UNCERTAINTY, DISAGREEMENT, REPRESENTATIVE, MIXED)
WEIGHTS = {UNCERTAINTY: 0.4, DISAGREEMENT: 0.3, REPRESENTATIVE: 0.2, RANDOM: 0.1}
"""Of the ranks of the mixed strategy."""


class Case(Protocol):
    """Whatever names a series."""

    @property
    def series_uid(self) -> str:
        """Series Instance UID."""


C = TypeVar("C", bound=Case)


@dataclass(frozen=True, slots=True)
class Known:
    """What the ledger knows of a series: the doubts of its last read, and whether somebody has decided on that."""

    uncertainty: Measure
    disagreement: Measure
    decided: bool


@dataclass(frozen=True, slots=True)
class Ranking(Generic[C]):
    """Cases in order, and what the order rests on, in words."""

    cases: tuple[C, ...]
    said: str


def order(cases: Sequence[C], ledger: Ledger, seed: int = 0, strategy: str = MIXED) -> list[C]:
    """Cases, those first that teach most; see `ranked`."""
    return list(ranked(cases, ledger, seed, strategy).cases)


def ranked(cases: Sequence[C], ledger: Ledger, seed: int = 0, strategy: str = MIXED) -> Ranking[C]:
    """Order cases by a strategy.

    Args:
        cases: each names its series.
        ledger: of reads, verdicts and descriptors.
        seed: of everything that is random.
        strategy: one of `STRATEGIES`.

    Raises:
        RefusedInput: no such strategy.
    """
    if strategy not in STRATEGIES:
        raise RefusedInput(f"no strategy {strategy[:40]!r}", "strategy", f"use one of {', '.join(STRATEGIES)}")
    # By UID first: the order in which an archive lists its series must not matter.
    listed = sorted(cases, key=lambda case: case.series_uid)
    series = [case.series_uid for case in listed]
    known = knowledge(ledger)
    drawn = np.random.default_rng(seed).permutation(len(listed))
    if strategy == MIXED:
        parts = [(weight, *_rank(name, series, known, ledger, drawn)) for name, weight in WEIGHTS.items()]
        total = np.sum([weight * ranks for weight, ranks, _ in parts], axis=0) if series else np.zeros(0)
        said = "; ".join(words for _, _, words in parts)
    else:
        total, said = _rank(strategy, series, known, ledger, drawn)
    decided = np.array([name in known and known[name].decided for name in series], dtype=bool)
    positions = np.lexsort((drawn, total, decided)).tolist()
    return Ranking(tuple(listed[position] for position in positions), said)


def knowledge(ledger: Ledger) -> dict[str, Known]:
    """Series UID -> what the ledger knows of it, in one pass."""
    found: dict[str, Known] = {}
    last: dict[str, str] = {}
    for entry in ledger.entries():
        if entry.kind == "read":
            name = entry.body["series"]["series_uid"]
            found[name] = Known(uncertainty(entry.body), disagreement(entry.body), False)
            last[name] = entry.read_uid
        elif entry.kind == "verdict":
            name = entry.body["series"]["series_uid"]
            # A verdict on an older read says nothing about the one that stands.
            if name in found and last[name] == entry.read_uid:
                found[name] = Known(found[name].uncertainty, found[name].disagreement, True)
    return found


def _rank(
    strategy: str, series: Sequence[str], known: Mapping[str, Known], ledger: Ledger, drawn: NDArray[np.int64]
) -> tuple[NDArray[np.float64], str]:
    """Ranks from 0 (first) to 1 (last), and what they rest on."""
    if strategy == RANDOM:
        return _spread(drawn.astype(np.float64)), "random"
    if strategy == REPRESENTATIVE:
        return _covering(series, known, ledger, drawn)
    measure: Callable[[Known], Measure] = (lambda k: k.uncertainty) if strategy == UNCERTAINTY else (
        lambda k: k.disagreement
    )  # fmt: skip
    measures = [measure(known[name]) if name in known else Measure(None) for name in series]
    parts = sorted({part for one in measures for part in one.parts})
    # Those without a measure after all others.
    keys = np.array([2.0 if m.value is None else 1.0 - m.value for m in measures])
    said = f"{strategy} by {' and '.join(parts)}" if parts else f"{strategy}: nothing to measure, random instead"
    missing = sum(m.value is None for m in measures)
    if parts and missing:
        said += f" ({missing} of {len(series)} cases without a measure)"
    return _tied(keys), said


def _covering(
    series: Sequence[str], known: Mapping[str, Known], ledger: Ledger, drawn: NDArray[np.int64]
) -> tuple[NDArray[np.float64], str]:
    vectors = descriptors(ledger)
    held = [index for index, name in enumerate(series) if name in vectors]
    if not held:
        return _spread(drawn.astype(np.float64)), "representative: no descriptors yet, random instead"
    decided = [vectors[name] for name, what in sorted(known.items()) if what.decided and name in vectors]
    sequence = k_centres(np.stack([vectors[series[i]] for i in held]), np.stack(decided) if decided else None,
                         start=int(np.argmin(drawn[held])))  # fmt: skip
    keys = np.full(len(series), float(len(series)))
    for place, chosen in enumerate(sequence):
        keys[held[chosen]] = place
    said = f"representative by {len(held)} of {len(series)} descriptors"
    return _tied(keys), said


def k_centres(points: NDArray[np.floating], covered: NDArray[np.floating] | None = None, start: int = 0) -> list[int]:
    """Greedy k-centre order: each next point is the one farthest from all before it (Gonzalez, 1985).

    Args:
        points: (N, D).
        covered: (M, D) centres that are there already; None begins with `start`.
        start: index of the first point, where nothing is covered.

    Returns:
        indices of all N points; of points equally far the first.
    """
    values = np.asarray(points, dtype=np.float64)
    chosen: list[int] = []
    if covered is None or not len(covered):
        chosen.append(start)
        distance = np.linalg.norm(values - values[start], axis=1)
    else:
        distance = np.min([np.linalg.norm(values - centre, axis=1) for centre in np.asarray(covered)], axis=0)
    taken = np.zeros(len(values), dtype=bool)
    taken[chosen] = True
    while len(chosen) < len(values):
        index = int(np.argmax(np.where(taken, -1.0, distance)))
        chosen.append(index)
        taken[index] = True
        distance = np.minimum(distance, np.linalg.norm(values - values[index], axis=1))
    return chosen


def _spread(keys: NDArray[np.float64]) -> NDArray[np.float64]:
    return keys / max(len(keys) - 1, 1)


def _tied(keys: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks 0 to 1; equal keys share a rank, so that chance may part them."""
    _, ranks = np.unique(keys, return_inverse=True)
    return ranks / max(int(ranks.max(initial=0)), 1)
