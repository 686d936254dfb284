"""How often people accepted what a model version found, and how that went over time.

Counted by finding and reader: the last standing verdict of each person on each finding of a version's reads. What
people added was missed by the model and counts apart. Wilson's interval (JASA 22:209, 1927), because versions begin
with few verdicts.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from wetread.findings import Decision

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wetread.review.ledger import Ledger

_Z = 1.959964
"""Of 95 %, two-sided."""


@dataclass(frozen=True, slots=True)
class AcceptRate:
    """Of one model version.

    Args:
        model: name.
        version: of the weights.
        device_uid: of the weights.
        reads: that have a verdict.
        accepted: findings taken as they were.
        corrected: findings changed.
        rejected: findings thrown out.
        added: findings that the model had missed.
        rate: accepted / (accepted + corrected + rejected); None without any.
        low: lower end of its 95 % interval.
        high: upper end.
        first: of the counted verdicts; UTC, ISO 8601.
        last: of the counted verdicts.
        months: year and month -> (accepted, judged) of that month, for the page.
    """

    model: str
    version: str
    device_uid: str
    reads: int
    accepted: int
    corrected: int
    rejected: int
    added: int
    rate: float | None
    low: float | None
    high: float | None
    first: str
    last: str
    months: Mapping[str, tuple[int, int]]

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self) | {"months": {month: list(counts) for month, counts in self.months.items()}}


def accept_rates(ledger: Ledger) -> list[AcceptRate]:
    """One for each set of weights, in the order of their first counted verdict."""
    latest = {
        (entry.read_uid, entry.body["tracking_uid"], entry.actor): entry for entry in ledger.entries(kind="verdict")
    }
    by_device = defaultdict(list)
    for entry in sorted(latest.values(), key=lambda entry: entry.number):
        if entry.body["decision"] != Decision.WITHDRAW:
            by_device[entry.body["model"]["device_uid"]].append(entry)
    found = []
    for device_uid, entries in by_device.items():
        # A corrected addition is still one that the model had missed.
        counts = Counter("add" if e.body["before"] is None else e.body["decision"] for e in entries)
        months: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        for entry in entries:
            if entry.body["before"] is not None:
                months[entry.recorded[:7]][0] += entry.body["decision"] == Decision.ACCEPT
                months[entry.recorded[:7]][1] += 1
        judged = counts[Decision.ACCEPT] + counts[Decision.CORRECT] + counts[Decision.REJECT]
        low, high = wilson(counts[Decision.ACCEPT], judged)
        model = entries[0].body["model"]
        found.append(AcceptRate(
            model["model"], model["model_version"], device_uid, len({e.read_uid for e in entries}),
            counts[Decision.ACCEPT], counts[Decision.CORRECT], counts[Decision.REJECT], counts[Decision.ADD],
            counts[Decision.ACCEPT] / judged if judged else None, low, high, entries[0].recorded, entries[-1].recorded,
            {month: (accepted, of) for month, (accepted, of) in months.items()},
        ))  # fmt: skip
    return found


def wilson(hits: int, of: int) -> tuple[float | None, float | None]:
    """Wilson's 95 % score interval of a share; (None, None) of nothing."""
    if of == 0:
        return None, None
    share, z2 = hits / of, _Z * _Z
    centre = (share + z2 / (2 * of)) / (1 + z2 / of)
    half = _Z * math.sqrt(share * (1 - share) / of + z2 / (4 * of * of)) / (1 + z2 / of)
    return max(0.0, centre - half), min(1.0, centre + half)
