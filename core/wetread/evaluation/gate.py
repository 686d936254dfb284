"""The gate: a new version is promoted only if it is not worse than the old one on patients that neither learned from.

Every kept finding is asked for by its plain question, of both models; what people accepted, corrected or added is
scored by Dice over the whole volume, what they rejected by whether it is still claimed. The difference new minus old
is resampled by patient, both models on the same draw (paired cluster bootstrap, `bootstrap.py`). Promoted: the lower
end of its 95 % interval is above -0.02. With fewer than five kept patients no interval is worth the name, and a person
has to say the word.

Of a target that the old model did not cover, not to be worse than nothing is no merit: its mean Dice on kept patients
must reach a floor, and must be above that of the best answer without a look at the picture, a square in its middle of
whichever size would have served best.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np

from wetread.errors import WetreadError
from wetread.evaluation.bootstrap import ratio_estimate
from wetread.evaluation.metrics import dice
from wetread.findings import Mask
from wetread.model.prompts import segment_question
from wetread.training.from_ledger import plain_label, sample_of, united

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wetread.archive import Archive
    from wetread.evaluation.evaluate import Reads
    from wetread.imaging.sample import Sample
    from wetread.training.from_ledger import Judged

MARGIN = 0.02
LEAST_PATIENTS = 5
FLOOR = 0.3
"""Least mean Dice of a target that the old model did not cover."""
SQUARES = tuple(side / 10 for side in range(1, 11))
"""Sides of the centred squares, as shares of rows and columns, that a new target is held against."""
RULE = (f"promoted if the lower end of the 95 % interval of (new - old) on kept patients is above -{MARGIN}, and every "
        f"newly covered target reaches a Dice of {FLOOR} and more than the best centred square; with fewer than "
        f"{LEAST_PATIENTS} kept patients a person decides")  # fmt: skip


class Ruling(StrEnum):
    """What the gate says."""

    PROMOTE = "promote"
    REFUSE = "refuse"
    ASK = "ask a person"


@dataclass(frozen=True, slots=True)
class Scored:
    """One kept finding under both models, 0 to 1; `present` False for what was rejected.

    `squares` holds the Dice of each centred square of `SQUARES`, where something is present.
    """

    patient: str
    label: str
    present: bool
    old: float
    new: float
    squares: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the gate found.

    Args:
        ruling: promote, refuse, or ask a person.
        reason: in words.
        figures: old, new, difference with interval; by label; for the ledger and for people.
    """

    ruling: Ruling
    reason: str
    figures: dict[str, Any]


def judge(scored: Sequence[Scored], added: frozenset[str] = frozenset()) -> Judgement:
    """Apply the rule to kept findings.

    Args:
        scored: kept findings under both models.
        added: labels that the new model covers and the old one did not.
    """
    patients = [one.patient for one in scored]
    difference = ratio_estimate([one.new - one.old for one in scored], np.ones(len(scored)), patients)
    figures: dict[str, Any] = {
        "rule": RULE, "findings": len(scored), "patients": len(set(patients)), "difference": difference.as_dict(),
        "old": _mean([one.old for one in scored]), "new": _mean([one.new for one in scored]),
        "labels": {label: _of_label([one for one in scored if one.label == label])
                   for label in sorted({one.label for one in scored})},
    }  # fmt: skip
    if len(set(patients)) < LEAST_PATIENTS or difference.low is None:
        reason = f"{len(set(patients))} kept patients are fewer than {LEAST_PATIENTS}: a person has to promote it"
        return Judgement(Ruling.ASK, reason, figures)
    interval = f"{difference.value:+.3f} (95 % {difference.low:+.3f} to {difference.high:+.3f})"
    few, short = _of_added(scored, added, figures)
    if short:
        return Judgement(Ruling.REFUSE, "; ".join(short), figures)
    if few:
        return Judgement(Ruling.ASK, f"{'; '.join(few)}: a person has to promote it", figures)
    if difference.low > -MARGIN:
        return Judgement(Ruling.PROMOTE, f"new - old {interval}: not worse", figures)
    return Judgement(Ruling.REFUSE, f"new - old {interval}: it may be worse", figures)


