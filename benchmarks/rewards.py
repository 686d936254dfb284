"""How long 100,000 answers take to score with masks cached, beside painting every box as the released code does.

    python benchmarks/rewards.py

One thread, CPU seconds, median of five after a warm-up. The peer is our exact copy of QoQ-Med's reward function
(`rewards_reference`), run on 1,000 of the answers and scaled up.
"""

import json
import platform
import statistics
import time

import numpy as np

from wetread.findings import BoxFrame
from wetread.training.rewards import prepare, score
from wetread.training.rewards_reference import reference_score

ANSWERS, QUESTIONS, SIDE = 100_000, 20_000, 512
LABELS = ("edema", "cardiomegaly", "pneumonia", "no finding", "atelectasis")


def main() -> None:
    """Print one JSON line."""
    rng = np.random.default_rng(0)
    masks = []
    for _ in range(64):
        mask = np.zeros((SIDE, SIDE), dtype=bool)
        row, column, height, width = rng.integers(20, 200, 4)
        mask[row : row + height, column : column + width] = True
        masks.append(mask)
    began = time.process_time()
    prepared = [prepare(LABELS[k % 5], mask=mask, frame=BoxFrame.IMAGE) for k, mask in enumerate(masks)]
    mask_seconds = (time.process_time() - began) / len(masks)
    truths = [prepared[k % 64] for k in range(QUESTIONS) for _ in range(ANSWERS // QUESTIONS)]
    answers = []
    for _ in range(ANSWERS):
        boxes = rng.integers(0, SIDE, (int(rng.integers(1, 4)), 4)).tolist()
        objects = [{"bbox_2d": box, "label": LABELS[int(rng.integers(5))]} for box in boxes]
        chosen = ", ".join(LABELS[k] for k in rng.integers(0, 5, int(rng.integers(1, 3))))
        answers.append(f"<think>\n{'words ' * 30}{rng.integers(1e9)}\n</think>\n```json\n{json.dumps(objects)}\n```\n"
                       f"\\boxed{{{chosen}}}")  # fmt: skip
    seconds = []
    for _ in range(6):
        began = time.process_time()
        score(answers, truths)
        seconds.append(time.process_time() - began)
    began = time.process_time()
    for k in range(1000):
        reference_score(answers[k], "edema", mask=masks[(k // 5) % 64])
    reference = (time.process_time() - began) * ANSWERS / 1000
    ours = statistics.median(seconds[1:])
    print(json.dumps({"answers": ANSWERS, "cpu_seconds": round(ours, 3), "microseconds_each": round(ours * 10, 2),
                      "mask_preparation_ms": round(mask_seconds * 1000, 2), "painting_cpu_seconds": round(reference, 1),
                      "ratio": round(reference / ours, 1), "numpy": np.__version__,
                      "python": platform.python_version()}))  # fmt: skip


if __name__ == "__main__":
    main()
