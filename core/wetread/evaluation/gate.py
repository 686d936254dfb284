"""The gate: a new version is promoted only if it is not worse than the old one on patients that neither learned from.

Every kept finding is asked for by its plain question, of both models; what people accepted, corrected or added is
scored by Dice over the whole volume, what they rejected by whether it is still claimed. The difference new minus old
is resampled by patient, both models on the same draw (paired cluster bootstrap, `bootstrap.py`). Promoted: the lower
end of its 95 % interval is above -0.02. With fewer than five kept patients no interval is worth the name, and a person
has to say the word.
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
RULE = (f"promoted if the lower end of the 95 % interval of (new - old) on kept patients is above -{MARGIN}; "
        f"with fewer than {LEAST_PATIENTS} kept patients a person decides")  # fmt: skip


class Ruling(StrEnum):
    """What the gate says."""

    PROMOTE = "promote"
    REFUSE = "refuse"
    ASK = "ask a person"


@dataclass(frozen=True, slots=True)
class Scored:
    """One kept finding under both models, 0 to 1; `present` False for what was rejected."""

    patient: str
    label: str
    present: bool
    old: float
    new: float


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


def judge(scored: Sequence[Scored]) -> Judgement:
    """Apply the rule to kept findings."""
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
    if difference.low > -MARGIN:
        return Judgement(Ruling.PROMOTE, f"new - old {interval}: not worse", figures)
    return Judgement(Ruling.REFUSE, f"new - old {interval}: it may be worse", figures)


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
            scored.append(Scored(judged.patient, label, truth is not None, before, after))
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
