"""From files to modules: backbone, tokenizer and head of one model.

Weights are safetensors only, sharded or not. Where the files leave a parameter without a value, transformers would
draw it at random and only warn; here that is refused. Number format, device and attention follow the hardware unless
they are given. Nothing of a checkpoint is ever run: remote code is off, also for QoQ-Med's ECG layout, whose language
model is a plain Qwen2.5-VL.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from wetread.errors import ModelUnavailable
from wetread.model.adapters import merge_adapter
from wetread.model.backbone import with_fast_patches
from wetread.model.chat import template_for
from wetread.model.checkpoint import GROUNDING_FILE, head_size
from wetread.model.families import IMAGE_TOKEN, TURN_END, VISION_END, VISION_START, Family, family_named
from wetread.model.location import CONFIG_FILE, REPAIR, read_object, weight_files
from wetread.model.processing import Preprocessing

if TYPE_CHECKING:
    from pathlib import Path

    from transformers import GenerationConfig, PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerFast

    from wetread.model.checkpoint import ModelInfo
    from wetread.model.grounding import GroundingHead
    from wetread.model.options import ModelOptions

TOKENIZER_FILE, PREPROCESSOR_FILE = "tokenizer.json", "preprocessor_config.json"
DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16, "float32": torch.float32}
ECG_PREFIX = "time_series_embedding."
"""Weights of QoQ-Med's ECG encoder and projection, beside those of the language model."""
FEWEST_PIXELS = 32 * 32
_LONGEST_REASON = 300


def resolved(options: ModelOptions) -> ModelOptions:
    """The same with device, dtype and attention chosen.

    Raises:
        ModelUnavailable: what was asked for is not there.
    """
    device = options.device or ("cuda" if torch.cuda.is_available() else "cpu")
    kind, _, number = device.partition(":")
    if kind not in ("cpu", "cuda") or not (number.isdigit() if ":" in device else True):
        raise ModelUnavailable("no such device", device, "use cpu, cuda or cuda:N")
    if kind == "cuda" and int(number or 0) >= torch.cuda.device_count():
        raise ModelUnavailable("PyTorch sees no such CUDA device", device, "use cpu, or a CUDA build of PyTorch")
    dtype = options.dtype or ("bfloat16" if kind == "cuda" else "float32")
    if dtype not in DTYPES:
        raise ModelUnavailable("no such number format", dtype, f"use {', '.join(DTYPES)}")
    if options.quantise not in (None, 4, 8):
        raise ModelUnavailable(f"{options.quantise}-bit weights", "quantise", "use 4 or 8")
    if options.most_pixels is not None and options.most_pixels < FEWEST_PIXELS:
        raise ModelUnavailable(
            f"pictures of {options.most_pixels} pixels", "most-pixels", f"give {FEWEST_PIXELS} or more"
        )
    if options.attention not in (None, "sdpa", "eager", "flash_attention_2"):
        raise ModelUnavailable("no such attention", options.attention, "use sdpa, eager or flash_attention_2")
    flash = flash_attention_usable(device, dtype)
    if options.attention == "flash_attention_2" and not flash:
        raise ModelUnavailable(
            "flash-attn cannot be used", f"{device}, {dtype}",
            "install flash-attn on a CUDA device of compute capability 8.0, use a 16-bit format, or use sdpa",
        )  # fmt: skip
    attention = options.attention or ("flash_attention_2" if flash else "sdpa")
    return replace(options, device=device, dtype=dtype, attention=attention)


def flash_attention_usable(device: str, dtype: str) -> bool:
    """True where flash-attn 2 is installed and this device and number format can run it."""
    from transformers.utils import is_flash_attn_2_available

    if not device.startswith("cuda") or dtype == "float32" or not is_flash_attn_2_available():
        return False
    return torch.cuda.get_device_capability(torch.device(device)) >= (8, 0)


