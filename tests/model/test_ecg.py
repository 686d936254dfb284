"""The soft token of an ECG: found by name, put where it stands, and felt by the model; beside pictures too."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from ecg_phantoms import ecg, group
from tiny_ecg_models import build_ecg_model
from wetread.errors import ModelUnavailable
from wetread.imaging import to_sample
from wetread.model.checkpoint import read_info
from wetread.model.ecg import ECGSettings, ECGTower, add_token, load_encoder, soft_tokens, token_id
from wetread.model.ecg_input import Normalisation, encoder_input, normalised, resampled
from wetread.model.loaded import load_model
from wetread.model.options import ModelOptions

KINDS = ("qwen2_5_vl", "qwen3_vl")


@pytest.fixture(scope="module", params=KINDS)
def loaded(request, tmp_path_factory):
    return load_model(read_info(build_ecg_model(request.param, tmp_path_factory.mktemp("ecg"))),
                      ModelOptions(device="cpu", dtype="float32"))  # fmt: skip


@pytest.fixture(scope="module")
def waveform():
    return to_sample([ecg()])


def picture(value: int) -> np.ndarray:
    return np.full((64, 64, 3), value, dtype=np.uint8)


def test_the_token_is_found_by_its_name_and_never_by_a_number(loaded):
    found = token_id(loaded.tokenizer)
    assert loaded.tokenizer.convert_ids_to_tokens(found) == "<|time_series_pad|>"
    assert found != 151665
    assert add_token(loaded.backbone, loaded.tokenizer) == found, "a token that is there is not added again"


def test_a_tokenizer_without_the_token_is_refused_in_words(loaded):
    with pytest.raises(ModelUnavailable, match=r"no token <\|nothing\|>"):
        token_id(loaded.tokenizer, "<|nothing|>")


@torch.inference_mode()
@pytest.mark.parametrize("pictures", [0, 2])
def test_the_soft_token_changes_the_logits_after_it_and_nothing_before(loaded, waveform, pictures):
    encoded = loaded.encode([loaded.fit(picture(40 * n)) for n in range(pictures)])
    ids = torch.tensor([loaded.prompt("What is it?", encoded, waveforms=1)])
    marker = token_id(loaded.tokenizer)
    place = ids[0].tolist().index(marker)
    inputs = loaded.forward_inputs(ids, encoded)
    plain = loaded.backbone(**inputs).logits[0]
    with soft_tokens(loaded.backbone, marker, loaded.ecg.embed(waveform)):
        told = loaded.backbone(**inputs).logits[0]
    assert torch.allclose(plain[:place], told[:place], atol=1e-5)
    assert (plain[place:] - told[place:]).abs().amax(dim=-1).min() > 1e-4
    assert torch.equal(loaded.backbone(**inputs).logits[0], plain), "the hook is gone"


@torch.inference_mode()
def test_it_equals_the_model_given_the_vector_as_an_embedding(loaded, waveform):
    encoded = loaded.encode([])
    ids = torch.tensor([loaded.prompt("What is it?", encoded, waveforms=1)])
    marker, vector = token_id(loaded.tokenizer), loaded.ecg.embed(waveform)
    embedded = loaded.backbone.get_input_embeddings()(ids).clone()
    embedded[ids == marker] = vector
    positions = torch.arange(ids.shape[1]).expand(3, 1, -1)
    wanted = loaded.backbone(inputs_embeds=embedded, position_ids=positions).logits
    with soft_tokens(loaded.backbone, marker, vector):
        found = loaded.backbone(**loaded.forward_inputs(ids, encoded)).logits
    assert torch.allclose(found, wanted, atol=1e-5)


@torch.inference_mode()
@pytest.mark.parametrize("pictures", [0, 1])
def test_generate_with_its_cache_equals_generate_without(loaded, waveform, pictures):
    encoded = loaded.encode([loaded.fit(picture(90))] * pictures)
    ids = torch.tensor([loaded.prompt("What is it?", encoded, waveforms=1)])
    inputs = loaded.forward_inputs(ids, encoded)
    more = {"max_new_tokens": 6, "do_sample": False, "eos_token_id": None}
    with soft_tokens(loaded.backbone, token_id(loaded.tokenizer), loaded.ecg.embed(waveform)):
        cached = loaded.backbone.generate(**inputs, **more, use_cache=True)
        plain = loaded.backbone.generate(**inputs, **more, use_cache=False)
    assert cached.tolist() == plain.tolist()
    assert cached.shape[1] == ids.shape[1] + 6


@torch.inference_mode()
def test_every_row_of_a_batch_has_its_own_ecgs(loaded, waveform):
    other = to_sample([ecg([group(("I", "II", "V4"))], "1.2.840.10008.5.1.4.1.1.9.1.2")])
    ids = torch.tensor([loaded.prompt("Compare.", loaded.encode([]), waveforms=2)]).repeat(2, 1)
    first, second = loaded.ecg.embed(waveform), loaded.ecg.embed(other)
    rows = torch.stack([torch.cat([first, second]), torch.cat([second, first])])
    embedding = loaded.backbone.get_input_embeddings()
    marker = token_id(loaded.tokenizer)
    with soft_tokens(loaded.backbone, marker, rows):
        out = embedding(ids)
        assert torch.equal(embedding(ids.repeat_interleave(2, 0)), out.repeat_interleave(2, 0))
    assert torch.equal(out[ids == marker].reshape(2, 2, -1), rows)


def test_another_number_of_tokens_than_ecgs_is_an_error(loaded, waveform):
    ids = torch.tensor([loaded.prompt("What?", loaded.encode([]), waveforms=2)])
    with soft_tokens(loaded.backbone, token_id(loaded.tokenizer), loaded.ecg.embed(waveform)), \
            pytest.raises(ValueError, match=r"2\] time-series tokens in the prompts for 1 ECGs"):  # fmt: skip
        loaded.backbone.get_input_embeddings()(ids)


def test_gradients_reach_encoder_and_projection(loaded, waveform):
    ids = torch.tensor([loaded.prompt("What?", loaded.encode([]), waveforms=1)])
    with soft_tokens(loaded.backbone, token_id(loaded.tokenizer), loaded.ecg.embed(waveform)):
        loaded.backbone(**loaded.forward_inputs(ids, loaded.encode([]))).logits.logsumexp(-1).sum().backward()
    assert loaded.ecg.projection.weight.grad.abs().max() > 0
    assert loaded.ecg.encoder.W_P.weight.grad.abs().max() > 0
    loaded.backbone.zero_grad()
    loaded.ecg.zero_grad()


class TestModelFolder:
    def test_a_changed_encoder_is_another_device(self, tmp_path):
        from safetensors.torch import load_file, save_file

        folder = build_ecg_model("qwen2_5_vl", tmp_path)
        before = read_info(folder).device_uid
        state = load_file(folder / "ecg.safetensors")
        save_file(state | {"projection.bias": state["projection.bias"] + 1}, folder / "ecg.safetensors")
        assert read_info(folder).device_uid != before

    @pytest.mark.parametrize("damage", ["missing", "size", "normalisation"])
    def test_an_encoder_that_does_not_fit_is_one_line(self, tmp_path, damage):
        folder = build_ecg_model("qwen2_5_vl", tmp_path)
        said = json.loads((folder / "wetread.json").read_text())
        if damage == "missing":
            (folder / "ecg.safetensors").unlink()
        else:
            said["ecg"] |= {"size": {"depth": 3}, "normalisation": {"normalisation": "none at all"}}[damage]
        (folder / "wetread.json").write_text(json.dumps(said))
        with pytest.raises(ModelUnavailable, match="the ECG encoder does not load"):
            load_model(read_info(folder), ModelOptions(device="cpu", dtype="float32"))

    def test_the_encoder_inside_a_published_omni_checkpoint_is_found(self, tmp_path, waveform):
        folder = build_ecg_model("time_series_qwen2_5_vl", tmp_path, inside=True)
        info = read_info(folder)
        assert not (folder / "ecg.safetensors").exists()
        model = load_model(info, ModelOptions(device="cpu", dtype="float32"))
        assert model.ecg.embed(waveform).shape == (1, model.width)

    def test_a_converted_encoder_loads_strictly(self, tmp_path):
        from safetensors.torch import save_file

        settings = ECGSettings(32, 2, 4)
        tower = ECGTower(settings, 8)
        save_file(dict(tower.encoder.state_dict()), tmp_path / "encoder.safetensors")
        assert torch.equal(load_encoder(tmp_path / "encoder.safetensors", settings).norm.weight, torch.ones(32))
        with pytest.raises(ModelUnavailable, match="does not load"):
            load_encoder(tmp_path / "encoder.safetensors", ECGSettings(32, 3, 4))


class TestInput:
    def test_eight_leads_of_ten_seconds_at_250_hz(self, waveform):
        from ecg_phantoms import lead_at

        rows, leads = encoder_input(waveform)
        assert rows.shape == (8, 2500)
        assert leads == tuple(range(8))
        inner = slice(100, -100)  # Fourier resampling takes the ends for neighbours
        times = np.arange(2500) / 250.0
        for row, name in zip(rows, ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6"), strict=True):
            assert np.allclose(row[inner], lead_at(name, times)[inner], atol=0.01)

    def test_missing_leads_are_left_out_and_derived_ones_given(self):
        rows, leads = encoder_input(to_sample([ecg([group(("II", "III", "V3"))], "1.2.840.10008.5.1.4.1.1.9.1.2")]))
        assert leads == (0, 1, 4)
        assert rows.shape == (3, 2500)

    def test_a_short_recording_ends_in_zeros(self):
        rows, _ = encoder_input(to_sample([ecg([group(seconds=6.0)])]), Normalisation.Z_SCORE)
        assert np.allclose(rows[:, :1500].mean(1), 0, atol=1e-5)
        assert np.allclose(rows[:, :1500].std(1), 1, atol=1e-4)
        assert (rows[:, 1500:] == 0).all()

    def test_normalisations(self):
        times = np.arange(2500) / 250.0
        slow, heart, mains = (
            np.sin(2 * np.pi * 0.1 * times),
            np.sin(2 * np.pi * 5 * times),
            np.sin(2 * np.pi * 90 * times),
        )
        signals = np.stack([3 * slow + heart + 2 * mains + 7, np.zeros(2500)])
        assert normalised(signals, Normalisation.NONE) is signals
        scored = normalised(signals, Normalisation.Z_SCORE)
        assert abs(scored[0].mean()) < 1e-9
        assert abs(scored[0].std() - 1) < 1e-9
        assert (scored[1] == 0).all()
        passed = normalised(signals, Normalisation.BAND_PASS_Z_SCORE)[0]
        assert np.corrcoef(passed[250:-250], heart[250:-250])[0, 1] > 0.98

    def test_250_hz_is_left_as_it_is(self):
        signal = np.arange(2500.0)
        assert np.array_equal(resampled(signal, 250.0), signal)
