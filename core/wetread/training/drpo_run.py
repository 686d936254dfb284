"""One DRPO run from one YAML file: model, questions, supervised steps, rewards, the trainer, and what it leaves.

A run that was killed goes on from its last complete checkpoint: weights, optimiser, random states, order of the data
and DRPO's history, so that it ends with the same numbers as one that was not.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from transformers import PrinterCallback

from wetread.errors import ModelUnavailable, RefusedInput
from wetread.model.ecg import token_id
from wetread.training.data.climb import open_climb
from wetread.training.data.stream import Items
from wetread.training.drawn_questions import drawn_questions, true_answer
from wetread.training.drpo import DRPOAdvantage
from wetread.training.drpo_config import AdvantagePart, DRPOConfig
from wetread.training.ecg_batch import ecg_rows, stacked
from wetread.training.fair_grpo import FairGRPOAdvantage
from wetread.training.questions import Joined, Questions
from wetread.training.reward_function import RewardFunction
from wetread.training.rewards import score
from wetread.training.run_file import read_run_file
from wetread.training.run_folder import RunFolder, write_card
from wetread.training.start import Start, adapter_of, save_finished, set_stage, start_from
from wetread.training.trainer import (
    Advantages,
    ByDemographicGroup,
    ByDomain,
    DRPOTrainer,
    LeaveOneOut,
    last_complete_checkpoint,
)
from wetread.training.warm_up import warm_up

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from trl import GRPOConfig

    from wetread.training.data.item import TrainingItem

HELD_OUT_SEED = 1_000_003
MEASURED_TOGETHER = 100
REFERENCE_FOLDER = "reference"
SETTINGS_FILE = "settings.json"
MAY_CHANGE = ("name", "licence", "output", "optimiser.steps", "optimiser.save_every", "optimiser.samples_every")
"""Settings that a run may go on with when they changed; a run in another place is the same run, moved."""


def run(config_path: Path, report: Callable[[str], None], quiet: bool = False) -> dict[str, Any]:
    """Run or resume a configuration.

    Args:
        config_path: YAML file.
        report: takes a line of progress.
        quiet: no progress bar.

    Returns:
        what was measured; also in the run folder's ``result.json``.

    Raises:
        RefusedInput: the file, the data or the model does not fit.
    """
    return train(read_run_file(config_path, DRPOConfig), report, quiet, source=config_path)


def train(
    config: DRPOConfig, report: Callable[[str], None], quiet: bool = False, source: Path | None = None
) -> dict[str, Any]:
    """The run itself; see `run`.

    Args:
        config: what to do.
        report: takes a line of progress.
        quiet: no progress bar.
        source: the file that the configuration came from, kept with the run.
    """
    began = time.process_time()
    _silence()
    try:
        config.output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RefusedInput(f"no run folder can be made there ({error.strerror})", config.output,
                           "give another output") from error  # fmt: skip
    arguments = _arguments(config)  # first: this is what joins the processes of a launch
    main = arguments.process_index == 0
    asked, measured = _items(config)
    start = start_from(config.model, _texts(asked), config.seed)
    trained = set_stage(start, config.model)
    questions, held_out = (_questions(items, start, config) for items in (asked, measured))
    if len(questions) < config.rollouts.questions:
        # TRL drops a step that is not full, and would wait for one for ever.
        raise RefusedInput(f"{len(questions)} usable questions for steps of {config.rollouts.questions}",
                           source or config.output, "lower rollouts.questions or give more data")  # fmt: skip
    checkpoint = last_complete_checkpoint(config.output)
    folder = RunFolder(config.output, questions, config.optimiser.samples_every, quiet)
    if checkpoint is not None:
        _refuse_another(config)
    if checkpoint is None:
        if main:
            _fresh(config, source)
        if config.warm_up.steps:
            warm_up(start.model, start.processor, questions, lambda row: _whole_answer(asked[row]), config.warm_up,
                    config.seed, report, partial(_heard, start))  # fmt: skip
        before = {kind: measure(start, held_out, config, kind) for kind in ("greedy", "sampled")}
        if main:
            (config.output / "before.json").write_text(json.dumps(before) + "\n", encoding="utf-8")
    else:
        report(f"going on from {checkpoint.name}")
        before = json.loads((config.output / "before.json").read_text(encoding="utf-8"))
    if config.optimiser.kl and config.model.tune == "full" and start.folder is None:
        _keep_reference(start, config.output / REFERENCE_FOLDER, write=main and checkpoint is None)
        arguments.distributed_state.wait_for_everyone()
    trainer = DRPOTrainer(
        advantages=make_advantages(config.advantages), needs_kl=config.advantages.kl_damping in ("code", "paper"),
        model=start.model, reward_funcs=RewardFunction(questions, config.rewards), args=arguments,
        train_dataset=questions.dataset(), processing_class=start.processor, peft_config=adapter_of(config.model),
        callbacks=[folder], ecg_token=_ecg_token(start),
    )  # fmt: skip
    folder.trainer = trainer
    trainer.remove_callback(PrinterCallback)  # the bar and the file say it
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    result: dict[str, Any] = {
        "name": config.name,
        "seed": config.seed,
        "method": config.advantages.method,
        "trained": trained,
    }
    if main:
        after = {kind: measure(start, held_out, config, kind) for kind in ("greedy", "sampled")}
        seconds = round(time.process_time() - began, 1)
        result |= {"held_out": {"questions": len(held_out), "before": before, "after": after},
                   "faults": questions.faults.as_dict(), "cpu_seconds": seconds}  # fmt: skip
        statement = {"name": config.name, "version": "0.1.0", "licence": config.licence,
                     "training": {"steps": config.optimiser.steps, "seed": config.seed}}  # fmt: skip
        save_finished(start, trainer.accelerator.unwrap_model(trainer.model), config.output / "model", statement)
        (config.output / "faults.json").write_text(json.dumps(result["faults"], indent=1) + "\n", encoding="utf-8")
        (config.output / "result.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        write_card(config.output, config, result["held_out"], questions.faults, {"name": start.name})
    for line in questions.faults.lines():
        report(f"left out: {line}")
    return result


@torch.inference_mode()
def measure(start: Start, questions: Questions, config: DRPOConfig, kind: str) -> dict[str, float]:
    """Mean reward and its parts on held-out questions.

    Args:
        start: model and processor, as they are now.
        questions: held out.
        config: of the run.
        kind: "greedy", or "sampled" at the training's temperature (seeded).
    """
    model, processor = start.model, start.processor
    was_training = model.training
    model.eval()
    answers, rows = [], [questions.row(number) for number in range(len(questions))]
    device = next(model.parameters()).device
    sampled = {
        "do_sample": True,
        "temperature": config.rollouts.temperature,
        "top_p": config.rollouts.top_p,
        "top_k": 0,
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        for first in range(0, len(rows), MEASURED_TOGETHER):
            part = rows[first : first + MEASURED_TOGETHER]
            texts = processor.apply_chat_template([row["prompt"] for row in part], add_generation_prompt=True)
            given = processor(images=[row["images"] for row in part], text=texts, padding=True, return_tensors="pt")
            with _heard(start, part):
                found = model.generate(**{name: value.to(device) for name, value in given.items()},
                                   max_new_tokens=config.rollouts.answer_tokens,
                                   **(sampled if kind == "sampled" else {"do_sample": False}))  # fmt: skip
            answers += processor.batch_decode(found[:, given["input_ids"].shape[1] :], skip_special_tokens=True)
    model.train(was_training)
    function = RewardFunction(questions, config.rewards)
    if function.reference:
        total, parts = function.score_all(answers, [row["row"] for row in rows])
    else:
        scores = score(answers, [questions.truth(row["row"]) for row in rows], function.weights,
                       config.rewards.matching, function.every_label_boxed)  # fmt: skip
        total, parts = scores.total, scores.parts
    means = {name: float(np.nanmean(values)) for name, values in parts.items() if not np.isnan(values).all()}
    return {"reward": float(total.mean())} | means


def _keep_reference(start: Start, folder: Path, write: bool) -> None:
    """TRL loads the reference of the KL from a folder; a model that never had one is written as it starts."""
    if write:
        start.model.save_pretrained(folder)
    start.model.config._name_or_path = str(folder)


@contextmanager
def _heard(start: Start, rows: list[dict[str, Any]]) -> Iterator[None]:
    """The rows' ECGs, while they go through the model."""
    token = _ecg_token(start)
    if token is None or start.ecg is None:
        yield
        return
    with ecg_rows(start.model, start.ecg, token, stacked([row["waveforms"][0] if row["waveforms"] else None
                                                          for row in rows])):  # fmt: skip
        yield


