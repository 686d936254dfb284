"""Supervised steps on the true answers, words only: where a run from scratch learns the form of an answer.

Cross-entropy on the answer's tokens; AdamW, linear warm-up, cosine to a tenth. A model that already answers needs none
of it; pixels and words together are taught by `wetread train sft`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from wetread.training.drpo_config import WarmUp
    from wetread.training.processor import PictureProcessor
    from wetread.training.questions import Questions

IGNORED = -100
WARMUP_STEPS = 20


def warm_up(
    model: torch.nn.Module, processor: PictureProcessor, questions: Questions, answer: Callable[[int], str],
    part: WarmUp, seed: int, report: Callable[[str], None],
    heard: Callable[[list[dict[str, Any]]], AbstractContextManager[None]],
) -> None:  # fmt: skip
    """Teach the model to answer.

    Args:
        model: backbone with its language head.
        processor: of the model.
        questions: to be asked.
        answer: row -> the whole true answer, boxes included.
        part: of the configuration.
        seed: of the order.
        report: takes a line now and then.
        heard: lets the ECGs of a batch be heard while it goes through.
    """
    optimiser = torch.optim.AdamW(model.parameters(), lr=part.learning_rate, weight_decay=0.01)
    order = torch.Generator().manual_seed(seed)
    model.train()
    for step in range(part.steps):
        rows = torch.randint(0, len(questions), (part.batch,), generator=order).tolist()
        given = [questions.row(row) for row in rows]
        batch = supervised_batch(processor, given, [answer(row["row"]) for row in given])
        share = 0.1 + 0.45 * (1 + math.cos(math.pi * step / part.steps))
        for group in optimiser.param_groups:
            group["lr"] = part.learning_rate * share * min(1.0, (step + 1) / WARMUP_STEPS)
        device = next(model.parameters()).device
        with heard(given):
            loss = model(**{name: value.to(device) for name, value in batch.items()}).loss
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        if (step + 1) % 50 == 0 or step + 1 == part.steps:
            report(f"supervised step {step + 1} of {part.steps}: cross-entropy {loss.item():.3f}")


def supervised_batch(
    processor: PictureProcessor, given: list[dict[str, Any]], answers: list[str]
) -> dict[str, torch.Tensor]:
    """Questions with their answers as model inputs, labels on the answers only; padded on the right.

    Args:
        processor: of the model.
        given: rows of `Questions`.
        answers: one for each.
    """
    tokenizer = processor.tokenizer
    texts = processor.apply_chat_template([row["prompt"] for row in given], add_generation_prompt=True)
    encoded = processor(images=[row["images"] for row in given], text=texts)
    ids, labels = [], []
    for prompt, answer in zip(encoded["input_ids"], answers, strict=True):
        said = [*tokenizer(answer, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
        ids.append([*prompt, *said])
        labels.append([IGNORED] * len(prompt) + said)
    longest = max(map(len, ids))
    batch = {
        "input_ids": torch.tensor([row + [tokenizer.pad_token_id] * (longest - len(row)) for row in ids]),
        "attention_mask": torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in ids]),
        "labels": torch.tensor([row + [IGNORED] * (longest - len(row)) for row in labels]),
    }
    if "pixel_values" in encoded:
        types = [list(row) + [0] * (longest - len(row)) for row in encoded["mm_token_type_ids"]]
        batch |= {"pixel_values": encoded["pixel_values"], "image_grid_thw": encoded["image_grid_thw"],
                  "mm_token_type_ids": torch.tensor(types)}  # fmt: skip
    return batch
