"""Does the loop help? One recipe, the same seeds, with one way of the loop closed at a time.

Every variant is trained from the same initial weights on the same lessons and measured on the same held-out lessons
under the true answer (teacher forcing), so that figures of masks do not hang on what a small language model wrote.
Differences are paired by seed. Runs are kept in the output folder: an interrupted ablation goes on where it was, and
a finished run is not repeated unless its recipe changed.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional

from wetread.errors import RefusedInput
from wetread.model.checkpoint import head_size
from wetread.training.recipe import Recipe, as_recipe
from wetread.training.sft import Batch, load_lessons, losses, make_batch, new_tokenizer, run

if TYPE_CHECKING:
    from collections.abc import Callable

    from transformers import PreTrainedTokenizerFast

    from wetread.model.grounded import GroundedModel
    from wetread.model.grounding import Grounding
    from wetread.training.lessons import Lesson, Lessons

RESULT_FILE, TOKENIZER_FOLDER = "result.json", "tokenizer"
MEASURING_SEED, MEASURING_BATCH = 20_000, 8


@dataclass(frozen=True, slots=True)
class Ablation:
    """What an ablation file says.

    Args:
        name: title of the report.
        json: figures of every run.
        card: report in Markdown; the plot lies beside it under the same name.
        seeds: of weights and lessons; every variant is run with each.
        measured: held-out lessons that every run is measured on.
        baseline: name of the variant that the others are compared with.
        variants: name -> fields of `GroundingSize` that differ from the recipe's head.
        recipe: what is trained; its output folder holds all runs.
    """

    name: str
    json: Path
    card: Path
    seeds: tuple[int, ...]
    measured: int
    baseline: str
    variants: dict[str, dict[str, Any]]
    recipe: Recipe


def read_ablation(path: Path) -> Ablation:
    """Read and validate an ablation file.

    Raises:
        RefusedInput: unreadable, or a field that is missing, unknown or does not fit.
    """
    import yaml

    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise RefusedInput(f"unreadable ablation ({type(error).__name__})", path, "give a YAML file") from error
    known = {field.name for field in fields(Ablation)}
    if not isinstance(raw, dict) or known != set(raw):
        wrong = sorted(known.symmetric_difference(raw)) if isinstance(raw, dict) else ["no fields at all"]
        raise RefusedInput(f"missing or unknown fields: {', '.join(wrong)}", path, f"it has {sorted(known)}")
    recipe = as_recipe(raw["recipe"], path)
    try:
        said = Ablation(
            name=str(raw["name"]),
            json=Path(raw["json"]),
            card=Path(raw["card"]),
            seeds=tuple(int(seed) for seed in raw["seeds"]),
            measured=int(raw["measured"]),
            baseline=str(raw["baseline"]),
            variants={str(name): dict(changes or {}) for name, changes in raw["variants"].items()},
            recipe=recipe,
        )
        for changes in said.variants.values():
            head_size(recipe.head | changes, recipe.backbone.text_width)
    except (TypeError, ValueError, AttributeError) as error:
        raise RefusedInput(f"a field does not fit ({error})", path, "see core/wetread/training/recipes") from error
    if said.baseline not in said.variants or not said.seeds or said.measured < 1:
        raise RefusedInput("no baseline among the variants, no seed, or nothing to measure", path, "give all three")
    return said


def ablate(config: Path, report: Callable[[str], None] = print) -> Path:
    """Run or resume an ablation; the path of its report.

    Args:
        config: ablation file.
        report: takes a line of progress.
    """
    from wetread.training.ablation_report import write_report

    said = read_ablation(config)
    began = time.process_time()
    output = said.recipe.output
    output.mkdir(parents=True, exist_ok=True)
    report(f"{len(said.variants)} variants, {len(said.seeds)} seeds, {said.recipe.steps} steps each")
    lessons, kept_out = load_lessons(said.recipe), load_lessons(said.recipe, "holdout")
    tokenizer = _tokenizer(output / TOKENIZER_FOLDER, lessons, said.recipe)
    kept_out.reseed(MEASURING_SEED)
    shown = held_out_lessons(kept_out, said.measured)
    results: list[dict[str, Any]] = []
    for seed in said.seeds:  # a whole round of variants for each seed, so that a run cut short compares like with like
        for number, (name, changes) in enumerate(said.variants.items()):
            recipe = replace(said.recipe, seed=seed, head=said.recipe.head | changes,
                             output=output / f"variant-{number + 1}-seed-{seed}")  # fmt: skip
            result = _one(recipe, lessons, tokenizer, shown, report)
            results.append({"variant": name, "seed": seed} | result)
            said_so = ", ".join(f"{key} {value:.3f}" for key, value in result["figures"].items() if value is not None)
            report(f"{name}, seed {seed}: {said_so}")
            write_report(said, config, results, lessons.counts(), time.process_time() - began)
    return said.card


def held_out_lessons(lessons: Lessons, count: int) -> list[Lesson]:
    """The next lessons that hold a `<seg>`: only those say anything of the head."""
    found: list[Lesson] = []
    while len(found) < count:
        lesson = lessons.draw()
        if lesson.masks:
            found.append(lesson)
    return found


def _one(
    recipe: Recipe, lessons: Lessons, tokenizer: PreTrainedTokenizerFast, shown: list[Lesson],
    report: Callable[[str], None],
) -> dict[str, Any]:  # fmt: skip
    """Train and measure one variant with one seed, or take what an earlier run of the same recipe left."""
    path, wanted = recipe.output / RESULT_FILE, json.loads(json.dumps(recipe.as_dict(), default=list))
    if path.is_file():
        kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if kept["recipe"] == wanted and kept["measured"] == len(shown):
            return dict(kept["result"])
        raise RefusedInput("the run folder holds another recipe's run", recipe.output, "remove it or name another")
    began = time.process_time()
    lessons.reseed(recipe.seed)
    model = run(recipe, lessons, tokenizer, lambda line: report(f"  {line}"))
    trained = time.process_time() - began
    result = {"figures": measure(model, shown, tokenizer), "gates": gates(model), "cpu_seconds": round(trained, 1)}
    path.write_text(json.dumps({"recipe": wanted, "measured": len(shown), "result": result}, indent=2) + "\n")
    return result


def gates(model: GroundedModel) -> dict[str, float]:
    """Where training left the gates of the loop; they started at zero."""
    names = ("focus", "gate_language", "gate_pixel", "gate_write")
    return {name: round(float(value.detach()), 4) for name, value in model.head.named_parameters() if name in names}


@torch.no_grad()
def measure(model: GroundedModel, shown: list[Lesson], tokenizer: PreTrainedTokenizerFast) -> dict[str, float | None]:
    """Figures of a model on lessons, each under its true answer.

    Returns:
        Mean Dice of the last mask, in all and for each label, and of each round's coarse mask; box IoU; accuracy of
        presence and of class; cross-entropy of the words, of all and of those after the first `<seg>`. None where
        there is nothing to measure.
    """
    model.eval()
    kept: dict[str, list[float]] = {}
    for start in range(0, len(shown), MEASURING_BATCH):
        batch = make_batch(shown[start : start + MEASURING_BATCH], tokenizer)
        _, grounding, logits = losses(model, batch, tokenizer)
        _keep_words(kept, batch, logits)
        _keep_pixels(kept, batch, grounding)
    means = {name: round(float(np.mean(values)), 5) if values else None for name, values in sorted(kept.items())}
    return dict(means)


def _keep_words(kept: dict[str, list[float]], batch: Batch, logits: torch.Tensor) -> None:
    """Cross-entropy of the words, and of those that follow the first `<seg>` of their answer."""
    wanted = batch.words[:, 1:]
    if not wanted.any():
        return
    entropy = functional.cross_entropy(logits, batch.sequences.ids[:, 1:][wanted], reduction="none")
    first = torch.where(batch.sequences.seg_present[:, 0], batch.sequences.seg_positions[:, 0], 1 << 30)
    after = (torch.arange(wanted.shape[1])[None] >= first[:, None])[wanted]
    kept.setdefault("words_ce", []).extend(entropy.tolist())
    kept.setdefault("words_after_seg_ce", []).extend(entropy[after].tolist())


def _keep_pixels(kept: dict[str, list[float]], batch: Batch, grounding: Grounding) -> None:
    """Dice, box IoU, presence and class of every `<seg>`."""
    from wetread.terminology import TARGETS

    labels = [target.label for target in TARGETS]
    truth = batch.masks >= 0.5
    height, width = grounding.coarse_logits[0].shape[-2:]
    pooled = functional.adaptive_avg_pool2d(batch.masks, (height, width)) >= 0.5
    for row, query in batch.sequences.seg_present.nonzero().tolist():
        there = bool(batch.shown[row, query])
        name = batch.names[row][query]
        said = bool(grounding.presence_logits[-1][row, query] > 0)
        kept.setdefault("presence_accuracy", []).append(float(said == there))
        if grounding.class_logits:
            best = labels[int(grounding.class_logits[-1][row, query].argmax())]
            kept.setdefault("class_accuracy", []).append(float(best == name))
        if not there:
            continue
        dice = _dice(grounding.mask_logits[row, query] > 0, truth[row, query])
        kept.setdefault("dice", []).append(dice)
        kept.setdefault(f"dice, {name}", []).append(dice)
        for number, coarse in enumerate(grounding.coarse_logits, start=1):
            kept.setdefault(f"coarse_dice, round {number}", []).append(
                _dice(coarse[row, query] > 0, pooled[row, query])
            )
        kept.setdefault("box_iou", []).append(_box_iou(grounding.boxes[-1][row, query], batch.boxes[row, query]))


def _dice(marked: torch.Tensor, truth: torch.Tensor) -> float:
    total = int(marked.sum() + truth.sum())
    return 2 * int((marked & truth).sum()) / total if total else 1.0


def _box_iou(predicted: torch.Tensor, truth: torch.Tensor) -> float:
    """IoU of two (4,) boxes given as centre and size."""
    low = torch.maximum(predicted[:2] - predicted[2:] / 2, truth[:2] - truth[2:] / 2)
    high = torch.minimum(predicted[:2] + predicted[2:] / 2, truth[:2] + truth[2:] / 2)
    inside = float((high - low).clamp(min=0).prod())
    return inside / max(float(predicted[2:].prod() + truth[2:].prod()) - inside, 1e-9)


def _tokenizer(folder: Path, lessons: Lessons, recipe: Recipe) -> PreTrainedTokenizerFast:
    """One tokenizer for all runs, made once."""
    from transformers import PreTrainedTokenizerFast

    if (folder / "tokenizer.json").is_file():
        return PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)
    lessons.reseed(recipe.seed)
    tokenizer = new_tokenizer(recipe, lessons)
    tokenizer.save_pretrained(folder)
    return tokenizer


def as_plain(said: Ablation) -> dict[str, Any]:
    """An ablation as plain values, for its report."""
    return asdict(said) | {"json": str(said.json), "card": str(said.card), "recipe": said.recipe.as_dict()}
