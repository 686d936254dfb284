"""Supervised training of backbone and head together: the words by cross-entropy, the pixels by the head's losses.

Loss (docs/model.md, `training/grounding_losses.py`): CE + sum over rounds of w_r (2 BCE + 0.5 Dice) + 5 L1 + 2 GIoU
of the box + 0.5 BCE of the presence + 0.2 CE of the class. A head that writes back is trained by two passes over the
answer: the first grounds it, the second reads the words that follow with the residuals on their embeddings. A run is
resumable: weights, optimiser and the lessons' generator are saved together, and a resumed run goes on with the same
lessons.
"""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from wetread.findings import BoxFrame
from wetread.model.answers import parse_answer
from wetread.model.backbone import normalise, prompt_ids, seg_id, small_config
from wetread.model.checkpoint import head_size, save_model
from wetread.model.class_spans import class_spans, label_embeddings, span_masks
from wetread.model.grounded import GroundedModel, Sequences, pad_sequences
from wetread.model.grounding import Classes, Grounding, GroundingHead
from wetread.model.prompts import FIND_ALL, segment_question, user_text
from wetread.model.tokenizer import SEG_TOKEN, TURN_END, train_tokenizer
from wetread.model.write_back import added_to_embeddings, spread
from wetread.terminology import TARGETS, Modality
from wetread.training.grounding_losses import grounding_losses
from wetread.training.lessons import SIDE, UNKNOWN_LABELS, Lesson, Lessons, abstaining_answer
from wetread.training.recipe import Recipe, read_recipe

if TYPE_CHECKING:
    from collections.abc import Callable

    from transformers import PreTrainedTokenizerFast

    from wetread.training.manifests import Part

STATE_FILE, METRICS_FILE, MODEL_FOLDER = "state.pt", "metrics.jsonl", "model"
CORPUS_LESSONS = 1500


@dataclass(frozen=True, slots=True)
class Batch:
    """Tensors of B lessons with up to K masks each.

    Args:
        pictures: (B, 3, 256, 256) normalised.
        sequences: prompt and answer tokens.
        words: (B, S) bool, True on the answer tokens whose cross-entropy counts.
        masks: (B, K, 128, 128) soft truth.
        boxes: (B, K, 4) centre x, centre y, width, height, 0 to 1.
        shown: (B, K) bool, the target is in the picture.
        names: the label before each `<seg>` of each lesson.
        spans: (first, past the last) answer token of each of those labels.
    """

    pictures: Tensor
    sequences: Sequences
    words: Tensor
    masks: Tensor
    boxes: Tensor
    shown: Tensor
    names: tuple[tuple[str, ...], ...]
    spans: tuple[tuple[tuple[int, int], ...], ...]


def train(config: Path, report: Callable[[str], None] = print, steps: int | None = None) -> Path:
    """Run or resume a recipe and return the folder of the finished model.

    Args:
        config: recipe file.
        report: takes a line of progress.
        steps: stop after this many steps in all, before the recipe's end (for pieces of a long run).
    """
    recipe = read_recipe(config)
    report(f"loading {len(recipe.sets)} sets from {recipe.data}")
    lessons = load_lessons(recipe)
    report(f"examples: {lessons.counts()}")
    run(recipe, lessons, _tokenizer(recipe, lessons), report, steps)
    return recipe.output / MODEL_FOLDER


def load_lessons(recipe: Recipe, part: Part = "train") -> Lessons:
    """The lessons of a recipe, from one part of its sets."""
    return Lessons(recipe.data, list(recipe.sets), recipe.drawn_cells, recipe.drawn_uncovered, SEG_TOKEN,
                   recipe.seed, part)  # fmt: skip


