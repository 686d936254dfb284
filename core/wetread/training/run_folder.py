"""What a DRPO run leaves in its folder, and what it shows while it runs.

``config.yaml`` (as given), ``metrics.jsonl`` and TensorBoard events (the same numbers), ``samples/`` (questions with
predicted and true boxes drawn, and the words), ``faults.json`` (what was left out, counted), ``README.md`` (the model
card, from what was measured) and the checkpoints.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from transformers import TrainerCallback

from wetread.training.box_scores import in_pixels
from wetread.training.rewards import objects_of

if TYPE_CHECKING:
    from transformers import TrainerControl, TrainerState, TrainingArguments

    from wetread.training.data.item import Faults
    from wetread.training.drpo_config import DRPOConfig
    from wetread.training.questions import Questions
    from wetread.training.trainer import DRPOTrainer

METRICS_FILE = "metrics.jsonl"
SHOWN = {"reward": "reward", "reward/label_f1": "F1", "reward/iou": "IoU", "reward/format": "format", "kl": "KL"}
TRUE_COLOUR, FOUND_COLOUR = (0, 158, 115), (213, 94, 0)  # green and vermilion of Okabe and Ito's palette
SAMPLE_SIDE, SAMPLES = 256, 4


class RunFolder(TrainerCallback):
    """Metrics, samples and the progress bar of one run.

    Args:
        folder: of the run.
        questions: that are asked.
        samples_every: steps between samples.
        quiet: no progress bar.
    """

    def __init__(self, folder: Path, questions: Questions, samples_every: int, quiet: bool = False) -> None:
        self.folder, self._questions, self._every, self._quiet = folder, questions, samples_every, quiet
        self.trainer: DRPOTrainer | None = None
        self._bar: Any = None

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Open the bar; drop the lines that a killed run wrote after its last checkpoint."""
        if not state.is_world_process_zero:
            return
        path = self.folder / METRICS_FILE
        if path.is_file():
            kept = [
                line for line in path.read_text(encoding="utf-8").splitlines() if _step_of(line) <= state.global_step
            ]
            path.write_text("".join(line + "\n" for line in kept), encoding="utf-8")
        if not self._quiet:
            from tqdm import tqdm

            self._bar = tqdm(total=state.max_steps, initial=state.global_step, unit="step", dynamic_ncols=True)

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs: dict[str, Any] | None = None,
        **_: Any,
    ) -> None:  # fmt: skip
        """One line of numbers; the bar shows the parts of the reward, IoU, KL and the scale of each domain."""
        if not state.is_world_process_zero or not logs or "reward" not in logs:
            return
        numbers = {key: value for key, value in logs.items() if isinstance(value, int | float)}
        with (self.folder / METRICS_FILE).open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": state.global_step} | numbers) + "\n")
        if self._bar is not None:
            shown = {name: f"{numbers[key]:.3f}" for key, name in SHOWN.items() if key in numbers}
            scales = " ".join(f"{key.rpartition('/')[2]}:{value:.2f}" for key, value in numbers.items()
                              if key.startswith("scale/"))  # fmt: skip
            self._bar.set_postfix(shown | ({"scales": scales} if scales else {}))

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Move the bar; now and then keep what was answered."""
        if not state.is_world_process_zero:
            return
        if self._bar is not None:
            self._bar.update(state.global_step - self._bar.n)
        if self.trainer is not None and (state.global_step % self._every == 0 or state.global_step == 1):
            write_samples(self.folder / "samples" / f"step_{state.global_step:06d}", self._questions,
                          self.trainer.last_answers)  # fmt: skip

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Close the bar."""
        if self._bar is not None:
            self._bar.close()


def _step_of(line: str) -> float:
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):  # the half line of a killed run
        return math.inf


def write_samples(folder: Path, questions: Questions, answers: list[tuple[int, str]]) -> None:
    """Draw some answers: the true box and mask in green, what was written in vermilion, the words beside.

    Args:
        folder: made where missing.
        questions: that were asked.
        answers: (row, answer); the first answer to each of the first questions is kept.
    """
    from PIL import Image, ImageDraw

    folder.mkdir(parents=True, exist_ok=True)
    first = dict(reversed(answers))
    lines = []
    for number, row in enumerate(dict.fromkeys(row for row, _ in answers)):
        if number == SAMPLES:
            break
        answer, given, truth = first[row], questions.row(row), questions.truth(row)
        text = given["prompt"][0]["content"]
        lines.append({"row": row, "question": " ".join(p["text"] for p in text if p["type"] == "text"),
                      "true_answer": truth.answer, "answer": answer})  # fmt: skip
        if not given["images"]:
            continue
        picture = given["images"][0].convert("RGB")
        scale = max(1, SAMPLE_SIDE // max(picture.size))
        picture = picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.NEAREST)
        draw = ImageDraw.Draw(picture)
        corners = objects_of(answer) or []
        ordered = np.array([[min(a, c), min(b, d), max(a, c), max(b, d)] for a, b, c, d in corners]).reshape(-1, 4)
        found = in_pixels(ordered, truth.frame, truth.size, truth.resized)
        true = truth.boxes if len(truth.boxes) or truth.mask is None else truth.mask.parts
        for boxes, colour, width in ((true, TRUE_COLOUR, 3), (found, FOUND_COLOUR, 2)):
            for box in boxes:
                draw.rectangle([float(v) * scale for v in box], outline=colour, width=width)
        picture.save(folder / f"{number}.png")
    (folder / "answers.json").write_text(json.dumps(lines, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def write_card(
    folder: Path, config: DRPOConfig, held_out: dict[str, Any], faults: Faults, start: dict[str, Any]
) -> None:
    """The model card, from the run alone.

    Args:
        folder: of the run; its README.md is replaced.
        config: of the run.
        held_out: "before" and "after": part of the reward -> mean, greedy and sampled.
        faults: what was left out.
        start: what the model was before (name, licence).
    """
    rows = [f"| {kind} | {part} | {before:.3f} | {held_out['after'][kind][part]:.3f} |"
            for kind, parts in held_out["before"].items() for part, before in parts.items()]  # fmt: skip
    advantage, optimiser = config.advantages, config.optimiser
    method = advantage.method + (f", mode {advantage.mode}" if advantage.method == "drpo" else "")
    left_out = [f"- {line}" for line in faults.lines()] or ["- nothing"]
    text = f"""# {config.name}

Preliminary reads for research; unreviewed output of a model, not for diagnosis. Licence of the weights:
{config.licence}. Trained from `{start["name"]}` by `wetread train drpo`; the whole configuration is in `config.yaml`.

## Training

{optimiser.steps} steps of {config.rollouts.questions} questions with {config.rollouts.each} answers each;
{method}; rewards "{config.rewards.variant}";
learning rate {optimiser.learning_rate:g}; KL {optimiser.kl:g}; {config.warm_up.steps} supervised steps before; seed
{config.seed}; data: {config.data.kind} {config.data.root or ""}.

## Held-out questions

{held_out["questions"]} questions that were not trained on; "greedy" takes the likeliest word, "sampled" draws at the
temperature of the training. Before = after the supervised steps, before the rewards.

| decoding | part | before | after |
|---|---|---|---|
{chr(10).join(rows)}

## Left out of the data

{chr(10).join(left_out)}
"""
    (folder / "README.md").write_text(text, encoding="utf-8")
