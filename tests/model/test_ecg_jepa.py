"""ECG-JEPA: the published numbers, names and mask, written anew."""

from __future__ import annotations

import pytest
import torch

from wetread.errors import ModelUnavailable
from wetread.model.ecg_jepa import ECGJEPA, convert_checkpoint, cross_mask, sine_cosine_position

GOLDEN = (-0.7658041974, -0.5370642774, -0.4581022982, 0.3127700025, -0.3382581833, -0.6032466423)
"""First six of the representation of the published code at embed_dim 32, depth 2, heads 4, with the weights below."""
GOLDEN_SUM, GOLDEN_NORM = -0.508406836988158, 4.0398841396972065


def deterministic(model: ECGJEPA) -> ECGJEPA:
    state = model.state_dict()
    for number, name in enumerate(sorted(state)):
        if name != "pos_embed":
            value = 0.02 * torch.sin(0.01 * torch.arange(state[name].numel(), dtype=torch.float64) + number)
            is_scale = name.endswith(("norm.weight", "norm1.weight", "norm2.weight"))
            state[name] = (value + 1.0 if is_scale else value).reshape(state[name].shape)
    model.load_state_dict(state)
    return model.eval()


def waves() -> torch.Tensor:
    time = torch.arange(2500, dtype=torch.float64)
    return torch.stack([torch.sin(0.01 * time * (lead + 1)) for lead in range(8)])[None]


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-6)], ids=str)
def test_the_published_representation(dtype, tolerance):
    model = deterministic(ECGJEPA(embed_dim=32, depth=2, num_heads=4).to(dtype))
    found = model.representation(waves().to(dtype))[0]
    assert found.shape == (32,)
    assert torch.allclose(found[:6].double(), torch.tensor(GOLDEN, dtype=torch.float64), rtol=0, atol=tolerance)
    assert abs(float(found.sum()) - GOLDEN_SUM) < 32 * tolerance
    assert abs(float(found.norm()) - GOLDEN_NORM) < 10 * tolerance


def test_signals_of_another_number_format_are_taken():
    model = deterministic(ECGJEPA(embed_dim=32, depth=2, num_heads=4))
    assert torch.equal(model.representation(waves()), model.representation(waves().float()))
    assert model.representation(torch.ones(8, 2500, dtype=torch.int16)).shape == (1, 32)


def test_the_published_names_and_sizes():
    with torch.device("meta"):
        state = ECGJEPA(embed_dim=768, depth=12, num_heads=16).state_dict()
    assert len(state) == 137
    assert state["pos_embed"].shape == (400, 768)
    assert sum(value.numel() for name, value in state.items() if name != "pos_embed") == 85_067_520
    own = {f"encoder_blocks.blocks.{i}.{part}" for i in range(12) for part in (
        "norm1.weight", "norm1.bias", "attn.qkv.weight", "attn.proj.weight", "attn.proj.bias", "norm2.weight",
        "norm2.bias", "mlp.fc1.weight", "mlp.fc1.bias", "mlp.fc2.weight", "mlp.fc2.bias")}  # fmt: skip
    assert set(state) == own | {"W_P.weight", "W_P.bias", "pos_embed", "norm.weight", "norm.bias"}


def test_a_patch_sees_its_lead_and_its_column_of_time():
    mask = cross_mask(8, 50)
    assert mask.shape == (400, 400)
    assert (mask.sum(1) == 57).all()
    assert mask[3 * 50 + 7, 3 * 50 + 49]
    assert mask[3 * 50 + 7, 5 * 50 + 7]
    assert not mask[3 * 50 + 7, 5 * 50 + 8]


def test_the_first_half_of_the_position_is_time_and_the_second_the_lead():
    position = sine_cosine_position(32, 8, 50).reshape(8, 50, 32)
    assert torch.equal(position[0, :, :16], position[7, :, :16])
    assert torch.equal(position[:, 0, 16:], position[:, 49, 16:])


