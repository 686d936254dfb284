"""How weights are loaded: what is chosen from the hardware, and what is refused in one line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from tiny_checkpoints import build_checkpoint
from wetread.errors import ModelUnavailable
from wetread.model import loading
from wetread.model.checkpoint import read_info
from wetread.model.families import QWEN2_5_VL
from wetread.model.loaded import load_model
from wetread.model.loading import load_tokenizer, preprocessing_of, resolved
from wetread.model.options import ModelOptions


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_checkpoint("qwen2_5_vl", tmp_path_factory.mktemp("models"))


@pytest.fixture
def copied(built: Path, tmp_path: Path) -> Path:
    return shutil.copytree(built, tmp_path / "model")


def refusal(model: Path, options: ModelOptions | None = None) -> str:
    with pytest.raises(ModelUnavailable) as caught:
        load_model(read_info(model), options)
    said = str(caught.value)
    assert "\n" not in said
    assert len(said) < 800
    return said


class TestWhatTheHardwareChooses:
    def test_a_cpu_gets_float32_and_sdpa(self, monkeypatch) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        chosen = resolved(ModelOptions())
        assert (chosen.device, chosen.dtype, chosen.attention) == ("cpu", "float32", "sdpa")

    @pytest.mark.parametrize(
        ("installed", "capability", "dtype", "attention"),
        [
            (True, (9, 0), None, "flash_attention_2"),
            (True, (8, 0), None, "flash_attention_2"),
            (True, (7, 5), None, "sdpa"),
            (False, (9, 0), None, "sdpa"),
            (True, (9, 0), "float32", "sdpa"),
        ],
    )
    def test_cuda_gets_bfloat16_and_flash_attention_where_it_can_run(
        self, monkeypatch, installed: bool, capability: tuple[int, int], dtype: str | None, attention: str
    ) -> None:
        import transformers.utils

        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
        monkeypatch.setattr(transformers.utils, "is_flash_attn_2_available", lambda: installed)
        chosen = resolved(ModelOptions(dtype=dtype))
        assert (chosen.device, chosen.dtype) == ("cuda", dtype or "bfloat16")
        assert chosen.attention == attention

    def test_what_was_given_is_kept(self) -> None:
        chosen = resolved(ModelOptions("cpu", "bfloat16", "eager"))
        assert (chosen.device, chosen.dtype, chosen.attention) == ("cpu", "bfloat16", "eager")

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            (ModelOptions(device="tpu"), "no such device"),
            (ModelOptions(device="cuda:x"), "no such device"),
            (ModelOptions(device="cuda:99"), "no such CUDA device"),
            (ModelOptions(dtype="int3"), "no such number format"),
            (ModelOptions(quantise=3), "3-bit"),
            (ModelOptions(attention="magic"), "no such attention"),
            (ModelOptions(most_pixels=-1), "pictures of -1 pixels"),
            (ModelOptions(device="cpu", attention="flash_attention_2"), "flash-attn cannot be used"),
        ],
    )
    def test_what_cannot_be_had_is_refused_before_anything_is_loaded(self, options: ModelOptions, said: str) -> None:
        with pytest.raises(ModelUnavailable, match=said):
            resolved(options)

    def test_quantising_without_bitsandbytes_is_one_line(self, built: Path, monkeypatch) -> None:
        import transformers.utils

        monkeypatch.setattr(transformers.utils, "is_bitsandbytes_available", lambda: False)
        assert "need bitsandbytes" in refusal(built, ModelOptions(device="cpu", quantise=4))

    def test_the_number_format_reaches_the_weights_and_the_head_stays_float32(self) -> None:
        model = load_model(read_info("wetread-mini"), ModelOptions(device="cpu", dtype="bfloat16"))
        assert model.dtype == model.backbone.dtype == torch.bfloat16
        assert model.head is not None
        assert {p.dtype for p in model.head.parameters()} == {torch.float32}


class TestWeightsThatDoNotFit:
    def test_a_missing_weight_is_never_drawn_at_random(self, copied: Path) -> None:
        from safetensors.torch import load_file, save_file

        shard = copied / "model-00002-of-00004.safetensors"
        weights = load_file(shard)
        weights.pop(min(weights))
        save_file(weights, shard, metadata={"format": "pt"})
        assert "is missing" in refusal(copied)

    def test_a_weight_of_another_shape_is_refused(self, copied: Path) -> None:
        path = copied / "config.json"
        config = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps(config | {"intermediate_size": 64}), encoding="utf-8")
        assert "mlp.down_proj.weight is of another shape than the configuration says" in refusal(copied)

    def test_a_broken_file_is_refused(self, copied: Path) -> None:
        shard = copied / "model-00001-of-00004.safetensors"
        shard.write_bytes(shard.read_bytes()[:1000])
        refusal(copied)

    def test_shards_without_their_index_are_half_a_download(self, copied: Path) -> None:
        (copied / "model.safetensors.index.json").unlink()
        assert "finish or repeat the download" in refusal(copied)

    def test_a_broken_configuration_is_refused(self, copied: Path) -> None:
        (copied / "config.json").write_text('{"model_type": "qwen2_5_vl", "vision_config": 3}', encoding="utf-8")
        refusal(copied)

    def test_a_missing_tokenizer_is_refused(self, copied: Path) -> None:
        for name in ("tokenizer.json", "tokenizer_config.json"):
            (copied / name).unlink()
        said = refusal(copied)
        assert "no tokenizer.json" in said
        assert len(said) < 200

    def test_ends_beyond_the_vocabulary_are_no_ends(self, copied: Path) -> None:
        path = copied / "generation_config.json"
        said = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps(said | {"eos_token_id": [*said["eos_token_id"], 151_645]}), encoding="utf-8")
        assert load_model(read_info(copied)).ends == tuple(said["eos_token_id"])

    def test_more_pixels_than_memory_is_no_traceback(self, built: Path, monkeypatch) -> None:
        def full(*_: object) -> None:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB\nmore")

        monkeypatch.setattr(torch.nn.Module, "to", full)
        assert "do not go to the device" in refusal(built, ModelOptions(device="cpu"))


class TestPixelsAndWords:
    def test_pixel_limits_come_from_the_preprocessor_then_the_table_then_the_user(self, copied: Path) -> None:
        config = load_model(read_info(copied)).backbone.config
        info = read_info(copied)
        assert preprocessing_of(QWEN2_5_VL, config, info).most_pixels == 12_845_056
        path = copied / "preprocessor_config.json"
        said = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps(said | {"max_pixels": 500_000}), encoding="utf-8")
        assert preprocessing_of(QWEN2_5_VL, config, info).most_pixels == 500_000
        assert preprocessing_of(QWEN2_5_VL, config, info, 100_000).most_pixels == 100_000
        path.unlink()
        assert preprocessing_of(QWEN2_5_VL, config, info).least_pixels == 3136

    def test_the_processors_template_goes_before_a_text_only_one(self, tmp_path: Path) -> None:
        folder = build_checkpoint("qwen2_vl", tmp_path)
        template = load_tokenizer(read_info(folder)).chat_template
        assert "image_pad" in template
        (folder / "chat_template.json").unlink()
        assert "image_pad" in load_tokenizer(read_info(folder)).chat_template

    def test_answers_are_greedy_whatever_the_checkpoint_recommends(self, built: Path) -> None:
        settings = load_model(read_info(built)).backbone.generation_config
        assert not settings.do_sample
        assert settings.temperature in (None, 1.0)

    def test_added_tokens_get_rows_that_are_the_same_at_every_load(self, copied: Path) -> None:
        tokenizer = load_tokenizer(read_info(copied))
        tokenizer.add_tokens([f"<added {number}>" for number in range(20)])
        tokenizer.save_pretrained(copied)
        first, second = (load_model(read_info(copied)).backbone.get_input_embeddings().weight for _ in range(2))
        assert len(first) == len(tokenizer)
        assert torch.equal(first, second)

    def test_remote_code_is_never_run(self, tmp_path: Path) -> None:
        folder = build_checkpoint("time_series_qwen2_5_vl", tmp_path)
        (folder / "modeling_time_series_qwen2_5_vl.py").write_text("raise SystemExit('run')\n", encoding="utf-8")
        assert "auto_map" in json.loads((folder / "config.json").read_text(encoding="utf-8"))
        assert type(load_model(read_info(folder)).backbone).__name__ == "Qwen2_5_VLForConditionalGeneration"


def test_reading_what_a_model_says_needs_no_torch() -> None:
    import subprocess
    import sys

    code = (
        "import sys; from wetread.model.checkpoint import read_info; read_info('wetread-mini'); "
        "assert not {'torch', 'transformers', 'huggingface_hub'} & set(sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert loading.ECG_PREFIX.endswith(".")
