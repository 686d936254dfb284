"""DRPO on a ledger: what people decided as questions with boxes, in the lines that `drpo_run` reads.

Only the words learn here; the grounding head stays as it is. Pictures are written below the run folder and go with it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from wetread.findings import Mask
from wetread.model.answers import NOTHING_FOUND
from wetread.model.prompts import segment_question
from wetread.training.drpo_config import DataPart, DRPOConfig, ModelPart, Optimiser, Rollouts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from wetread.model.checkpoint import ModelInfo
    from wetread.training.from_ledger import LedgerExample

LINES = "questions.jsonl"
ANSWER_TOKENS = 160


def write_questions(examples: Sequence[LedgerExample], folder: Path) -> Path:
    """One line for each label that was decided on in each plane; returns the file."""
    from PIL import Image

    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    path = folder / LINES
    with path.open("w", encoding="utf-8") as stream:
        for number, example in enumerate(examples):
            picture = f"pictures/{number}.png"
            Image.fromarray(example.picture).save(folder / picture)
            for label in (*example.present, *example.absent):
                there = label in example.present
                line: dict[str, Any] = {
                    "images": [picture], "problem": f"<image>{segment_question(label)}",
                    "answer": label if there else NOTHING_FOUND, "data_source": str(example.modality),
                    "dataset": "ledger", "patient_id": example.patient,
                }  # fmt: skip
                if there:
                    line["bbox"] = list(Mask.from_dense(example.present[label]).box(0).corners)
                stream.write(json.dumps(line) + "\n")
    return path


def reward_tune(
    info: ModelInfo, examples: Sequence[LedgerExample], steps: int, seed: int, folder: Path,
    report: Callable[[str], None], learning_rate: float | None = None,
) -> Path:  # fmt: skip
    """Run DRPO from a model; returns the folder of the new one.

    Args:
        info: of the model to start from.
        examples: what people decided.
        steps: of the optimiser.
        seed: of everything that is drawn.
        folder: of the run.
        report: takes a line of progress.
        learning_rate: constant; that of `Optimiser` when None.
    """
    from wetread.training.drpo_run import train

    lines = write_questions(examples, folder)
    rate = Optimiser(steps).learning_rate if learning_rate is None else learning_rate
    train(
        DRPOConfig(
            name=info.name, output=folder / "run", seed=seed, licence=info.licence,
            model=ModelPart(start=str(info.folder)),
            data=DataPart(kind="climb", root=lines, held_out=max(1, min(8, len(examples) // 5))),
            rollouts=Rollouts(questions=2, each=4, answer_tokens=ANSWER_TOKENS),
            optimiser=Optimiser(steps, learning_rate=rate, save_every=max(steps, 1), samples_every=max(steps, 1)),
        ),
        report, quiet=True,
    )  # fmt: skip
    return folder / "run" / "model"
