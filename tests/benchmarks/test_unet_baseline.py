"""The peer is what it says it is: 0.9 million parameters, trained on one part, measured on the other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wetread.training.manifests import is_holdout

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "unet_baseline.py"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ten pictures with one bright square each, which is the liver."""
    lines = []
    for n in range(10):
        picture = np.full((48, 64, 3), 40, np.uint8)
        mask = np.zeros((48, 64), np.uint8)
        mask[5 + n : 25 + n, 10 : 30 + n] = 255
        picture[mask > 0] = 220
        Image.fromarray(picture).save(tmp_path / f"{n}.png")
        Image.fromarray(mask).save(tmp_path / f"{n}_mask.png")
        lines.append({"id": f"i{n}", "modality": "CT", "image": f"{n}.png", "group": f"g{n}",
                      "masks": [{"label": "liver", "path": f"{n}_mask.png"}]})  # fmt: skip
    (tmp_path / "manifest.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return tmp_path


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, check=False)


def test_it_trains_on_one_part_and_is_measured_on_the_other(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "unet.json"
    done = run(folder, "liver", "--minutes", "0.05", "--json", target)
    assert done.returncode == 0, done.stderr
    report = json.loads(target.read_text(encoding="utf-8"))
    held_out = sum(is_holdout(f"g{n}") for n in range(10))
    assert 0 < held_out < 10
    assert report["parameters"] == pytest.approx(0.9e6, rel=0.05)
    assert (report["holdout"]["items"], report["training"]["groups"]) == (held_out, 10 - held_out)
    assert report["training"]["cpu_seconds"] == pytest.approx(3, abs=2)
    assert 0 <= report["holdout"]["dice"]["value"] <= 1
    assert "U-Net" in done.stdout
    assert str(folder) not in target.read_text(encoding="utf-8")


def test_a_label_that_the_folder_lacks_is_refused_in_one_line(folder: Path) -> None:
    done = run(folder, "spleen")
    assert done.returncode == 2
    assert "'spleen'" in done.stderr.splitlines()[-1]
