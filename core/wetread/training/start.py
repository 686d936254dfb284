"""Where a run starts: a model of ours, a published checkpoint, or a small Qwen3-VL from scratch for a CPU."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from wetread.errors import RefusedInput
from wetread.findings import BoxFrame
from wetread.model.backbone import BackboneSize, small_config
from wetread.model.checkpoint import MODEL_FILE, read_info
from wetread.model.ecg import ECGTower, save_ecg
from wetread.model.loaded import load_model
from wetread.model.options import ModelOptions
from wetread.model.processing import Preprocessing
from wetread.model.prompts import INSTRUCTIONS
from wetread.model.tokenizer import train_tokenizer
from wetread.training.processor import PictureProcessor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from peft import PeftConfig
    from transformers import PreTrainedModel

    from wetread.training.drpo_config import ModelPart, SmallModel

SMALL = "small"
HALF = (0.5, 0.5, 0.5)
OTHER_FILES = ("*.json", "*.jinja", "grounding.safetensors", "ecg.safetensors")


@dataclass(frozen=True, slots=True, eq=False)
class Start:
    """A model ready to be trained.

    Args:
        model: backbone with its language head.
        processor: tokenizer and rule for pictures.
        box_frame: in which it writes boxes.
        instruction: said after every question.
        name: of what it was.
        folder: where it lay; None for one from scratch.
        ecg: ECG encoder with projection, or None.
    """

    model: PreTrainedModel
    processor: PictureProcessor
    box_frame: BoxFrame
    instruction: str
    name: str
    folder: Path | None
    ecg: ECGTower | None = None


def start_from(part: ModelPart, texts: Sequence[str], seed: int) -> Start:
    """Load or make the model of a run.

    Args:
        part: of the configuration.
        texts: what the tokenizer of a small model is trained on.
        seed: of the weights of a small model.

    Raises:
        ModelUnavailable: it cannot be loaded.
    """
    if part.start == SMALL:
        return _small(part.small, texts, seed)
    info = read_info(part.start)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    loaded = load_model(info, ModelOptions(device=device, dtype=part.dtype))
    said = info.instruction or INSTRUCTIONS[info.prompt]
    if loaded.ecg is not None:
        loaded.backbone.ecg = loaded.ecg  # a submodule: trained, sharded and kept in checkpoints with the rest
    return Start(loaded.backbone, PictureProcessor(loaded.tokenizer, loaded.preprocessing), info.box_frame, said,
                 info.name, info.folder, loaded.ecg)  # fmt: skip


def _small(size: SmallModel, texts: Sequence[str], seed: int) -> Start:
    from transformers import Qwen3VLForConditionalGeneration

    if size.side % (2 * size.patch) or size.width % 48:
        raise RefusedInput(f"a picture of {size.side} and a width of {size.width}", "model.small",
                           "side is a multiple of twice the patch, width of 48")  # fmt: skip
    tokenizer = train_tokenizer(texts, size.vocabulary)
    cells = size.side // size.patch
    shape = BackboneSize(
        text_width=size.width, text_layers=size.layers, text_heads=4, text_hidden=size.hidden,
        vision_width=size.width, vision_layers=size.layers, vision_heads=4, vision_hidden=size.hidden,
        patch=size.patch, positions=cells * cells,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Qwen3VLForConditionalGeneration(small_config(tokenizer, shape))
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    rule = Preprocessing(size.patch, shape.merge, 1, HALF, HALF, size.side**2, size.side**2, size.side)
    return Start(model, PictureProcessor(tokenizer, rule), BoxFrame.MODEL, "", SMALL, None)


def adapter_of(part: ModelPart) -> PeftConfig | None:
    """PEFT's configuration of a LoRA run; None for full fine-tuning."""
    if part.tune != "lora":
        return None
    from peft import LoraConfig

    return LoraConfig(r=part.lora_rank, lora_alpha=part.lora_alpha, lora_dropout=part.lora_dropout,
                      target_modules="all-linear", task_type="CAUSAL_LM")  # fmt: skip


def set_stage(start: Start, part: ModelPart) -> list[str]:
    """Freeze what the stage does not train (QoQ-Med section 3.2); returns the names of what is trained.

    Stage 1 aligns the ECG encoder and its projection with the language model, pixels frozen; stage 2 trains all.
    """
    vision, language = start.model.model.visual, start.model.model.language_model
    if part.stage == 1:
        if start.ecg is None:
            raise RefusedInput("stage 1 without an ECG encoder", "model.stage", "start from a model that has one")
        vision.requires_grad_(False)
        language.requires_grad_(not part.freeze_language)
        start.model.lm_head.requires_grad_(not part.freeze_language)
    trained = ["pixels"] if part.stage == 2 else []
    trained += ["language"] if part.stage == 2 or not part.freeze_language else []
    if start.ecg is not None:
        for name, weights in start.ecg.named_parameters():
            weights.requires_grad_(name.startswith("projection") or not part.freeze_ecg_encoder)
        trained += ["ECG projection"] if part.freeze_ecg_encoder else ["ECG encoder", "ECG projection"]
    return trained


def save_finished(start: Start, model: Any, folder: Path, statement: dict[str, Any]) -> None:
    """Write the trained model as a folder that Wetread reads; an adapter is merged.

    Args:
        start: of the run; its other files (head, ECG encoder, templates) go along unchanged.
        model: as trained.
        folder: made where missing.
        statement: what `wetread.json` says beyond what it said before.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if start.folder is not None:
        for pattern in OTHER_FILES:
            for file in sorted(start.folder.glob(pattern)):
                shutil.copy2(file, folder / file.name)
    whole = model.merge_and_unload() if hasattr(model, "merge_and_unload") else model
    tower = getattr(whole, "ecg", None)
    if tower is not None:
        del whole.ecg
        statement = statement | {"ecg": save_ecg(tower, folder)}
    whole.save_pretrained(folder, safe_serialization=True)
    start.processor.tokenizer.save_pretrained(folder)
    path = folder / MODEL_FILE
    said = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else _said_of_small(start)
    path.write_text(json.dumps(said | statement, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _said_of_small(start: Start) -> dict[str, Any]:
    rule = start.processor.rule
    return {"family": "qwen3_vl", "box_frame": start.box_frame.value, "side": rule.side if rule else 0,
            "modalities": [], "labels": [], "field_mm": {}, "training_data": [], "metrics": {}, "head": {},
            "grounds": False}  # fmt: skip
