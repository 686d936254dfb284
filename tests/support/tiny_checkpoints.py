"""Tiny random checkpoints of each family, laid out on disk as the published ones are.

The real classes of transformers write them: sharded safetensors with an index, key names of the hub (Qwen2-VL and
Qwen2.5-VL keep `visual.` and `model.layers.`, Qwen3-VL `model.visual.` and `model.language_model.`), a flat
`config.json` for the older two, `preprocessor_config.json`, `generation_config.json`, `tokenizer.json` with Qwen's
special tokens, and the chat template where each repository has it. Sizes are invented; nothing was trained.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

QWEN_TOKENS = (
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>", "<|box_start|>",
    "<|box_end|>", "<|quad_start|>", "<|quad_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>",
    "<|image_pad|>", "<|video_pad|>",
)  # fmt: skip
QWEN3_WORDS = ("<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>", "<think>", "</think>")
TEMPLATE = (
    "{% for message in messages %}{% if loop.first and message['role'] != 'system' and SYSTEM %}"
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{% endif %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' or 'image' in part %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif part['type'] == 'video' or 'video' in part %}<|vision_start|><|video_pad|><|vision_end|>"
    "{% elif 'text' in part %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""Does what Qwen's do with pictures and videos; Qwen2's opens with a system turn, Qwen3's does not."""
CLIP = {"image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711]}
TEXT = {
    "hidden_size": 48, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 4096,
}  # fmt: skip
SHARD = "200KB"


@dataclass(frozen=True)
class Layout:
    """How one family's repository looks.

    Args:
        family: its model_type.
        preprocessor: content of `preprocessor_config.json`.
        template_json: the chat template lies in `chat_template.json` too, and the tokenizer's own is for text only.
        time_series: QoQ-Med's ECG layout: another model_type, and the weights of an encoder beside.
    """

    family: str
    preprocessor: dict[str, Any]
    template_json: bool = False
    time_series: bool = False


_OLD = {"min_pixels": 3136, "max_pixels": 12845056, "patch_size": 14, "temporal_patch_size": 2, "merge_size": 2} | CLIP
LAYOUTS = {
    "qwen2_vl": Layout("qwen2_vl", _OLD | {"image_processor_type": "Qwen2VLImageProcessor",
                                           "processor_class": "Qwen2VLProcessor"}, template_json=True),
    "qwen2_5_vl": Layout("qwen2_5_vl", _OLD | {"image_processor_type": "Qwen2VLImageProcessor",
                                               "processor_class": "Qwen2_5_VLProcessor"}),
    "qwen3_vl": Layout("qwen3_vl", {
        "size": {"longest_edge": 16777216, "shortest_edge": 65536}, "patch_size": 16, "temporal_patch_size": 2,
        "merge_size": 2, "image_mean": [0.5] * 3, "image_std": [0.5] * 3,
        "image_processor_type": "Qwen2VLImageProcessorFast", "processor_class": "Qwen3VLProcessor"}),
    "time_series_qwen2_5_vl": Layout("qwen2_5_vl", _OLD, time_series=True),
}  # fmt: skip


def tiny_tokenizer(family: str, words: tuple[str, ...] = ()) -> Any:
    """A byte-level BPE with the special tokens of Qwen, and of Qwen3 the words that are tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=330, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(["Modality: CT. Please segment liver in the given image."] * 3, trainer)
    tokenizer.add_special_tokens([*QWEN_TOKENS, *words])
    if family == "qwen3_vl":
        tokenizer.add_tokens(list(QWEN3_WORDS))
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<|endoftext|>", eos_token="<|im_end|>", model_max_length=32768,
        clean_up_tokenization_spaces=False,
    )  # fmt: skip


def tiny_config(family: str, tokenizer: Any, text: dict[str, Any] | None = None) -> Any:
    """A configuration of the family's own class at an invented size."""
    from transformers import Qwen2_5_VLConfig, Qwen2VLConfig, Qwen3VLConfig

    def ids(*names: str) -> list[int]:
        return [int(tokenizer.convert_tokens_to_ids(name)) for name in names]

    image, video, start, end = ids("<|image_pad|>", "<|video_pad|>", "<|vision_start|>", "<|vision_end|>")
    tokens = {"image_token_id": image, "video_token_id": video, "vision_start_token_id": start,
              "vision_end_token_id": end}  # fmt: skip
    words = (
        TEXT
        | {
            "vocab_size": len(tokenizer) + 10,
            "eos_token_id": ids("<|im_end|>")[0],
            "bos_token_id": ids("<|endoftext|>")[0],
        }
        | (text or {})
    )
    rope = {"rope_type": "default", "rope_theta": 1e6}
    width = words["hidden_size"]
    if family == "qwen2_vl":
        vision = {"depth": 2, "embed_dim": 32, "hidden_size": width, "num_heads": 4, "mlp_ratio": 2}
        return Qwen2VLConfig(
            text_config=words | {"rope_parameters": rope | {"mrope_section": [2, 2, 2]}}, vision_config=vision, **tokens
        )
    if family == "qwen2_5_vl":
        vision = {"depth": 2, "hidden_size": 32, "intermediate_size": 64, "num_heads": 4, "out_hidden_size": width,
                  "fullatt_block_indexes": [1], "window_size": 112}  # fmt: skip
        return Qwen2_5_VLConfig(
            text_config=words | {"rope_parameters": rope | {"mrope_section": [2, 2, 2]}}, vision_config=vision, **tokens
        )
    vision = {"depth": 3, "hidden_size": 32, "intermediate_size": 64, "num_heads": 4, "out_hidden_size": width,
              "num_position_embeddings": 64, "deepstack_visual_indexes": [0, 1]}  # fmt: skip
    sections = {"mrope_section": [2, 2, 2], "mrope_interleaved": True}
    return Qwen3VLConfig(
        text_config=words | {"head_dim": 12, "rope_parameters": rope | sections}, vision_config=vision, **tokens
    )


def build_checkpoint(
    kind: str, folder: Path, *, seed: int = 0, name: str | None = None, text: dict[str, Any] | None = None,
    tied: bool = False,
) -> Path:  # fmt: skip
    """Write a tiny checkpoint.

    Args:
        kind: key of `LAYOUTS`.
        folder: its parent.
        seed: of the weights.
        name: of the checkpoint's folder; ``tiny-<kind>`` when None.
        text: other sizes of the language model.
        tied: the output layer is the embedding, as in the models of 2 to 4 billion parameters.

    Returns:
        The checkpoint's folder.
    """
    import torch
    from transformers import AutoModelForImageTextToText, GenerationConfig
    from transformers.utils import logging

    layout = LAYOUTS[kind]
    target = folder / (name or f"tiny-{kind.replace('_', '-')}")
    tokenizer = tiny_tokenizer(layout.family, ("<|time_series_pad|>",) if layout.time_series else ())
    config = tiny_config(layout.family, tokenizer, text)
    config.tie_word_embeddings = tied
    torch.manual_seed(seed)
    model = AutoModelForImageTextToText.from_config(config).eval()
    for parameter in model.parameters():  # as drawn, random answers all end up the same few tokens
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.08)
    ends = [int(tokenizer.convert_tokens_to_ids(t)) for t in ("<|im_end|>", "<|endoftext|>")]
    model.generation_config = GenerationConfig(
        bos_token_id=ends[1], eos_token_id=ends, pad_token_id=ends[1], do_sample=True, temperature=0.7, top_p=0.8,
        top_k=20, repetition_penalty=1.0,
    )  # fmt: skip
    logging.disable_progress_bar()
    model.save_pretrained(target, max_shard_size=SHARD)
    _write_words(tokenizer, layout, target)
    (target / "preprocessor_config.json").write_text(json.dumps(layout.preprocessor, indent=2), encoding="utf-8")
    _as_published(layout, target, tokenizer)
    return target


