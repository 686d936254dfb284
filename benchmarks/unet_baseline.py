"""The peer to beat: a plain U-Net of 0.9 M parameters, a few minutes of one CPU core, the same split and measures.

It knows one label and says nothing about it; Wetread's masks are compared with its masks, not with its words. It is
the network of Ronneberger et al. (MICCAI 2015) in its usual present form: 3x3 convolutions with batch norm and
padding, four levels, trained with cross-entropy plus soft Dice on the groups of the train part, shown whole pictures
scaled to 128 x 128, flipped and turned at random. Its probabilities are scaled back and cut at 0.5, so that it is
measured at the picture's own resolution like everything else.

    python benchmarks/unet_baseline.py ../shared/data/micro_dsbowl_nuclei nuclei --minutes 5
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from tqdm import tqdm

from wetread.errors import WetreadError
from wetread.evaluation.bootstrap import RESAMPLES, SEED
from wetread.evaluation.report import cell
from wetread.evaluation.scores import Answer, Score, Truth, score, summarise
from wetread.training.manifests import Entry, index, split, tight_box

SIZE = 128
BASE = 22
"""Channels of the first level; 22 gives 911,659 parameters."""
BATCH = 8
RATE = 2e-3


def pair(inputs: int, outputs: int) -> nn.Sequential:
    """Two 3x3 convolutions with batch norm."""
    layers: list[nn.Module] = []
    for channels in (inputs, outputs):
        layers += [nn.Conv2d(channels, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
    return nn.Sequential(*layers)


class UNet(nn.Module):
    """(N, 3, 128, 128) in 0 to 1 -> (N, 1, 128, 128) logits."""

    def __init__(self, base: int = BASE, levels: int = 4) -> None:
        super().__init__()
        widths = [base * 2**i for i in range(levels)]
        self.down = nn.ModuleList([pair(i, o) for i, o in zip([3, *widths], widths, strict=False)])
        self.up = nn.ModuleList([nn.ConvTranspose2d(w * 2, w, 2, stride=2) for w in reversed(widths[:-1])])
        self.join = nn.ModuleList([pair(w * 2, w) for w in reversed(widths[:-1])])
        self.head = nn.Conv2d(base, 1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """One logit a pixel."""
        skipped: list[torch.Tensor] = []
        for level, block in enumerate(self.down):
            x = block(x if level == 0 else functional.max_pool2d(x, 2))
            skipped.append(x)
        for up, join, skip in zip(self.up, self.join, reversed(skipped[:-1]), strict=True):
            x = join(torch.cat([skip, up(x)], dim=1))
        return self.head(x)


def resized(entry: Entry, label: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Picture (3, 128, 128) uint8 and mask (1, 128, 128) of zeros and ones."""
    example = entry.load()
    empty = np.zeros(example.picture.shape[:2], dtype=bool)
    mask = torch.from_numpy(np.ascontiguousarray(example.masks.get(label, empty)))
    picture = functional.interpolate(as_input(example.picture), (SIZE, SIZE), mode="bilinear", antialias=True)
    small = functional.interpolate(mask[None, None].float(), (SIZE, SIZE), mode="bilinear", antialias=True)
    return (picture[0] * 255 + 0.5).to(torch.uint8), (small[0] >= 0.5).to(torch.uint8)


def as_input(picture: np.ndarray) -> torch.Tensor:
    """(rows, columns, 3) uint8 -> (1, 3, rows, columns) in 0 to 1."""
    return torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None].float() / 255


def turned(batch: torch.Tensor) -> torch.Tensor:
    """The whole batch turned by a random multiple of 90 degrees and flipped at random."""
    quarter, flip = (int(v) for v in torch.randint(0, 4, (2,)))
    batch = torch.rot90(batch, quarter, (2, 3))
    return batch.flip(3) if flip % 2 else batch


