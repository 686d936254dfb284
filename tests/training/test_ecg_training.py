"""ECGs in the trainer: the soft token of each row, gradients into encoder and projection, stage 1."""

import numpy as np
import pytest
import torch
from trl import GRPOConfig

from wetread.errors import RefusedInput
from wetread.model.ecg import ECGSettings, ECGTower, add_token
from wetread.model.ecg_input import Normalisation
from wetread.training.data.item import TrainingItem
from wetread.training.data.stream import Items
from wetread.training.drpo import DRPOAdvantage
from wetread.training.drpo_config import ModelPart, SmallModel
from wetread.training.ecg_batch import ecg_rows, signals_of, stacked
from wetread.training.questions import Questions
from wetread.training.start import Start, set_stage, start_from
from wetread.training.trainer import ByDomain, DRPOTrainer

pytestmark = pytest.mark.filterwarnings("ignore")


def recording(seed, leads=12, samples=5000):
    return np.random.default_rng(seed).normal(0, 0.3, (leads, samples)).astype(np.float32)


@pytest.fixture
def start():
    made = start_from(
        ModelPart("small", SmallModel(width=48, layers=2, hidden=48, vocabulary=300)), ["fast or slow?"], 0
    )
    add_token(made.model, made.processor.tokenizer)
    torch.manual_seed(0)
    tower = ECGTower(ECGSettings(embed_dim=32, depth=1, num_heads=4), 48)
    made.model.ecg = tower
    return Start(made.model, made.processor, made.box_frame, "", "small", None, tower)


def items():
    facts = {"question": "fast or slow?", "answer": "fast", "domain": "ecg", "dataset": "e"}
    plain = TrainingItem(id="p", group="p", images=(np.zeros((64, 64, 3), np.uint8),), **facts)
    return [plain, *(TrainingItem(id=str(k), group=str(k), waveforms=(recording(k),), **facts) for k in range(7))]


def test_twelve_leads_at_500_hz_become_eight_at_250():
    wave = recording(0)
    found = signals_of(wave, Normalisation.NONE)
    assert found.shape == (8, 2500)
    assert signals_of(wave[[0, 1, 6, 7, 8, 9, 10, 11]], Normalisation.NONE).tobytes() == found.tobytes()
    with pytest.raises(RefusedInput, match="shape"):
        signals_of(wave[:5], Normalisation.NONE)
    wave[3, 7] = np.nan
    with pytest.raises(RefusedInput, match="not numbers"):
        signals_of(wave, Normalisation.NONE)


def test_each_row_hears_its_own_ecg(start):
    token = start.processor.tokenizer.convert_tokens_to_ids("<|time_series_pad|>")
    signals = stacked(
        [signals_of(recording(1), Normalisation.NONE), None, signals_of(recording(2), Normalisation.NONE)]
    )
    ids = torch.tensor([[5, token], [5, 6], [token, 5]])
    with ecg_rows(start.model, start.ecg, token, signals):
        found = start.model.get_input_embeddings()(ids)
    torch.testing.assert_close(found[0, 1], start.ecg(signals[:1])[0])
    torch.testing.assert_close(found[2, 0], start.ecg(signals[2:])[0])
    with ecg_rows(start.model, start.ecg, token, signals), pytest.raises(ValueError, match="Time-series tokens"):
        start.model.get_input_embeddings()(ids.flip(0)[:, :1])


def test_stage_one_trains_encoder_and_projection_and_leaves_pixels(start):
    assert set_stage(start, ModelPart("small", stage=1, freeze_language=True)) == ["ECG encoder", "ECG projection"]
    trained = {name.split(".")[0] for name, weights in start.model.named_parameters() if weights.requires_grad}
    assert trained == {"ecg"}
    assert set_stage(start, ModelPart("small", stage=1, freeze_ecg_encoder=True)) == ["language", "ECG projection"]
    assert not start.ecg.encoder.state_dict()[next(iter(start.ecg.encoder.state_dict()))].requires_grad


def test_a_step_of_drpo_moves_the_ecg_encoder(start, tmp_path):
    set_stage(start, ModelPart("small", stage=1))
    questions = Questions(Items(items()), start.processor, normalisation=Normalisation.NONE)
    before = {name: weights.detach().clone() for name, weights in start.ecg.named_parameters()}
    pixels = {name: weights.detach().clone() for name, weights in start.model.model.visual.named_parameters()}
    args = GRPOConfig(output_dir=str(tmp_path), use_cpu=True, bf16=False, per_device_train_batch_size=8,
                      gradient_accumulation_steps=2, num_generations=4, max_completion_length=4, max_steps=2, beta=0.0,
                      report_to=[], save_strategy="no", disable_tqdm=True, gradient_checkpointing=False,
                      learning_rate=1e-2)  # fmt: skip
    token = start.processor.tokenizer.convert_tokens_to_ids("<|time_series_pad|>")
    trainer = DRPOTrainer(advantages=ByDomain(DRPOAdvantage()), ecg_token=token, model=start.model, args=args,
                          reward_funcs=lambda completions, **_: [(k * 13 % 11) / 10 for k in range(len(completions))],
                          train_dataset=questions.dataset(), processing_class=start.processor)  # fmt: skip
    trainer.train()
    moved = [name for name, weights in start.ecg.named_parameters() if not torch.equal(weights, before[name])]
    assert any(name.startswith("projection") for name in moved)
    assert any(name.startswith("encoder") for name in moved)
    assert all(torch.equal(weights, pixels[name]) for name, weights in start.model.model.visual.named_parameters())