def load_tokenizer(info: ModelInfo) -> PreTrainedTokenizerFast:
    """The tokenizer that lies nearest to what was trained last: companion, adapter, then backbone."""
    from transformers import AutoTokenizer, PreTrainedTokenizerFast
    from transformers.utils import logging

    places = [info.folder, *([info.adapter.folder] if info.adapter else []), info.backbone_folder]
    folder = next((place for place in places if (place / TOKENIZER_FILE).is_file()), info.backbone_folder)
    whole = (folder / TOKENIZER_FILE).is_file()
    if not whole and not (folder / "vocab.json").is_file():  # the older layout: vocab.json and merges.txt
        raise ModelUnavailable(f"the tokenizer is missing: no {TOKENIZER_FILE}", folder, REPAIR)
    before = logging.get_verbosity()
    logging.set_verbosity_error()  # a hint that Qwen's class is another one; the file holds everything
    try:
        tokenizer = (PreTrainedTokenizerFast if whole else AutoTokenizer).from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise ModelUnavailable(f"the tokenizer does not load ({_short(error)})", folder, REPAIR) from error
    finally:
        logging.set_verbosity(before)
    lacking = {IMAGE_TOKEN, VISION_START, VISION_END, TURN_END} - set(tokenizer.get_vocab())
    if lacking:  # also of the empty tokenizer that is made where a folder has none
        raise ModelUnavailable(f"the tokenizer has no {min(lacking)}", folder, REPAIR)
    tokenizer.chat_template = template_for(tokenizer, folder)
    return tokenizer


def load_backbone(
    info: ModelInfo, tokenizer: PreTrainedTokenizerFast, options: ModelOptions
) -> tuple[Family, Preprocessing, PreTrainedModel]:
    """The vision-language model with its adapter merged, its family and how it wants pictures.

    Args:
        info: which model.
        tokenizer: the embeddings are enlarged where it has more tokens than they have rows.
        options: resolved.
    """
    from safetensors import SafetensorError
    from transformers import AutoModelForImageTextToText
    from transformers.utils import logging

    shows_progress = logging.is_progress_bar_enabled()
    before = logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()  # a table of weights that do not fit; the refusal names the first
    folder = info.backbone_folder
    weight_files(folder)
    family = family_named(info.family, info.side)
    if family is None:
        raise ModelUnavailable(f"no family {info.family!r}", info.folder, "use a Qwen-VL model")
    try:
        backbone, report = AutoModelForImageTextToText.from_pretrained(
            folder, config=config_of(folder, family), dtype=DTYPES[str(options.dtype)], local_files_only=True,
            attn_implementation=options.attention, use_safetensors=True, output_loading_info=True,
            trust_remote_code=False, ignore_mismatched_sizes=True, **_placement(options),
        )  # fmt: skip
    except (OSError, SafetensorError, RuntimeError, ValueError, KeyError, TypeError) as error:
        raise ModelUnavailable(f"weights do not load ({_short(error)})", folder, REPAIR) from error
    finally:
        logging.set_verbosity(before)
        if shows_progress:
            logging.enable_progress_bar()
    _refuse_random(report, folder)
    if tokenizer.convert_tokens_to_ids(IMAGE_TOKEN) != backbone.config.image_token_id:
        raise ModelUnavailable("the tokenizer belongs to another model", folder, REPAIR)
    _make_room(backbone, len(tokenizer))
    backbone = with_fast_patches(backbone)
    backbone.generation_config = _greedy(backbone.generation_config)
    if info.adapter is not None:
        backbone = merge_adapter(backbone, info.adapter)
    if options.quantise is None:
        backbone = _moved(backbone, str(options.device), folder)
    return family, preprocessing_of(family, backbone.config, info, options.most_pixels), backbone.eval()


def _make_room(backbone: PreTrainedModel, tokens: int) -> None:
    """Embedding rows for tokens that were added: the mean of the others, not a draw, so that a load repeats itself."""
    rows = backbone.get_input_embeddings().weight.shape[0]
    if tokens <= rows:
        return
    backbone.resize_token_embeddings(tokens, mean_resizing=False)
    with torch.no_grad():
        for layer in (backbone.get_input_embeddings(), backbone.get_output_embeddings()):
            layer.weight[rows:] = layer.weight[:rows].mean(dim=0)


