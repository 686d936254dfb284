"""A few steps on from a trained model: the whole of it, or the grounding head alone."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from wetread.errors import ReadCancelled, RefusedInput
from wetread.model.checkpoint import MODEL_FILE, load_model, save_model
from wetread.training.sft import make_batch, train_step

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable
    from pathlib import Path

    from transformers import PreTrainedTokenizerFast

    from wetread.model.checkpoint import ModelInfo
    from wetread.model.grounded import GroundedModel
    from wetread.training.lessons import Lesson

LEARNING_RATES = {"head": 5e-5, "sft": 2e-5}
WARM_UP = 5
MOST_DRAWS = 100


class Source(Protocol):
    """Where lessons come from."""

    def draw(self) -> Lesson:
        """The next lesson."""


@dataclass(frozen=True, slots=True)
class FineTune:
    """What one run does.

    Args:
        kind: "head" trains the grounding head and leaves the words as they are; "sft" trains all.
        steps: of the optimiser.
        batch: lessons a step.
        learning_rate: after the warm-up; that of the kind when None.
        seed: of whatever is random in a step.
        decay: let the learning rate fall along a cosine to a fiftieth of it.
    """

    kind: Literal["head", "sft"]
    steps: int
    batch: int = 4
    learning_rate: float | None = None
    seed: int = 0
    decay: bool = False

    @property
    def rate(self) -> float:
        """Learning rate after the warm-up."""
        return LEARNING_RATES[self.kind] if self.learning_rate is None else self.learning_rate

    def rate_at(self, step: int) -> float:
        """Learning rate of a step, counted from 0."""
        warm = min(1.0, (step + 1) / min(WARM_UP, self.steps))
        fallen = 0.02 + 0.49 * (1 + math.cos(math.pi * step / self.steps)) if self.decay else 1.0
        return self.rate * warm * fallen


def fine_tune(
    info: ModelInfo, lessons: Source, plan: FineTune, report: Callable[[int, dict[str, float]], None],
    cancel: threading.Event | None = None,
) -> tuple[GroundedModel, PreTrainedTokenizerFast]:  # fmt: skip
    """Train on from a model.

    Args:
        info: of the model to start from.
        lessons: what it is shown.
        plan: what is trained, how long.
        report: told each step and the parts of its loss.
        cancel: set it to stop before the next step.

    Raises:
        ModelUnavailable: the model does not load, or has no head.
        RefusedInput: the head is to be trained, and no lesson has anything to point at.
        ReadCancelled: `cancel` was set.
    """
    model, tokenizer = load_model(info)
    return trained(model, tokenizer, lessons, plan, report, cancel), tokenizer


def trained(
    model: GroundedModel, tokenizer: PreTrainedTokenizerFast, lessons: Source, plan: FineTune,
    report: Callable[[int, dict[str, float]], None], cancel: threading.Event | None = None,
) -> GroundedModel:  # fmt: skip
    """The model itself, after the steps of a plan; see `fine_tune`."""
    torch.manual_seed(plan.seed)
    model.backbone.requires_grad_(plan.kind == "sft")
    moved = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(moved, lr=plan.rate, betas=(0.9, 0.98), weight_decay=0.01)
    model.train()
    if plan.kind == "head":
        model.backbone.eval()
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            module.eval()  # a few small batches would move its statistics further than the steps move the weights
    for step in range(plan.steps):
        if cancel is not None and cancel.is_set():
            raise ReadCancelled("The training was stopped; nothing was written.")
        for group in optimiser.param_groups:
            group["lr"] = plan.rate_at(step)
        batch = make_batch(_drawn(lessons, plan), tokenizer)
        report(step + 1, train_step(model, optimiser, batch, tokenizer))
    return model.eval()


def _drawn(lessons: Source, plan: FineTune) -> list[Lesson]:
    """The lessons of a step. Words teach the head nothing, so a step of the head needs something to point at."""
    for _ in range(MOST_DRAWS):
        drawn = [lessons.draw() for _ in range(plan.batch)]
        if plan.kind == "sft" or any(lesson.masks for lesson in drawn):
            return drawn
    raise RefusedInput("nothing to point at in the lessons", "grounding head", "train with kind sft, or correct masks")


def save_fine_tuned(
    model: GroundedModel, tokenizer: PreTrainedTokenizerFast, info: ModelInfo, changes: dict[str, Any], folder: Path
) -> None:
    """Write the model with the statement of the one it came from, `changes` aside; measured figures do not pass on."""
    said = json.loads((info.folder / MODEL_FILE).read_text(encoding="utf-8"))
    said.pop("base", None)
    save_model(model, tokenizer, said | {"metrics": {}, "parent_sha256": info.weights_sha256} | changes, folder)