def run(
    recipe: Recipe, lessons: Lessons, tokenizer: PreTrainedTokenizerFast, report: Callable[[str], None],
    steps: int | None = None, model: GroundedModel | None = None,
) -> GroundedModel:  # fmt: skip
    """Train a recipe on lessons that are loaded already, from the start or from its run folder's last checkpoint.

    A `model` that is given is trained on, as far as its weights are not frozen; without one, a fresh one is made.
    """
    from transformers.utils import logging

    logging.disable_progress_bar()
    recipe.output.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(recipe.seed)
    model = model or build_model(recipe, tokenizer)
    report(f"{count_parameters(model) / 1e6:.2f} M parameters, {len(tokenizer)} tokens")
    optimiser = torch.optim.AdamW(_groups(model, recipe.weight_decay), lr=recipe.learning_rate, betas=(0.9, 0.98))
    first = _resume(recipe, model, optimiser, lessons)
    last = min(steps or recipe.steps, recipe.steps)
    model.train()
    began = time.monotonic()
    for step in range(first, last):
        for group in optimiser.param_groups:
            group["lr"] = recipe.learning_rate * schedule(step, recipe)
        batch = make_batch([lessons.draw() for _ in range(recipe.batch)], tokenizer)
        parts = train_step(model, optimiser, batch, tokenizer)
        with (recipe.output / METRICS_FILE).open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({"step": step + 1} | parts) + "\n")
        if (step + 1) % 20 == 0 or step + 1 == last:
            left = (time.monotonic() - began) / (step + 1 - first) * (last - step - 1)
            said = " ".join(f"{name} {value:.3f}" for name, value in parts.items())
            report(f"step {step + 1}/{last}  {said}  {left / 60:.1f} min left")
        if (step + 1) % recipe.save_every == 0 or step + 1 == last:
            _save(recipe, model, tokenizer, optimiser, lessons, step + 1)
    if first >= last:
        _save(recipe, model, tokenizer, optimiser, lessons, first)  # only what the recipe says of the model is new
    return model


def build_model(recipe: Recipe, tokenizer: PreTrainedTokenizerFast) -> GroundedModel:
    """A freshly initialised model of the recipe's size."""
    from transformers import Qwen3VLForConditionalGeneration

    config = small_config(tokenizer, recipe.backbone)
    config._attn_implementation = "sdpa"
    size = head_size(recipe.head, recipe.backbone.text_width)
    return GroundedModel(Qwen3VLForConditionalGeneration(config), GroundingHead(size))


def count_parameters(model: torch.nn.Module) -> int:
    """Number of parameters, shared ones once."""
    return sum(p.numel() for p in model.parameters())


def schedule(step: int, recipe: Recipe) -> float:
    """Linear warm-up, then cosine to 2 % of the peak."""
    if step < recipe.warmup_steps:
        return (step + 1) / recipe.warmup_steps
    done = (step - recipe.warmup_steps) / max(recipe.steps - recipe.warmup_steps, 1)
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))


def make_batch(lessons: list[Lesson], tokenizer: PreTrainedTokenizerFast, visual_tokens: int = 64) -> Batch:
    """Lessons to tensors."""
    rows, starts, spans = [], [], []
    for lesson in lessons:
        prompt = prompt_ids(tokenizer, user_text(lesson.modality, lesson.question), visual_tokens)
        answer = tokenizer(lesson.answer + TURN_END, add_special_tokens=False)["input_ids"]
        rows.append(prompt + list(answer))
        starts.append(len(prompt))
        spans.append(tuple(class_spans(tokenizer, answer, seg_id(tokenizer))))
    sequences = pad_sequences(rows, starts, seg_id(tokenizer), int(tokenizer.pad_token_id))
    count, most = sequences.seg_present.shape
    masks, boxes = torch.zeros(count, most, SIDE, SIDE), torch.zeros(count, most, 4)
    shown = torch.zeros(count, most, dtype=torch.bool)
    for i, lesson in enumerate(lessons):
        for k, mask in enumerate(lesson.masks):
            masks[i, k] = torch.from_numpy(mask)
            shown[i, k] = bool(mask.any())
            boxes[i, k] = torch.tensor(_centre_box(mask))
    positions = torch.arange(sequences.ids.shape[1])[None]
    words = sequences.present & (positions >= sequences.answer_start[:, None])
    words &= torch.tensor([lesson.teaches_words for lesson in lessons])[:, None]
    pictures = normalise(np.stack([lesson.picture for lesson in lessons]))
    names = tuple(tuple(item.label for item in parse_answer(lesson.answer.replace(SEG_TOKEN, "")).objects)
                  for lesson in lessons)  # fmt: skip
    return Batch(pictures, sequences, words, functional.avg_pool2d(masks, 2), boxes, shown, names, tuple(spans))


