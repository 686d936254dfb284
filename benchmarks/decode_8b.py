"""How close decoding comes to the memory bandwidth: Qwen3-VL-8B at full size with random weights, on one GPU.

Speed does not depend on what the weights say, so nothing is downloaded: the model is built from its configuration on
the device. A decode step must stream the language model's weights and every row's keys and values once, which gives
the bound (docs/engines.md); the bandwidth in it is what a plain copy reaches on the same device in the same run. The
steps are those of the engine's own decoder, measured at batch 1, 8 and 32, with sdpa and, where it is installed,
flash-attn 2; transformers' generate() with a static cache and a compiled step is beside them for comparison.

    python benchmarks/decode_8b.py --json benchmarks/results/decode-8b.json

Needs CUDA and about 40 GB of its memory. `--tiny` runs the same code on any device at a toy size, to test it.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import transformers

from wetread import __version__
from wetread.model.encoded import Encoded
from wetread.model.families import QWEN3_VL
from wetread.model.loaded import LoadedModel
from wetread.reading.caches import ByteBoundedCache
from wetread.reading.decoding import Decoder, Row

if TYPE_CHECKING:
    from transformers import Qwen3VLForConditionalGeneration

BATCHES = (1, 8, 32)
WARM_UP = 8
COMMAND = "python benchmarks/decode_8b.py --json benchmarks/results/decode-8b.json"


@dataclass(frozen=True, slots=True)
class Size:
    """What is measured.

    Args:
        text: of the language model.
        vision: of the vision encoder, which decoding does not touch.
        context: tokens of the prompt.
        steps: timed decode steps.
        copy_bytes: size of the buffer that is copied to measure the bandwidth.
    """

    text: dict[str, Any]
    vision: dict[str, Any]
    context: int
    steps: int
    copy_bytes: int


FULL = Size(
    {"hidden_size": 4096, "intermediate_size": 12288, "num_hidden_layers": 36, "num_attention_heads": 32,
     "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 151_936, "max_position_embeddings": 32_768},
    {"depth": 27, "hidden_size": 1152, "intermediate_size": 4304, "num_heads": 16, "out_hidden_size": 4096,
     "deepstack_visual_indexes": [8, 16, 24]},
    context=1500, steps=64, copy_bytes=4 << 30,
)  # fmt: skip
TINY = Size(
    {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4,
     "num_key_value_heads": 2, "head_dim": 16, "vocab_size": 400, "max_position_embeddings": 512},
    {"depth": 2, "hidden_size": 32, "intermediate_size": 64, "num_heads": 4, "out_hidden_size": 64,
     "deepstack_visual_indexes": [0]},
    context=40, steps=6, copy_bytes=4 << 20,
)  # fmt: skip


def build(size: Size, device: str, dtype: torch.dtype) -> Qwen3VLForConditionalGeneration:
    """The model with random weights, made on the device."""
    from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration

    head = size.text["head_dim"]
    third = head // 2 // 3
    rope = {"rope_type": "default", "rope_theta": 5e6, "mrope_interleaved": True,
            "mrope_section": [head // 2 - 2 * third, third, third]}  # fmt: skip
    words = size.text["vocab_size"]
    config = Qwen3VLConfig(
        text_config=size.text | {"rope_parameters": rope, "tie_word_embeddings": False},
        vision_config=size.vision, image_token_id=words - 4, video_token_id=words - 3,
        vision_start_token_id=words - 2, vision_end_token_id=words - 1, tie_word_embeddings=False,
    )  # fmt: skip
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device):
            model = Qwen3VLForConditionalGeneration._from_config(config, attn_implementation="sdpa")
    finally:
        torch.set_default_dtype(before)
    return model.eval()


def facade(backbone: Qwen3VLForConditionalGeneration) -> LoadedModel:
    """What the decoder needs of a loaded model; there is no folder, tokenizer or head behind it."""
    missing: Any = None
    return LoadedModel(missing, QWEN3_VL, missing, backbone, missing, None, None, backbone.device, backbone.dtype)


def streamed_bytes(backbone: Qwen3VLForConditionalGeneration) -> tuple[int, int]:
    """(weights that every decode step reads, keys and values of one token), in bytes."""
    language = backbone.model.language_model
    parts = [*language.layers.parameters(), *language.norm.parameters(), *backbone.lm_head.parameters()]
    text = backbone.config.text_config
    per_token = 2 * text.num_hidden_layers * text.num_key_value_heads * text.head_dim * backbone.dtype.itemsize
    return sum(p.numel() * p.element_size() for p in parts), per_token


def copy_bandwidth(count: int, device: str) -> float:
    """Bytes per second that a copy reads and writes together; the best of ten."""
    source = torch.ones(count, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    target.copy_(source)
    return max(2 * count / timed(lambda: target.copy_(source), device) for _ in range(10))


def timed(work: Callable[[], Any], device: str) -> float:
    """Seconds of some work on a device, start to end."""
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
    begun = time.perf_counter()
    work()
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
    return time.perf_counter() - begun


@torch.inference_mode()
def engine_step(backbone: Qwen3VLForConditionalGeneration, size: Size, batch: int) -> tuple[float, int]:
    """(median seconds of one step of the engine's decoder, mean tokens in a row's cache while it was measured)."""
    model, device = facade(backbone), str(backbone.device)
    nothing = Encoded((), None, torch.zeros((0, 3), dtype=torch.long, device=backbone.device))
    generator = torch.Generator().manual_seed(0)
    decoder = Decoder(model, ByteBoundedCache(0))
    tokens = size.steps + WARM_UP + 2
    rows = [
        Row(tuple(torch.randint(0, size.text["vocab_size"] - 10, (size.context,), generator=generator).tolist()),
            nothing, frozenset(), tokens, tokens)
        for _ in range(batch)
    ]  # fmt: skip
    decoder.start(rows)
    for _ in range(WARM_UP):
        decoder.step()
    seconds = [timed(decoder.step, device) for _ in range(size.steps)]
    return statistics.median(seconds), size.context + WARM_UP + size.steps // 2


@torch.inference_mode()
def generate_step(backbone: Qwen3VLForConditionalGeneration, size: Size, batch: int) -> float:
    """Mean seconds of a step of generate() with a static cache; transformers compiles the step on CUDA."""
    device = str(backbone.device)
    ids = torch.randint(0, size.text["vocab_size"] - 10, (batch, size.context), device=backbone.device)

    def run(new: int) -> None:
        backbone.generate(
            input_ids=ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=new,
            min_new_tokens=new, cache_implementation="static", pad_token_id=0, eos_token_id=1,
        )  # fmt: skip

    run(size.steps + 1)
    long, short = (timed(lambda n=n: run(n), device) for n in (size.steps + 1, 1))
    return (long - short) / size.steps


def measure(size: Size, device: str, dtype: torch.dtype, batches: tuple[int, ...], compiled: bool) -> dict[str, Any]:
    """The table: one row per attention and batch."""
    bandwidth = copy_bandwidth(size.copy_bytes, device)
    backbone = build(size, device, dtype)
    weights, per_token = streamed_bytes(backbone)
    table: list[dict[str, Any]] = []

    def add(how: str, batch: int, seconds: float, tokens: int) -> None:
        bound = (weights + batch * tokens * per_token) / bandwidth
        table.append({"how": how, "batch": batch, "ms_per_step": round(1000 * seconds, 3),
                      "tokens_per_second": round(batch / seconds, 1), "bound_ms": round(1000 * bound, 3),
                      "share_of_bound": round(bound / seconds, 3)})  # fmt: skip

    for attention in attentions(device):
        backbone.set_attn_implementation(attention)
        for batch in batches:
            add(f"engine, {attention}", batch, *engine_step(backbone, size, batch))
    if compiled:
        backbone.set_attn_implementation("sdpa")
        for batch in batches:
            middle = size.context + size.steps // 2
            add("generate(), static cache, compiled", batch, generate_step(backbone, size, batch), middle)
    return {
        "table": table, "copy_bandwidth_gb_per_s": round(bandwidth / 1e9, 1), "streamed_weights_gb": weights / 1e9,
        "key_value_bytes_per_token": per_token, "context_tokens": size.context,
        "parameters": sum(p.numel() for p in backbone.parameters()), "dtype": str(dtype).removeprefix("torch."),
        "flash_attn": "measured" if len(attentions(device)) > 1 else "not usable here",
    }  # fmt: skip


def attentions(device: str) -> tuple[str, ...]:
    """What can be measured here."""
    from transformers.utils import is_flash_attn_2_available

    usable = device.startswith("cuda") and is_flash_attn_2_available()
    return ("sdpa", "flash_attention_2") if usable else ("sdpa",)


def main(arguments: list[str] | None = None) -> int:
    """Measure and store; without CUDA, one line."""
    parser = argparse.ArgumentParser(description="Decode speed of a random-weight Qwen3-VL-8B against the bandwidth.")
    parser.add_argument("--tiny", action="store_true", help="a toy size on any device, to test this script")
    parser.add_argument("--no-compiled", action="store_true", help="leave out generate() with a compiled step")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    cuda = torch.cuda.is_available()
    if not cuda and not options.tiny:
        print("decode_8b: no CUDA device here; it needs one with about 40 GB, or --tiny", file=sys.stderr)
        return 1
    device, dtype = ("cuda", torch.bfloat16) if cuda else ("cpu", torch.float32)
    size = TINY if options.tiny else FULL
    results = {
        "device": torch.cuda.get_device_name() if cuda else "CPU",
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "command": COMMAND,
        "tiny": options.tiny,
        **measure(size, device, dtype, BATCHES, cuda and not options.no_compiled),
        "versions": {"wetread": __version__, "python": platform.python_version(), "torch": torch.__version__,
                     "transformers": transformers.__version__},
    }  # fmt: skip
    text = json.dumps(results, indent=1)
    print(text)
    if options.json:
        options.json.write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