def train(entries: list[Entry], label: str, cpu_seconds: float, seed: int) -> tuple[UNet, dict[str, Any]]:
    """Train for a time of this process's CPU; reading and scaling the pictures, done once before, is not counted."""
    torch.manual_seed(seed)
    loaded = [resized(entry, label) for entry in tqdm(entries, unit="picture", desc="load")]
    pictures, masks = torch.stack([p for p, _ in loaded]), torch.stack([m for _, m in loaded])
    # Channels last is a quarter faster on a CPU: the peer gets the faster way.
    network = UNet().train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=1e-4)
    begun, step, losses = time.process_time(), 0, []
    with tqdm(total=round(cpu_seconds), unit="CPU s", desc="train", bar_format="{l_bar}{bar}{postfix}") as bar:
        while (spent := time.process_time() - begun) < cpu_seconds:
            for group in optimizer.param_groups:
                group["lr"] = RATE * 0.5 * (1 + np.cos(np.pi * spent / cpu_seconds))
            chosen = torch.randint(0, len(pictures), (BATCH,))
            both = turned(torch.cat([pictures[chosen].float() / 255, masks[chosen].float()], dim=1))
            logits = network(both[:, :3].contiguous(memory_format=torch.channels_last))
            truth = both[:, 3:]
            probability = torch.sigmoid(logits)
            soft_dice = (2 * (probability * truth).sum() + 1) / (probability.sum() + truth.sum() + 1)
            loss = functional.binary_cross_entropy_with_logits(logits, truth) + 1 - soft_dice
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
            losses.append(float(loss.detach()))
            bar.n = round(spent)
            bar.set_postfix(step=step, loss=f"{np.mean(losses[-50:]):.3f}")
    facts = {"steps": step, "pictures": len(pictures), "cpu_seconds": round(time.process_time() - begun, 1),
             "last_loss": round(float(np.mean(losses[-50:])), 4)}  # fmt: skip
    return network.eval(), facts


@torch.no_grad()
def mark(network: UNet, picture: np.ndarray) -> tuple[np.ndarray, float]:
    """Mask (rows, columns) in the picture's own size, and the mean probability inside it."""
    small = functional.interpolate(as_input(picture), (SIZE, SIZE), mode="bilinear", antialias=True)
    logits = functional.interpolate(network(small), picture.shape[:2], mode="bilinear")
    probability = torch.sigmoid(logits)[0, 0].numpy()
    mask = probability >= 0.5
    return mask, float(probability[mask].mean()) if mask.any() else 0.0


def measure(network: UNet, entries: list[Entry], label: str) -> list[Score]:
    """Every held-out item; slices of one volume are put together, so that volume Dice is measured too."""
    items: dict[str, list[Entry]] = {}
    for entry in entries:
        items.setdefault(entry.id, []).append(entry)
    scores = []
    for name, parts in tqdm(items.items(), unit="item", desc="measure"):
        examples = [part.load() for part in parts]
        begun = time.perf_counter()
        marked = [mark(network, example.picture) for example in examples]
        seconds = time.perf_counter() - begun
        empty = np.zeros(examples[0].picture.shape[:2], dtype=bool)
        truth = np.stack([e.masks.get(label, empty) for e in examples])
        mask = np.stack([m for m, _ in marked])
        key = int(mask.sum(axis=(1, 2)).argmax())
        box = tight_box(mask[key]) if mask[key].any() else None
        boxes = {int(i): tight_box(truth[i]) for i in np.flatnonzero(truth.any(axis=(1, 2)))}
        answer = Answer(mask, box, key, (), marked[key][1], seconds=seconds)
        scores.append(score(name, parts[0].group, label, Truth(bool(truth.any()), truth, boxes, None), answer))
    return scores


def main() -> int:
    """Train, measure, write, print."""
    parser = argparse.ArgumentParser(description="A plain U-Net on one label of a labelled folder.")
    parser.add_argument("data", type=Path, help="folder with manifest.jsonl")
    parser.add_argument("label", help="target, e.g. nuclei")
    parser.add_argument("--minutes", type=float, default=5.0, help="of CPU for training")
    parser.add_argument("--threads", type=int, choices=(1, 2), default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="default: benchmarks/results/unet-LABEL.json")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    entries = [e for e in index(options.data) if options.label in e.labels or not e.labels]
    training, holdout = split(entries, "train"), split(entries, "holdout")
    if not training or not holdout:
        parser.error(f"no item with the label {options.label!r} on both sides of the split")
    network, facts = train(training, options.label, options.minutes * 60, options.seed)
    figures = summarise(measure(network, holdout, options.label))
    report = {
        "command": f"python benchmarks/unet_baseline.py {options.data.resolve().name} '{options.label}' "
        f"--minutes {options.minutes:g} --threads {options.threads} --seed {options.seed}",
        "data": options.data.resolve().name,
        "label": options.label,
        "parameters": sum(p.numel() for p in network.parameters()),
        "picture_size": SIZE,
        "seed": options.seed,
        "threads": options.threads,
        "training": {"groups": len({e.group for e in training}), **facts},
        "holdout": figures,
        "bootstrap": {"resamples": RESAMPLES, "seed": SEED, "unit": "group", "level": 0.95},
        "versions": {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__},
    }
    path = options.json or Path(__file__).parent / "results" / f"unet-{options.label.replace(' ', '-')}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=1))
    print(f"\nU-Net, {report['parameters']} parameters, {facts['cpu_seconds']} CPU s: {options.label} "
          f"Dice {cell(figures.get('dice'))} on {figures['groups']} held-out groups")  # fmt: skip
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except WetreadError as error:
        sys.exit(str(error))
