"""Own query or fixed query: how an answer is grounded on the slices of a volume, and what neighbours add.

For held-out volumes the answer is written once and grounded on every slice in two ways: the language model reads each
slice with the answer (own query), or the `<seg>` states of the written answer serve all slices (fixed query, the
head alone). Each way is also measured with the logits smoothed along the slices (1/4, 1/2, 1/4) before the presence
decides, with the largest connected body kept, and as the Reader does it: smoothed, and without islands
(`regions/islands.py`). Dice of the volume, share of slices without the target that are
marked all the same, and CPU seconds of the grounding; one run, one process, one thread.

    python benchmarks/volume_query.py --data ../shared/data/mr_hippocampus --label hippocampus --limit 16 \
        --json benchmarks/results/volume-query.json
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

from wetread.evaluation.metrics import dice
from wetread.evaluation.truths import volume_sample, voxels_of
from wetread.model.prompts import segment_question
from wetread.reading import Reader
from wetread.reading.answering import tell
from wetread.reading.coverage import narrowed
from wetread.reading.pictures import pictures
from wetread.reading.planes import LEAST_PRESENCE, PLANES_AT_ONCE, upscale
from wetread.reading.request import Request
from wetread.regions.islands import LEAST_ISLAND, without_islands
from wetread.training.manifests import index, split

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wetread.reading.answering import Told

WAYS = ("own", "fixed")


def grounded(request: Request, told: Told, which: int, way: str) -> tuple[NDArray[Any], NDArray[Any], float]:
    """Logits (planes, rows, columns) at source resolution, presence (planes,), and CPU seconds."""
    total, size = len(request.sample.planes), request.sample.shape[1:]
    logits, presence = [], []
    began = time.process_time()
    for first in range(0, total, PLANES_AT_ONCE):
        encoded = request.encode(range(first, min(first + PLANES_AT_ONCE, total)))
        found = request.engine.ground(encoded, told.written, fixed=way == "fixed")
        logits += [upscale(plane, size) for plane in found.logits[:, which]]
        presence += found.presence[:, which].tolist()
    return np.stack(logits), np.array(presence), time.process_time() - began


def smoothed(values: NDArray[Any]) -> NDArray[Any]:
    """Weighted mean with both neighbours along the slices; the ends lean on themselves."""
    padded = np.concatenate([values[:1], values, values[-1:]])
    return padded[:-2] / 4 + padded[1:-1] / 2 + padded[2:] / 4


def largest_body(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest 26-connected body of a mask."""
    return without_islands(mask, 1.0)


def figures(mask: NDArray[np.bool_], truth: NDArray[np.bool_]) -> dict[str, float]:
    """Volume Dice, and the share of empty slices that are marked."""
    empty = ~truth.any(axis=(1, 2))
    marked = mask.any(axis=(1, 2))
    return {"dice": dice(mask, truth), "empty": float(empty.sum()), "empty_marked": float((marked & empty).sum())}


def main() -> None:
    """Measure, print a table, and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--label", required=True)
    parser.add_argument("--model", default="wetread-mini")
    parser.add_argument("--limit", type=int, default=16)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    reader = Reader(options.model)
    reader.engine.load()
    kept: dict[str, list[dict[str, float]]] = {}
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    volumes = split(index(options.data, slices=False), "holdout")[: options.limit]
    for entry in volumes:
        volume = entry.load_volume()
        sample = volume_sample(entry, volume)
        truth = np.asarray(volume.masks[options.label])[voxels_of(volume, sample)]
        request = Request(reader.engine, sample, pictures(sample), (), segment_question(options.label),
                          lambda event: None, None)  # fmt: skip
        assert narrowed(reader.info, sample, request.question) == request.question
        told = tell(request)
        labels = [item.label for item in told.answer.objects]
        if options.label not in labels:
            continue
        request.encode(range(len(sample.planes)))  # the pictures are encoded once and kept: not part of either way
        for way in WAYS:
            logits, presence, spent = grounded(request, told, labels.index(options.label), way)
            seconds[way].append(spent)
            there = (presence >= LEAST_PRESENCE)[:, None, None]
            smooth_there = (smoothed(presence) >= LEAST_PRESENCE)[:, None, None]
            masks = {"plain": (logits > 0) & there, "smoothed": (smoothed(logits) > 0) & smooth_there}
            masks["largest body"] = largest_body(masks["plain"])
            masks["smoothed, no islands"] = without_islands(masks["smoothed"], LEAST_ISLAND)
            for name, mask in masks.items():
                kept.setdefault(f"{way}, {name}", []).append(figures(mask, truth))
        done = len(seconds["own"])
        print(f"{done} of {len(volumes)} " + ", ".join(f"{k} {v[-1]['dice']:.3f}" for k, v in kept.items()), flush=True)
    report = {
        "volumes": len(seconds["own"]), "data": options.data.name, "model": options.model,
        "machine": f"{platform.machine()}, 1 thread, torch {torch.__version__}",
        "least_island": LEAST_ISLAND,
        "ways": {name: {"dice": float(np.mean([f["dice"] for f in found])),
                        "dice_spread": float(np.std([f["dice"] for f in found], ddof=1)),
                        "marked_where_absent": sum(f["empty_marked"] for f in found) / sum(f["empty"] for f in found),
                        "cpu_seconds_a_volume": float(np.median(seconds[name.split(",")[0]]))}
                 for name, found in kept.items()},
    }  # fmt: skip
    for name, found in report["ways"].items():
        print(f"{name:24} " + "  ".join(f"{key} {value:.3f}" for key, value in found.items()))
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
