"""Train the small recipe, measure it on pictures kept out of training, and hold it against what three seeds gave.

    make reproduce-mini-small          # trains with seed 1, about ten minutes of one core; goes on where it was
    python scripts/reproduce_mini_small.py --seeds 1 2 3 --record    # makes benchmarks/results/mini-small.json anew

The stated spread is the mean of the recorded seeds' held-out Dice and three standard deviations around it. Exit 1 where
the Dice of this run lies outside.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
RECIPE = ROOT / "core" / "wetread" / "training" / "recipes" / "wetread-mini-small.yaml"
RECORD = ROOT / "benchmarks" / "results" / "mini-small.json"
SET = "micro_dsbowl_nuclei"
DEVIATIONS = 3.0


def main() -> int:
    """Train and measure; 0 where the figure lies within the spread."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--data", type=Path, default=ROOT / ".." / "shared" / "data")
    parser.add_argument("--record", action="store_true", help="keep the figures as the stated spread")
    given = parser.parse_args()
    if not (given.data / SET).is_dir():
        print(f"wetread: no {SET} in {given.data}; name the folder of labelled sets with --data", file=sys.stderr)
        return 1
    found = {seed: dice_of(seed, given.data) for seed in given.seeds}
    if given.record:
        RECORD.write_text(json.dumps(spread(list(found.values()), given.seeds), indent=1) + "\n")
    stated = json.loads(RECORD.read_text())
    is_within = True
    for seed, dice in found.items():
        fits = stated["low"] <= dice <= stated["high"]
        is_within &= fits
        print(f"seed {seed}: held-out Dice of nuclei {dice:.3f}, {'within' if fits else 'outside'} "
              f"{stated['low']:.3f} to {stated['high']:.3f}")  # fmt: skip
    return 0 if is_within else 1


def dice_of(seed: int, data: Path) -> float:
    """Held-out Dice of the recipe with a seed; what was trained already is kept."""
    output = ROOT / "runs" / f"wetread-mini-small-{seed}"
    output.mkdir(parents=True, exist_ok=True)
    recipe = yaml.safe_load(RECIPE.read_text()) | {"seed": seed, "output": str(output), "data": str(data.resolve())}
    config, report = output.with_suffix(".yaml"), output.with_suffix(".json")
    config.write_text(yaml.safe_dump(recipe, sort_keys=False))
    run("train", "sft", "--config", str(config))
    where = ("--data", str(data / SET), "--split", "holdout")
    run("evaluate", "--model", str(output / "model"), *where, "--json", str(report))
    return float(json.loads(report.read_text())["labels"]["nuclei"]["dice"]["value"])


def run(*arguments: str) -> None:
    """A command of Wetread, with its own words on the screen."""
    subprocess.run([sys.executable, "-m", "wetread", *arguments], check=True)


def spread(dice: list[float], seeds: list[int]) -> dict[str, object]:
    """What is stated of several seeds."""
    mean, deviation = statistics.mean(dice), statistics.stdev(dice)
    return {
        "command": f"python scripts/reproduce_mini_small.py --seeds {' '.join(map(str, seeds))} --record",
        "dice": dict(zip(map(str, seeds), [round(one, 4) for one in dice], strict=True)),
        "mean": round(mean, 4), "deviation": round(deviation, 4),
        "low": round(mean - DEVIATIONS * deviation, 4), "high": round(mean + DEVIATIONS * deviation, 4),
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
