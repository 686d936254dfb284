"""Which folders and names are models, what they say of themselves, and what is refused in one line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tiny_checkpoints import build_checkpoint
from wetread.errors import ModelUnavailable
from wetread.findings import BoxFrame
from wetread.model import weights_hash
from wetread.model.checkpoint import GROUNDING_FILE, MODEL_FILE, read_info
from wetread.model.families import PromptVariant
from wetread.model.location import find, is_hub_id
from wetread.terminology import TARGETS, Modality


@pytest.fixture(scope="module")
def qwen3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_checkpoint("qwen3_vl", tmp_path_factory.mktemp("models"))


@pytest.fixture
def copied(qwen3: Path, tmp_path: Path) -> Path:
    return shutil.copytree(qwen3, tmp_path / "QoQ-Med3-VL-8B")


def refusal(model: str | Path, adapter: Path | None = None) -> str:
    with pytest.raises(ModelUnavailable) as caught:
        read_info(model, adapter)
    said = str(caught.value)
    assert "\n" not in said
    return said


class TestAForeignCheckpoint:
    def test_says_from_its_own_files_what_it_is(self, qwen3: Path) -> None:
        info = read_info(qwen3)
        assert (info.name, info.family, info.box_frame, info.side) == ("tiny-qwen3-vl", "qwen3_vl", BoxFrame.MODEL, 0)
        assert info.prompt is PromptVariant.PLAIN
        assert not info.grounds
        assert set(info.modalities) == set(Modality) - {Modality.ECG}
        assert info.labels == tuple(target.label for target in TARGETS)

    def test_in_a_folder_named_like_a_known_one_is_asked_as_that_was_trained(self, copied: Path) -> None:
        info = read_info(copied)
        assert info.prompt is PromptVariant.QOQ_MED3
        assert info.pixels == (65_536, 524_288)

    def test_in_the_hubs_cache_is_found_by_its_id(self, qwen3: Path, tmp_path: Path, monkeypatch) -> None:
        import huggingface_hub.constants

        cache, commit = tmp_path / "hub", "0123456789abcdef0123456789abcdef01234567"
        entry = cache / "models--ddvd233--QoQ-Med3-VL-8B"
        (entry / "refs").mkdir(parents=True)
        (entry / "refs" / "main").write_text(commit, encoding="utf-8")
        shutil.copytree(qwen3, entry / "snapshots" / commit)
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(cache))
        info = read_info("ddvd233/QoQ-Med3-VL-8B")
        assert (info.name, info.version, info.prompt) == ("QoQ-Med3-VL-8B", commit[:12], PromptVariant.QOQ_MED3)

    def test_of_another_architecture_is_refused_with_what_is_read(self, copied: Path) -> None:
        path = copied / "config.json"
        config = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps(config | {"model_type": "llava"}), encoding="utf-8")
        assert "no family reads model_type 'llava'" in refusal(copied)
        assert "qwen2_5_vl" in refusal(copied)


class TestAModelThatIsNotThere:
    def test_of_the_hub_tells_how_to_get_it(self, tmp_path: Path, monkeypatch) -> None:
        import huggingface_hub.constants

        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
        monkeypatch.delenv("WETREAD_DOWNLOAD", raising=False)
        said = refusal("ddvd233/QoQ-Med3-VL-8B-MIMIC")
        assert "hf download ddvd233/QoQ-Med3-VL-8B-MIMIC" in said
        assert "HF_TOKEN" in said
        assert "folder" in said

    @pytest.mark.parametrize(
        "name", ["no-such-model", "../../etc/passwd", "a/b/c", "org/na me", "org/..", "https://x/y"]
    )
    def test_under_a_name_that_is_no_hub_id_is_refused_without_asking_the_hub(self, name: str) -> None:
        assert not is_hub_id(name)
        assert "no such model" in refusal(name)

    def test_because_the_folder_holds_something_else(self, tmp_path: Path) -> None:
        assert "not a model folder" in refusal(tmp_path)

    def test_a_folder_wins_over_a_hub_id_of_the_same_spelling(self, qwen3: Path, tmp_path: Path, monkeypatch) -> None:
        monkeypatch.chdir(tmp_path)
        shutil.copytree(qwen3, tmp_path / "Qwen" / "Qwen3-VL-8B-Instruct")
        assert find("Qwen/Qwen3-VL-8B-Instruct") == Path("Qwen/Qwen3-VL-8B-Instruct")


class TestWeights:
    def test_a_missing_shard_is_named(self, copied: Path) -> None:
        (copied / "model-00002-of-00005.safetensors").unlink()
        assert "model-00002-of-00005.safetensors" in refusal(copied)

    def test_pickled_weights_are_refused(self, copied: Path) -> None:
        for file in [*copied.glob("*.safetensors"), copied / "model.safetensors.index.json"]:
            file.unlink()
        (copied / "pytorch_model.bin").write_bytes(b"\x80\x04")
        assert "pickled weights (pytorch_model.bin)" in refusal(copied)

    def test_the_device_changes_with_any_weight(self, copied: Path) -> None:
        before = read_info(copied).device_uid
        shard = copied / "model-00001-of-00005.safetensors"
        content = bytearray(shard.read_bytes())
        content[-1] ^= 1
        shard.write_bytes(bytes(content))
        assert read_info(copied).device_uid != before

    def test_large_weights_are_hashed_once_and_again_after_a_change(self, tmp_path: Path, monkeypatch) -> None:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        monkeypatch.setattr(weights_hash, "KEPT_FROM_BYTES", 10)
        file = tmp_path / "model.safetensors"
        file.write_bytes(b"a" * 100)
        first = weights_hash.hash_of_files([file])
        computed = []
        monkeypatch.setattr(weights_hash, "_computed", lambda files: computed.append(files) or "new")
        assert weights_hash.hash_of_files([file]) == first
        assert not computed
        file.write_bytes(b"b" * 101)
        assert weights_hash.hash_of_files([file]) == "new"

    def test_a_broken_cache_only_costs_time(self, tmp_path: Path, monkeypatch) -> None:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        monkeypatch.setattr(weights_hash, "KEPT_FROM_BYTES", 10)
        file = tmp_path / "model.safetensors"
        file.write_bytes(b"a" * 100)
        first = weights_hash.hash_of_files([file])
        weights_hash.cache_file().write_text("{", encoding="utf-8")
        assert weights_hash.hash_of_files([file]) == first


class TestACompanion:
    def test_names_its_base_and_adds_a_head(self, qwen3: Path, tmp_path: Path) -> None:
        folder = companion(tmp_path, qwen3)
        info, base = read_info(folder), read_info(qwen3)
        assert info.backbone_folder == qwen3
        assert (info.name, info.family, info.labels) == ("liver-head", "qwen3_vl", ("liver",))
        assert info.grounds
        assert not base.grounds
        assert info.device_uid != base.device_uid

    def test_loads_and_grounds_at_the_objects_it_writes(self, qwen3: Path, tmp_path: Path) -> None:
        import numpy as np
        import torch

        from wetread.model.loaded import load_model

        model = load_model(read_info(companion(tmp_path, qwen3)))
        picture = model.fit(np.random.default_rng(0).integers(0, 256, (200, 333, 3), dtype=np.uint8))
        answer = model.tokenizer('[{"label": "liver"}, {"label": "spleen"}]', add_special_tokens=False)["input_ids"]
        with torch.inference_mode():
            encoded = model.encode([picture, picture])
            prompt = model.prompt("Please segment liver in the given image.", encoded.picked([0]))
            sequences = model.sequences(prompt, answer, 2)
            grounding = model.ground(encoded, sequences, model.hidden_states(sequences, encoded))
        assert grounding.mask_logits.shape[:2] == (2, 2)
        torch.testing.assert_close(grounding.mask_logits[0], grounding.mask_logits[1], atol=1e-4, rtol=0)

    def test_without_a_base_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / MODEL_FILE).write_text('{"name": "x"}', encoding="utf-8")
        assert '"base"' in refusal(tmp_path)

    def test_of_another_companion_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / MODEL_FILE).write_text(json.dumps({"base": str(tmp_path)}), encoding="utf-8")
        assert "is no whole model" in refusal(tmp_path)


def companion(tmp_path: Path, base: Path) -> Path:
    """A small folder with a head for a base that is not copied."""
    from wetread.model.checkpoint import save_head
    from wetread.model.grounding import GroundingHead, GroundingSize

    settings = {"width": 16, "heads": 2, "rounds": 2, "detail": [4, 4, 8, 8], "mask": 4}
    folder = tmp_path / "companion"
    folder.mkdir()
    save_head(GroundingHead(GroundingSize(language=48, width=16, heads=2, detail=(4, 4, 8, 8), mask=4)), folder)
    said = {"name": "liver-head", "base": str(base), "labels": ["liver"], "head": settings}
    (folder / MODEL_FILE).write_text(json.dumps(said), encoding="utf-8")
    assert (folder / GROUNDING_FILE).is_file()
    return folder
