"""The trainer on one core: TRL's hooks, advantages that replace TRL's, resuming, two processes, adapters, KL."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from trl import GRPOTrainer

from wetread.errors import RefusedInput
from wetread.training.drpo_config import (
    AdvantagePart,
    DataPart,
    DRPOConfig,
    ModelPart,
    Optimiser,
    RewardPart,
    Rollouts,
    SmallModel,
    WarmUp,
)
from wetread.training.drpo_run import train
from wetread.training.trainer import STATE_FILE, DRPOTrainer, last_complete_checkpoint

SUPPORT = Path(__file__).parents[1] / "support"
PACKAGE = Path(__file__).parents[2] / "core/wetread/training"
SMALL = SmallModel(width=48, layers=2, hidden=48, vocabulary=300)
pytestmark = pytest.mark.filterwarnings("ignore")


def tiny(output, **changes):
    config = DRPOConfig(
        name="tiny", output=output, model=ModelPart("small", SMALL), data=DataPart("drawn", count=40, held_out=6),
        rollouts=Rollouts(questions=4, each=4, top_p=1.0, answer_tokens=6),
        optimiser=Optimiser(steps=4, learning_rate=1e-3, micro_batch=8, kl=0.0, save_every=2, samples_every=2),
        warm_up=WarmUp(steps=12, batch=8),
        # What a hardly taught model can earn, so that every step moves it.
        rewards=RewardPart("ours", {"length": 1.0, "format": 0.1}),
    )  # fmt: skip
    return replace(config, **changes)


def run(config):
    return train(config, lambda _: None, quiet=True)


def weights(folder):
    return load_file(folder / "model" / "model.safetensors")


def test_trl_still_has_the_methods_that_are_overridden():
    for name in ("_calculate_rewards", "_generate_and_score_completions", "_save_checkpoint",
                 "_load_optimizer_and_scheduler"):  # fmt: skip
        assert callable(vars(GRPOTrainer).get(name)), name
        assert name in vars(DRPOTrainer)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """One run of four steps."""
    output = tmp_path_factory.mktemp("run")
    return output, run(tiny(output))


class TestTheRunFolder:
    def test_holds_configuration_metrics_samples_card_and_model(self, finished):
        output, _ = finished
        for name in ("config.yaml", "metrics.jsonl", "README.md", "faults.json", "result.json", "model/wetread.json",
                     "samples/step_000002/answers.json", "samples/step_000002/0.png"):  # fmt: skip
            assert (output / name).is_file(), name
        assert list(output.glob("**/events.out.tfevents*"))

    def test_a_line_of_metrics_for_each_step_with_the_scale_of_each_domain(self, finished):
        lines = [json.loads(line) for line in (finished[0] / "metrics.jsonl").read_text().splitlines()]
        assert [line["step"] for line in lines] == [1, 2, 3, 4]
        assert any(key.startswith("scale/drawn-") for key in lines[0])
        assert {"reward", "reward/label_f1", "reward/format"} <= set(lines[0])

    def test_the_card_says_what_was_measured(self, finished):
        output, result = finished
        after = result["held_out"]["after"]["sampled"]["reward"]
        assert f"{after:.3f}" in (output / "README.md").read_text()

    def test_the_model_loads_again(self, finished):
        from wetread.model.checkpoint import read_info
        from wetread.model.loaded import load_model

        loaded = load_model(read_info(finished[0] / "model"))
        assert loaded.preprocessing.side == 64
        assert loaded.family.box_frame.value == "model-0-1000"


class TestResuming:
    def test_a_killed_run_ends_with_the_numbers_of_one_that_was_not(self, finished, tmp_path):
        whole, _ = finished
        for name in ("checkpoint-2", "before.json", "config.yaml", "settings.json"):
            source = whole / name
            (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name)
        # What a kill leaves: a checkpoint without its last file, and half a line.
        (tmp_path / "checkpoint-4").mkdir()
        lines = (whole / "metrics.jsonl").read_text().splitlines()
        (tmp_path / "metrics.jsonl").write_text("\n".join(lines[:3]) + '\n{"step": 4, "rew')
        run(tiny(tmp_path))
        one, two = weights(whole), weights(tmp_path)
        assert all(torch.equal(one[name], two[name]) for name in one)
        start = load_file(whole / "checkpoint-2" / "model.safetensors")
        assert any(not torch.equal(one[name], start[name]) for name in start)
        kept = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
        assert [line["reward"] for line in kept] == [json.loads(line)["reward"] for line in lines]
        states = [json.loads((folder / "checkpoint-4" / STATE_FILE).read_text()) for folder in (whole, tmp_path)]
        assert states[0] == states[1]

    def test_a_run_does_not_go_on_under_other_settings(self, finished, tmp_path):
        for name in ("checkpoint-2", "before.json", "settings.json"):
            source = finished[0] / name
            (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name)
        with pytest.raises(RefusedInput, match=r"other settings \(seed\)"):
            run(replace(tiny(tmp_path), seed=99))

    def test_only_complete_checkpoints_count(self, tmp_path):
        for step, complete in ((2, True), (10, True), (12, False)):
            (tmp_path / f"checkpoint-{step}").mkdir()
            if complete:
                (tmp_path / f"checkpoint-{step}" / STATE_FILE).write_text("{}")
        assert last_complete_checkpoint(tmp_path).name == "checkpoint-10"
        assert last_complete_checkpoint(tmp_path / "empty") is None


class TestKinds:
    def test_a_lora_run_with_kl_damping_and_boxes(self, tmp_path):
        config = tiny(
            tmp_path, model=ModelPart("small", SMALL, tune="lora", lora_rank=2),
            data=DataPart("drawn", count=20, held_out=4, boxed=True),
            optimiser=Optimiser(steps=2, micro_batch=8, kl=1e-2, save_every=2),
            advantages=AdvantagePart("drpo", "robust", kl_damping="code"), warm_up=WarmUp(steps=2, batch=4),
        )  # fmt: skip
        result = run(config)
        assert np.isfinite(result["held_out"]["after"]["sampled"]["reward"])
        assert (tmp_path / "model" / "model.safetensors").is_file()

    @pytest.mark.parametrize("method", ["rloo", "fair-grpo"])
    def test_other_advantages_with_the_released_reward_and_a_reference(self, tmp_path, method):
        config = tiny(
            tmp_path, optimiser=Optimiser(steps=1, micro_batch=16, kl=1e-4), warm_up=WarmUp(steps=1, batch=4),
            advantages=AdvantagePart(method), rewards=RewardPart("reference-qoqmed"),
        )  # fmt: skip
        assert np.isfinite(run(config)["held_out"]["after"]["greedy"]["reward"])

    def test_stage_one_without_an_ecg_encoder_is_refused(self, tmp_path):
        with pytest.raises(RefusedInput, match="stage 1 without an ECG encoder"):
            run(tiny(tmp_path, model=ModelPart("small", SMALL, stage=1)))

    def test_fewer_questions_than_a_step_asks_are_refused(self, tmp_path):
        with pytest.raises(RefusedInput, match="3 usable questions for steps of 4"):
            run(tiny(tmp_path, data=DataPart("drawn", count=3, held_out=2)))

    def test_a_file_in_the_place_of_the_run_folder_is_refused(self, tmp_path):
        (tmp_path / "run").write_text("")
        with pytest.raises(RefusedInput, match="no run folder"):
            run(tiny(tmp_path / "run"))

    def test_vllm_where_it_is_not_installed_is_refused(self, tmp_path):
        with pytest.raises(RefusedInput, match="vLLM is not installed"):
            run(tiny(tmp_path, rollouts=Rollouts(questions=4, each=4, answer_tokens=6, engine="vllm"),
                     warm_up=WarmUp(steps=0)))  # fmt: skip


@pytest.mark.parametrize("path", sorted((PACKAGE / "launch").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_shipped_launch_files_are_accelerates(path):
    from accelerate.commands.config.config_args import load_config_from_file

    config = load_config_from_file(str(path))
    assert config.num_processes >= 2
    assert config.distributed_type.value in ("FSDP", "DEEPSPEED", "MULTI_GPU")
    if config.distributed_type.value == "FSDP":
        assert config.fsdp_config["fsdp_version"] == 2
    if config.distributed_type.value == "DEEPSPEED":
        assert config.deepspeed_config["zero_stage"] == int(path.stem[-1])


@pytest.mark.slow
def test_two_processes_give_the_advantages_of_one(tmp_path):
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(PACKAGE.parents[1])}
    script = str(SUPPORT / "drpo_processes.py")
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--config_file",
              str(PACKAGE / "launch/two-processes.yaml"), "--main_process_port", "0"]  # fmt: skip
    found = []
    for number, command in enumerate(([sys.executable, script], [*launch, script]), start=1):
        out = tmp_path / f"{number}.json"
        done = subprocess.run([*command, str(out)], env=environment, capture_output=True, text=True, timeout=400,
                              check=False)  # fmt: skip
        assert done.returncode == 0, done.stderr[-2000:]
        found.append(json.loads(out.read_text()))
        assert found[-1]["processes"] == number
    one, two = found
    assert len(one["given"]) == 3
    assert np.std(one["given"][0]) > 0
    assert one["given"] == two["given"]
    for run_of in found:
        np.testing.assert_allclose(run_of["logged"], run_of["given"][-1], rtol=1e-6)
