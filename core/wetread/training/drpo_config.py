"""What a DRPO run says in its YAML file: every key, its default and what it means.

Defaults follow QoQ-Med's where they are published: learning rate, clip, five rollouts, KL as a loss (docs/drpo.md).
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from wetread.training.drpo import DRPOAdvantage
from wetread.training.rewards import WEIGHTS
from wetread.training.run_file import at_least


@dataclass(frozen=True, slots=True)
class SmallModel:
    """A Qwen3-VL from scratch, for a CPU; see `BackboneSize`.

    Args:
        side: pictures are squeezed to side x side.
        width: of words and of pixels.
        layers: of words and of pixels.
        hidden: width of the feed-forward layers.
        patch: side of a patch in pixels.
        vocabulary: tokens of the BPE.
    """

    side: int = 64
    width: int = 96
    layers: int = 3
    hidden: int = 256
    patch: int = 8
    vocabulary: int = 420


@dataclass(frozen=True, slots=True)
class ModelPart:
    """What is trained.

    Args:
        start: name, folder or hub id of a model, or "small": from scratch, at the size of `small`.
        small: size of "small".
        dtype: number format of the weights.
        tune: "full", or "lora" (PEFT).
        lora_rank: of the adapter.
        lora_alpha: of the adapter.
        lora_dropout: of the adapter.
        stage: 1 trains the ECG encoder, its projection and the language model; 2 trains all (QoQ-Med section 3.2).
        freeze_ecg_encoder: keep the ECG encoder as it is and train its projection only.
        freeze_language: in stage 1, leave the language model as it is.
        gradient_checkpointing: less memory, more time.
    """

    start: str
    small: SmallModel = field(default_factory=SmallModel)
    dtype: Literal["float32", "bfloat16"] = "float32"
    tune: Literal["full", "lora"] = "full"
    lora_rank: int = 16
    lora_alpha: int = 32
    lora_dropout: float = 0.0
    stage: Literal[1, 2] = 2
    freeze_ecg_encoder: bool = False
    freeze_language: bool = False
    gradient_checkpointing: bool = False


@dataclass(frozen=True, slots=True)
class DataPart:
    """What is asked.

    Args:
        kind: "drawn" (the demonstration) or "climb".
        root: CLIMB's folder, or one consolidated JSON lines file.
        sets: names of data sets; all that are there where empty.
        count: drawn questions.
        boxed: drawn questions ask for boxes as well; slower.
        held_out: questions kept for measuring.
        prompt_tokens: longest prompt, pictures included.
        frames: pictures that a video or volume is shown as.
    """

    kind: Literal["drawn", "climb"]
    root: Path | None = None
    sets: tuple[str, ...] = ()
    count: int = 2000
    boxed: bool = False
    held_out: int = 200
    prompt_tokens: int = 4096
    frames: int = 4

    def __post_init__(self) -> None:
        if self.kind != "drawn" and self.root is None:
            raise ValueError(f"kind {self.kind!r} needs root, the folder or file of the data")
        at_least(self, count=1, held_out=1, prompt_tokens=1, frames=1)


@dataclass(frozen=True, slots=True)
class WarmUp:
    """Supervised steps on the true answers before the rewards, words only.

    Args:
        steps: 0 for none.
        batch: questions a step.
        learning_rate: peak.
    """

    steps: int = 0
    batch: int = 24
    learning_rate: float = 2e-3

    def __post_init__(self) -> None:
        at_least(self, steps=0, batch=1, learning_rate=0)


@dataclass(frozen=True, slots=True)
class Rollouts:
    """How answers are drawn.

    Args:
        questions: a step, over all processes.
        each: answers to a question.
        temperature: of the sampling.
        top_p: of the sampling.
        answer_tokens: longest answer.
        engine: "transformers", or "vllm" where it is installed.
        vllm_mode: "colocate" or "server".
        vllm_server: URL of a vLLM server.
    """

    questions: int = 512
    each: int = 5
    temperature: float = 1.0
    top_p: float = 0.99
    answer_tokens: int = 4096
    engine: Literal["transformers", "vllm"] = "transformers"
    vllm_mode: Literal["colocate", "server"] = "colocate"
    vllm_server: str | None = None

    def __post_init__(self) -> None:
        if self.each < 2 or self.questions < 1:
            raise ValueError(f"questions is 1 or more and each 2 or more, found {self.questions} and {self.each}")
        at_least(self, answer_tokens=1)
        if not (0 < self.temperature < math.inf and 0 < self.top_p <= 1):
            raise ValueError(f"temperature is above 0 and top_p above 0 and at most 1, found {self.temperature:g} "
                             f"and {self.top_p:g}")  # fmt: skip


@dataclass(frozen=True, slots=True)
class AdvantagePart:
    """How rewards become advantages.

    Args:
        method: "drpo", "grpo" (TRL's own), "rloo" or "fair-grpo".
        mode: of DRPO: "robust", "paper", "reference-qoqmed" or "reference-qoqmed3".
        domain_level: None and the fields after it keep what the mode has; see `drpo.Switches`.
        history: see `drpo.Switches`.
        k_max: see `drpo.Switches`.
        tau: see `drpo.Switches`.
        kl_damping: see `drpo.Switches`.
        kl_quantile: see `drpo.Switches`.
    """

    method: Literal["drpo", "grpo", "rloo", "fair-grpo"] = "drpo"
    mode: Literal["robust", "paper", "reference-qoqmed", "reference-qoqmed3"] = "robust"
    domain_level: Literal["dataset", "modality"] | None = None
    history: str | None = None
    k_max: int | None = None
    tau: float | None = None
    kl_damping: Literal["off", "code", "paper"] | None = None
    kl_quantile: float | None = None

    def __post_init__(self) -> None:
        DRPOAdvantage(self.mode, **self.switches())  # says itself what does not fit

    def switches(self) -> dict[str, Any]:
        """The switches that differ from the mode's."""
        given = asdict(self)
        return {key: given[key] for key in given if key not in ("method", "mode") and given[key] is not None}


@dataclass(frozen=True, slots=True)
class RewardPart:
    """What answers earn.

    Args:
        variant: "ours", "paper", "reference-qoqmed" or "reference-qoqmed3".
        weights: of ours and paper; those of the variant where empty.
        matching: of boxes: "max", "mean" or "one-to-one".
    """

    variant: Literal["ours", "paper", "reference-qoqmed", "reference-qoqmed3"] = "ours"
    weights: dict[str, float] = field(default_factory=dict)
    matching: Literal["max", "mean", "one-to-one"] = "max"

    def __post_init__(self) -> None:
        unknown = set(self.weights) - set(WEIGHTS["ours"])
        if unknown:
            raise ValueError(f"weights of {sorted(unknown)}; there are {', '.join(WEIGHTS['ours'])}")
        if self.weights and self.variant.startswith("reference"):
            raise ValueError("the reference variants keep their own weights")
        if self.weights and not (min(self.weights.values()) >= 0 and 0 < sum(self.weights.values()) < math.inf):
            raise ValueError(f"weights are not negative and not all 0, found {self.weights}")


@dataclass(frozen=True, slots=True)
class Optimiser:
    """How the policy moves.

    Args:
        steps: of the optimiser.
        learning_rate: constant after the warm-up.
        warmup_steps: linear.
        weight_decay: AdamW's.
        micro_batch: rollouts in memory at once, a process.
        kl: weight of the KL against the start as a loss; 0 keeps no reference in memory.
        clip_low: see `policy_loss`.
        clip_high: see `policy_loss`.
        average: "token" (as the releases) or "sequence" (as printed).
        save_every: steps between checkpoints.
        samples_every: steps between written samples.
    """

    steps: int
    learning_rate: float = 1e-6
    warmup_steps: int = 0
    weight_decay: float = 1e-2
    micro_batch: int = 4
    kl: float = 1e-4
    clip_low: float = 0.2
    clip_high: float = 0.3
    average: Literal["token", "sequence"] = "token"
    save_every: int = 50
    samples_every: int = 50

    def __post_init__(self) -> None:
        at_least(self, steps=1, learning_rate=0, warmup_steps=0, weight_decay=0, micro_batch=1, kl=0, clip_low=0,
                 clip_high=0, save_every=1, samples_every=1)  # fmt: skip
        if self.clip_low >= 1:
            raise ValueError(f"clip_low is below 1, found {self.clip_low:g}")


@dataclass(frozen=True, slots=True)
class DRPOConfig:
    """One run.

    Args:
        name: of the model that comes out.
        output: run folder.
        model: what is trained.
        data: what is asked.
        rollouts: how answers are drawn.
        optimiser: how the policy moves.
        advantages: how rewards become advantages.
        rewards: what answers earn.
        warm_up: supervised steps before.
        licence: of the weights.
        seed: of everything that is drawn.
    """

    name: str
    output: Path
    model: ModelPart
    data: DataPart
    rollouts: Rollouts
    optimiser: Optimiser
    advantages: AdvantagePart = field(default_factory=AdvantagePart)
    rewards: RewardPart = field(default_factory=RewardPart)
    warm_up: WarmUp = field(default_factory=WarmUp)
    licence: str = "unknown"
    seed: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for the run folder."""
        return _plain(asdict(self))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value
