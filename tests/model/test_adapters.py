"""LoRA adapters: made by PEFT on a tiny base, merged here, and refused on every other base."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from tiny_checkpoints import build_checkpoint
from wetread.errors import ModelUnavailable
from wetread.model.checkpoint import read_info
from wetread.model.loaded import load_model

pytest.importorskip("peft", reason="adapters need the extra 'train'")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_checkpoint("qwen3_vl", tmp_path_factory.mktemp("models"), name="some-base")


@pytest.fixture(scope="module")
def made(base: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, torch.Tensor]:
    """An adapter with nonzero weights, and the logits of PEFT's own unmerged model."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForImageTextToText

    torch.manual_seed(1)
    model = AutoModelForImageTextToText.from_pretrained(base, dtype=torch.float32)
    tuned = get_peft_model(model, LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj", "down_proj"]))
    for name, parameter in tuned.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.2)
    folder = tmp_path_factory.mktemp("adapters") / "tuned"
    tuned.save_pretrained(folder)
    with torch.inference_mode():
        return folder, tuned.eval()(input_ids=torch.arange(10, 30)[None]).logits


def refusal(model: Path, adapter: Path | None = None) -> str:
    with pytest.raises(ModelUnavailable) as caught:
        load_model(read_info(model, adapter))
    said = str(caught.value)
    assert "\n" not in said
    return said


@torch.inference_mode()
def test_the_merged_model_is_pefts_model(base: Path, made: tuple[Path, torch.Tensor]) -> None:
    folder, expected = made
    model = load_model(read_info(base, folder))
    logits = model.backbone(input_ids=torch.arange(10, 30)[None]).logits
    torch.testing.assert_close(logits, expected, atol=1e-5, rtol=0)
    plain = load_model(read_info(base)).backbone(input_ids=torch.arange(10, 30)[None]).logits
    assert (plain - expected).abs().max() > 0.01


def test_an_adapters_folder_is_a_model_that_names_its_base(base: Path, made: tuple[Path, torch.Tensor]) -> None:
    info = read_info(made[0])
    assert info.backbone_folder.resolve() == base.resolve()
    assert info.adapter is not None
    assert info.device_uid == read_info(base, made[0]).device_uid != read_info(base).device_uid


def test_an_adapter_for_another_base_is_refused_by_name(made: tuple[Path, torch.Tensor], tmp_path: Path) -> None:
    other = build_checkpoint("qwen3_vl", tmp_path, name="another-base", seed=5)
    assert "an adapter for another base (some-base, not another-base)" in refusal(other, made[0])


def test_and_by_the_hash_of_its_base_even_under_the_same_name(made: tuple[Path, torch.Tensor], tmp_path: Path) -> None:
    other = build_checkpoint("qwen3_vl", tmp_path, name="some-base", seed=5)
    adapter = shutil.copytree(made[0], tmp_path / "adapter")
    load_model(read_info(other, adapter))  # the name alone fits
    (adapter / "wetread.json").write_text(json.dumps({"base_sha256": "0" * 64}), encoding="utf-8")
    assert "an adapter for another base" in refusal(other, adapter)


def test_and_by_the_shape_of_its_matrices(made: tuple[Path, torch.Tensor], tmp_path: Path) -> None:
    wider = build_checkpoint("qwen3_vl", tmp_path, name="some-base", text={"intermediate_size": 128})
    said = refusal(wider, made[0])
    assert "an adapter for another base" in said
    assert "down_proj is 128 wide in it, 96 in the adapter" in said


def test_and_by_the_layers_it_changes(made: tuple[Path, torch.Tensor], tmp_path: Path) -> None:
    shallower = build_checkpoint("qwen3_vl", tmp_path, name="some-base", text={"num_hidden_layers": 1})
    assert "layers.1" in refusal(shallower, made[0])


def test_on_the_shipped_model_it_is_refused_too(made: tuple[Path, torch.Tensor]) -> None:
    said = refusal(Path("wetread-mini"), made[0])
    assert "an adapter for another base (some-base, not wetread-mini)" in said


def test_pickled_adapters_are_refused(base: Path, made: tuple[Path, torch.Tensor], tmp_path: Path) -> None:
    adapter = shutil.copytree(made[0], tmp_path / "adapter")
    (adapter / "adapter_model.safetensors").rename(adapter / "adapter_model.bin")
    assert "pickled weights" in refusal(base, adapter)


def test_a_folder_without_an_adapter_is_said_to_be_none(base: Path, tmp_path: Path) -> None:
    assert "not an adapter folder" in refusal(base, tmp_path)