def _of_added(
    scored: Sequence[Scored], added: frozenset[str], figures: dict[str, Any]
) -> tuple[list[str], list[str]]:  # fmt: skip
    """Newly covered targets on too few kept patients, and those that fall short, each in words; figures are noted."""
    few, short = [], []
    for label in sorted(added):
        there = [one for one in scored if one.label == label and one.present]
        patients = len({one.patient for one in there})
        if patients < LEAST_PATIENTS:
            few.append(f"{label} is new, and marked on {patients} kept patients of the {LEAST_PATIENTS} needed")
            continue
        found = float(np.mean([one.new for one in there]))
        square = float(np.max(np.mean([one.squares for one in there], axis=0)))
        figures["labels"][label]["best_square"] = round(square, 4)
        if found < FLOOR or found <= square:
            short.append(f"{label} is new: Dice {found:.3f} on kept patients, to be at least {FLOOR} and above that "
                         f"of the best centred square, {square:.3f}")  # fmt: skip
    return few, short


def square_scores(truth: Mask) -> tuple[float, ...]:
    """Dice of a centred square of each size, on the planes where something is marked."""
    _, rows, columns = truth.shape
    marked = np.stack(list(truth.planes.values()))
    found = []
    for side in SQUARES:
        square = np.zeros_like(marked)
        high, wide = max(round(rows * side), 1), max(round(columns * side), 1)
        top, left = (rows - high) // 2, (columns - wide) // 2
        square[:, top : top + high, left : left + wide] = True
        found.append(dice(square, marked))
    return tuple(found)


def measured(
    kept: Sequence[Judged], archive: Archive, old: Reads, new: Reads,
    report: Callable[[int, int], None] = lambda done, of: None,
) -> tuple[list[Scored], int]:  # fmt: skip
    """Ask both models for every kept finding.

    Args:
        kept: reads of kept patients.
        archive: where their series are.
        old: the model that reads now.
        new: the one that would.
        report: told how many reads are done, of how many.

    Returns:
        the scores, and the number of reads whose series could not be had.
    """
    scored, missing = [], 0
    for number, judged in enumerate(kept, start=1):
        try:
            sample = sample_of(judged, archive)
        except WetreadError:
            missing += 1
            continue
        for label in (*judged.present, *judged.absent):
            truth = judged.present.get(label)
            before, after = (answer_score(reader, sample, label, truth) for reader in (old, new))
            scored.append(Scored(judged.patient, label, truth is not None, before, after,
                                 () if truth is None else square_scores(truth)))  # fmt: skip
        report(number, len(kept))
    return scored, missing


def answer_score(reader: Reads, sample: Sample, label: str, truth: Mask | None) -> float:
    """Dice of what a model marks as `label`; without truth 1 where it marks nothing, else 0."""
    read = reader.read(sample, segment_question(label))
    mask = Mask(sample.shape)
    for finding in read.findings:
        if plain_label(finding.label) == label and finding.mask is not None:
            mask = united(mask, finding.mask)
    if truth is None:
        return float(mask.is_empty)
    return dice(mask.dense(), truth.dense())


def _mean(values: Sequence[float]) -> float | None:
    return round(float(np.mean(values)), 4) if values else None


def _of_label(scored: Sequence[Scored]) -> dict[str, Any]:
    """Mean Dice of what is there, and F1 of saying that it is, old and new."""
    found: dict[str, Any] = {"findings": len(scored)}
    for name in ("old", "new"):
        values = [(one.present, getattr(one, name)) for one in scored]
        there = [value for present, value in values if present]
        said = sum(value > 0 for value in there)
        false = sum(value == 0 for present, value in values if not present)
        found[name] = {"dice": _mean(there), "presence_f1": _f1(said, false, len(there) - said)}
    return found


def _f1(hits: int, false: int, missed: int) -> float | None:
    whole = 2 * hits + false + missed
    return round(2 * hits / whole, 4) if whole else None