def _ecg_token(start: Start) -> int | None:
    return token_id(start.processor.tokenizer, start.ecg.settings.token) if start.ecg is not None else None


def make_advantages(part: AdvantagePart) -> Advantages | None:
    """What the trainer is given; None is TRL's own GRPO."""
    if part.method == "drpo":
        return ByDomain(DRPOAdvantage(part.mode, **part.switches()))
    if part.method == "fair-grpo":
        return ByDemographicGroup(FairGRPOAdvantage())
    return LeaveOneOut() if part.method == "rloo" else None


def _arguments(config: DRPOConfig) -> GRPOConfig:
    from trl import GRPOConfig

    rollouts, optimiser = config.rollouts, config.optimiser
    processes = int(os.environ.get("WORLD_SIZE", "1"))  # of torchrun and accelerate launch
    batch = rollouts.questions * rollouts.each
    if batch % processes:
        raise RefusedInput(f"{batch} rollouts a step for {processes} processes", "rollouts",
                           "make questions x each a multiple of the number of processes")  # fmt: skip
    own = batch // processes
    micro = max(m for m in range(1, min(optimiser.micro_batch, own) + 1) if own % m == 0)
    on_cpu = not torch.cuda.is_available()
    return GRPOConfig(
        output_dir=str(config.output), seed=config.seed, data_seed=config.seed, use_cpu=on_cpu,
        bf16=not on_cpu and config.model.dtype == "bfloat16",
        per_device_train_batch_size=micro, gradient_accumulation_steps=own // micro, num_generations=rollouts.each,
        max_completion_length=rollouts.answer_tokens, temperature=rollouts.temperature, top_p=rollouts.top_p,
        max_steps=optimiser.steps, learning_rate=optimiser.learning_rate, lr_scheduler_type="constant_with_warmup",
        warmup_steps=optimiser.warmup_steps, weight_decay=optimiser.weight_decay, max_grad_norm=1.0,
        optim="adamw_torch", beta=optimiser.kl, epsilon=optimiser.clip_low, epsilon_high=optimiser.clip_high,
        loss_type="bnpo" if optimiser.average == "token" else "grpo", logging_steps=1, disable_tqdm=True,
        report_to=["tensorboard"], save_strategy="steps", save_steps=optimiser.save_every, save_total_limit=2,
        gradient_checkpointing=config.model.gradient_checkpointing, **_vllm(config),
    )  # fmt: skip


