"""A few DRPO steps with rewards that depend on the question alone; writes the advantages of all processes as JSON.

accelerate launch --cpu --num_processes 2 drpo_processes.py OUT
"""

import json
import os
import sys
from pathlib import Path

from trl import GRPOConfig

from wetread.training.data.stream import Items
from wetread.training.drawn_questions import drawn_questions
from wetread.training.drpo import DRPOAdvantage
from wetread.training.drpo_config import ModelPart, SmallModel
from wetread.training.questions import Questions
from wetread.training.start import start_from
from wetread.training.trainer import ByDomain, DRPOTrainer

QUESTIONS, EACH, STEPS = 4, 4, 3


class Recorded(ByDomain):
    """Keeps what it gave out."""

    def __init__(self, advantage):
        super().__init__(advantage)
        self.given = []

    def __call__(self, rewards, question_ids, rows, kl):
        found = super().__call__(rewards, question_ids, rows, kl)
        self.given.append([float(value) for value in found])
        return found


def reward(completions, row, **_):
    """The k-th answer to a question earns the same wherever it is drawn."""
    seen, earned = {}, []
    for number in row:
        seen[number] = seen.get(number, 0) + 1
        earned.append(((number * 7 + seen[number] * 13) % 11) / 10)
    return earned


def main(out: Path) -> None:
    """Train; the main process writes."""
    items = drawn_questions(40, 0)
    start = start_from(ModelPart("small", SmallModel(width=48, layers=2, hidden=48, vocabulary=300)),
                       [item.question for item in items], 0)  # fmt: skip
    questions = Questions(Items(items), start.processor)
    advantages = Recorded(DRPOAdvantage())
    own = QUESTIONS * EACH // int(os.environ.get("WORLD_SIZE", "1"))
    args = GRPOConfig(output_dir=str(out.parent / "run"), use_cpu=True, bf16=False, per_device_train_batch_size=own,
                      num_generations=EACH, max_completion_length=4, max_steps=STEPS, beta=0.0, report_to=[],
                      save_strategy="no", disable_tqdm=True, gradient_checkpointing=False, seed=3)  # fmt: skip
    trainer = DRPOTrainer(advantages=advantages, model=start.model, reward_funcs=reward, args=args,
                          train_dataset=questions.dataset(), processing_class=start.processor)  # fmt: skip
    trainer.train()
    if trainer.accelerator.is_main_process:
        logged = list(trainer._logs["advantages"])
        out.write_text(json.dumps({"given": advantages.given, "logged": logged,
                                   "processes": trainer.accelerator.num_processes}))  # fmt: skip


if __name__ == "__main__":
    main(Path(sys.argv[1]))
