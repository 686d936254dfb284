"""How building triplets scales with cores: the same drawn data set with one worker and with several, in one run.

Pictures of 512 x 512 with four regions in BiomedParse's layout. Runs take turns (1, N, 1, N, ...), each into a folder
of its own; the figures are the median items a second of wall time and their ratio to one worker. The hashes of all
shards must be the same. Starting the worker processes is part of the time. Wall time means little on a machine that
does other work at the same time, so the load at the start is stored and a second ratio beside it: the CPU time of one
worker over the mean CPU time of each of several, which is what free cores would give.

    python benchmarks/triplets.py --workers 2 --json benchmarks/results/triplets.json
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from PIL import Image

from wetread import __version__
from wetread.training.triplets import Request, build

SIDE = 512
TARGETS = ("liver", "spleen", "pancreas", "aorta")


def draw(root: Path, count: int) -> None:
    """A data set of `count` pictures, each with four discs on noise."""
    for folder in ("train", "train_mask"):
        (root / folder).mkdir(parents=True)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    for number in range(count):
        rng = np.random.default_rng(number)
        picture = rng.integers(0, 60, (SIDE, SIDE))
        for place, target in enumerate(TARGETS):
            row, column = 128 + 256 * (place // 2), 128 + 256 * (place % 2)
            disc = (rows - row - rng.integers(30)) ** 2 + (columns - column) ** 2 < rng.integers(30, 90) ** 2
            picture[disc] += 40 * (place + 1)
            Image.fromarray(disc.astype(np.uint8) * 255).save(
                root / "train_mask" / f"case_{number:04d}_CT_abdomen_{target}.png"
            )
        Image.fromarray(picture.astype(np.uint8)).save(root / "train" / f"case_{number:04d}_CT_abdomen.png")


def measure(items: int, workers: int, rounds: int) -> dict[str, Any]:
    """Items a second with one worker and with several, in turns."""
    load = os.getloadavg()[0]
    seconds: dict[int, list[float]] = {1: [], workers: []}
    spent: dict[int, list[float]] = {1: [], workers: []}
    hashes = set()
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "set"
        draw(source, items)
        for turn in range(rounds):
            for number in (1, workers):
                out = Path(folder) / f"out-{number}-{turn}"
                began, used = time.perf_counter(), _cpu_seconds()
                manifest = build(Request(source, out, workers=number, shard_items=max(1, items // (8 * workers))))
                seconds[number].append(time.perf_counter() - began)
                spent[number].append(_cpu_seconds() - used)
                hashes.add(tuple(shard["sha256"] for shard in manifest["shards"]))
                assert manifest["samples"] == items, manifest
    assert len(hashes) == 1, "the number of workers changed the bytes"
    speed = {number: items / statistics.median(taken) for number, taken in seconds.items()}
    return {
        "wetread": __version__,
        "python": platform.python_version(),
        "cores": len(os.sched_getaffinity(0)),
        "load_at_start": round(load, 1),
        "items": items,
        "picture": [SIDE, SIDE],
        "regions_an_item": len(TARGETS),
        "workers": {
            str(number): {
                "items_a_second": round(speed[number], 2),
                "seconds": [round(taken, 2) for taken in seconds[number]],
                "cpu_seconds": [round(taken, 2) for taken in spent[number]],
            }
            for number in seconds
        },
        "ratio_of_wall_time": round(speed[workers] / speed[1], 2),
        "ratio_by_cpu_time": round(statistics.median(spent[1]) / (statistics.median(spent[workers]) / workers), 2),
        "same_bytes": True,
    }


def _cpu_seconds() -> float:
    """CPU time of this process and of its children that have ended."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def main() -> None:
    """Run and print, and store where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=192)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    result = json.dumps(measure(options.items, options.workers, options.rounds), indent=1)
    print(result)
    if options.json:
        options.json.write_text(result + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
