"""The decode benchmark: its arithmetic, its size, and that it runs and refuses as it says."""

from __future__ import annotations

import importlib.util
import json
import math
from pathlib import Path
from types import ModuleType

import pytest
import torch

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "decode_8b.py"


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    import sys

    spec = importlib.util.spec_from_file_location("decode_8b", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules["decode_8b"] = module
    spec.loader.exec_module(module)
    return module


def test_the_full_size_is_that_of_the_published_8b(benchmark: ModuleType) -> None:
    backbone = benchmark.build(benchmark.FULL, "meta", torch.bfloat16)
    weights, per_token = benchmark.streamed_bytes(backbone)
    assert sum(p.numel() for p in backbone.parameters()) == pytest.approx(8.77e9, rel=0.002)
    assert weights == pytest.approx(15.1e9, rel=0.005)
    assert per_token == 147_456


def test_a_tiny_one_runs_on_any_device_and_stores_its_table(benchmark: ModuleType, tmp_path: Path) -> None:
    file = tmp_path / "table.json"
    assert benchmark.main(["--tiny", "--json", str(file)]) == 0
    stored = json.loads(file.read_text())
    assert stored["tiny"]
    assert {row["batch"] for row in stored["table"]} == {1, 8, 32}
    for row in stored["table"]:
        assert row["tokens_per_second"] == pytest.approx(row["batch"] / row["ms_per_step"] * 1000, rel=0.01)
        assert row["share_of_bound"] == pytest.approx(row["bound_ms"] / row["ms_per_step"], abs=0.01)
    assert stored["command"].startswith("python benchmarks/decode_8b.py")


def test_without_cuda_it_says_so_in_one_line(benchmark: ModuleType, monkeypatch, capsys) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert benchmark.main([]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert "no CUDA device" in said.err


def test_the_static_cache_comparison_runs(benchmark: ModuleType) -> None:
    backbone = benchmark.build(benchmark.TINY, "cpu", torch.float32)
    # A difference of two times: on a busy machine a tiny model's may well be negative.
    assert math.isfinite(benchmark.generate_step(backbone, benchmark.TINY, 2))
