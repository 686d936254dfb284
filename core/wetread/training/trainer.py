"""TRL's GRPOTrainer with DRPO's advantages, and with a memory that survives a restart.

TRL 1.16 has no method of its own for advantages: they are computed inside `_generate_and_score_completions` from what
`_calculate_rewards` returns, gathered over all processes. Both are overridden here: the second keeps the gathered
rewards and the domains of the step, the first replaces the advantages that come out by ours, and those that were
logged as well. Every process computes all advantages from the same gathered numbers, so all hold the same history, and
one process writes it into the checkpoint. Everything else (rollouts by transformers or vLLM, PEFT, FSDP, DeepSpeed,
KL, clipping) is TRL's.
"""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from accelerate.utils import gather_object
from trl import GRPOTrainer

from wetread.training.advantages import rloo
from wetread.training.ecg_batch import ecg_rows, stacked
from wetread.training.policy_loss import kl_tokens

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Sequence

    from numpy.typing import NDArray

    from wetread.training.drpo import DRPOAdvantage
    from wetread.training.fair_grpo import FairGRPOAdvantage

STATE_FILE = "wetread_advantages.json"


class Advantages(Protocol):
    """What the trainer asks of a way to make advantages."""

    def __call__(
        self, rewards: NDArray[np.float64], question_ids: Sequence[Hashable], rows: Sequence[dict[str, Any]],
        kl: NDArray[np.float64] | None,
    ) -> NDArray[np.floating]:  # fmt: skip
        """Advantages of one step; `rows` holds domain, dataset and group of each rollout."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """For the checkpoint."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """From the checkpoint."""
        ...


class ByDomain:
    """DRPO.

    Args:
        advantage: of the run.
    """

    def __init__(self, advantage: DRPOAdvantage) -> None:
        self.advantage = advantage

    def __call__(
        self, rewards: NDArray[np.float64], question_ids: Sequence[Hashable], rows: Sequence[dict[str, Any]],
        kl: NDArray[np.float64] | None,
    ) -> NDArray[np.floating]:  # fmt: skip
        """DRPO's advantages, with (dataset, modality) as domain."""
        domains = [(row["dataset"], row["domain"]) for row in rows]
        return self.advantage(rewards, question_ids, domains, kl)

    def state_dict(self) -> dict[str, Any]:
        """DRPO's history."""
        return self.advantage.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """DRPO's history."""
        self.advantage.load_state_dict(state)


class ByDemographicGroup:
    """FairGRPO.

    Args:
        advantage: of the run.
    """

    def __init__(self, advantage: FairGRPOAdvantage) -> None:
        self.advantage = advantage

    def __call__(
        self, rewards: NDArray[np.float64], question_ids: Sequence[Hashable], rows: Sequence[dict[str, Any]],
        kl: NDArray[np.float64] | None,
    ) -> NDArray[np.floating]:  # fmt: skip
        """FairGRPO's advantages."""
        return self.advantage(rewards, question_ids, [r["dataset"] for r in rows], [r["group"] for r in rows])

    def state_dict(self) -> dict[str, Any]:
        """FairGRPO's history."""
        return self.advantage.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """FairGRPO's history."""
        self.advantage.load_state_dict(state)