def train_step(
    model: GroundedModel, optimiser: torch.optim.Optimizer, batch: Batch, tokenizer: PreTrainedTokenizerFast
) -> dict[str, float]:
    """One optimiser step; the parts of the loss as numbers."""
    parts = losses(model, batch, tokenizer)[0]
    loss = sum(parts.values(), start=torch.zeros(()))
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimiser.step()
    return {name: float(value.detach()) for name, value in parts.items()}


def losses(
    model: GroundedModel, batch: Batch, tokenizer: PreTrainedTokenizerFast
) -> tuple[dict[str, Tensor], Grounding, Tensor]:
    """The parts of the loss, what the head gave, and the words' logits (N, vocabulary) at `batch.words`."""
    asked = batch.sequences.seg_present
    judged = _classes(model, batch, tokenizer) if model.head.size.classes else None
    with torch.autocast("cpu", dtype=torch.bfloat16):
        encoded, grid = model.encode(batch.pictures)
        hidden = model.hidden_states(batch.sequences, encoded, grid)
        grounding = model.ground(batch.pictures, batch.sequences, encoded, grid, hidden,
                                 classes=judged[0] if judged else None)  # fmt: skip
        if grounding.residual is not None and asked.any():
            length = batch.sequences.ids.shape[1]
            residual = spread(grounding.residual, batch.sequences.seg_positions, asked, length)
            with added_to_embeddings(model.backbone, residual):
                hidden = model.hidden_states(batch.sequences, encoded, grid)
        logits = model.backbone.lm_head(hidden[:, :-1][batch.words[:, 1:]]).float()
    parts = {}
    if len(logits):  # the mean over no words would be NaN
        parts["ce"] = functional.cross_entropy(logits, batch.sequences.ids[:, 1:][batch.words[:, 1:]])
    if asked.any():
        parts |= grounding_losses(
            grounding, batch.masks, batch.boxes, batch.shown, asked, judged[1] if judged else None
        )
    return parts, grounding, logits


def _classes(model: GroundedModel, batch: Batch, tokenizer: PreTrainedTokenizerFast) -> tuple[Classes, Tensor]:
    """What the classes of a batch are judged by, and the index of every `<seg>`'s true label."""
    labels = [target.label for target in TARGETS]
    start = int(batch.sequences.answer_start.min())
    offsets = [int(answer) - start for answer in batch.sequences.answer_start]
    spans = [[(a + offset, b + offset) for a, b in row] for row, offset in zip(batch.spans, offsets, strict=True)]
    count = batch.sequences.seg_present.shape[1]
    masks = span_masks(spans, count, batch.sequences.ids.shape[1] - start)
    truth = torch.zeros(len(batch.names), count, dtype=torch.long)
    for row, names in enumerate(batch.names):
        truth[row, : len(names)] = torch.tensor([labels.index(name) for name in names], dtype=torch.long)
    return Classes(masks, label_embeddings(model.backbone, tokenizer, labels)), truth


def _centre_box(mask: np.ndarray) -> tuple[float, float, float, float]:
    if not mask.any():
        return (0.5, 0.5, 1.0, 1.0)
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    top, bottom, left, right = rows[0] / SIDE, (rows[-1] + 1) / SIDE, columns[0] / SIDE, (columns[-1] + 1) / SIDE
    return ((left + right) / 2, (top + bottom) / 2, right - left, bottom - top)


