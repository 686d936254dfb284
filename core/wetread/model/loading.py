"""From files to modules: backbone, tokenizer and head of one model.

Weights are safetensors only, sharded or not. Where the files leave a parameter without a value, transformers would
draw it at random and warn; here that is refused. Number format, device and attention follow the hardware unless they
are given.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch

from wetread.errors import ModelUnavailable
from wetread.model.checkpoint import GROUNDING_FILE, head_size
from wetread.model.families import Family, family_named, family_of_type
from wetread.model.location import REPAIR
from wetread.model.processing import Preprocessing

if TYPE_CHECKING:
    from pathlib import Path

    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from wetread.model.checkpoint import ModelInfo
    from wetread.model.grounding import GroundingHead


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """How weights are loaded; what is None is chosen from the hardware.

    Args:
        device: ``cuda``, ``cuda:1``, ``cpu``; CUDA where there is one.
        dtype: ``bfloat16``, ``float16`` or ``float32``; bfloat16 on CUDA, float32 on the CPU.
        attention: ``sdpa``, ``eager`` or ``flash_attention_2``; the last where flash-attn is installed and the
            device is CUDA with a 16-bit format.
        quantise: 4 or 8 bits by bitsandbytes.
        most_pixels: reduce pictures to this many pixels; the checkpoint's own figure when None.
    """

    device: str | None = None
    dtype: str | None = None
    attention: str | None = None
    quantise: int | None = None
    most_pixels: int | None = None

    def resolved(self) -> ModelOptions:
        """The same with device, dtype and attention chosen."""
        device = self.device or ("cuda" if torch.cuda.is_available() else "cpu")
        dtype = self.dtype or ("bfloat16" if device.startswith("cuda") else "float32")
        return replace(self, device=device, dtype=dtype, attention=self.attention or _attention(device, dtype))


def _attention(device: str, dtype: str) -> str:
    from transformers.utils import is_flash_attn_2_available

    usable = device.startswith("cuda") and dtype != "float32" and is_flash_attn_2_available()
    return "flash_attention_2" if usable else "sdpa"


def load_tokenizer(info: ModelInfo) -> PreTrainedTokenizerFast:
    """The tokenizer of the model's folder."""
    from transformers import PreTrainedTokenizerFast

    try:
        return PreTrainedTokenizerFast.from_pretrained(info.folder, local_files_only=True)
    except (OSError, ValueError) as error:
        raise ModelUnavailable(f"the tokenizer does not load ({error})", info.folder, REPAIR) from error


def load_backbone(
    info: ModelInfo, tokenizer: PreTrainedTokenizerFast, options: ModelOptions
) -> tuple[Family, Preprocessing, PreTrainedModel]:
    """The vision-language model, its family and how it wants pictures."""
    from safetensors import SafetensorError
    from transformers import AutoModelForImageTextToText
    from transformers.utils import logging

    logging.disable_progress_bar()
    config = json.loads((info.folder / "config.json").read_text(encoding="utf-8"))
    family = family_named(info.family, info.side) or family_of_type(config["model_type"])
    if family is None:
        raise ModelUnavailable(f"no family for model_type {config['model_type']!r}", info.folder, "use a Qwen-VL model")
    try:
        backbone, report = AutoModelForImageTextToText.from_pretrained(
            info.folder, dtype=getattr(torch, str(options.dtype)), attn_implementation=options.attention,
            local_files_only=True, use_safetensors=True, output_loading_info=True,
        )  # fmt: skip
    except (OSError, SafetensorError, RuntimeError, ValueError) as error:
        raise ModelUnavailable(f"weights do not load ({type(error).__name__}: {error})", info.folder, REPAIR) from error
    _refuse_random(report, info.folder)
    return family, _preprocessing(family, backbone.config, info), backbone.to(options.device).eval()


def _refuse_random(report: dict[str, Any], folder: Path) -> None:
    absent = sorted(report["missing_keys"])
    if absent:
        raise ModelUnavailable(f"{len(absent)} weights are missing, {absent[0]} first", folder, REPAIR)


def _preprocessing(family: Family, config: Any, info: ModelInfo) -> Preprocessing:
    vision = config.vision_config
    return Preprocessing(
        patch=int(vision.patch_size), merge=int(vision.spatial_merge_size), temporal=int(vision.temporal_patch_size),
        mean=family.mean, std=family.std, least_pixels=family.least_pixels, most_pixels=family.most_pixels,
        side=info.side or None,
    )  # fmt: skip


def load_head(info: ModelInfo, language: int) -> GroundingHead | None:
    """The grounding head beside the model; None where there is none."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from wetread.model.grounding import GroundingHead

    file = info.folder / GROUNDING_FILE
    if not file.is_file():
        return None
    try:
        head = GroundingHead(head_size(info.head, language))
        weights = load_file(file)
        head.load_state_dict({name: value.float() if value.is_floating_point() else value
                              for name, value in weights.items()})  # fmt: skip
    except (OSError, SafetensorError, RuntimeError, ValueError, TypeError) as error:
        raise ModelUnavailable(f"the grounding head does not load ({error})", file, REPAIR) from error
    return head.eval()
