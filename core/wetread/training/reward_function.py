"""The reward as TRL calls it: one function, its parts logged beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wetread.training.rewards import WEIGHTS, score
from wetread.training.rewards_reference import RELEASES, reference_score

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from wetread.training.drpo_config import RewardPart
    from wetread.training.questions import Questions


class RewardFunction:
    """Scores completions against the truth of their rows.

    Args:
        questions: that were asked.
        part: of the configuration.
    """

    __name__ = "wetread"

    def __init__(self, questions: Questions, part: RewardPart) -> None:
        self._questions, self._part = questions, part
        self.weights = part.weights or WEIGHTS[part.variant]
        self.every_label_boxed = part.variant == "paper"
        self.reference = part.variant in RELEASES

    def __call__(
        self, completions: Sequence[Any], row: Sequence[int], log_metric: Callable[[str, float], None] | None = None,
        **_: Any,
    ) -> list[float]:  # fmt: skip
        """One reward for each completion; its parts and defects go to the metrics."""
        answers = [c[0]["content"] if isinstance(c, list) else c for c in completions]
        if self.reference:
            total, parts = self.score_all(answers, row)
            defects: dict[str, int] = {}
        else:
            found = score(answers, [self._questions.truth(r) for r in row], self.weights, self._part.matching,
                          self.every_label_boxed)  # fmt: skip
            total, parts, defects = found.total, found.parts, found.defects
        if log_metric is not None:
            for name, values in parts.items():
                if not np.isnan(values).all():
                    log_metric(f"reward/{name}", float(np.nanmean(values)))
            for name, count in defects.items():
                log_metric(f"answers/{name}", count / max(len(answers), 1))
        return [float(value) for value in total]

    def score_all(
        self, answers: Sequence[str], rows: Sequence[int]
    ) -> tuple[NDArray[np.float64], dict[str, NDArray[np.float64]]]:
        """Totals and parts by the released function of the configuration."""
        found = []
        for answer, row in zip(answers, rows, strict=True):
            mask, box = self._questions.pixels(row)
            truth = self._questions.truth(row).answer
            found.append(reference_score(answer, truth, mask=mask, box=box, release=self._part.variant))
        parts = {name: np.array([one[name] for one in found]) for name in found[0] if name != "total"}
        return np.array([one["total"] for one in found]), parts