def _tokenizer(recipe: Recipe, lessons: Lessons) -> PreTrainedTokenizerFast:
    """The run's own tokenizer: made once, then kept with the run."""
    from transformers import PreTrainedTokenizerFast

    if (recipe.output / STATE_FILE).is_file():
        return PreTrainedTokenizerFast.from_pretrained(recipe.output / MODEL_FOLDER, local_files_only=True)
    return new_tokenizer(recipe, lessons)


def new_tokenizer(recipe: Recipe, lessons: Lessons) -> PreTrainedTokenizerFast:
    """A tokenizer of the recipe's vocabulary, trained on what its lessons say."""
    return train_tokenizer(_corpus(lessons), recipe.vocabulary)


def _corpus(lessons: Lessons) -> list[str]:
    """Texts for the tokenizer: every question and many answers, from the same seeded source."""
    state = lessons.state()
    drawn = [lessons.draw() for _ in range(CORPUS_LESSONS)]
    lessons.restore(state)
    texts = [lesson.answer.replace(SEG_TOKEN, "") for lesson in drawn]
    texts += [abstaining_answer(modality, label) for modality in Modality for label in (None, *UNKNOWN_LABELS)]
    names = [target.label for target in TARGETS] + list(UNKNOWN_LABELS)
    return texts + [user_text(m, q) for m in Modality for q in (FIND_ALL, *map(segment_question, names))]


def _groups(model: GroundedModel, decay: float) -> list[dict[str, Any]]:
    trained = [p for p in model.parameters() if p.requires_grad]
    return [{"params": [p for p in trained if p.ndim >= 2], "weight_decay": decay},
            {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0}]  # fmt: skip


def _statement(recipe: Recipe, lessons: Lessons, step: int) -> dict[str, Any]:
    return {
        "name": recipe.name,
        "version": recipe.version,
        "family": "qwen3_vl",
        "box_frame": BoxFrame.MODEL.value,
        "side": SIDE,
        "images": 1,
        "volume_query": "fixed",
        "modalities": [modality.value for modality in lessons.modalities()],
        "labels": list(dict.fromkeys(label for item in recipe.sets for label in item.labels)),
        "field_mm": {label: item.field_mm for item in recipe.sets if item.field_mm for label in item.labels},
        "licence": recipe.licence,
        "training_data": [f"{item.folder}: {item.attribution}" for item in recipe.sets] + ["drawn phantoms"],
        "training": {"steps": step, "batch": recipe.batch, "seed": recipe.seed},
        "metrics": {},
        "head": recipe.head,
    }


def _save(
    recipe: Recipe, model: GroundedModel, tokenizer: PreTrainedTokenizerFast, optimiser: torch.optim.Optimizer,
    lessons: Lessons, step: int,
) -> None:  # fmt: skip
    save_model(model, tokenizer, _statement(recipe, lessons, step), recipe.output / MODEL_FOLDER)
    state = {"step": step, "model": model.state_dict(), "optimiser": optimiser.state_dict(),
             "lessons": json.dumps(lessons.state())}  # fmt: skip
    part = recipe.output / (STATE_FILE + ".part")
    torch.save(state, part)
    part.replace(recipe.output / STATE_FILE)
    (recipe.output / "recipe.json").write_text(json.dumps(recipe.as_dict(), indent=2, default=list) + "\n")


def _resume(recipe: Recipe, model: GroundedModel, optimiser: torch.optim.Optimizer, lessons: Lessons) -> int:
    """Load the last checkpoint of the run folder; the step to go on with."""
    path = recipe.output / STATE_FILE
    if not path.is_file():
        return 0
    state = torch.load(path, weights_only=True)
    model.load_state_dict(state["model"])
    optimiser.load_state_dict(state["optimiser"])
    lessons.restore(json.loads(state["lessons"]))
    return int(state["step"])