def test_the_position_is_added_before_every_block():
    model = deterministic(ECGJEPA(embed_dim=32, depth=2, num_heads=4).double())
    seen = []
    for block in model.encoder_blocks.blocks:
        block.register_forward_hook(lambda _, given, out: seen.append((given[0], out)))
    model.representation(waves())
    assert torch.equal(seen[1][0], seen[0][1] + model.pos_embed)
    assert not model.pos_embed.requires_grad


class TestFewerLeads:
    def test_all_leads_by_name_are_all_leads(self):
        model = deterministic(ECGJEPA(32, 2, 4).double())
        assert torch.equal(model.representation(waves(), leads=range(8)), model.representation(waves()))

    def test_the_order_of_the_rows_does_not_matter(self):
        model = deterministic(ECGJEPA(32, 2, 4).double())
        one, other = model.representation(waves()[:, [1, 4]], [1, 4]), model.representation(waves()[:, [4, 1]], [4, 1])
        assert torch.allclose(one, other, atol=1e-12)

    def test_a_lead_knows_which_one_it_is(self):
        model = deterministic(ECGJEPA(32, 2, 4).double())
        assert not torch.allclose(model.representation(waves()[:, :1], [0]), model.representation(waves()[:, :1], [5]))

    @pytest.mark.parametrize(("rows", "leads"), [(2, [0]), (2, [0, 0]), (1, [8]), (7, None), (0, [])], ids=str)
    def test_what_does_not_fit_is_an_error(self, rows, leads):
        with pytest.raises(ValueError, match=r"leads|takes"):
            ECGJEPA(32, 2, 4).representation(torch.zeros(1, rows, 2500), leads)


class TestCheckpoints:
    def test_a_published_checkpoint_loads_strictly_also_with_a_batched_position(self):
        state = deterministic(ECGJEPA(32, 2, 4)).state_dict()
        fresh = ECGJEPA(32, 2, 4)
        fresh.load_state_dict({"encoder": state | {"pos_embed": state["pos_embed"][None]}, "epoch": 3}["encoder"])
        assert torch.equal(fresh.representation(waves().float()), deterministic(ECGJEPA(32, 2, 4)).representation(
            waves().float()))  # fmt: skip

    def test_a_name_too_few_or_too_many_is_refused(self):
        state = ECGJEPA(32, 2, 4).state_dict()
        del state["norm.bias"]
        with pytest.raises(RuntimeError, match=r"norm\.bias"):
            ECGJEPA(32, 2, 4).load_state_dict(state)

    def test_a_file_of_anything_is_refused(self, tmp_path):
        (tmp_path / "jepa.pth").write_bytes(b"abc")
        with pytest.raises(ModelUnavailable, match="not a checkpoint"):
            convert_checkpoint(tmp_path / "jepa.pth", tmp_path / "jepa.safetensors")

    def test_conversion_to_safetensors(self, tmp_path):
        from safetensors.torch import load_file

        model = ECGJEPA(32, 2, 4)
        torch.save({"encoder": model.state_dict(), "epoch": 100}, tmp_path / "jepa.pth")
        assert convert_checkpoint(tmp_path / "jepa.pth", tmp_path / "jepa.safetensors") == len(model.state_dict())
        for name, value in load_file(tmp_path / "jepa.safetensors").items():
            assert torch.equal(value, model.state_dict()[name])

    def test_a_checkpoint_with_code_in_it_is_refused_and_not_run(self, tmp_path):
        class Evil:
            def __reduce__(self):
                return (open, (str(tmp_path / "ran"), "w"))

        torch.save({"encoder": Evil()}, tmp_path / "evil.pth")
        with pytest.raises(ModelUnavailable, match="not a checkpoint of tensors"):
            convert_checkpoint(tmp_path / "evil.pth", tmp_path / "out.safetensors")
        assert not (tmp_path / "ran").exists()
        assert not (tmp_path / "out.safetensors").exists()

    def test_weights_of_something_else_are_refused(self, tmp_path):
        torch.save({"encoder": {"x": torch.zeros(1)}}, tmp_path / "other.pth")
        with pytest.raises(ModelUnavailable, match="not ECG-JEPA's"):
            convert_checkpoint(tmp_path / "other.pth", tmp_path / "out.safetensors")
