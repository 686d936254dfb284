"""How long a step of DRPOTrainer takes beside one of plain GRPOTrainer: same model, questions and rewards, one run.

    python benchmarks/drpo_step.py

CPU seconds of one process; the two trainers take turns, step by step pairs, a warm-up pair first; the median of the
ratios and both medians are printed as one JSON line. The model is small, so what is added weighs more than it ever
would beside a large one. Every answer is written to its full length, so that both do the same work.
"""

import json
import platform
import statistics
import tempfile
import time

import sklearn
import torch
import transformers
import trl
from trl import GRPOConfig, GRPOTrainer

from wetread.training.data.stream import Items
from wetread.training.drawn_questions import drawn_questions
from wetread.training.drpo import DRPOAdvantage
from wetread.training.drpo_config import ModelPart, SmallModel
from wetread.training.questions import Questions
from wetread.training.start import start_from
from wetread.training.trainer import ByDomain, DRPOTrainer

QUESTIONS, EACH, STEPS, ROUNDS, TOKENS = 8, 8, 2, 8, 48


def reward(completions, row, **_):
    """Cheap, and different within a group."""
    return [((number * 7 + place * 13) % 11) / 10 for place, number in enumerate(row)]


def timed(kind: str, folder: str) -> float:
    """CPU seconds a step of one short training."""
    torch.manual_seed(0)
    items = drawn_questions(200, 0)
    start = start_from(ModelPart("small", SmallModel(width=96)), [item.question for item in items], 0)
    questions = Questions(Items(items), start.processor)
    start.model.generation_config.eos_token_id = None
    args = GRPOConfig(output_dir=folder, use_cpu=True, bf16=False, per_device_train_batch_size=QUESTIONS * EACH,
                      num_generations=EACH, max_completion_length=TOKENS, max_steps=STEPS, beta=0.0, report_to=[],
                      save_strategy="no", disable_tqdm=True, gradient_checkpointing=False, learning_rate=0.0,
                      generation_kwargs={"min_new_tokens": TOKENS})  # fmt: skip
    given = {"model": start.model, "reward_funcs": reward, "args": args, "train_dataset": questions.dataset(),
             "processing_class": start.processor}  # fmt: skip
    trainer = GRPOTrainer(**given) if kind == "grpo" else DRPOTrainer(advantages=ADVANTAGE, **given)
    began = time.process_time()
    trainer.train()
    return (time.process_time() - began) / STEPS


ADVANTAGE = ByDomain(DRPOAdvantage())


def main() -> None:
    """Print one JSON line."""
    torch.set_num_threads(1)
    # A history as long as the window, as in the middle of a long run.
    for step in range(64):
        rewards = torch.rand(512, generator=torch.Generator().manual_seed(step)).tolist()
        ADVANTAGE.advantage(rewards, [f"{step}-{k // 8}" for k in range(512)], [f"d{k // 8 % 4}" for k in range(512)])
    pairs = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(ROUNDS + 1):
            order = ("grpo", "drpo") if number % 2 else ("drpo", "grpo")
            found = {kind: timed(kind, folder) for kind in order}
            if number:
                pairs.append(found)
    medians = {kind: round(statistics.median(pair[kind] for pair in pairs), 3) for kind in ("grpo", "drpo")}
    ratios = sorted(pair["drpo"] / pair["grpo"] for pair in pairs)
    began = time.process_time()
    for _ in range(20):
        ADVANTAGE.advantage([0.1, 0.9] * 32, [k // 8 for k in range(64)], [f"d{k // 8 % 4}" for k in range(64)])
    alone = (time.process_time() - began) / 20
    print(json.dumps({"seconds_a_step": medians, "ratio_of_medians": round(medians["drpo"] / medians["grpo"], 4),
                      "median_ratio": round(statistics.median(ratios), 4), "ratios": [round(r, 3) for r in ratios],
                      "advantages_alone_seconds": round(alone, 5), "share": round(alone / medians["grpo"], 4),
                      "torch": torch.__version__, "trl": trl.__version__, "transformers": transformers.__version__,
                      "sklearn": sklearn.__version__, "python": platform.python_version()}))  # fmt: skip


if __name__ == "__main__":
    main()
