"""Targets that a site teaches by corrections: which they are, and a grounding head of their own that learns them.

The language model of a small model writes the names it was trained on and no others, and to teach it a word takes
more than twenty corrections. A question names the target already, so the answer is dictated (`reading/answering`)
and only the pixels are learned: by a second head, which begins as a copy of the first. Backbone, words and first head
stay as they are to the last bit, so whatever the model found before it finds as well as before.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from wetread.model.checkpoint import TAUGHT_FILE, save_head
from wetread.terminology import find_target
from wetread.training.fine_tune import FineTune, trained
from wetread.training.ledger_lessons import DictatedLessons

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Collection, Sequence
    from pathlib import Path

    from wetread.model.checkpoint import ModelInfo
    from wetread.training.from_ledger import LedgerExample

LEAST_TAUGHT = 3
"""Patients on whom a target must have been marked before a version covers it."""
LEARNING_RATE = 5e-4
SIZE_SPAN = 1.25
"""How much smaller and larger than those it was taught on an image may be, where spacing is known."""


def is_known(info: ModelInfo, label: str, example: LedgerExample) -> bool:
    """True where the model learned the target, and the modality, before any site taught it."""
    return label in info.labels and label not in info.taught and example.modality in info.modalities


def parted(
    info: ModelInfo, examples: Sequence[LedgerExample]
) -> tuple[list[LedgerExample], list[LedgerExample], dict[str, int]]:
    """Examples of what the model knows by name, examples of what is taught, and the taught targets' patients.

    Args:
        info: of the model that learns.
        examples: of the ledger.

    Returns:
        known, taught (targets with enough patients only), and target -> number of patients for every target that is
        not known, those with too few included.
    """
    known, foreign = [], []
    patients: dict[str, set[str]] = {}
    for example in examples:
        names = [*example.present, *example.absent]
        of_known = _only(example, {name for name in names if is_known(info, name, example)})
        of_taught = _only(example, {name for name in names if _teachable(info, name, example)})
        known += [of_known] if of_known.present or of_known.absent else []
        foreign += [of_taught] if of_taught.present or of_taught.absent else []
        for label in of_taught.present:
            patients.setdefault(label, set()).add(example.patient)
    counts = {label: len(found) for label, found in sorted(patients.items())}
    enough = {label for label, count in counts.items() if count >= LEAST_TAUGHT} | set(info.taught)
    kept = [_only(example, enough) for example in foreign]
    return known, [example for example in kept if example.present or example.absent], counts


def teach(
    info: ModelInfo, examples: Sequence[LedgerExample], plan: FineTune, folder: Path,
    report: Callable[[int, dict[str, float]], None], cancel: threading.Event | None = None,
) -> None:  # fmt: skip
    """Train the head for taught targets on a finished model and write it beside.

    Args:
        info: of the model; its own taught head, where it has one, goes on.
        examples: of taught targets only.
        plan: steps, batch, rate and seed.
        folder: of the version, where the head is written.
        report: told each step and the parts of its loss.
        cancel: set it to stop before the next step.

    Raises:
        ModelUnavailable: the model does not load, or has no head.
        ReadCancelled: `cancel` was set.
    """
    from wetread.model.checkpoint import load_model
    from wetread.model.grounded import GroundedModel
    from wetread.model.loading import load_head

    first, tokenizer = load_model(info)
    second = load_head(info, int(first.backbone.config.text_config.hidden_size), TAUGHT_FILE)
    model = GroundedModel(first.backbone, first.head if second is None else second)
    rate = LEARNING_RATE if plan.learning_rate is None else plan.learning_rate
    lessons = DictatedLessons(examples, plan.seed)
    trained(model, tokenizer, lessons, replace(plan, kind="head", learning_rate=rate, decay=True), report, cancel)
    save_head(model.head, folder, TAUGHT_FILE)


def statement_of(info: ModelInfo, examples: Sequence[LedgerExample], counts: dict[str, int]) -> dict[str, Any]:
    """What `wetread.json` says of a model that was taught: its coverage, widened by what it was taught and no more."""
    labels = sorted({label for example in examples for label in example.present} | set(info.taught))
    modalities = list(dict.fromkeys([*info.modalities, *(e.modality for e in examples if e.present)]))
    sizes = {label: list(size) for label, size in info.field_mm.items()}
    for example in examples:
        for label in example.present:
            if example.field_mm is None:
                continue
            least, most = sizes.get(label, [math.inf, 0.0])
            sizes[label] = [min(least, example.field_mm / SIZE_SPAN), max(most, example.field_mm * SIZE_SPAN)]
    return {
        "modalities": [modality.value for modality in modalities],
        "labels": list(dict.fromkeys([*info.labels, *labels])),
        "field_mm": sizes,
        "taught": {label: counts.get(label, info.taught.get(label, 0)) for label in labels},
    }


def _teachable(info: ModelInfo, label: str, example: LedgerExample) -> bool:
    """Not known, a target of this modality, and not one that the model knows by name on another modality."""
    target = find_target(label)
    named = label in info.labels and label not in info.taught
    return not named and target is not None and example.modality in target.modalities


def _only(example: LedgerExample, wanted: Collection[str]) -> LedgerExample:
    return replace(example, present={n: m for n, m in example.present.items() if n in wanted},
                   absent={n: m for n, m in example.absent.items() if n in wanted})  # fmt: skip