def _vllm(config: DRPOConfig) -> dict[str, Any]:
    rollouts = config.rollouts
    if rollouts.engine != "vllm":
        return {}
    from importlib.util import find_spec

    if find_spec("vllm") is None:
        raise ModelUnavailable("vLLM is not installed", "rollouts.engine", "install vllm, or say transformers")
    chosen: dict[str, Any] = {"use_vllm": True, "vllm_mode": rollouts.vllm_mode}
    return chosen | ({"vllm_server_base_url": rollouts.vllm_server} if rollouts.vllm_server else {})


def _items(config: DRPOConfig) -> tuple[Any, Any]:
    """(asked, held out); the two share no group."""
    data = config.data
    if data.kind == "drawn":
        return (Items(drawn_questions(data.count, config.seed, data.boxed), "drawn"),
                Items(drawn_questions(data.held_out, HELD_OUT_SEED, data.boxed), "drawn, held out"))  # fmt: skip
    assert data.root is not None
    asked = Joined(open_climb(data.root, "train", data.sets or None))
    if data.root.is_file():
        held = max(1, min(data.held_out, len(asked) // 5))
        return _Slice(asked, 0, len(asked) - held), _Slice(asked, len(asked) - held, len(asked))
    return asked, _Slice(Joined(open_climb(data.root, "valid", data.sets or None)), 0, data.held_out)


class _Slice:
    """A stretch of a source."""

    def __init__(self, source: Any, first: int, last: int) -> None:
        self._source, self._first, self._last = source, first, min(last, len(source))
        self.name = source.name

    def __len__(self) -> int:
        return max(0, self._last - self._first)

    def __getitem__(self, index: int) -> TrainingItem:
        found: TrainingItem = self._source[self._first + index]
        return found


def _questions(items: Any, start: Start, config: DRPOConfig) -> Questions:
    return Questions(
        items, start.processor, prompt_tokens=config.data.prompt_tokens, frames=config.data.frames,
        box_frame=start.box_frame, instruction=start.instruction,
        normalisation=start.ecg.settings.normalisation if start.ecg is not None else None,
    )  # fmt: skip


def _texts(items: Any) -> list[str]:
    """What a small model's tokenizer learns from: questions and answers of the first items."""
    from wetread.training.data.stream import FaultyItem

    texts = []
    for number in range(min(len(items), 400)):
        try:
            item = items[number]
        except FaultyItem:
            continue
        texts += [item.question, _whole_answer(item)] if number < 50 else [_whole_answer(item)]
    return texts


def _whole_answer(item: TrainingItem) -> str:
    """The answer in full, boxes first where they are known."""
    return true_answer(item)


def _fresh(config: DRPOConfig, source: Path | None) -> None:
    """Empty the run folder of an earlier start that never reached a checkpoint, and keep the configuration."""
    import yaml

    for name in ("metrics.jsonl", "result.json", "README.md"):
        (config.output / name).unlink(missing_ok=True)
    for broken in config.output.glob("checkpoint-*"):
        shutil.rmtree(broken)
    (config.output / SETTINGS_FILE).write_text(json.dumps(_plain(config), indent=1) + "\n", encoding="utf-8")
    kept = config.output / "config.yaml"
    if source is not None and source.resolve() != kept.resolve():
        shutil.copyfile(source, kept)
    elif source is None:
        kept.write_text(yaml.safe_dump(config.as_dict(), sort_keys=False), encoding="utf-8")


def _refuse_another(config: DRPOConfig) -> None:
    """Going on from a checkpoint of other settings would give numbers of neither.

    Raises:
        RefusedInput: names the settings that differ; the number of steps and words about the run may.
    """
    kept = config.output / SETTINGS_FILE
    if not kept.is_file():
        return
    before, now = (flat_settings(each) for each in (json.loads(kept.read_text(encoding="utf-8")), _plain(config)))
    changed = [key for key in sorted(before.keys() | now.keys()) if before.get(key) != now.get(key)]
    changed = [key for key in changed if key not in MAY_CHANGE]
    if changed:
        raise RefusedInput(f"the folder holds a run with other settings ({', '.join(changed[:4])})", config.output,
                           "give another output, or remove the folder to begin again")  # fmt: skip


def flat_settings(value: Any, path: str = "") -> dict[str, Any]:
    """Nested settings as {"optimiser.learning_rate": 1e-6, ...}."""
    if not isinstance(value, dict):
        return {path: value}
    inner = [flat_settings(each, f"{path}.{key}" if path else str(key)) for key, each in value.items()]
    return {key: each for part in inner for key, each in part.items()}


def _plain(config: DRPOConfig) -> Any:
    return json.loads(json.dumps(config.as_dict(), default=str))


def _silence() -> None:
    import warnings

    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