def _write_words(tokenizer: Any, layout: Layout, target: Path) -> None:
    template = TEMPLATE.replace("SYSTEM", "false" if layout.family == "qwen3_vl" else "true")
    tokenizer.save_pretrained(target)
    said = json.loads((target / "tokenizer_config.json").read_text(encoding="utf-8"))
    plain = "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    said["chat_template"] = plain if layout.template_json else template
    said["tokenizer_class"] = "Qwen2Tokenizer"
    (target / "tokenizer_config.json").write_text(json.dumps(said, indent=2), encoding="utf-8")
    if layout.template_json:
        (target / "chat_template.json").write_text(json.dumps({"chat_template": template}), encoding="utf-8")


def _as_published(layout: Layout, target: Path, tokenizer: Any) -> None:
    """`config.json` as of transformers 4: the older two keep the language model's settings at the top level."""
    path = target / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    if layout.family == "qwen3_vl":
        rope = config["text_config"].pop("rope_parameters")
        config["text_config"] |= {"rope_theta": rope.pop("rope_theta"), "rope_scaling": rope}
        config["vision_config"]["model_type"] = "qwen3_vl"
        path.write_text(json.dumps(config, indent=2), encoding="utf-8")
        return
    text = config.pop("text_config")
    text.pop("model_type")
    rope = text.pop("rope_parameters")
    flat = text | {"rope_theta": rope["rope_theta"],
                   "rope_scaling": {"type": "mrope", "mrope_section": rope["mrope_section"]}}  # fmt: skip
    config["vision_config"]["model_type"] = layout.family
    config = flat | config | {"torch_dtype": "float32"}
    config.pop("dtype", None)
    if layout.time_series:
        config["model_type"] = "time_series_qwen2_5_vl"
        config["architectures"] = ["TimeSeriesQwen2_5_VLForConditionalGeneration"]
        config["auto_map"] = {"AutoModelForCausalLM": "modeling_time_series_qwen2_5_vl.Never"}
        config["time_series_token_id"] = int(tokenizer.convert_tokens_to_ids("<|time_series_pad|>"))
    path.write_text(json.dumps(config, indent=2), encoding="utf-8")
