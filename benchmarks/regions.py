"""Region descriptions beside plain scikit-image, in one run on one machine.

(a) `describe` of one region against `skimage.measure.regionprops` over the same properties, as a ratio of CPU time;
(b) CPU seconds for 1,000 instances in a 1024 x 1024 label map: attributes, relations, colours and the whole text.

    python benchmarks/regions.py [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import skimage
from skimage.measure import regionprops

from wetread.regions import describe
from wetread.terminology import Modality

PROPERTIES = (
    "area", "bbox", "centroid", "perimeter_crofton", "solidity", "eccentricity", "axis_major_length",
    "axis_minor_length", "extent", "equivalent_diameter_area", "area_filled", "euler_number", "intensity_mean",
    "intensity_std",
)  # fmt: skip


def main() -> None:
    """Measure, print, and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here")
    parser.add_argument("--repeats", type=int, default=15, metavar="N")
    options = parser.parse_args()
    figures = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "scikit-image": skimage.__version__,
        "single region": [single(side, radius, options.repeats) for side, radius in CASES],
        "single region, dermoscopy": [
            single(side, radius, options.repeats, Modality.DERMOSCOPY) for side, radius in CASES[1:4]
        ],
        "1000 instances": many(max(options.repeats // 5, 3), Modality.MR),
        "1000 instances, colour": many(max(options.repeats // 5, 3), Modality.PATHOLOGY),
    }
    text = json.dumps(figures, indent=1)
    print(text)
    if options.json is not None:
        options.json.write_text(text + "\n", encoding="utf-8")


CASES = ((128, 12), (256, 40), (512, 60), (512, 150), (1024, 300))


def single(side: int, radius: int, repeats: int, modality: Modality = Modality.MR) -> dict[str, float]:
    """One ellipse in a noisy picture; dermoscopy also finds its six colours, which regionprops does not know."""
    image = noise(side, colour=modality is not Modality.MR)
    rows, columns = np.mgrid[:side, :side]
    mask = ((rows - side / 2) / radius) ** 2 + ((columns - side / 2) / (0.7 * radius)) ** 2 <= 1

    def plain() -> None:
        region = regionprops(mask.astype(np.uint8), intensity_image=image)[0]
        for name in PROPERTIES:
            region[name]

    def ours() -> None:
        assert describe(mask, image, None, modality, "lesion").text

    def with_overlay() -> None:
        assert describe(mask, image, None, modality, "lesion").overlay.size

    base, said, drawn = interleaved((plain, ours, with_overlay), repeats)
    return {
        "side": side,
        "pixels": int(mask.sum()),
        "regionprops ms": round(1e3 * base, 2),
        "describe and text ms": round(1e3 * said, 2),
        "describe and overlay ms": round(1e3 * drawn, 2),
        "ratio text": round(said / base, 2),
        "ratio overlay": round(drawn / base, 2),
    }


def many(repeats: int, modality: Modality) -> dict[str, float]:
    """1,000 discs of different size in a 1024 x 1024 label map."""
    labels = np.zeros((1024, 1024), dtype=np.int32)
    rows, columns = np.mgrid[:1024, :1024]
    generator = np.random.default_rng(0)
    for number in range(1000):
        row, column = divmod(number, 32)
        radius = generator.uniform(4, 15)
        middle = (32 * row + 16, 32 * column + 16)
        box = (slice(32 * row, 32 * row + 32), slice(32 * column, 32 * column + 32))
        labels[box][(rows[box] - middle[0]) ** 2 + (columns[box] - middle[1]) ** 2 <= radius**2] = number + 1
    image = noise(1024, colour=modality is not Modality.MR)

    def ours() -> None:
        description = describe(labels, image, None, modality, "nuclei")
        assert len(description.regions) == 1000
        assert description.text

    def plain() -> None:
        for region in regionprops(labels, intensity_image=image):
            for name in PROPERTIES:
                region[name]

    said, base = interleaved((ours, plain), repeats)
    return {
        "describe and text CPU s": round(said, 3),
        "regionprops CPU s": round(base, 3),
        "ratio": round(said / base, 2),
    }


def noise(side: int, colour: bool) -> np.ndarray:
    """A picture of a side in pixels, grey or of three channels."""
    return (
        np.random.default_rng(1)
        .normal(100, 20, (side, side, 3) if colour else (side, side))
        .clip(0, 255)
        .astype(np.uint8)
    )


def interleaved(functions: tuple[Callable[[], None], ...], repeats: int) -> list[float]:
    """Median CPU seconds of each, taken in turns after one unmeasured turn, so that all see the same machine."""
    taken: list[list[float]] = [[] for _ in functions]
    for turn in range(repeats + 1):
        for function, times in zip(functions, taken, strict=True):
            begin = time.process_time()
            function()
            if turn:
                times.append(time.process_time() - begin)
    return [median(times) for times in taken]


if __name__ == "__main__":
    main()