class LeaveOneOut:
    """RLOO; remembers nothing."""

    def __call__(
        self, rewards: NDArray[np.float64], question_ids: Sequence[Hashable], rows: Sequence[dict[str, Any]],
        kl: NDArray[np.float64] | None,
    ) -> NDArray[np.floating]:  # fmt: skip
        """RLOO's advantages."""
        return rloo(rewards, question_ids)

    def state_dict(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing."""


class DRPOTrainer(GRPOTrainer):
    """A GRPOTrainer whose advantages are given by `advantages`.

    Args:
        advantages: DRPO, FairGRPO or RLOO; None leaves TRL's own GRPO.
        needs_kl: hand each rollout's KL against the reference to `advantages`; needs `beta` above 0 and costs a
            forward pass without gradient.
        ecg_token: id of the time-series token of a model whose ECG tower is its submodule `ecg`; rows may then carry
            "waveforms", one (8, 2500) array at most.
        **options: GRPOTrainer's own.
    """

    def __init__(
        self, *, advantages: Advantages | None, needs_kl: bool = False, ecg_token: int | None = None, **options: Any
    ) -> None:
        super().__init__(**options)
        self._ecg_token = ecg_token
        self._heard: torch.Tensor | None = None
        if needs_kl and not self.beta:
            raise ValueError("KL damping needs a reference: set beta above 0.")
        self.advantages = advantages
        self._needs_kl = needs_kl
        self._gathered: tuple[torch.Tensor, list[dict[str, Any]]] | None = None
        self.last_answers: list[tuple[int, str]] = []

    def _calculate_rewards(
        self, inputs: list[dict[str, Any]], prompts: list[Any], completions: list[Any], completion_ids_list: list[Any]
    ) -> torch.Tensor:
        rewards = super()._calculate_rewards(inputs, prompts, completions, completion_ids_list)
        self.last_answers = [(row["row"], completion[0]["content"] if isinstance(completion, list) else completion)
                             for row, completion in zip(inputs, completions, strict=True)]  # fmt: skip
        if self.advantages is not None:
            rows = gather_object([{key: row[key] for key in ("dataset", "domain", "group")} for row in inputs])
            self._gathered = (rewards, rows)
        return rewards

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        signals = stacked([row["waveforms"][0] if row.get("waveforms") else None for row in inputs])
        with self._listening(signals):
            output: dict[str, Any] = super()._generate_and_score_completions(inputs)
        if signals is not None:
            output["waveforms"] = signals
        if self.advantages is None or self._gathered is None or not self.model.training:
            return output
        per_function, rows = self._gathered
        self._gathered = None
        rewards = (per_function * self.reward_weights.to(per_function.device).unsqueeze(0)).nansum(dim=1)
        rewards[torch.isnan(per_function).all(dim=1)] = torch.nan
        # Rollouts of a question lie together in the gathered batch; a question asked twice in a run is asked anew.
        size = int(self.num_generations or 1)
        part = self._step % self.args.gradient_accumulation_steps
        ids = [f"{self.state.global_step}:{part}:{place // size}" for place in range(len(rows))]
        kl = self._rollout_kl(output) if self._needs_kl else None
        found = np.nan_to_num(self.advantages(rewards.double().cpu().numpy(), ids, rows, kl), posinf=0.0, neginf=0.0)
        everyone = torch.as_tensor(found, dtype=torch.float32)
        self._replace_logged(everyone)
        if isinstance(self.advantages, ByDomain):
            for domain, seen in self.advantages.advantage.last.items():
                self._metrics["train"][f"scale/{domain}"].append(seen.scale)
        own = len(inputs)
        start = self.accelerator.process_index * own
        output["advantages"] = everyone[start : start + own].to(output["advantages"].device)
        return output

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> Any:
        with self._listening(inputs.get("waveforms")):
            return super()._compute_loss(model, inputs)

    def _get_per_token_logps_and_entropies(self, model: Any, *given: Any, **options: Any) -> Any:
        # The hook knows the rows of the whole call only, so a batch with ECGs goes through in one piece.
        if self._heard is not None:
            options["batch_size"] = None
        return super()._get_per_token_logps_and_entropies(model, *given, **options)

    @contextmanager
    def _listening(self, signals: torch.Tensor | None) -> Iterator[None]:
        if self._ecg_token is None or signals is None:
            yield
            return
        backbone = self.accelerator.unwrap_model(self.model)
        self._heard = signals
        try:
            with ecg_rows(backbone, backbone.ecg, self._ecg_token, signals):
                yield
        finally:
            self._heard = None

    def _replace_logged(self, everyone: torch.Tensor) -> None:
        """TRL has logged GRPO's advantages at the end of its queue; ours take their place."""
        logged: Any = self._logs["advantages"]
        for _ in range(min(len(everyone), len(logged))):
            logged.pop()
        logged.extend(everyone.tolist())

    def _rollout_kl(self, output: dict[str, Any]) -> NDArray[np.float64]:
        """KL of every rollout of every process, summed over its tokens."""
        logps = output.get("old_per_token_logps")
        if logps is None:
            names = ("pixel_values", "image_grid_thw", "mm_token_type_ids", "num_images")
            with torch.no_grad():
                logps, _, _ = self._get_per_token_logps_and_entropies(
                    self.model,
                    torch.cat([output["prompt_ids"], output["completion_ids"]], dim=1),
                    torch.cat([output["prompt_mask"], output["completion_mask"]], dim=1),
                    output["completion_ids"].size(1),
                    batch_size=self.args.per_device_train_batch_size,
                    **{name: output[name] for name in names if name in output},
                )
        tokens = kl_tokens(logps, output["ref_per_token_logps"]) * output["completion_mask"]
        gathered: torch.Tensor = self.accelerator.gather(tokens.sum(dim=1))
        return gathered.double().cpu().numpy()

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """The run writes its own card, once, from what was measured."""

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        super()._save_checkpoint(model, trial)
        if self.args.should_save:
            folder = Path(self._get_output_dir(trial=trial)) / f"checkpoint-{self.state.global_step}"
            state = {} if self.advantages is None else self.advantages.state_dict()
            part = folder / (STATE_FILE + ".part")
            part.write_text(json.dumps(state), encoding="utf-8")
            # Written last and at once: a checkpoint with this file is complete.
            os.replace(part, folder / STATE_FILE)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        super()._load_optimizer_and_scheduler(checkpoint)
        if checkpoint is not None and self.advantages is not None:
            state = Path(checkpoint, STATE_FILE).read_text(encoding="utf-8")
            self.advantages.load_state_dict(json.loads(state))


def last_complete_checkpoint(output: Path) -> Path | None:
    """The newest checkpoint that was written to its end; a run killed while saving leaves others behind."""
    found = [path for path in output.glob("checkpoint-*") if (path / STATE_FILE).is_file()]
    return max(found, key=lambda path: int(path.name.rpartition("-")[2]), default=None)
