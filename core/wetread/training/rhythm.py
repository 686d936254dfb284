"""`wetread train rhythm`: a folder of coded ECG records to a rhythm network, calibrated, seeded, in minutes on a CPU.

The rhythms of `drawn_rhythms` are learned from measured beats, of records and of drawn tracings. What the shape of
waves tells (hypertrophy, ST and T) is not learned: tried with a hundred records, it was guessed on unseen ones. Two
nested rounds of cross-validation keep the figures honest: the inner one calibrates presence and chooses thresholds on
records that the network did not see, the outer one measures all of that on records that neither saw. Groups (patients)
are never split. What is kept is then trained on the whole part.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wetread import __version__
from wetread.errors import RefusedInput
from wetread.model.ecg_beats import FEATURES, Beats, features, find_beats
from wetread.model.rhythm_network import STATEMENT_FILE, WEIGHTS_FILE, Statement
from wetread.training.drawn_rhythms import DRAWN, draw, noisy
from wetread.training.manifests import Part
from wetread.training.rhythm_fit import Examples, calibrated, fit, logits_of
from wetread.training.rhythm_records import Record, read_records
from wetread.training.run_file import at_least, read_run_file

if TYPE_CHECKING:
    from numpy.typing import NDArray

NAME = "wetread-mini-ecg"
DRAWN_WEIGHT = 0.15
"""Of a drawn tracing beside a record."""


@dataclass(frozen=True, slots=True)
class RhythmRun:
    """The recipe; see `recipes/ecg.yaml` for what each number means."""

    data: Path
    out: Path
    part: Part = "train"
    seed: int = 1
    copies: int = 4
    drawn: int = 25
    members: int = 4
    hidden: int = 8
    steps: int = 120
    folds: int = 5
    repeats: int = 1

    def __post_init__(self) -> None:
        at_least(self, seed=0, copies=0, drawn=0, members=1, hidden=1, steps=1, folds=2, repeats=1)


Measure = Callable[[Sequence[Record], Sequence[str], Sequence[frozenset[str]]], dict[str, Any]]
"""Records, labels and what was named of each record, to figures; `evaluation.rhythms.measured` is one."""


def train_rhythm(config: Path, measure: Measure, report: Callable[[str], None] = print) -> Path:
    """Train, measure and write `rhythm.safetensors` and `rhythm.json`.

    Args:
        config: YAML of a `RhythmRun`.
        measure: makes figures of the cross-validated answers.
        report: told a line at a time.

    Returns:
        The folder.

    Raises:
        RefusedInput: a recipe that does not fit, or no usable record.
    """
    from safetensors.torch import save_file

    run = read_run_file(config, RhythmRun)
    records, problems = read_records(run.data, run.part)
    for line in problems:
        report(f"left out: {line}")
    labels = DRAWN
    report(f"{len(records)} records, {len(labels)} statements: {', '.join(labels)}")
    stock = _Stock.of(records, labels, run)
    answers = _cross_validated(stock, run, report)
    metrics = measure(records, labels, answers)
    report(f"cross-validated: {json.dumps(metrics)}")
    everyone = np.arange(len(records))
    statements = _inner(stock, everyone, run, run.seed)
    weights = fit(stock.examples(everyone, run.seed), run, run.seed)
    run.out.mkdir(parents=True, exist_ok=True)
    save_file({name: value.contiguous() for name, value in weights.items()}, run.out / WEIGHTS_FILE)
    said = {
        "name": NAME, "version": __version__, "licence": "CC-BY-4.0",
        "training_data": [f"{run.data.name} ({run.part} part): PhysioNet/CinC Challenge 2021 (Reyna et al. 2021), "
                          "CC BY 4.0", "rhythms drawn with the beats of the same records"],
        "features": list(FEATURES), "statements": [asdict(s) for s in statements],
        "training": {key: value for key, value in asdict(run).items() if key not in ("data", "out")},
        "metrics": metrics,
    }  # fmt: skip
    text = json.dumps(said, indent=1, ensure_ascii=False, allow_nan=False)
    (run.out / STATEMENT_FILE).write_text(text + "\n", encoding="utf-8")
    return run.out


@dataclass(frozen=True, slots=True, eq=False)
class _Stock:
    """Everything measured once: (copies + 1, F) of each record, and the drawn tracings made with its beats."""

    labels: tuple[str, ...]
    truth: NDArray[np.float64]
    copies: tuple[NDArray[np.float64], ...]
    drawn: tuple[tuple[tuple[NDArray[np.float64], frozenset[str]], ...], ...]
    groups: tuple[str, ...]

    @classmethod
    def of(cls, records: Sequence[Record], labels: tuple[str, ...], run: RhythmRun) -> _Stock:
        random = np.random.default_rng(run.seed)
        truth = np.array([[label in r.labels for label in labels] for r in records], dtype=np.float64)
        copies = []
        for record in records:
            again = [noisy(record.signals, random) for _ in range(run.copies)]
            copies.append(np.stack([features(record.beats), *_measured(again)]))
        fit_to_draw = [i for i, r in enumerate(records) if "sinus rhythm" in r.labels and r.beats.rate < 100]
        drawn: list[list[tuple[NDArray[np.float64], frozenset[str]]]] = [[] for _ in records]
        for label in DRAWN:
            for index in random.choice(fit_to_draw, run.drawn) if fit_to_draw else []:
                signals, true = draw(records[index].beats, label, random)
                drawn[index] += [(values, true) for values in _measured([signals])]
        return cls(labels, truth, tuple(copies), tuple(map(tuple, drawn)), tuple(r.group for r in records))

    def examples(self, chosen: NDArray[np.int64], seed: int) -> Examples:
        """Copies and drawn tracings of the chosen records; a record with its copies weighs 1, a drawn tracing less."""
        rows, truth, weight = [], [], []
        for index in chosen:
            for values in self.copies[index]:
                rows.append(values)
                truth.append(self.truth[index])
                weight.append(np.full(len(self.labels), 1.0 / len(self.copies[index])))
            for values, true in self.drawn[index]:
                rows.append(values)
                truth.append(np.array([label in true for label in self.labels], dtype=np.float64))
                weight.append(np.full(len(self.labels), DRAWN_WEIGHT))
        return Examples(np.stack(rows), np.stack(truth), np.stack(weight))

    def own(self, chosen: NDArray[np.int64]) -> NDArray[np.float64]:
        """(n, F) of the records as they are."""
        return np.stack([self.copies[index][0] for index in chosen])


def _measured(tracings: Sequence[NDArray[np.float64]]) -> list[NDArray[np.float64]]:
    found: list[Beats | None] = [find_beats(signals) for signals in tracings]
    return [features(beats) for beats in found if beats is not None]


def _inner(stock: _Stock, chosen: NDArray[np.int64], run: RhythmRun, seed: int) -> tuple[Statement, ...]:
    """Calibration and thresholds from records that the networks of the folds did not see."""
    logits = np.zeros((run.repeats, len(chosen), len(stock.labels)))
    for repeat in range(run.repeats):
        for fold in _folds([stock.groups[i] for i in chosen], run.folds, seed + repeat):
            inside = np.setdiff1d(np.arange(len(chosen)), fold)
            weights = fit(stock.examples(chosen[inside], seed), run, seed + repeat)
            logits[repeat, fold] = logits_of(weights, stock.own(chosen[fold]))
    return calibrated(stock.labels, logits, stock.truth[chosen])


def _cross_validated(stock: _Stock, run: RhythmRun, report: Callable[[str], None]) -> list[frozenset[str]]:
    everyone = np.arange(len(stock.groups))
    answers: list[frozenset[str]] = [frozenset()] * len(everyone)
    for number, fold in enumerate(_folds(stock.groups, run.folds, run.seed + 100), start=1):
        outside = np.setdiff1d(everyone, fold)
        statements = _inner(stock, outside, run, run.seed + number)
        logits = logits_of(fit(stock.examples(outside, run.seed), run, run.seed), stock.own(fold))
        for index, row in zip(fold, logits, strict=True):
            presence = [1 / (1 + np.exp(-(s.slope * v + s.offset))) for s, v in zip(statements, row, strict=True)]
            answers[index] = frozenset(s.label for s, p in zip(statements, presence, strict=True) if p >= s.threshold)
        report(f"outer fold {number} of {run.folds} measured")
    return answers


def _folds(groups: Sequence[str], count: int, seed: int) -> list[NDArray[np.int64]]:
    names = sorted(set(groups))
    if len(names) < count:
        raise RefusedInput(f"{len(names)} patients for {count} folds", "data", "give more records or fewer folds")
    order = np.random.default_rng(seed).permutation(names)
    fold_of = {name: number % count for number, name in enumerate(order)}
    return [np.array([i for i, g in enumerate(groups) if fold_of[g] == n]) for n in range(count)]