def config_of(folder: Path, family: Family) -> PreTrainedConfig:
    """`config.json` under the model type of its family's classes."""
    from huggingface_hub.errors import StrictDataclassError
    from transformers import AutoConfig

    content = read_object(folder / CONFIG_FILE)
    model_type = content.pop("model_type", None)
    if model_type not in family.model_types and family.model_types:
        raise ModelUnavailable(f"model_type {model_type!r} is not {family.name}", folder, "repair wetread.json")
    content.pop("auto_map", None)  # classes of remote code
    try:
        return AutoConfig.for_model("qwen3_vl" if not family.model_types else family.model_types[0], **content)
    except (StrictDataclassError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ModelUnavailable(f"unreadable {CONFIG_FILE} ({_short(error)})", folder, REPAIR) from error


def _greedy(said: GenerationConfig | None) -> GenerationConfig:
    """What ends an answer, and nothing of the sampling that checkpoints recommend: a read is reproducible."""
    from transformers import GenerationConfig

    if said is None:
        return GenerationConfig(do_sample=False)
    return GenerationConfig(eos_token_id=said.eos_token_id, pad_token_id=said.pad_token_id, do_sample=False)


def _placement(options: ModelOptions) -> dict[str, Any]:
    """Quantised weights are made on their device; others are moved there when they are whole."""
    if options.quantise is None:
        return {}
    from transformers.utils import is_bitsandbytes_available

    if not is_bitsandbytes_available():
        raise ModelUnavailable(
            f"{options.quantise}-bit weights need bitsandbytes", "quantise", "pip install bitsandbytes, or leave it out"
        )
    from transformers import BitsAndBytesConfig

    four = options.quantise == 4
    settings = BitsAndBytesConfig(
        load_in_4bit=four, load_in_8bit=not four, bnb_4bit_quant_type="nf4",
        bnb_4bit_compute_dtype=DTYPES[str(options.dtype)],
    )  # fmt: skip
    return {"quantization_config": settings, "device_map": {"": options.device}}


def _moved(backbone: PreTrainedModel, device: str, folder: Path) -> PreTrainedModel:
    try:
        return backbone.to(device)
    except RuntimeError as error:  # out of memory, or a device number that is not there
        raise ModelUnavailable(
            f"the weights do not go to the device ({_short(error)})", folder,
            "free memory, load 8 or 4 bits, or use another device",
        ) from error  # fmt: skip


def _refuse_random(report: dict[str, Any], folder: Path) -> None:
    absent = sorted(report["missing_keys"])
    misfit = sorted(str(entry[0]) for entry in report["mismatched_keys"])
    if absent or misfit:
        first, what = (absent[0], "missing") if absent else (misfit[0], "of another shape than the configuration says")
        raise ModelUnavailable(f"{len(absent) + len(misfit)} weights are not usable; {first} is {what}", folder, REPAIR)


def preprocessing_of(family: Family, config: Any, info: ModelInfo, most_pixels: int | None = None) -> Preprocessing:
    """How a checkpoint wants its pictures: `config.json` for the cutting, `preprocessor_config.json` for the pixels.

    Args:
        family: the fallback.
        config: of the backbone.
        info: its `pixels` and `side` go first.
        most_pixels: a lower bound of the user's for the size.
    """
    vision, file = config.vision_config, info.backbone_folder / PREPROCESSOR_FILE
    said = read_object(file) if file.is_file() and not info.side else {}
    stated = said.get("size")
    size: dict[str, Any] = stated if isinstance(stated, dict) else {}
    try:
        least = int(said.get("min_pixels") or size.get("shortest_edge") or family.least_pixels)
        most = int(said.get("max_pixels") or size.get("longest_edge") or family.most_pixels)
        mean, std = (_three(said.get(key), default) for key, default in
                     (("image_mean", family.mean), ("image_std", family.std)))  # fmt: skip
    except (TypeError, ValueError) as error:
        raise ModelUnavailable(f"unreadable {PREPROCESSOR_FILE} ({error})", file, REPAIR) from error
    least, most = info.pixels or (least, most)
    most = min(most, most_pixels) if most_pixels else most
    return Preprocessing(
        patch=int(vision.patch_size), merge=int(vision.spatial_merge_size), temporal=int(vision.temporal_patch_size),
        mean=mean, std=std, least_pixels=min(least, most), most_pixels=most, side=info.side or None,
    )  # fmt: skip


def _three(given: Any, default: tuple[float, float, float]) -> tuple[float, float, float]:
    if given is None:
        return default
    red, green, blue = (float(value) for value in given)
    return red, green, blue


def load_head(info: ModelInfo, language: int, name: str = GROUNDING_FILE) -> GroundingHead | None:
    """The grounding head of the companion or the model, kept under this name; None where there is none."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from wetread.model.grounding import GroundingHead

    files = [place / name for place in (info.folder, info.backbone_folder)]
    file = next((file for file in files if file.is_file()), None)
    if file is None:
        return None
    try:
        head = GroundingHead(head_size(info.head, language))
        weights = load_file(file)
        head.load_state_dict({key: value.float() if value.is_floating_point() else value
                              for key, value in weights.items()})  # fmt: skip
    except (OSError, SafetensorError, RuntimeError, ValueError, TypeError) as error:
        raise ModelUnavailable(f"the grounding head does not load ({_short(error)})", file, REPAIR) from error
    return head.eval()


def _short(error: Exception) -> str:
    """An exception in one line of bearable length."""
    said = " ".join(str(error).split())
    return f"{type(error).__name__}: {said[:_LONGEST_REASON]}{'…' if len(said) > _LONGEST_REASON else ''}"
