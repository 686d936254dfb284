"""What the objects of a read with many findings cost: SEG beside highdicom, and the SR, in one run.

A CT of 300 slices of 512 x 512 and 104 organs, as a whole-body segmentation has them. CPU seconds of this process,
medians; each way builds and saves the object, and both have the same pixel data. Run:

    python benchmarks/objects.py --json benchmarks/results/objects.json
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import highdicom
import highdicom.seg
import numpy as np
import pydicom
from pydicom import Dataset, dcmwrite

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

from dicom_phantoms import ct_series
from wetread.findings import Finding, Mask, Provenance, Read
from wetread.imaging import to_sample
from wetread.reporting import build_seg, build_sr, segmentation
from wetread.reporting.identity import source_headers
from wetread.terminology import TARGETS, Modality

SLICES, SIDE = 300, 512


def organs(shape: tuple[int, int, int], count: int) -> list[Mask]:
    """Ellipsoids side by side, each over about 73 slices, so that none overlap."""
    random, across = np.random.default_rng(1), 11
    cell = SIDE // across
    rows, columns = np.mgrid[:SIDE, :SIDE]
    masks = []
    for number in range(count):
        row, column = (number // across % across + 0.5) * cell, (number % across + 0.5) * cell
        middle, half = int(random.integers(40, SLICES - 40)), int(random.integers(34, 40))
        planes = {}
        for plane in range(middle - half, middle + half):
            share = np.sqrt(1 - ((plane - middle) / half) ** 2) * cell * 0.48
            planes[plane] = (rows - row) ** 2 + (columns - column) ** 2 <= max(share, 1.5) ** 2
        masks.append(Mask(shape, planes))
    return masks


def read_of(masks: list[Mask], names: list[Any]) -> Read:
    """A read that found all of them."""
    findings = tuple(
        Finding(target, f"2.25.{1000 + number}", 0.9, mask.key_plane, box=mask.box(mask.key_plane), mask=mask,
                description=f"The {target.label}.")
        for number, (target, mask) in enumerate(zip(names, masks, strict=True))
    )  # fmt: skip
    provenance = Provenance("bench", "1", "0" * 64, "2.25.1", "0", 0, 1, 1, 0.0, datetime(2026, 1, 1, tzinfo=UTC))
    return Read("2.25.99", "everything", "", findings, (), None, "", provenance)


def label_map(read: Read) -> np.ndarray:
    """All masks as one label map, the input that highdicom takes fastest; made beforehand, as it stands in memory."""
    labels = np.zeros((SLICES, SIDE, SIDE), dtype=np.uint8)
    for number, finding in enumerate(read.findings, start=1):
        for plane, marked in finding.mask.planes.items():
            labels[plane][marked] = number
    return labels


def plain(read: Read, sample: Any, labels: np.ndarray) -> Dataset:
    """What highdicom alone makes of the label map: the same segments on the same slices."""
    headers = {str(h.SOPInstanceUID): h for h in source_headers(sample)}
    sources = [headers[str(plane.source.sop_instance_uid)] for plane in sample.planes]
    described = [segmentation._description(one, number, read) for number, one in enumerate(read.findings, start=1)]
    return highdicom.seg.Segmentation(
        source_images=sources, pixel_array=labels, segmentation_type="BINARY", segment_descriptions=described,
        series_instance_uid="2.25.1", series_number=1, sop_instance_uid="2.25.2", instance_number=1,
        manufacturer="m", manufacturer_model_name="m", software_versions="1", device_serial_number="1",
        omit_empty_frames=True,
    )  # fmt: skip


def cpu(work: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds of this process, and what came of it."""
    began = time.process_time()
    made = work()
    return time.process_time() - began, made


def saved(dataset: Dataset) -> bytes:
    """The file."""
    stream = BytesIO()
    dcmwrite(stream, dataset, enforce_file_format=True)
    return stream.getvalue()


def main() -> None:
    """Measure, print and, where asked, store."""
    parser = argparse.ArgumentParser(description="What SEG and SR of many findings cost, beside highdicom.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--segments", type=int, default=104)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    sample = to_sample(ct_series(SLICES, SIDE, SIDE, slice_spacing=1.25))
    names = [target for target in TARGETS if Modality.CT in target.modalities][: options.segments]
    read = read_of(organs(sample.shape, len(names)), names)
    seconds: dict[str, list[float]] = {"highdicom": [], "wetread": [], "sr": []}
    pixels: dict[str, bytes] = {}
    seg = build_seg(read, sample)
    labels = label_map(read)
    for _ in range(options.rounds):
        ways = (("wetread", lambda: build_seg(read, sample)), ("highdicom", lambda: plain(read, sample, labels)))
        for way, build in ways:
            spent, made = cpu(lambda build=build: (lambda dataset: (dataset.PixelData, saved(dataset)))(build()))
            seconds[way].append(spent)
            pixels[way] = made[0]
        seconds["sr"].append(cpu(lambda: saved(build_sr(read, sample, seg)))[0])
    used = int(seg.NumberOfFrames) * SIDE * SIDE // 8
    middle = {name: round(statistics.median(values), 3) for name, values in seconds.items()}
    results = {
        "segments": len(names), "frames": int(seg.NumberOfFrames), "file_mb": round(len(saved(seg)) / 1e6, 1),
        "rounds": options.rounds, "cpu_seconds": middle,
        "wetread_over_highdicom": round(middle["wetread"] / middle["highdicom"], 3),
        "same_pixel_data": pixels["wetread"][:used] == pixels["highdicom"][:used],
        "sr_groups": len(names), "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "date": time.strftime("%Y-%m-%d", time.gmtime()), "processor": platform.machine(),
        "versions": {"highdicom": highdicom.__version__, "pydicom": pydicom.__version__, "numpy": np.__version__},
    }  # fmt: skip
    text = json.dumps(results, indent=1)
    print(text)
    if options.json:
        options.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
